//! One line of output, as it is kept, sent and shown.

use serde::{Deserialize, Serialize};

use polity_core::{InstanceId, ServiceName};

use crate::process::Stream;

/// A line a process printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Orders all lines of all runs: a later line has a greater number.
    pub sequence: u64,
    /// When it was read, in milliseconds since 1970.
    pub time: u64,
    /// The service, or the task, that printed it.
    pub service: ServiceName,
    /// Which of its instances.
    pub instance: InstanceId,
    /// Which of its outputs.
    pub stream: Stream,
    /// The line without its end; control sequences for colour and the like are kept.
    pub text: String,
}
