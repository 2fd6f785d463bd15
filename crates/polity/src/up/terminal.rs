//! The thread that writes to the terminal, so that one that is slow or stopped holds up nobody.

use std::io::Write;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How many texts may wait for a terminal that is slow or stopped. What does not fit is left out:
/// it is in the log files, and nothing that runs waits for a reader.
const MAX_WAITING: usize = 4096;

/// How long the end waits for the last word to be written.
const MAX_LAST_WORD: Duration = Duration::from_secs(1);

/// Queues texts for the thread.
pub struct Terminal {
    texts: SyncSender<Text>,
    /// Disconnected once the thread has ended.
    ended: Mutex<Receiver<()>>,
}

enum Text {
    Show(String),
    End,
}

impl Terminal {
    /// Starts the thread; without one, nothing is shown.
    pub fn start(mut out: impl Write + Send + 'static) -> Self {
        let (texts, waiting) = mpsc::sync_channel::<Text>(MAX_WAITING);
        let (alive, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("screen".to_owned());
        let spawned = thread.spawn(move || {
            let _alive: mpsc::Sender<()> = alive;
            while let Ok(Text::Show(text)) = waiting.recv() {
                // A terminal that is gone is no reason to stop what runs.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "nothing is shown here: there is no thread to write it");
        }
        let ended = Mutex::new(ended);
        Self { texts, ended }
    }

    /// Queues a text. Full: left out, see [`MAX_WAITING`]. Disconnected: the last word has been said.
    pub fn show(&self, text: String) {
        let _ = self.texts.try_send(Text::Show(text));
    }

    /// Waits, within bounds, until what was queued is written: a stopped terminal must not keep the
    /// system from its end, nor the next one from its data folder.
    pub fn finish(&self) {
        if self.texts.try_send(Text::End).is_ok() {
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(MAX_LAST_WORD);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Writes nothing until its other end is dropped.
    struct Stopped(Receiver<()>);

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_is_stopped_does_not_hold_up_the_end() {
        let (resume, stopped) = mpsc::channel();
        let terminal = Terminal::start(Stopped(stopped));
        terminal.show("a line".to_owned());
        terminal.finish();
        drop(resume);
    }

    #[test]
    fn the_end_waits_for_the_last_word() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let terminal = Terminal::start(writer);
        terminal.show("the last word".to_owned());
        terminal.finish();
        drop(terminal);
        let text = io::read_to_string(&mut reader).expect("readable");
        assert_eq!(text, "the last word");
    }
}
