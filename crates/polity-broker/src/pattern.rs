//! Regular expressions of clients. The engine has no backtracking, so what one costs is bounded by the sizes
//! of the expression and of what it is held against (as of RE2, which Kafka's brokers use).

use regex::{Error, Regex, RegexBuilder};

/// Bytes of an expression.
pub(crate) const MAX_LENGTH: usize = 1024;

/// Bytes that a compiled expression may take.
const MAX_SIZE: usize = 256 << 10;

/// Matches what the expression describes as a whole.
///
/// # Errors
/// It is not one, or too large.
pub(crate) fn whole(expression: &str) -> Result<Regex, Error> {
    if expression.len() > MAX_LENGTH {
        return Err(Error::CompiledTooBig(MAX_LENGTH));
    }
    let build = |expression: &str| RegexBuilder::new(expression).size_limit(MAX_SIZE).build();
    // By itself first: `a)(?:b` makes sense only between brackets that are not its own.
    build(expression)?;
    build(&format!("^(?:{expression})$"))
}
