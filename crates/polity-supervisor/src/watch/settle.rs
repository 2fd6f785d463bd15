//! From single changes to one word of change: a save touches many files, and tools save in bursts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// No change for this long ends a burst.
pub(crate) const QUIET: Duration = Duration::from_millis(200);

/// A burst is told of after this long even if it goes on.
pub(crate) const LONGEST_BURST: Duration = Duration::from_secs(2);

/// Where changes come from.
pub(crate) trait Changes: Send {
    /// Waits for a change; none when there can be no more. Cancelling it loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<()>> + Send;
}

/// Tells of each burst of changes once.
pub(crate) async fn tell(mut changes: impl Changes, changed: Arc<Notify>) {
    while changes.next().await.is_some() {
        let latest = Instant::now() + LONGEST_BURST;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            match timeout_at(quiet, changes.next()).await {
                Ok(Some(())) if Instant::now() < latest => {}
                _ => break,
            }
        }
        changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;
    use tokio::time::sleep;

    impl Changes for mpsc::Receiver<()> {
        async fn next(&mut self) -> Option<()> {
            self.recv().await
        }
    }

    /// Sends `count` changes `pause` apart and says when each word of change came.
    async fn told(count: u32, pause: Duration) -> Vec<Duration> {
        let (sender, receiver) = mpsc::channel(1);
        let changed = Arc::new(Notify::new());
        let start = Instant::now();
        let telling = tokio::spawn(tell(receiver, changed.clone()));
        let sending = tokio::spawn(async move {
            for _ in 0..count {
                sender.send(()).await.expect("somebody listens");
                sleep(pause).await;
            }
            sleep(Duration::from_secs(60)).await;
        });
        let mut times = Vec::new();
        while let Ok(()) = tokio::time::timeout(Duration::from_secs(30), changed.notified()).await {
            times.push(start.elapsed());
        }
        sending.abort();
        telling.abort();
        times
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_told_once_when_it_is_over() {
        let times = told(10, Duration::from_millis(50)).await;
        assert_eq!(times.len(), 1, "{times:?}");
        let over = Duration::from_millis(450) + QUIET;
        assert!(times[0] >= over && times[0] < over + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_never_end_are_told_all_the_same() {
        let times = told(100, Duration::from_millis(100)).await;
        assert!((4..=6).contains(&times.len()), "{times:?}");
        assert!(times[0] <= LONGEST_BURST + QUIET);
    }
}
