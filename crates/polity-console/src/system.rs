//! What the console needs of the running system; the binary makes it of the supervisor and the gateway.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use polity_core::{ServiceName, VersionId};
use polity_plan::Plan;
use tokio::sync::mpsc;

use crate::event_log::EventLog;
use crate::view::{Event, LogRecord, Progress, Service};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running system, as the console sees it.
pub trait System: Send + Sync + 'static {
    /// The plan in force.
    fn plan(&self) -> Arc<Plan>;

    /// Every service of the plan and what runs of it, by name.
    fn services(&self) -> BoxFuture<'_, Vec<Service>>;

    /// Carries out `operation` to its end, telling each step to `progress`. The console polls it
    /// to the end whether or not the client that asked is still there.
    fn operate(
        &self,
        service: ServiceName,
        operation: Operation,
        progress: ProgressSender,
    ) -> BoxFuture<'_, Result<Done, OperationError>>;

    /// The last lines that services printed, oldest first, and with `follow` those to come, with
    /// none missing between. The stream ends by itself when it does not follow.
    fn logs(&self, query: LogQuery) -> BoxStream<'static, LogRecord>;

    /// The last events, oldest first, and with `follow` those to come, with none missing between.
    fn events(&self, query: EventQuery) -> BoxStream<'static, Event>;

    /// The log of events; none when nothing in the plan asks for it.
    fn event_log(&self) -> Option<Arc<dyn EventLog>>;

    /// Begins the graceful stop and returns at once. Asking again changes nothing.
    fn shutdown(&self);
}

/// A change of one service that is carried out instance by instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Build it and replace its instances by the new version.
    Deploy,
    /// Replace its instances by new ones of the same version.
    Restart,
    /// Run this many, whatever the plan says.
    Scale(u32),
}

/// How an operation ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// One line that says what was done.
    pub message: String,
    /// The version that runs now.
    pub version: Option<VersionId>,
}

/// Why an operation did not happen. Whatever it is, what served before serves still.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The plan has no such service (any more).
    #[error("there is no service `{0}`")]
    Unknown(ServiceName),
    /// What was asked makes no sense for this service; says why.
    #[error("{0}")]
    Refused(String),
    /// Another operation on the service is under way.
    #[error("another operation on `{0}` is under way: try again when it has ended")]
    Busy(ServiceName),
    /// It was tried and did not work.
    #[error("{reason}")]
    Failed {
        /// Why, in one line.
        reason: String,
        /// The last lines of the build's or the instance's output.
        output: Vec<String>,
    },
    /// The system is stopping.
    #[error("the system is stopping")]
    Stopping,
}

/// Which lines of output are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Of these services; empty for all.
    pub services: Vec<ServiceName>,
    /// How many of the lines already printed, at most, over all services asked for.
    pub lines: usize,
    /// Whether lines to come are wanted too.
    pub follow: bool,
}

/// Which events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventQuery {
    /// How many of those that happened already, at most.
    pub lines: usize,
    /// Whether events to come are wanted too.
    pub follow: bool,
}

/// Takes the steps of an operation and never makes the operation wait: what a slow client has no
/// room for is left out, and a client that is gone changes nothing.
#[derive(Debug, Clone)]
pub struct ProgressSender(mpsc::Sender<Message>);

/// What an operation under way has to say.
#[derive(Debug)]
pub(crate) enum Message {
    Progress(Progress),
    Ended(Result<Done, OperationError>),
}

impl ProgressSender {
    pub(crate) fn new(sender: mpsc::Sender<Message>) -> Self {
        Self(sender)
    }

    /// Something began or was reached: "building", "orders-3 is ready".
    pub fn step(&self, text: impl Into<String>) {
        self.send(Progress::Step { text: text.into() });
    }

    /// A line that the build or a starting instance printed.
    pub fn output(&self, text: impl Into<String>) {
        self.send(Progress::Output { text: text.into() });
    }

    fn send(&self, progress: Progress) {
        // Full or closed, the operation goes on: room for its end is set aside from the start.
        let _ = self.0.try_send(Message::Progress(progress));
    }
}
