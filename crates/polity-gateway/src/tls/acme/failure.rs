//! Why an attempt has failed, and what follows from that.

use std::error::Error as _;
use std::io;

use instant_acme::Error;

/// What authorities call it (RFC 8555, section 6.7).
const RATE_LIMITED: &str = "urn:ietf:params:acme:error:rateLimited";
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// An attempt that has failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) cause: Cause,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The authority refuses this order: another may do.
    Refused,
    /// It has had enough for now.
    RateLimited,
    /// It does not know the account, or no more.
    NoAccount,
    /// The network, this machine, or an authority that is not well: what was begun can be gone on with.
    Passing,
}

impl Failure {
    pub(super) fn new(why: String) -> Self {
        Self {
            why,
            cause: Cause::Passing,
        }
    }

    pub(super) fn refused(why: String) -> Self {
        Self {
            why,
            cause: Cause::Refused,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Some say their cause themselves.
            if !why.contains(&cause_text) {
                why = format!("{why}: {cause_text}");
            }
            source = cause.source();
        }
        let cause = match &error {
            Error::Api(problem) => match problem.r#type.as_deref() {
                Some(RATE_LIMITED) => Cause::RateLimited,
                Some(NO_ACCOUNT) => Cause::NoAccount,
                _ if problem.status.is_some_and(|it| it >= 500) => Cause::Passing,
                _ => Cause::Refused,
            },
            _ => Cause::Passing,
        };
        Self { why, cause }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<rcgen::Error> for Failure {
    fn from(error: rcgen::Error) -> Self {
        Self::new(error.to_string())
    }
}
