//! The encoders: each holds little, and there are not more of them than there is memory for.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use brotli::CompressorWriter;
use flate2::write::GzEncoder;
use polity_http::Encoder;
use polity_plan::Coding;

/// Bodies that are compressed at once, over all threads; beyond, they are sent as they are. At about 1 MiB each, a
/// quarter of a gigabyte.
const MAX_ENCODERS: usize = 256;

/// How far back what is repeated is looked for, as powers of two: what a browser keeps for each as well, and most of
/// what there is to gain for a page.
const ZSTD_WINDOW: u32 = 17;
const BROTLI_WINDOW: u32 = 18;

/// What is worth it while a client waits: beyond, each level costs twice for some percent.
const ZSTD_LEVEL: i32 = 3;
const BROTLI_QUALITY: u32 = 4;
const GZIP_LEVEL: u32 = 5;

/// What brotli gathers before it writes, in bytes.
const BROTLI_BUFFER: usize = 4096;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Leave to compress one body, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    running: &'static AtomicUsize,
}

impl Permit {
    /// None where there are as many as there may be.
    pub(crate) fn take() -> Option<Self> {
        Self::take_of(&RUNNING)
    }

    fn take_of(running: &'static AtomicUsize) -> Option<Self> {
        let before = running.fetch_add(1, Ordering::Relaxed);
        // One too many is given back at once.
        Some(Self { running }).filter(|_| before < MAX_ENCODERS)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An encoder; none where it cannot be made.
pub(crate) fn encoder(coding: Coding, permit: Permit) -> Option<Box<dyn Encoder + Send>> {
    Some(match coding {
        Coding::Gzip => {
            let level = flate2::Compression::new(GZIP_LEVEL);
            boxed(GzEncoder::new(Vec::new(), level), permit)
        }
        Coding::Brotli => {
            let writer =
                CompressorWriter::new(Vec::new(), BROTLI_BUFFER, BROTLI_QUALITY, BROTLI_WINDOW);
            boxed(Brotli::Open(Box::new(writer)), permit)
        }
        Coding::Zstd => {
            let mut writer = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).ok()?;
            writer.window_log(ZSTD_WINDOW).ok()?;
            boxed(writer, permit)
        }
    })
}

fn boxed<W: Compress + Send + 'static>(writer: W, permit: Permit) -> Box<dyn Encoder + Send> {
    Box::new(Compressing {
        writer,
        _permit: permit,
    })
}

/// A compressor over a vector.
trait Compress: Write {
    /// What it has written.
    fn written(&mut self) -> &mut Vec<u8>;

    /// Writes the end.
    fn end(&mut self) -> io::Result<()>;
}

struct Compressing<W> {
    writer: W,
    _permit: Permit,
}

impl<W: Compress> Compressing<W> {
    fn give(&mut self, out: &mut Vec<u8>) {
        out.append(self.writer.written());
    }
}

impl<W: Compress> Encoder for Compressing<W> {
    fn encode(&mut self, data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.writer.write_all(data)?;
        self.give(out);
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.writer.flush()?;
        self.give(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.writer.end()?;
        self.give(out);
        Ok(())
    }
}

impl Compress for GzEncoder<Vec<u8>> {
    fn written(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn end(&mut self) -> io::Result<()> {
        self.try_finish()
    }
}

impl Compress for zstd::Encoder<'static, Vec<u8>> {
    fn written(&mut self) -> &mut Vec<u8> {
        self.get_mut()
    }

    fn end(&mut self) -> io::Result<()> {
        self.do_finish()
    }
}

/// It ends by being taken apart.
enum Brotli {
    Open(Box<CompressorWriter<Vec<u8>>>),
    Ended(Vec<u8>),
}

impl Write for Brotli {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(writer) => writer.write(bytes),
            Self::Ended(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(writer) => writer.flush(),
            Self::Ended(_) => Ok(()),
        }
    }
}

impl Compress for Brotli {
    fn written(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Open(writer) => writer.get_mut(),
            Self::Ended(written) => written,
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if let Self::Open(writer) = std::mem::replace(self, Self::Ended(Vec::new())) {
            *self = Self::Ended(writer.into_inner());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    fn new(coding: Coding) -> Box<dyn Encoder + Send> {
        let permit = Permit::take().expect("there are few");
        encoder(coding, permit).expect("it can be made")
    }

    /// What can be made of a body, whole or not.
    fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut reader: Box<dyn Read> = match coding {
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
            Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
            Coding::Zstd => Box::new(zstd::Decoder::new(bytes).expect("a decoder")),
        };
        let (mut decoded, mut piece) = (Vec::new(), [0; 512]);
        while let Ok(read @ 1..) = reader.read(&mut piece) {
            decoded.extend_from_slice(&piece[..read]);
        }
        decoded
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_whatever_pieces(pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..2000), any::<bool>()), 0..8)) {
            for coding in ALL {
                let (mut encoder, mut out) = (new(coding), Vec::new());
                for (piece, is_flushed) in &pieces {
                    encoder.encode(piece, &mut out).expect("taken");
                    if *is_flushed {
                        encoder.flush(&mut out).expect("flushed");
                    }
                }
                encoder.finish(&mut out).expect("ended");
                let expected: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece).copied().collect();
                prop_assert_eq!(decoded(coding, &out), expected);
            }
        }
    }

    #[test]
    fn what_is_flushed_can_be_read() {
        for coding in ALL {
            let (mut encoder, mut out) = (new(coding), Vec::new());
            for word in ["one ", "two ", "three "] {
                encoder.encode(word.as_bytes(), &mut out).expect("taken");
                encoder.flush(&mut out).expect("flushed");
                let read = decoded(coding, &out);
                assert!(read.ends_with(word.as_bytes()), "{coding:?} {word}");
            }
        }
    }

    #[test]
    fn text_becomes_much_smaller_and_little_is_kept() {
        let line = b"The quick brown fox jumps over the lazy dog, and so on.\n";
        for coding in ALL {
            let (mut encoder, mut out, mut length) = (new(coding), Vec::new(), 0);
            for _ in 0..20_000 {
                encoder.encode(line, &mut out).expect("taken");
                length += line.len();
            }
            encoder.finish(&mut out).expect("ended");
            assert!(
                out.len() < length / 50,
                "{coding:?}: {} of {length}",
                out.len()
            );
        }
    }

    #[test]
    fn there_are_not_more_than_there_may_be() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let take = || Permit::take_of(&RUNNING);
        let held: Vec<_> = (0..MAX_ENCODERS).map_while(|_| take()).collect();
        assert_eq!(held.len(), MAX_ENCODERS);
        assert!(take().is_none() && take().is_none());
        drop(held);
        assert!(take().is_some());
        assert_eq!(RUNNING.load(Ordering::Relaxed), 0);
    }
}
