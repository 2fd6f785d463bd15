//! Consumer groups: who consumes which partitions, and how far they have come.

mod error;
mod id;
pub mod record;
pub mod settings;

pub use error::Error;
pub use id::{GroupId, InstanceId, MemberId, TopicPartition};
pub use record::Record;
pub use settings::Settings;
