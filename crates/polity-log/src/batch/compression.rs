//! Records as their producers compressed them.
//!
//! Nothing of this is on the way of a batch that is stored or read. Only compaction has to know keys, and so
//! who appends to a topic that is compacted; and who shows records to people. What comes from outside may be a bomb: the memory that it can
//! take is bounded, and so is what may come out of it.

use std::io::{self, Read, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::Compression;

/// The most that the records of one batch may become.
pub(crate) const MAX_DECOMPRESSED: usize = 64 << 20;

/// How far back what is compressed with Zstandard may refer; a decoder holds as much. RFC 8878 asks for 8 MiB
/// at least.
const MAX_WINDOW: u64 = 16 << 20;

/// The most that a byte compressed with Snappy can become: a copy of 64 bytes takes three.
const MAX_SNAPPY_RATIO: usize = 22;

/// What Java's clients put before blocks of Snappy, each after its length.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// Reads what was compressed, a piece at a time. Beyond 64 MiB there is an error.
///
/// # Errors
///
/// Where its beginning is not of that compression, or asks for more memory than it may have.
pub fn decompress<'a>(compression: Compression, data: &'a [u8]) -> io::Result<Box<dyn Read + 'a>> {
    let reader: Box<dyn Read> = match compression {
        Compression::None => Box::new(data),
        Compression::Gzip => Box::new(GzDecoder::new(data)),
        Compression::Snappy => Box::new(Snappy::new(data)),
        Compression::Lz4 => Box::new(FrameDecoder::new(data)),
        Compression::Zstd => {
            check_window(data)?;
            Box::new(StreamingDecoder::new(data).map_err(malformed)?)
        }
    };
    let left = MAX_DECOMPRESSED;
    Ok(Box::new(Bounded { reader, left }))
}

/// Compresses. What comes out is read back: it takes the place of what a producer sent.
///
/// # Errors
///
/// Where that does not give the same.
pub(crate) fn compress(compression: Compression, plain: &[u8]) -> io::Result<Vec<u8>> {
    let compressed = match compression {
        Compression::None => plain.to_vec(),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain)?;
            encoder.finish()?
        }
        Compression::Snappy => {
            let block = snap::raw::Encoder::new().compress_vec(plain);
            let block = block.map_err(malformed)?;
            let length = i32::try_from(block.len()).map_err(malformed)?;
            [XERIAL_HEADER, &length.to_be_bytes(), &block].concat()
        }
        Compression::Lz4 => {
            let mut encoder = FrameEncoder::new(Vec::new());
            encoder.write_all(plain)?;
            encoder.finish().map_err(malformed)?
        }
        Compression::Zstd => compress_to_vec(plain, CompressionLevel::Fastest),
    };
    let mut back = Vec::with_capacity(plain.len());
    decompress(compression, &compressed)?.read_to_end(&mut back)?;
    match back == plain {
        true => Ok(compressed),
        false => Err(malformed("what was compressed comes back otherwise")),
    }
}

fn malformed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

struct Bounded<R> {
    reader: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // One byte more than there may be, to find out whether there is.
        let most = into.len().min(self.left + 1);
        let read = self.reader.read(into.get_mut(..most).unwrap_or_default())?;
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(malformed("the records of the batch become too large")),
        }
    }
}

/// Blocks of Snappy, one at a time.
struct Snappy<'a> {
    /// One without a length, or others with theirs.
    rest: &'a [u8],
    is_framed: bool,
    block: Vec<u8>,
    at: usize,
}

impl<'a> Snappy<'a> {
    fn new(data: &'a [u8]) -> Self {
        let framed = data
            .starts_with(XERIAL_MAGIC)
            .then(|| data.get(XERIAL_HEADER.len()..).unwrap_or_default());
        Self {
            rest: framed.unwrap_or(data),
            is_framed: framed.is_some(),
            block: Vec::new(),
            at: 0,
        }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let block = match self.is_framed {
            true => self.take_block().ok_or(io::ErrorKind::UnexpectedEof)?,
            false => std::mem::take(&mut self.rest),
        };
        let length = snap::raw::decompress_len(block).map_err(malformed)?;
        if length > MAX_DECOMPRESSED.min(block.len().saturating_mul(MAX_SNAPPY_RATIO)) {
            return Err(malformed("a block of the batch becomes too large"));
        }
        self.block.resize(length, 0);
        self.at = 0;
        let mut decoder = snap::raw::Decoder::new();
        let decompressed = decoder.decompress(block, &mut self.block);
        decompressed.map(|_| ()).map_err(malformed)
    }

    fn take_block(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
        let (block, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(block)
    }
}

impl Read for Snappy<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() && !self.rest.is_empty() {
            self.next_block()?;
        }
        let mut left = self.block.get(self.at..).unwrap_or_default();
        let read = left.read(into)?;
        self.at += read;
        Ok(read)
    }
}

/// Refuses a frame that refers further back than it may (RFC 8878, 3.1.1.1): the decoder would hold all of
/// that.
fn check_window(data: &[u8]) -> io::Result<()> {
    let window = window(data).ok_or_else(|| malformed("it does not begin as a frame does"))?;
    match window <= MAX_WINDOW {
        true => Ok(()),
        false => Err(malformed("its frame asks for too large a window")),
    }
}

fn window(data: &[u8]) -> Option<u64> {
    let descriptor = *data.get(4)?;
    let after = data.get(5..)?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let byte = *after.first()?;
        let base = 1_u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    // The whole of it is the window, and its size follows the dictionary's number.
    let skipped = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let length = 1_usize << (descriptor >> 6);
    let mut size = [0; 8];
    size.get_mut(..length)?
        .copy_from_slice(after.get(*skipped..skipped + length)?);
    let size = u64::from_le_bytes(size);
    Some(size + if length == 2 { 256 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 4] = [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    fn read(compression: Compression, data: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        decompress(compression, data)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    /// So many zeros, as small as they can be made.
    fn bomb(compression: Compression, size: usize) -> Vec<u8> {
        match compression {
            Compression::Zstd => {
                // Blocks of one byte that is repeated 128 KiB times.
                let block = |is_last: usize| {
                    let header = (is_last | 1 << 1 | (128 << 10) << 3) as u32;
                    let [a, b, c, _] = header.to_le_bytes();
                    [a, b, c, 0]
                };
                let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3];
                (1..size >> 17).for_each(|_| frame.extend(block(0)));
                frame.extend(block(1));
                frame
            }
            _ => compress_unchecked(compression, &vec![0; size]),
        }
    }

    fn compress_unchecked(compression: Compression, plain: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Snappy => snap::raw::Encoder::new()
                .compress_vec(plain)
                .expect("it is compressed"),
            Compression::Lz4 => {
                let mut encoder = FrameEncoder::new(Vec::new());
                encoder.write_all(plain).expect("it is compressed");
                encoder.finish().expect("it is compressed")
            }
            _ => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(plain).expect("it is compressed");
                encoder.finish().expect("it is compressed")
            }
        }
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(|it| [it as u8, 7]).collect();
        for compression in ALL {
            for plain in [&plain[..], &plain[..1], &[]] {
                let compressed = compress(compression, plain).expect("it is compressed");
                let back = read(compression, &compressed).expect("it is read");
                assert!(back == plain, "{compression:?}");
            }
        }
    }

    #[test]
    fn a_bomb_ends_at_the_bound() {
        for compression in ALL {
            let fits = bomb(compression, MAX_DECOMPRESSED);
            let plain = read(compression, &fits).expect("it fits");
            assert_eq!(plain.len(), MAX_DECOMPRESSED, "{compression:?}");
            let refused = read(
                compression,
                &bomb(compression, MAX_DECOMPRESSED + (1 << 17)),
            );
            let why = refused.expect_err("it is too large").to_string();
            assert!(why.contains("too large"), "{compression:?}: {why}");
        }
    }

    #[test]
    fn what_lies_about_its_size_gets_no_memory_for_it() {
        let snappy = [0xff, 0xff, 0xff, 0x1f, 0];
        let framed = [XERIAL_HEADER, &5_u32.to_be_bytes(), &snappy].concat();
        let window = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 0, 0, 0];
        let single = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        for (compression, data) in [
            (Compression::Snappy, &snappy[..]),
            (Compression::Snappy, &framed),
            (Compression::Zstd, &window),
            (Compression::Zstd, &single),
        ] {
            let why = read(compression, data).expect_err("it lies").to_string();
            assert!(why.contains("too large"), "{compression:?}: {why}");
        }
    }

    #[test]
    fn what_is_cut_short_or_is_no_such_thing_is_an_error() {
        for compression in ALL {
            let whole = compress(compression, &[7; 1000]).expect("it is compressed");
            for length in 1..whole.len() {
                let short = read(compression, &whole[..length]);
                let is_told = short.is_err() || short.is_ok_and(|plain| plain.len() <= 1000);
                assert!(is_told, "{compression:?} cut off at {length}");
            }
            assert!(read(compression, &[0xff; 100]).is_err(), "{compression:?}");
        }
    }
}
