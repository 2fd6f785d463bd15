//! Named tasks: a panic in one is reported under its name instead of vanishing.

use std::future::Future;

use tokio::task::JoinHandle;

/// Spawns `future` on the current runtime. Its end is the caller's to look at through the handle;
/// a panic is logged under `name` whether or not anyone looks.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = tokio::spawn(future);
    let abort = AbortOnDrop(task.abort_handle());
    tokio::spawn(async move {
        let _abort = abort;
        match task.await {
            Ok(output) => Some(output),
            Err(error) if error.is_cancelled() => None,
            Err(error) => {
                tracing::error!(task = name, %error, "task panicked");
                None
            }
        }
    })
}

/// Aborting the outer task aborts the inner one, as a caller would expect.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
        let broken = spawn("broken", async { panic!("on purpose") });
        let sound = spawn("sound", async { 7 });
        assert_eq!(broken.await.ok().flatten(), None::<()>);
        assert_eq!(sound.await.ok().flatten(), Some(7));
    }

    #[tokio::test]
    async fn aborting_reaches_the_future_itself() {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let handle = spawn("waiting", async move {
            let _held = sender;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        handle.abort();
        assert!(receiver.await.is_err(), "the future was dropped");
    }
}
