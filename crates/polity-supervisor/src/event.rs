//! What the supervisor did and saw: each as an event, the recent ones kept for who comes late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use polity_core::{Clock, InstanceId, ServiceName};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many events a late subscriber is given, and how far a slow one may fall behind.
pub const RECENT_EVENTS: usize = 1024;

/// One thing that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// To which service.
    pub service: ServiceName,
    /// To which of its instances, if to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// What it is.
    pub kind: EventKind,
    /// The same in words.
    pub message: String,
    /// The last lines of output, where they tell why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The plan gained the service.
    Added,
    /// The plan lost it.
    Removed,
    /// It waits for what it calls.
    Waiting,
    /// What it calls is not ready, and it starts all the same.
    WentAhead,
    /// Its build began.
    Building,
    /// Its build succeeded.
    Built,
    /// Its build failed.
    BuildFailed,
    /// A task before it began.
    TaskStarted,
    /// A task before it succeeded.
    TaskDone,
    /// A task before it failed.
    TaskFailed,
    /// A process is being started.
    Starting,
    /// An instance is ready and receives requests.
    Ready,
    /// An instance fails its checks and receives no more requests.
    Unready,
    /// An instance failed its checks for too long and is restarted.
    Unhealthy,
    /// A process could not be started, or was not ready in time.
    StartFailed,
    /// A process ended that should run.
    Crashed,
    /// An instance fails again and again.
    CrashLoop,
    /// An instance receives nothing more and finishes what it has.
    Draining,
    /// A process was told to end.
    Stopping,
    /// An instance is gone.
    Stopped,
    /// New instances began to replace the old.
    Rolling,
    /// They have replaced them.
    Rolled,
    /// They could not, and the old ones stay.
    RollFailed,
    /// The number of instances changed.
    Scaled,
    /// It could not be changed.
    ScaleFailed,
    /// A watched file changed.
    Changed,
}

/// What to tell; the time is added when it is told.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) instance: Option<InstanceId>,
    pub(crate) kind: EventKind,
    pub(crate) message: String,
    pub(crate) lines: Vec<String>,
}

/// Where events are told and heard; clones share it.
#[derive(Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    live: broadcast::Sender<Arc<Event>>,
    recent: Mutex<VecDeque<Arc<Event>>>,
}

/// The recent events, then each new one.
pub struct EventStream {
    past: VecDeque<Arc<Event>>,
    live: broadcast::Receiver<Arc<Event>>,
}

impl News {
    pub(crate) fn new(kind: EventKind, message: impl Into<String>) -> Self {
        Self {
            instance: None,
            kind,
            message: message.into(),
            lines: Vec::new(),
        }
    }

    pub(crate) fn of(mut self, instance: &InstanceId) -> Self {
        self.instance = Some(instance.clone());
        self
    }

    pub(crate) fn with_lines(mut self, lines: Vec<String>) -> Self {
        self.lines = lines;
        self
    }
}

impl Events {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                live: broadcast::Sender::new(RECENT_EVENTS),
                recent: Mutex::new(VecDeque::with_capacity(RECENT_EVENTS)),
            }),
        }
    }

    pub(crate) fn tell(&self, service: &ServiceName, news: News) {
        let event = Arc::new(Event {
            time_ms: unix_ms(self.shared.clock.wall()),
            service: service.clone(),
            instance: news.instance,
            kind: news.kind,
            message: news.message,
            lines: news.lines,
        });
        let mut recent = self.recent();
        if recent.len() == RECENT_EVENTS {
            recent.pop_front();
        }
        recent.push_back(event.clone());
        // Under the lock, so that a subscriber gets each event once: from the past or live. An
        // error only says that nobody listens.
        let _ = self.shared.live.send(event);
    }

    /// The recent events and all that follow.
    pub fn subscribe(&self) -> EventStream {
        let recent = self.recent();
        EventStream {
            past: recent.clone(),
            live: self.shared.live.subscribe(),
        }
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Event>>> {
        let recent = self.shared.recent.lock();
        recent.unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventStream {
    /// The next event; none when the supervisor is gone. Who falls [`RECENT_EVENTS`] behind misses
    /// the oldest. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.past.pop_front() {
            return Some(event);
        }
        loop {
            match self.live.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.past.pop_front() {
            return Some(event);
        }
        loop {
            match self.live.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return None,
            }
        }
    }
}

pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polity_core::ManualClock;

    fn tell(events: &Events, message: &str) {
        let service = ServiceName::new("orders").expect("a legal name");
        events.tell(&service, News::new(EventKind::Ready, message));
    }

    fn messages(stream: &mut EventStream) -> Vec<String> {
        std::iter::from_fn(|| stream.try_next())
            .map(|event| event.message.clone())
            .collect()
    }

    #[test]
    fn a_late_subscriber_hears_the_past_and_the_present_once_each() {
        let events = Events::new(Arc::new(ManualClock::new()));
        tell(&events, "before");
        let mut stream = events.subscribe();
        tell(&events, "after");
        assert_eq!(messages(&mut stream), ["before", "after"]);
    }

    #[test]
    fn the_past_is_bounded_and_its_oldest_goes_first() {
        let events = Events::new(Arc::new(ManualClock::new()));
        for n in 0..RECENT_EVENTS + 3 {
            tell(&events, &n.to_string());
        }
        let past = messages(&mut events.subscribe());
        assert_eq!(past.len(), RECENT_EVENTS);
        assert_eq!(past.first().map(String::as_str), Some("3"));
    }
}
