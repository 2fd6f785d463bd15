//! The names of groups and of their members, kept apart by type.

use std::borrow::Borrow;
use std::fmt;

use smol_str::SmolStr;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(SmolStr);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// Whether it is the empty text, which in requests stands for none.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(SmolStr::new(text))
            }
        }

        impl From<SmolStr> for $name {
            fn from(text: SmolStr) -> Self {
                Self(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

text_id! {
    /// A consumer group's name.
    GroupId
}

text_id! {
    /// A member's id, given by the coordinator (KIP-848 members choose their own).
    MemberId
}

text_id! {
    /// `group.instance.id`: what a static member is called over its restarts (KIP-345).
    InstanceId
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: SmolStr,
    /// The partition's index.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition of that topic.
    pub fn new(topic: impl Into<SmolStr>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}
