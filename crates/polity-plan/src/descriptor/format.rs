//! The formats of string values: what each must look like, checked as it is decoded.

use std::time::Duration;

use polity_core::{
    ByteSize, NameError, QuantityError, ServiceName, SiteName, TaskName, TopicName, parse_duration,
};
use polity_resilience::hedge::After;

use crate::address::{
    self, is_token, parse_brokers, parse_database, parse_hash_by, parse_hedge_after,
    parse_host_port, parse_listen, parse_network, parse_upstream,
};
use crate::code::Code;
use crate::descriptor::{Flaw, Format};
use crate::origin::{parse_origin, parse_redirect};
use crate::plan::{Limits, Retention};

/// The shortest delay that can be told from none.
const MIN_DELAY: Duration = Duration::from_millis(10);

/// The longest duration a plan may name: beyond, it is a slip, and clocks overflow.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(30 * 86_400);

/// The longest time that browsers are told to remember anything for; beyond, it is a slip.
const MAX_AGE: Duration = Duration::from_secs(3660 * 86_400);

/// The longest time that records are kept for; beyond, nobody counts it.
const MAX_RETENTION: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What a broker takes as one batch of records: less holds none, more is a slip.
const MIN_MESSAGE: ByteSize = ByteSize(1 << 10);
const MAX_MESSAGE: ByteSize = ByteSize(100 << 20);

pub(crate) static SERVICE_NAME: Format = Format {
    expected: "the name of a service",
    check: |text| ServiceName::new(text).map(drop).map_err(name_flaw),
    code: Code::BadName,
    pattern: Some("^[a-z][a-z0-9-]{0,62}$"),
};

pub(crate) static TASK_NAME: Format = Format {
    expected: "the name of a task",
    check: |text| TaskName::new(text).map(drop).map_err(name_flaw),
    code: Code::BadName,
    pattern: Some("^[a-z][a-z0-9-]{0,62}$"),
};

pub(crate) static SITE_NAME: Format = Format {
    expected: "the name of a site",
    check: |text| SiteName::new(text).map(drop).map_err(name_flaw),
    code: Code::BadName,
    pattern: Some("^[a-z][a-z0-9-]{0,62}$"),
};

pub(crate) static TOPIC_NAME: Format = Format {
    expected: "the name of a topic",
    check: |text| TopicName::new(text).map(drop).map_err(name_flaw),
    code: Code::BadName,
    pattern: None,
};

/// A topic that is made: those with two underscores in front are the broker's own.
pub(crate) static OWN_TOPIC_NAME: Format = Format {
    expected: "the name of a topic",
    check: |text| {
        (TOPIC_NAME.check)(text)?;
        ensure(
            !text.starts_with("__"),
            "names that begin with `__` are the broker's own",
        )
    },
    code: Code::BadName,
    pattern: Some("^(?!__)[A-Za-z0-9._-]{1,249}$"),
};

pub(crate) static VARIABLE_NAME: Format = Format {
    expected: "the name of an environment variable",
    check: |text| {
        let shaped = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        ensure(
            shaped && !text.is_empty() && !text.as_bytes()[0].is_ascii_digit(),
            "it is made of letters, digits and `_`, and does not start with a digit",
        )
    },
    code: Code::BadName,
    pattern: Some("^[A-Za-z_][A-Za-z0-9_]*$"),
};

pub(crate) static HEADER_NAME: Format = Format {
    expected: "the name of a header",
    check: |text| ensure(is_token(text), "it is made of letters, digits and `-`"),
    code: Code::BadName,
    pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
};

pub(crate) static HEADER_VALUE: Format = Format {
    expected: "the value of a header",
    check: |text| {
        let printable = text.chars().all(|c| c == '\t' || !c.is_control());
        ensure(
            printable && text.trim() == text,
            "it has no control characters and no space at its ends",
        )
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static METHOD: Format = Format {
    expected: "a method like \"GET\"",
    check: |text| {
        ensure(
            is_token(text) && !text.bytes().any(|b| b.is_ascii_lowercase()),
            "methods are in upper case (RFC 9110, 9.1)",
        )
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static VALUE: Format = Format {
    expected: "a string",
    check: |text| ensure(!text.contains('\0'), "it cannot hold a NUL"),
    code: Code::WrongValue,
    pattern: None,
};

/// One name, which can be served: hidden ones are not.
pub(crate) static FILE_NAME: Format = Format {
    expected: "the name of a file like \"index.html\"",
    check: |text| {
        let is_name = !text.is_empty() && !text.contains(['/', '\\', '\0']);
        ensure(
            is_name && !text.starts_with('.'),
            "it is one name, and does not begin with a dot",
        )
    },
    code: Code::WrongValue,
    pattern: Some("^[^./\\\\][^/\\\\]*$"),
};

/// A file of a site.
pub(crate) static SITE_FILE: Format = Format {
    expected: "a path like \"/index.html\"",
    check: |text| {
        let names = text.strip_prefix('/').unwrap_or_default();
        let names = names.split('/').map(FILE_NAME.check);
        names.collect::<Result<(), _>>().map_err(|_| {
            Flaw::Wrong(
                "it begins with `/`, and none of its names is empty or begins with a dot"
                    .to_owned(),
            )
        })
    },
    code: Code::WrongValue,
    pattern: Some("^(/[^./\\\\][^/\\\\]*)+$"),
};

pub(crate) static FILE: Format = Format {
    expected: "a path",
    check: |text| {
        ensure(
            !text.is_empty() && !text.contains('\0'),
            "it is not empty and holds no NUL",
        )
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static DURATION: Format = Format {
    expected: "a duration like \"250ms\", \"2s\" or \"5m\"",
    check: |text| {
        let duration = parse_duration(text).map_err(|_| Flaw::Wrong(String::new()))?;
        ensure(!duration.is_zero(), "it cannot be nothing")?;
        ensure(duration <= MAX_DURATION, "it is longer than 30 days")
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static AGE: Format = Format {
    expected: "a duration like \"30d\", 10 years at most",
    check: |text| {
        let duration = parse_duration(text).map_err(|_| Flaw::Wrong(String::new()))?;
        ensure(duration <= MAX_AGE, "it is longer than 10 years")
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static HEDGE_AFTER: Format = Format {
    expected: "\"p95\", any from \"p50\" to \"p99\", or a duration like \"250ms\"",
    check: |text| match parse_hedge_after(text) {
        Some(After::Quantile(_)) => Ok(()),
        Some(After::Fixed(_)) => (DURATION.check)(text),
        None => Err(Flaw::Wrong(String::new())),
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static DELAY: Format = Format {
    expected: "a duration of 10ms or more, like \"100ms\"",
    check: |text| {
        (DURATION.check)(text)?;
        // Delays are seen by timers of whole milliseconds.
        let duration = parse_duration(text).map_err(|_| Flaw::Wrong(String::new()))?;
        ensure(duration >= MIN_DELAY, "it is shorter than 10 ms")
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static SECONDS: Format = Format {
    expected: "a duration of 1s or more, like \"30s\"",
    check: |text| {
        (DURATION.check)(text)?;
        // What happened before is told by the second.
        let duration = parse_duration(text).map_err(|_| Flaw::Wrong(String::new()))?;
        ensure(duration >= Duration::from_secs(1), "it is shorter than 1 s")
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static SIZE: Format = Format {
    expected: "a size like \"10MB\" or \"64KiB\"",
    check: |text| ByteSize::parse(text).map(drop).map_err(size_flaw),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static SOME_SIZE: Format = Format {
    expected: "a size like \"10GB\"",
    check: |text| {
        let size = ByteSize::parse(text).map_err(size_flaw)?;
        ensure(size.0 > 0, "it cannot be nothing")?;
        // Kafka's sizes are signed.
        ensure(i64::try_from(size.0).is_ok(), "it is too large")
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static MESSAGE_SIZE: Format = Format {
    expected: "a size from \"1KiB\" to \"100MiB\"",
    check: |text| {
        let size = ByteSize::parse(text).map_err(size_flaw)?;
        ensure((MIN_MESSAGE..=MAX_MESSAGE).contains(&size), "out of bounds")
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static RETENTION: Format = Format {
    expected: "a duration like \"7d\", or \"forever\"",
    check: |text| {
        let retention = parse_retention(text).map_err(|_| Flaw::Wrong(String::new()))?;
        let Retention::For(duration) = retention else {
            return Ok(());
        };
        ensure(
            duration >= Duration::from_millis(1),
            "it is shorter than 1 ms",
        )?;
        ensure(
            duration <= MAX_RETENTION,
            "it is longer than 100 years: say \"forever\"",
        )
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static HEADER_SIZE: Format = Format {
    expected: "a size from \"1KiB\" to \"32KiB\"",
    check: |text| {
        let size = ByteSize::parse(text).map_err(size_flaw)?;
        ensure(
            (Limits::MIN_HEADER_SIZE..=Limits::MAX_HEADER_SIZE).contains(&size),
            "out of bounds",
        )
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static LISTEN: Format = Format {
    expected: "an address like \":8080\" or \"127.0.0.1:8080\"",
    check: |text| parse_listen(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static HOST_PORT: Format = Format {
    expected: "an address like \"events.example.com:9092\"",
    check: |text| parse_host_port(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static BROKERS: Format = Format {
    expected: "an address like \"kafka:9092\", or several with commas between",
    check: |text| parse_brokers(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static NETWORK: Format = Format {
    expected: "an address range like \"10.0.0.0/8\"",
    check: |text| parse_network(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static UPSTREAM: Format = Format {
    expected: "a URL like \"http://10.0.0.7:9000\", or \"tcp://10.0.0.7:5432\" for what is not HTTP",
    check: |text| parse_upstream(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static HASH_BY: Format = Format {
    expected: "\"ip\", \"url\", \"header:NAME\" or \"cookie:NAME\"",
    check: |text| parse_hash_by(text).map(drop),
    code: Code::WrongValue,
    pattern: Some("^(ip|url|(header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+)$"),
};

pub(crate) static COOKIE_NAME: Format = Format {
    expected: "the name of a cookie",
    check: |text| ensure(is_token(text), "it is made of letters, digits, `-` and `_`"),
    code: Code::BadName,
    pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
};

pub(crate) static ZONE: Format = Format {
    expected: "the name of a zone like \"eu-1a\"",
    check: |text| {
        let shaped = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        ensure(
            (1..=polity_core::name::MAX_NAME).contains(&text.len()) && text.bytes().all(shaped),
            "it is made of letters, digits, `-`, `_` and `.`, 63 at most",
        )
    },
    code: Code::BadName,
    pattern: Some("^[A-Za-z0-9._-]{1,63}$"),
};

pub(crate) static DATABASE: Format = Format {
    expected: "\"sqlite\" or a URL like \"postgres://host/name\"",
    check: |text| parse_database(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static HOST: Format = Format {
    expected: "a host like \"shop.example.com\" or \"*.example.com\"",
    check: |text| address::parse_host_pattern(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static PATH: Format = Format {
    expected: "a path like \"/orders\"",
    check: |text| address::parse_path(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static REDIRECT_TO: Format = Format {
    expected: "a path like \"/new\" or a URL like \"https://new.example.com/\"",
    check: |text| parse_redirect(text).map(drop),
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static ORIGIN: Format = Format {
    expected: "an origin like \"https://shop.example.com\", or \"*\"",
    check: |text| match text {
        "*" => Ok(()),
        _ => parse_origin(text).map(drop),
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static REQUEST_TARGET: Format = Format {
    expected: "a path like \"/health\"",
    check: |text| {
        ensure(
            text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#'),
            "it starts with `/` and holds no space, no `#` and no letter beyond ASCII",
        )
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static GRPC_SERVICE: Format = Format {
    expected: "the full name of a gRPC service like \"shop.v1.Orders\"",
    check: |text| {
        let is_part = |part: &str| {
            let mut letters = part.bytes();
            let begins = letters
                .next()
                .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
            begins && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
        };
        ensure(
            text.len() <= 512 && text.split('.').all(is_part),
            "it is names of letters, digits and `_` with dots between",
        )
    },
    code: Code::WrongValue,
    pattern: None,
};

pub(crate) static WARNING_CODE: Format = Format {
    expected: "the code of a warning like \"P0203\"",
    check: |text| {
        let code = Code::parse(text).ok_or(Flaw::Wrong("there is no such code".to_owned()))?;
        ensure(
            code.severity() == crate::Severity::Warning,
            "this is an error, which cannot be silenced",
        )
    },
    code: Code::WrongValue,
    pattern: Some("^P02[0-9][0-9]$"),
};

pub(crate) fn ensure(holds: bool, why: &str) -> Result<(), Flaw> {
    if holds {
        Ok(())
    } else {
        Err(Flaw::Wrong(why.to_owned()))
    }
}

/// Reads a duration or "forever".
pub(crate) fn parse_retention(text: &str) -> Result<Retention, QuantityError> {
    match text {
        "forever" => Ok(Retention::Forever),
        _ => parse_duration(text).map(Retention::For),
    }
}

fn name_flaw(error: NameError) -> Flaw {
    Flaw::Wrong(error.to_string())
}

fn size_flaw(error: QuantityError) -> Flaw {
    match error {
        QuantityError::Shape { .. } => Flaw::Wrong(String::new()),
        QuantityError::Overflow { .. } => Flaw::Wrong(error.to_string()),
    }
}
