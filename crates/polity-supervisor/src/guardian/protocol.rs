//! What Polity and the guardian say to each other: JSON in frames with a length in front.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::Exit;

/// The largest frame's JSON, in bytes. Linux takes 2 MiB of arguments and environment by default and 6 MiB
/// at most; JSON may double what is full of quotes.
pub(super) const MAX_FRAME: usize = 16 << 20;

/// A buffer that once held a large frame is given back above this size.
const KEPT_BUFFER: usize = 64 << 10;

const LENGTH_BYTES: usize = 4;

/// The environment variable that marks what belongs to a launch: `GUARDIAN_PID.LAUNCH_ID`. A
/// process that left its group and its parents behind still carries it, unless it cleared its environment.
pub(super) const LAUNCH_VARIABLE: &str = "POLITY_LAUNCH";

/// Names a launch within one guardian's life.
pub(super) type LaunchId = u64;

/// From Polity to the guardian.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Start this. The write ends for standard output and error come with the frame's first byte.
    Launch {
        /// Chosen by Polity.
        id: LaunchId,
        /// What to start.
        program: Program,
    },
    /// SIGTERM to the group.
    Terminate(LaunchId),
    /// SIGKILL to all that belongs to the launch, until none is left.
    Kill(LaunchId),
}

/// What to start, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Program {
    pub words: Vec<String>,
    pub dir: PathBuf,
    pub env: BTreeMap<String, String>,
}

/// From the guardian to Polity.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Event {
    /// The program runs: its `exec` has succeeded.
    Started { id: LaunchId, pid: u32 },
    /// It does not, and nothing is left of it.
    Failed { id: LaunchId, failure: Failure },
    /// The process itself has ended; others of its launch may be there still.
    Exited { id: LaunchId, exit: Exit },
    /// Nothing that belongs to the launch is left.
    Gone(LaunchId),
}

/// Why a program was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub step: Step,
    pub errno: i32,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Making the process.
    Fork,
    /// Entering its directory.
    Directory,
    /// Executing the program.
    Program,
    /// Executing the interpreter that the program's first line names.
    Interpreter,
}

impl Failure {
    pub(super) fn new(step: Step, error: &io::Error) -> Self {
        let errno = error
            .raw_os_error()
            .unwrap_or(rustix::io::Errno::IO.raw_os_error());
        Self { step, errno }
    }
}

/// A message as it goes over the socket.
///
/// # Errors
/// When it is larger than a frame may be.
pub(super) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - LENGTH_BYTES;
    if length > MAX_FRAME {
        return Err(rustix::io::Errno::TOOBIG.into());
    }
    frame[..LENGTH_BYTES].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Puts frames together from what a stream delivers.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    read: usize,
}

impl Frames {
    /// Adds what has arrived.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// When the other side does not keep to the protocol.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let waiting = &self.buffer[self.read..];
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH_BYTES>() else {
            self.compact();
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a frame is too long",
            ));
        }
        let Some(json) = rest.get(..length) else {
            self.compact();
            return Ok(None);
        };
        let message = serde_json::from_slice(json)?;
        self.read += LENGTH_BYTES + length;
        Ok(Some(message))
    }

    fn compact(&mut self) {
        self.buffer.drain(..self.read);
        self.read = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request() -> impl Strategy<Value = Request> {
        let program = (
            proptest::collection::vec(".*", 1..4),
            "/[a-z]{0,9}",
            proptest::collection::btree_map("[A-Z]{1,9}", ".{0,200}", 0..5),
        );
        let program = program.prop_map(|(words, dir, env)| Program {
            words,
            dir: dir.into(),
            env,
        });
        prop_oneof![
            (any::<u64>(), program).prop_map(|(id, program)| Request::Launch { id, program }),
            any::<u64>().prop_map(Request::Terminate),
            any::<u64>().prop_map(Request::Kill),
        ]
    }

    proptest! {
        #[test]
        fn messages_survive_any_cut_of_the_stream(
            sent in proptest::collection::vec(request(), 0..8),
            piece in 1usize..300,
        ) {
            let stream: Vec<u8> = sent.iter().flat_map(|m| encode(m).expect("small")).collect();
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for bytes in stream.chunks(piece) {
                frames.extend(bytes);
                while let Some(message) = frames.next::<Request>().expect("well formed") {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(frames.buffer.is_empty());
        }

        #[test]
        fn garbage_is_an_error_or_incomplete_and_never_a_panic(bytes: Vec<u8>) {
            let mut frames = Frames::default();
            frames.extend(&bytes);
            while let Ok(Some(_)) = frames.next::<Request>() {}
        }
    }

    #[test]
    fn a_message_too_large_for_a_frame_is_refused_on_both_sides() {
        let error = encode(&"x".repeat(MAX_FRAME)).expect_err("the quotes are too much");
        assert_eq!(error.kind(), io::ErrorKind::ArgumentListTooLong);
        let mut frames = Frames::default();
        frames.extend(&u32::MAX.to_le_bytes());
        assert!(frames.next::<Request>().is_err());
    }
}
