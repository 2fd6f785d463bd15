//! What the admin API answers with, the same types on both ends: the server writes them, the CLI reads them.

mod topics;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use topics::{
    Content, Group, GroupOffset, NewRecord, Partition, Published, Record, RecordHeader, RecordLine,
    Topic, TopicConfig, TopicDescription,
};

/// One service of the plan and what runs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How it does as a whole.
    pub state: ServiceState,
    /// Whether it runs elsewhere (`url`, `urls`) and cannot be deployed, restarted or scaled.
    pub external: bool,
    /// How many instances are wanted; none when it runs elsewhere.
    pub replicas: Option<u32>,
    /// Whether `replicas` comes from `polity scale` and not from the plan.
    pub scaled: bool,
    /// Its public routes, as text.
    pub routes: Vec<String>,
    /// What is wrong with it, in one line: "build failed: exit code 1".
    pub note: Option<String>,
    /// What runs of it.
    pub instances: Vec<Instance>,
}

/// How a service does as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// Its tasks, its build or its first instances are under way.
    Starting,
    /// As many instances as wanted are ready.
    Ready,
    /// Some instances are ready, fewer than wanted.
    Degraded,
    /// No instance is ready: also when none is wanted.
    Down,
    /// Its instances were told to end.
    Stopping,
}

/// One running copy of a service, or one place where an external service answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Unique in the system: `orders-3`.
    pub id: String,
    /// The service it belongs to.
    pub service: String,
    /// How it does.
    pub state: InstanceState,
    /// The build it runs.
    pub version: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// How often it was started anew after it ended by itself.
    pub restarts: u32,
    /// Where it listens, `host:port`.
    pub address: Option<String>,
    /// How long its process has been running, in milliseconds.
    pub uptime_ms: Option<u64>,
    /// Requests a second lately, where known.
    pub requests_per_second: Option<f64>,
    /// The 99th percentile of its answer times lately, in milliseconds, where known.
    pub p99_ms: Option<f64>,
    /// How it stands with the gateway, which chooses among the instances; none where that does not know
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Standing>,
    /// What is wrong with it, in one line: "crash loop: exit code 1, next start in 8 s".
    pub note: Option<String>,
}

/// How an instance stands beside the others of its service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// Its capacity, beside the others'.
    pub weight: u32,
    /// The zone it is in, where the plan says that.
    pub zone: Option<String>,
    /// Whether it is left out for its failures, for now.
    pub ejected: bool,
    /// The rate of failures among its latest requests, 0 to 1; less with time.
    pub failure_rate: f32,
    /// What it last reported of how much of it is in use, where it has lately; 1 is all.
    pub utilization: Option<f32>,
    /// What it is given of its share, 0 to 1: less than 1 while it is newer than others.
    pub share: f32,
}

/// How an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// It was started and is not ready yet.
    Starting,
    /// It is given requests.
    Ready,
    /// It runs, its checks fail, and it is given none.
    Unready,
    /// It ended by itself and is started again after a pause.
    Waiting,
    /// It is given no new requests and ends soon.
    Stopping,
}

/// A line of the logs stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum LogRecord {
    /// A line that an instance printed.
    Line(LogLine),
    /// The client read too slowly, and lines were left out.
    Missed {
        /// How many.
        missed: u64,
    },
}

/// One line that an instance printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When it was read, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The service.
    pub service: String,
    /// The instance; for a build or a task, its name.
    pub instance: String,
    /// Where it was printed.
    pub stream: OutputStream,
    /// The line without its end.
    pub line: String,
}

/// Which of a program's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something that happened: an instance became ready, a build failed, the plan changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What kind, in kebab case: `ready`, `build-failed`.
    pub kind: String,
    /// The service it concerns.
    pub service: Option<String>,
    /// The instance it concerns.
    pub instance: Option<String>,
    /// The same for people, in one line.
    pub message: String,
    /// The last lines of output, where they tell why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
}

/// A step of an operation under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Progress {
    /// Something began or was reached.
    Step {
        /// In one line.
        text: String,
    },
    /// A line that the build or a starting instance printed.
    Output {
        /// The line.
        text: String,
    },
}

/// How an operation ended: the last line of its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Outcome {
    /// It did what was asked.
    Done {
        /// What was done, in one line.
        message: String,
        /// The version that runs now.
        version: Option<String>,
    },
    /// It did not; what served before serves still.
    Failed {
        /// Why, in one line.
        reason: String,
        /// The last lines of the build's or the instance's output.
        output: Vec<String>,
    },
}

/// A line of an operation's stream: any number of steps, then one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OperationLine {
    /// A step.
    Progress(Progress),
    /// The end.
    Outcome(Outcome),
}

/// How many instances of a service are to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// How many.
    pub replicas: u32,
}

/// States read in tables as they do in JSON.
impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Stopping => "stopping",
        })
    }
}

/// States read in tables as they do in JSON.
impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unready => "unready",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
        })
    }
}
