//! Batches of records as their producers compressed them.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use flate2::read::GzDecoder;
use kafka_protocol::records::Compression;
use lz4_flex::frame::FrameDecoder;
use ruzstd::decoding::StreamingDecoder;

/// The most that one batch may become: a bomb is refused.
const MAX_SIZE: usize = 64 * 1024 * 1024;

/// What Java's clients put before blocks of Snappy, each after its length.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER: usize = 16;

/// The records of a batch, decompressed.
pub fn decompress(data: &[u8], compression: Compression) -> Result<Bytes> {
    match compression {
        Compression::None => Ok(Bytes::copy_from_slice(data)),
        Compression::Gzip => bounded(GzDecoder::new(data)),
        Compression::Snappy => snappy(data),
        Compression::Lz4 => bounded(FrameDecoder::new(data)),
        Compression::Zstd => bounded(StreamingDecoder::new(data)?),
    }
}

fn bounded(reader: impl Read) -> Result<Bytes> {
    let mut data = Vec::new();
    reader.take(MAX_SIZE as u64 + 1).read_to_end(&mut data)?;
    ensure!(data.len() <= MAX_SIZE, "a batch becomes too large");
    Ok(data.into())
}

fn snappy(data: &[u8]) -> Result<Bytes> {
    let mut whole = Vec::new();
    let Some(mut blocks) = data
        .starts_with(XERIAL_MAGIC)
        .then(|| data.get(XERIAL_HEADER..))
        .flatten()
    else {
        snappy_block(data, &mut whole)?;
        return Ok(whole.into());
    };
    while !blocks.is_empty() {
        let (length, rest) = blocks.split_first_chunk().context("a block is cut short")?;
        let length = usize::try_from(i32::from_be_bytes(*length))?;
        let (block, rest) = rest
            .split_at_checked(length)
            .context("a block is cut short")?;
        snappy_block(block, &mut whole)?;
        blocks = rest;
    }
    Ok(whole.into())
}

fn snappy_block(block: &[u8], whole: &mut Vec<u8>) -> Result<()> {
    let length = snap::raw::decompress_len(block)?;
    let start = whole.len();
    ensure!(length <= MAX_SIZE - start, "a batch becomes too large");
    whole.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut whole[start..])?;
    Ok(())
}
