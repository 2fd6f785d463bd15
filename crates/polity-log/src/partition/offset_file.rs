//! Small files of a partition that say an offset, with its checksum.

use std::io;
use std::path::Path;

use crate::disk::{Disk, read_small, write_atomically};
use crate::id::Offset;

/// Bytes of an offset and of its checksum.
const SIZE: usize = 12;

/// One kind of them, by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct OffsetFile(pub(super) &'static str);

impl OffsetFile {
    /// After a crash there is the offset from before or this one.
    pub(super) fn write<D: Disk>(self, disk: &D, folder: &Path, offset: Offset) -> io::Result<()> {
        let offset = offset.0.to_be_bytes();
        let checksum = crc32c::crc32c(&offset).to_be_bytes();
        let bytes = [&offset[..], &checksum].concat();
        write_atomically(disk, &folder.join(self.0), &bytes)
    }

    /// None where there is none, or it is damaged, which is logged.
    pub(super) fn read<D: Disk>(self, disk: &D, folder: &Path) -> io::Result<Option<Offset>> {
        let path = folder.join(self.0);
        let Some(bytes) = read_small(disk, &path, SIZE)? else {
            return Ok(None);
        };
        let offset = decode(&bytes);
        if offset.is_none() {
            tracing::warn!("{} is damaged, and goes for not there", path.display());
        }
        Ok(offset)
    }

    /// Whether there is one, damaged or not.
    pub(super) fn is_there<D: Disk>(self, disk: &D, folder: &Path) -> io::Result<bool> {
        Ok(read_small(disk, &folder.join(self.0), SIZE)?.is_some())
    }
}

fn decode(bytes: &[u8]) -> Option<Offset> {
    let (offset, checksum) = bytes.split_first_chunk::<8>()?;
    let is_right = crc32c::crc32c(offset).to_be_bytes() == *checksum;
    is_right.then_some(Offset(i64::from_be_bytes(*offset)))
}
