//! Graceful stop: one signal to all, and word when the last has let go.

use tokio::sync::{mpsc, watch};

/// Held by whatever must finish before the process may end. A clone is one more thing to wait for.
#[derive(Debug, Clone)]
pub struct Drain {
    signal: watch::Receiver<bool>,
    // Never sent on: the trigger waits until every clone of it is dropped.
    _alive: mpsc::Sender<()>,
}

/// Starts the drain and waits for its end.
#[derive(Debug)]
pub struct DrainTrigger {
    signal: watch::Sender<bool>,
    all_gone: mpsc::Receiver<()>,
}

/// A trigger and the drain it pulls.
pub fn channel() -> (DrainTrigger, Drain) {
    let (signal_sender, signal) = watch::channel(false);
    let (alive, all_gone) = mpsc::channel(1);
    let trigger = DrainTrigger {
        signal: signal_sender,
        all_gone,
    };
    let drain = Drain {
        signal,
        _alive: alive,
    };
    (trigger, drain)
}

impl Drain {
    /// Waits until the drain begins, or its trigger is gone. Cancelling it loses nothing.
    pub async fn signaled(&self) {
        let mut signal = self.signal.clone();
        // An error means the trigger was dropped: nobody is left to wait, which is an end as well.
        let _ = signal.wait_for(|begun| *begun).await;
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        *self.signal.borrow()
    }
}

impl DrainTrigger {
    /// Tells every holder to finish, without waiting.
    pub fn begin(&self) {
        self.signal.send_replace(true);
    }

    /// Tells every holder to finish and waits until the last has. Callers bound it by a timeout.
    pub async fn drained(mut self) {
        self.begin();
        // Nothing is ever sent, so this ends when the last clone of the sender is dropped.
        let _ = self.all_gone.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_trigger_waits_for_the_last_holder() {
        let (trigger, drain) = channel();
        let holder = drain.clone();
        assert!(!holder.has_begun());
        drop(drain);
        let worker = tokio::spawn(async move {
            holder.signaled().await;
            assert!(holder.has_begun());
            "finished"
        });
        trigger.drained().await;
        assert_eq!(worker.await.ok(), Some("finished"));
    }

    #[tokio::test]
    async fn a_dropped_trigger_counts_as_a_signal() {
        let (trigger, drain) = channel();
        drop(trigger);
        drain.signaled().await;
    }
}
