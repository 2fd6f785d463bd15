//! The pace a client has to keep while it makes the broker hold memory or files.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::limits::{MIN_PACE, PRESSED_PACE, STALL_TIMEOUT};
use crate::wire::pressure::Pressure;

/// How one request comes, or one answer goes.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    begun: Instant,
    /// When a byte moved last.
    last: Instant,
    moved: usize,
}

impl Pace {
    /// The first byte is due.
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            last: now,
            moved: 0,
        }
    }

    /// So many bytes have moved.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
        self.last = Instant::now();
    }

    /// How many have.
    pub(crate) fn bytes(&self) -> usize {
        self.moved
    }

    /// Since `from` it was us who were waited for.
    pub(crate) fn forgive(&mut self, from: Instant) {
        let now = Instant::now();
        self.begun += now.duration_since(from);
        self.last = now;
    }

    /// Ends when the pace is lost: the usual one, or while others wait for what this one holds, the
    /// pressed one. Cancelling it loses nothing.
    pub(crate) async fn lost(&self, pressure: Option<&Pressure>) {
        let usual = sleep_until(self.due(STALL_TIMEOUT, MIN_PACE));
        let Some(pressure) = pressure else {
            return usual.await;
        };
        let pressed = async {
            let mut pressed = pressure.watch();
            loop {
                match pressed.patience() {
                    None => pressed.changed().await,
                    Some(patience) => {
                        let due = self.due(patience, PRESSED_PACE);
                        if timeout_at(due, pressed.changed()).await.is_err() {
                            return;
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = usual => {}
            () = pressed => {}
        }
    }

    /// By when the next byte has to move.
    fn due(&self, patience: Duration, bytes_per_second: usize) -> Instant {
        let earned = Duration::from_secs_f64(self.moved as f64 / bytes_per_second as f64);
        (self.begun + patience + earned).min(self.last + patience)
    }
}
