//! Which endings of an attempt allow another one.
//!
//! Two laws hold whatever the rules say. A request that is not idempotent is never made again once it
//! may have reached a service: it could be carried out twice. And no retry begins that could not be
//! answered within the request's time: nobody would see its answer.

use std::time::Duration;

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;

/// Statuses that can be chosen: answers that are no success.
const STATUSES: std::ops::Range<u16> = 400..600;

/// The endings after which another attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// No connection could be made.
    pub connect_failure: bool,
    /// The connection ended, or made no sense, before an answer had come.
    pub reset: bool,
    /// An attempt's own time was over.
    pub timeout: bool,
    statuses: StatusSet,
    grpc: u32,
}

/// Status codes from 400 to 599, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct StatusSet([u64; 4]);

/// A status of gRPC that it makes sense to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcStatus {
    /// 1
    Cancelled,
    /// 4
    DeadlineExceeded,
    /// 8
    ResourceExhausted,
    /// 13
    Internal,
    /// 14
    Unavailable,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// No connection could be made: nothing was sent.
    ConnectFailure,
    /// The connection ended, or made no sense, before an answer had come.
    Reset,
    /// The attempt's own time was over, not the request's.
    Timeout,
    /// With an answer of which nothing has been forwarded.
    Answer {
        /// Its status.
        status: u16,
        /// What `grpc-status` says, if it is in the head.
        grpc: Option<u32>,
    },
}

/// The request that an attempt was for.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Whether it may be carried out twice (RFC 9110, section 9.2.2).
    pub is_idempotent: bool,
    /// Whether a byte of it may have reached a service.
    pub was_sent: bool,
    /// How much of its time is left.
    pub remaining: Duration,
}

/// Why there is no other attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No rule is for such an ending.
    NoRule,
    /// The request may have reached a service, and may not be carried out twice.
    NotIdempotent,
    /// The pause before it would take all that is left of the request's time.
    NoTime,
}

impl Rules {
    /// Adds a status code. False where it is not one from 400 to 599, which no rule can be for.
    pub fn add_status(&mut self, status: u16) -> bool {
        let place = STATUSES.contains(&status).then(|| StatusSet::place(status));
        let Some((word, bit)) = place else {
            return false;
        };
        if let Some(word) = self.statuses.0.get_mut(word) {
            *word |= bit;
        }
        true
    }

    /// Adds a status of gRPC.
    pub fn add_grpc(&mut self, status: GrpcStatus) {
        self.grpc |= 1 << status.number();
    }

    /// Whether any rule is for answers. Without, none needs to be looked at.
    pub fn are_for_answers(&self) -> bool {
        self.grpc != 0 || self.statuses != StatusSet::default()
    }

    /// Whether any rule is for gRPC.
    pub fn are_for_grpc(&self) -> bool {
        self.grpc != 0
    }

    /// Whether a rule is for such an ending.
    pub fn cover(&self, ending: Ending) -> bool {
        match ending {
            Ending::ConnectFailure => self.connect_failure,
            Ending::Reset => self.reset,
            Ending::Timeout => self.timeout,
            Ending::Answer { status, grpc } => {
                let grpc = grpc.and_then(|code| self.grpc.checked_shr(code));
                self.statuses.contains(status) || grpc.is_some_and(|rest| rest & 1 != 0)
            }
        }
    }

    /// Whether another attempt may be made, `pause` from now.
    ///
    /// # Errors
    /// Why not.
    pub fn permit(
        &self,
        ending: Ending,
        request: &Request,
        pause: Duration,
    ) -> Result<(), Refusal> {
        if !self.cover(ending) {
            return Err(Refusal::NoRule);
        }
        if request.was_sent && !request.is_idempotent {
            return Err(Refusal::NotIdempotent);
        }
        if pause >= request.remaining {
            return Err(Refusal::NoTime);
        }
        Ok(())
    }
}

impl StatusSet {
    fn contains(&self, status: u16) -> bool {
        let (word, bit) = Self::place(status);
        STATUSES.contains(&status) && self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn place(status: u16) -> (usize, u64) {
        let index = status.saturating_sub(STATUSES.start);
        (usize::from(index / 64), 1 << (index % 64))
    }
}

impl GrpcStatus {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Cancelled,
        Self::DeadlineExceeded,
        Self::ResourceExhausted,
        Self::Internal,
        Self::Unavailable,
    ];

    /// As plans name it, as Envoy does.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::ResourceExhausted => "resource-exhausted",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Cancelled => 1,
            Self::DeadlineExceeded => 4,
            Self::ResourceExhausted => 8,
            Self::Internal => 13,
            Self::Unavailable => 14,
        }
    }
}

/// How long a `retry-after` field asks to wait: seconds, or none where it names a date, which is not
/// worth waiting for here, or nothing.
pub fn retry_after(field: &[u8]) -> Option<Duration> {
    let digits = field.trim_ascii();
    let wanted = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let seconds = std::str::from_utf8(digits).ok().filter(|_| wanted)?;
    // More digits than fit are longer than anybody waits.
    Some(Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)))
}
