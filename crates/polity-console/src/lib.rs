//! The admin API: what runs, what it prints, and the careful ways to change it.
//!
//! The console knows nothing of supervisors or gateways: it asks a [`System`], which the binary
//! makes of them, and answers in its own [`view`]s.

mod api;
mod event_log;
mod guard;
mod plan_view;
mod problem;
mod server;
mod system;
mod token;
pub mod view;

pub use api::description;
pub use event_log::{EventLog, EventLogError, Start};
pub use plan_view::{
    PlanView, PlannedEvents, PlannedProgram, PlannedService, PlannedTask, route_text,
};
pub use problem::Problem;
pub use server::{BindError, Console};
pub use system::{
    BoxFuture, Done, EventQuery, LogQuery, Operation, OperationError, ProgressSender, System,
};
pub use token::{Token, TokenError};
