//! A value that one side replaces and many sides read: the latest snapshot, and word of each change.

use std::sync::Arc;

use tokio::sync::watch;

/// A shared snapshot. Clones publish to and read from the same place.
///
/// Writers are serialised; a reader never waits for one longer than a pointer swap. A subscriber
/// that is slow sees the latest value and may miss those between: changes are coalesced.
#[derive(Debug)]
pub struct Published<T> {
    sender: Arc<watch::Sender<Arc<T>>>,
}

/// Sees each change of a [`Published`], the latest only.
#[derive(Debug, Clone)]
pub struct Subscription<T> {
    receiver: watch::Receiver<Arc<T>>,
}

// Derived, it would ask the same of `T`.
impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
        }
    }
}

impl<T> Published<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self {
            sender: Arc::new(watch::Sender::new(Arc::new(value))),
        }
    }

    /// The snapshot in force.
    pub fn load(&self) -> Arc<T> {
        self.sender.borrow().clone()
    }

    /// Replaces the snapshot.
    pub fn store(&self, value: T) {
        self.sender.send_replace(Arc::new(value));
    }

    /// Makes the next snapshot out of the one in force; none leaves it and wakes nobody.
    pub fn update(&self, next: impl FnOnce(&T) -> Option<T>) {
        self.sender.send_if_modified(|current| match next(current) {
            Some(value) => {
                *current = Arc::new(value);
                true
            }
            None => false,
        });
    }

    /// Follows the changes from here on.
    pub fn subscribe(&self) -> Subscription<T> {
        Subscription {
            receiver: self.sender.subscribe(),
        }
    }
}

impl<T> Subscription<T> {
    /// The snapshot in force, marked as seen.
    pub fn latest(&mut self) -> Arc<T> {
        self.receiver.borrow_and_update().clone()
    }

    /// Waits for a snapshot not seen yet; none once every [`Published`] is gone. Cancelling it
    /// loses nothing.
    pub async fn changed(&mut self) -> Option<Arc<T>> {
        self.receiver.changed().await.ok()?;
        Some(self.latest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_subscriber_sees_the_latest_and_hears_only_of_changes() {
        let published = Published::new(1);
        let mut subscription = published.subscribe();
        published.update(|n| Some(n + 1));
        published.update(|n| Some(n + 1));
        assert_eq!(subscription.changed().await.as_deref(), Some(&3));
        published.update(|_| None);
        drop(published);
        assert_eq!(subscription.changed().await, None);
    }
}
