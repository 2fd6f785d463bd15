//! One timer per connection for all its deadlines: moved by assignment, and re-armed only when it fires too early.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that is set far more often than it is met. Most are a request's and are lifted
/// again within a millisecond: the runtime's timer then stays where it was, and when it fires the
/// real deadline is looked at.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    due: Option<Instant>,
    armed: Option<Pin<Box<Sleep>>>,
    /// Whether the timer knows whom to wake. A deadline belongs to one task.
    watched: bool,
}

impl Deadline {
    /// Due at `instant`, instead of what was set before.
    pub(crate) fn set(&mut self, instant: Instant) {
        self.due = Some(instant);
    }

    /// Due `duration` from now, instead of what was set before.
    pub(crate) fn set_after(&mut self, duration: Duration) {
        self.set(Instant::now() + duration);
    }

    /// Never due.
    pub(crate) fn lift(&mut self) {
        self.due = None;
    }

    /// Ready once due. Cancelling it loses nothing.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        let sleep = self.armed.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        } else if self.watched && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.watched = true;
        // Out of the runtime's budget for a task: a timer that is asked when none is left says that
        // it is not due without being set.
        while pin!(unconstrained(sleep.as_mut())).poll(context).is_ready() {
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_later_fires_later_and_one_moved_earlier_earlier() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        deadline.set_after(Duration::from_secs(5));
        assert!(
            poll_fn(|cx| Poll::Ready(deadline.poll(cx)))
                .await
                .is_pending()
        );
        deadline.set_after(Duration::from_secs(9));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 9);

        deadline.set_after(Duration::from_secs(60));
        assert!(
            poll_fn(|cx| Poll::Ready(deadline.poll(cx)))
                .await
                .is_pending()
        );
        deadline.set_after(Duration::from_secs(1));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lifted_deadline_never_fires() {
        let mut deadline = Deadline::default();
        deadline.set_after(Duration::from_millis(1));
        deadline.lift();
        let waited = tokio::time::timeout(Duration::from_secs(60), poll_fn(|cx| deadline.poll(cx)));
        assert!(waited.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_fired_for_nobody_does_not_keep_a_later_deadline_from_firing() {
        let start = Instant::now();
        let mut deadline = Deadline::default();
        let look = async |deadline: &mut Deadline| {
            poll_fn(|context| Poll::Ready(deadline.poll(context))).await
        };
        deadline.set_after(Duration::from_secs(1));
        assert!(look(&mut deadline).await.is_pending());
        deadline.lift();
        tokio::time::sleep(Duration::from_secs(5)).await;
        deadline.set_after(Duration::from_secs(3));
        assert!(look(&mut deadline).await.is_pending());
        assert!(look(&mut deadline).await.is_pending());
        poll_fn(|context| deadline.poll(context)).await;
        assert_eq!(start.elapsed().as_secs(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_set_by_a_task_that_has_used_up_its_turn_fires_too() {
        let task = tokio::spawn(async {
            let mut deadline = Deadline::default();
            deadline.set_after(Duration::from_secs(5));
            let first = poll_fn(|context| {
                while has_budget_remaining() {
                    let _ = pin!(consume_budget()).poll(context);
                }
                Poll::Ready(deadline.poll(context))
            });
            assert!(first.await.is_pending());
            poll_fn(|context| deadline.poll(context)).await;
        });
        let ended = tokio::time::timeout(Duration::from_secs(60), task).await;
        assert!(ended.is_ok_and(|task| task.is_ok()));
    }
}
