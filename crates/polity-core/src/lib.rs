//! What every layer shares: names, ids, quantities, clocks and randomness.

pub mod clock;
pub mod id;
pub mod name;
pub mod quantity;
pub mod rng;

pub use clock::{Clock, ManualClock, SystemClock};
pub use id::{InstanceId, VersionId};
pub use name::{NameError, ServiceName, SiteName, TaskName, TopicName};
pub use quantity::{ByteSize, QuantityError, parse_duration};
pub use rng::{Rng, SplitMix64};
