//! Whether anybody waits for memory that others hold.

use tokio::sync::watch;

/// Shared by those who hold some memory and those who wait for it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pressure {
    waiting: watch::Sender<usize>,
}

/// Somebody waits as long as this is held.
#[derive(Debug)]
pub(crate) struct Waiting(watch::Sender<usize>);

impl Default for Pressure {
    fn default() -> Self {
        Self {
            waiting: watch::Sender::new(0),
        }
    }
}

impl Pressure {
    /// Somebody begins to wait.
    pub(crate) fn wait(&self) -> Waiting {
        self.waiting.send_if_modified(|waiting| {
            *waiting += 1;
            *waiting == 1
        });
        Waiting(self.waiting.clone())
    }

    /// Ends once somebody waits. Cancelling it loses nothing.
    pub(crate) async fn begun(&self) {
        // The sender is here as long as this is borrowed.
        let _ = self.waiting.subscribe().wait_for(|count| *count > 0).await;
    }

    /// Ends once nobody waits any more. Cancelling it loses nothing.
    pub(crate) async fn over(&self) {
        let _ = self.waiting.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_if_modified(|waiting| {
            *waiting -= 1;
            *waiting == 0
        });
    }
}
