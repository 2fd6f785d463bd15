//! Batches of records as their producers compressed them.

use std::io::Read;

use anyhow::Result;
use bytes::Bytes;
use kafka_protocol::records::Compression as Codec;
use polity_log::batch::{self, Compression};

/// The records of a batch, decompressed. What a bomb can take of memory is bounded.
pub fn decompress(data: &[u8], codec: Codec) -> Result<Bytes> {
    let compression = match codec {
        Codec::None => Compression::None,
        Codec::Gzip => Compression::Gzip,
        Codec::Snappy => Compression::Snappy,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zstd => Compression::Zstd,
    };
    let mut plain = Vec::new();
    batch::decompress(compression, data)?.read_to_end(&mut plain)?;
    Ok(plain.into())
}
