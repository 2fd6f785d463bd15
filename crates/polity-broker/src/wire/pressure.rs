//! Whether anybody waits for memory that others hold, and how many do.

use std::time::Duration;

use tokio::sync::watch;

/// How long who holds some memory may be without a byte moving while so many others wait at least; the most
/// first.
pub(crate) type Patience = &'static [(usize, Duration)];

/// Shared by those who hold some memory and those who wait for it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pressure {
    waiting: watch::Sender<usize>,
    patience: Patience,
}

/// Somebody waits as long as this is held.
#[derive(Debug)]
pub(crate) struct Waiting(Pressure);

/// How who holds some memory learns of those who wait.
#[derive(Debug)]
pub(crate) struct Pressed {
    waiting: watch::Receiver<usize>,
    patience: Patience,
}

impl Pressure {
    /// Of those who have so much patience.
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            waiting: watch::Sender::new(0),
            patience,
        }
    }

    /// Somebody begins to wait.
    pub(crate) fn wait(&self) -> Waiting {
        self.change(|waiting| waiting + 1);
        Waiting(self.clone())
    }

    /// Watches it from now on.
    pub(crate) fn watch(&self) -> Pressed {
        Pressed {
            waiting: self.waiting.subscribe(),
            patience: self.patience,
        }
    }

    /// Tells those who watch only of another patience: were each told of each who comes to wait, many who
    /// wait would keep many busy.
    fn change(&self, to: impl FnOnce(usize) -> usize) {
        self.waiting.send_if_modified(|waiting| {
            let before = timeout(self.patience, *waiting);
            *waiting = to(*waiting);
            timeout(self.patience, *waiting) != before
        });
    }
}

impl Pressed {
    /// How long whoever holds some may be without a byte moving; none where nobody waits.
    pub(crate) fn patience(&mut self) -> Option<Duration> {
        timeout(self.patience, *self.waiting.borrow_and_update())
    }

    /// Ends when the patience is another than it was when last asked for. Cancelling it loses nothing.
    pub(crate) async fn changed(&mut self) {
        if self.waiting.changed().await.is_err() {
            // Nobody will ever wait again.
            std::future::pending().await
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.change(|waiting| waiting - 1);
    }
}

fn timeout(patience: Patience, waiting: usize) -> Option<Duration> {
    let found = patience.iter().find(|(least, _)| waiting >= *least);
    found.map(|(_, timeout)| *timeout)
}
