//! Names a user gives: checked once, cheap to clone ever after.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest service or task name: names become DNS labels (RFC 1035, 63 octets).
pub const MAX_NAME: usize = 63;

/// The longest topic name (Kafka's `Topic.MAX_NAME_LENGTH`).
pub const MAX_TOPIC: usize = 249;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Service and task names are `[a-z][a-z0-9-]*`.
    #[error(
        "a name starts with a lower-case letter and goes on with lower-case letters, digits and `-`"
    )]
    Shape,
    /// Topic names are Kafka's.
    #[error("a topic name is made of letters, digits, `.`, `_` and `-`, and is not `.` or `..`")]
    TopicShape,
    /// The name is longer than `max` characters.
    #[error("a name has at most {max} characters")]
    Long {
        /// The bound.
        max: usize,
    },
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it a name.
            pub fn new(text: &str) -> Result<Self, NameError> {
                $check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
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

name! {
    /// The name of a service: `[a-z][a-z0-9-]*`, at most 63 characters.
    ServiceName, check_name
}

name! {
    /// The name of a one-shot task, shaped as a service's.
    TaskName, check_name
}

name! {
    /// The name of a folder of files that is served, shaped as a service's.
    SiteName, check_name
}

name! {
    /// The name of a topic, by Kafka's rule: `[a-zA-Z0-9._-]+`, at most 249 characters.
    TopicName, check_topic
}

impl ServiceName {
    /// The name as environment variables carry it: upper case, `-` to `_`.
    pub fn to_env(&self) -> String {
        self.0.to_ascii_uppercase().replace('-', "_")
    }
}

fn check_name(text: &str) -> Result<(), NameError> {
    let mut bytes = text.bytes();
    if !bytes.next().is_some_and(|b| b.is_ascii_lowercase()) {
        return Err(NameError::Shape);
    }
    if !bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(NameError::Shape);
    }
    if text.len() > MAX_NAME {
        return Err(NameError::Long { max: MAX_NAME });
    }
    Ok(())
}

fn check_topic(text: &str) -> Result<(), NameError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.is_empty() || text == "." || text == ".." || !text.bytes().all(legal) {
        return Err(NameError::TopicShape);
    }
    if text.len() > MAX_TOPIC {
        return Err(NameError::Long { max: MAX_TOPIC });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_are_dns_labels_in_lower_case() {
        for good in ["a", "orders", "a-b-2", &"x".repeat(63)] {
            assert!(ServiceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "2a", "-a", "a_b", "a.b", "ä", "a b"] {
            assert_eq!(ServiceName::new(bad), Err(NameError::Shape), "{bad}");
        }
        assert_eq!(
            ServiceName::new(&"x".repeat(64)),
            Err(NameError::Long { max: 63 })
        );
    }

    #[test]
    fn topic_names_are_kafkas() {
        for good in ["order.placed", "A_b-9", "..."] {
            assert!(TopicName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b"] {
            assert_eq!(TopicName::new(bad), Err(NameError::TopicShape), "{bad}");
        }
    }

    #[test]
    fn an_environment_variable_has_no_dash() {
        let name = ServiceName::new("stock-keeper").expect("a legal name");
        assert_eq!(name.to_env(), "STOCK_KEEPER");
    }
}
