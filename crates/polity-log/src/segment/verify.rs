//! Verifying a segment's batches, checksums included.

use std::io;

use super::Segment;
use crate::batch::{BatchError, HEADER, Header};
use crate::disk::{Disk, File};

/// Read at once; a batch that is larger is read by itself.
const WINDOW: usize = 1 << 20;

/// How far batches are whole.
#[derive(Debug)]
pub(crate) struct Verified {
    /// Where the last whole batch ends.
    pub(crate) end: u32,
    /// What is wrong with what follows.
    pub(crate) why: Option<String>,
}

impl<D: Disk> Segment<D> {
    /// Nothing in it is to be believed.
    pub(crate) fn nothing(&self, why: &str) -> Verified {
        Verified {
            end: 0,
            why: Some(why.to_owned()),
        }
    }

    /// Hands over every whole batch from one position to another, until one is not, or is refused.
    pub(crate) fn verify(
        &self,
        from: u32,
        to: u32,
        mut take: impl FnMut(&Header, u32, &[u8]) -> Result<(), String>,
    ) -> io::Result<Verified> {
        let file = self.file()?;
        let mut window = Vec::new();
        // Where in the window the next batch begins, and where that is in the file.
        let (mut at, mut position) = (0, from);
        while position < to {
            let rest: &[u8] = window.get(at..).unwrap_or_default();
            let needs = match Header::parse_checked(rest) {
                Ok(header) => {
                    let batch = rest.get(..header.length).unwrap_or_default();
                    if let Err(why) = take(&header, position, batch) {
                        return Ok(Verified {
                            end: position,
                            why: Some(why),
                        });
                    }
                    (at, position) = (at + header.length, position + header.length as u32);
                    continue;
                }
                Err(BatchError::Short { needs, .. }) => needs.max(HEADER),
                Err(error) => {
                    return Ok(Verified {
                        end: position,
                        why: Some(error.to_string()),
                    });
                }
            };
            let left = (to - position) as usize;
            if needs > left {
                let why = BatchError::Short { has: left, needs }.to_string();
                return Ok(Verified {
                    end: position,
                    why: Some(why),
                });
            }
            window.resize(WINDOW.max(needs).min(left), 0);
            let read = file.read_at(&mut window, u64::from(position))?;
            window.truncate(read);
            if read < needs {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at = 0;
        }
        Ok(Verified {
            end: position,
            why: None,
        })
    }
}
