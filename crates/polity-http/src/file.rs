//! Files as bodies of answers: what of one is sent, and how it is read without waiting for a disk.
//!
//! What the system has in its cache is read, or sent, by the data-plane thread itself; what it has not is fetched by
//! a thread that may block, so that a slow disk holds up nobody but who asked for what is on it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};

use crate::encode::Encoder;
use crate::limits::FILE_CHUNK;

/// A part of a body.
#[derive(Debug)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Those of the file.
    Range(Range<u64>),
}

/// A body that is read from a file. It has the length that it was made with: should the file have become
/// shorter, the answer is broken off.
pub struct FileBody {
    file: Arc<File>,
    /// What it goes through, if anything.
    pub(crate) encoder: Option<Box<dyn Encoder + Send>>,
    pub(crate) pieces: VecDeque<Piece>,
    /// Up to where the system is known to have it in its cache.
    cached: u64,
}

/// What a blocking thread brings, or makes ready.
pub(crate) type Fetching = JoinHandle<io::Result<Vec<u8>>>;

impl FileBody {
    /// The pieces one after the other.
    pub fn new(file: File, pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self {
            file: Arc::new(file),
            encoder: None,
            pieces: pieces.into_iter().collect(),
            cached: 0,
        }
    }

    /// The same through an encoder, for a client that chunks can be sent to.
    pub fn encoded(self, encoder: Box<dyn Encoder + Send>) -> Self {
        Self {
            encoder: Some(encoder),
            ..self
        }
    }

    /// How many bytes are left, before they are encoded.
    pub fn length(&self) -> u64 {
        let lengths = self.pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Range(range) => range.end.saturating_sub(range.start),
        });
        lengths.sum()
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Appends what there is without waiting of `count` bytes from `offset` on: none where the file ends before.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where it has to be [fetched](Self::fetch); and those of the file.
    pub(crate) fn read_now(
        &self,
        offset: u64,
        count: usize,
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let start = out.len();
        out.resize(start + count, 0);
        let read = read_cached(&self.file, offset, &mut out[start..]);
        out.truncate(start + *read.as_ref().unwrap_or(&0));
        read
    }

    /// Has `count` bytes from `offset` on, or as many as there are, read by a thread that may block.
    pub(crate) fn fetch(&self, offset: u64, count: usize) -> Fetching {
        let file = self.file.clone();
        spawn_blocking(move || {
            let mut bytes = vec![0; count];
            let read = read_up_to(&file, offset, &mut bytes)?;
            bytes.truncate(read);
            Ok(bytes)
        })
    }

    /// How many bytes from `offset` on, of up to `wanted`, can be sent without waiting; or what makes them so.
    pub(crate) fn ready_to_send(&mut self, offset: u64, wanted: u64) -> Result<usize, Fetching> {
        let count = wanted.min(FILE_CHUNK as u64);
        let end = offset + count;
        if end > self.cached && !is_cached(&self.file, offset..end) {
            self.cached = end;
            return Err(self.warm(offset, count as usize));
        }
        self.cached = self.cached.max(end);
        Ok(count as usize)
    }

    /// Brings bytes into the system's cache.
    fn warm(&self, offset: u64, count: usize) -> Fetching {
        let file = self.file.clone();
        spawn_blocking(move || {
            let mut bytes = vec![0; count];
            // Should it fail, sending it will.
            read_up_to(&file, offset, &mut bytes)?;
            Ok(Vec::new())
        })
    }
}

fn read_up_to(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Whether the first and the last byte are in the system's cache, or beyond the end of the file: of what it reads
/// ahead, nearly always all or nothing is.
fn is_cached(file: &File, range: Range<u64>) -> bool {
    let is_there = |offset| read_cached(file, offset, &mut [0]).is_ok();
    is_there(range.start) && is_there(range.end.saturating_sub(1))
}

#[cfg(target_os = "linux")]
fn read_cached(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut slices = [io::IoSliceMut::new(bytes)];
    match preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
        // The file system does not tell.
        Err(Errno::OPNOTSUPP) if is_in_memory(file) => file.read_at(bytes, offset),
        Err(Errno::OPNOTSUPP | Errno::AGAIN | Errno::NOSYS | Errno::INTR) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        read => Ok(read?),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: u64, _: &mut [u8]) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Whether its file system has no disk below it.
#[cfg(target_os = "linux")]
fn is_in_memory(file: &File) -> bool {
    const TMPFS: i128 = 0x0102_1994;
    const RAMFS: i128 = 0x8584_58f6;
    rustix::fs::fstatfs(file).is_ok_and(|about| [TMPFS, RAMFS].contains(&i128::from(about.f_type)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().expect("a temporary file");
        file.write_all_at(bytes, 0).expect("written");
        file
    }

    #[test]
    fn a_body_is_as_long_as_its_pieces() {
        let pieces = [
            Piece::Bytes(vec![1; 3]),
            Piece::Range(10..20),
            Piece::Bytes(Vec::new()),
            Piece::Range(5..5),
        ];
        assert_eq!(FileBody::new(file(b""), pieces).length(), 13);
    }

    #[tokio::test]
    async fn what_is_there_is_read_up_to_the_end_of_the_file() {
        let body = FileBody::new(file(b"0123456789"), []);
        let mut out = b"before ".to_vec();
        match body.read_now(8, 100, &mut out) {
            Ok(read) => {
                assert_eq!((read, &out[..]), (2, &b"before 89"[..]));
                assert_eq!(body.read_now(10, 100, &mut out).expect("read"), 0);
            }
            Err(_) => assert_eq!(out, b"before ", "nothing is appended in vain"),
        }
        let fetched = body.fetch(3, 4).await.expect("it ran").expect("read");
        assert_eq!(fetched, b"3456");
        let fetched = body.fetch(8, 4).await.expect("it ran").expect("read");
        assert_eq!(fetched, b"89");
    }

    #[tokio::test]
    async fn what_is_to_be_sent_is_looked_at_once_for_each_chunk() {
        let bytes = vec![7; 3 * FILE_CHUNK];
        let mut body = FileBody::new(file(&bytes), []);
        let mut offset = 0;
        while offset < bytes.len() as u64 {
            match body.ready_to_send(offset, bytes.len() as u64 - offset) {
                Ok(count) => {
                    assert!(count > 0 && count <= FILE_CHUNK);
                    offset += count as u64;
                }
                // Once it was fetched, it is taken for ready.
                Err(fetching) => drop(fetching.await.expect("it ran").expect("read")),
            }
        }
    }
}
