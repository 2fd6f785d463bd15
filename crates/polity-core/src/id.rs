//! Ids of what runs: instances of services and the versions they run.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ServiceName;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as it stands in tables, logs and the API.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text_id! {
    /// One instance of a service, unique in the whole system and never used twice in a run.
    InstanceId
}

text_id! {
    /// One build of a service: instances of the same version run the same artefact.
    VersionId
}

impl InstanceId {
    /// The id of a service's instance number `ordinal`: `orders-3`.
    pub fn numbered(service: &ServiceName, ordinal: u32) -> Self {
        Self(Arc::from(format!("{service}-{ordinal}")))
    }
}
