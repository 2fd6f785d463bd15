//! What processes print: read without ever making them wait, kept in memory and in files of bounded size.

mod line;
mod lines;
mod recent;
mod rotation;
mod store;
mod tail;
mod writer;

use std::sync::Arc;

use tokio::net::unix::pipe;

pub use line::Line;
pub use store::{Filter, LogStore, Status};

use self::lines::Splitter;
use crate::process::{OutputSink, Stream};

const READ_SIZE: usize = 16 << 10;

/// Reads to the end of the pipe, which comes when the last process that holds it is gone.
pub(crate) async fn read_lines(pipe: pipe::Receiver, stream: Stream, sink: Arc<dyn OutputSink>) {
    let mut splitter = Splitter::default();
    let mut buffer = Vec::new();
    loop {
        // An idle process costs no buffer.
        if pipe.readable().await.is_err() {
            break;
        }
        buffer.reserve(READ_SIZE);
        match pipe.try_read_buf(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {
                splitter.push(&buffer, &mut |line| sink.line(stream, line));
                // A pipe that is never empty would keep this thread from health checks, commands
                // and signals: everybody else has a turn before the next read.
                tokio::task::yield_now().await;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::warn!(%error, "could not read a process's output");
                break;
            }
        }
        buffer = Vec::new();
    }
    splitter.finish(&mut |line| sink.line(stream, line));
}

#[cfg(test)]
mod tests;
