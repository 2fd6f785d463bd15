//! What becomes of requests to a service that fail: retries, circuit breakers, outliers.

use polity_resilience::circuit_breaker::MAX_COUNT;

use crate::descriptor::balance::now;
use crate::descriptor::format::*;
use crate::descriptor::{Choice, Key, Shape, Table};

/// The most tries of one request: beyond, retries are an attack on the service.
const MAX_ATTEMPTS: i64 = 10;

/// Beyond, a count is a slip: no interval has as many requests.
const MAX_REQUESTS: i64 = 1_000_000;

const BREAKER_COUNT: Shape = count(MAX_COUNT as i64);

/// `retry` of a service.
pub(crate) static RETRY: Table = Table {
    keys: &[
        Key::new(
            "attempts",
            count(MAX_ATTEMPTS),
            "Tries in all, the first included.",
        )
        .default("2"),
        Key::new(
            "budget",
            Shape::Number { min: 0.0, max: 1.0 },
            "Retries that may be added to the service's load: 0.2 is one for five requests.",
        )
        .default("0.2"),
        Key::new(
            "on",
            Shape::NonEmptyList(&Shape::Either(&[
                Shape::Choice(ENDINGS),
                Shape::Integer { min: 400, max: 599 },
            ])),
            "The endings of a try after which there is another: of the connection, statuses of HTTP, statuses of gRPC.",
        )
        .default("[\"connect-failure\", \"reset\", \"timeout\"]"),
        Key::new(
            "idempotent",
            Shape::Either(&[Shape::Boolean, Shape::NonEmptyList(&Shape::Text(&PATH))]),
            "Which requests may be carried out twice although their method does not say so: all (`true`), or those for these paths and all below them, such as gRPC's `/shop.Catalog/Find` or `/shop.Catalog`.",
        )
        .default("false"),
        Key::new(
            "per_try_timeout",
            Shape::Text(&DURATION),
            "To the first byte of an answer to one try; without it, as long as `timeout` leaves.",
        ),
        Key::new(
            "backoff",
            Shape::Table(&BACKOFF),
            "How long to wait before an instance is tried a second time.",
        ),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `backoff` of `retry`.
pub(crate) static BACKOFF: Table = Table {
    keys: &[
        Key::new(
            "base",
            Shape::Text(&DURATION),
            "A random time below this; below twice as much the next time, and so on.",
        )
        .default("\"20ms\""),
        Key::new("cap", Shape::Text(&DURATION), "Never more than this.").default("\"200ms\""),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `hedge` of a service.
pub(crate) static HEDGE: Table = Table {
    keys: &[
        Key::new(
            "after",
            Shape::Text(&HEDGE_AFTER),
            "How long the first is waited for: what this share of answers took of late (and 5ms at least), or a time.",
        )
        .default("\"p95\""),
        Key::new(
            "budget",
            Shape::Number { min: 0.0, max: 1.0 },
            "Second requests that may be added to such as may be sent twice: 0.1 is one for ten.",
        )
        .default("0.1"),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `circuit_breaker` of a service.
pub(crate) static CIRCUIT_BREAKER: Table = Table {
    keys: &[
        Key::new(
            "per",
            Shape::Choice(&[now("service"), now("instance")]),
            "What it guards: the service as a whole, or each instance for itself.",
        )
        .default("\"service\""),
        Key::new(
            "consecutive_failures",
            Shape::Either(&[BREAKER_COUNT, Shape::False]),
            "So many failures in a row (no answer, or a 5xx) trip it. `false`: any number.",
        )
        .default("5"),
        Key::new(
            "failure_rate",
            Shape::Number {
                min: 0.01,
                max: 1.0,
            },
            "So large a share of failures in the last 10 s trips it; without it, any.",
        ),
        Key::new(
            "requests",
            count(MAX_REQUESTS),
            "With fewer in the last 10 s, their share says nothing.",
        )
        .default("20"),
        Key::new(
            "base",
            Shape::Text(&SECONDS),
            "How long it refuses requests with 503; twice as long after each further trip.",
        )
        .default("\"5s\""),
        Key::new(
            "cap",
            Shape::Text(&SECONDS),
            "How long it refuses them, at most.",
        )
        .default("\"60s\""),
        Key::new(
            "probes",
            BREAKER_COUNT,
            "Requests it lets through at once then, to see.",
        )
        .default("1"),
        Key::new(
            "successes",
            BREAKER_COUNT,
            "So many of them must succeed in a row for it to let all through.",
        )
        .default("2"),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `outlier` of a service.
pub(crate) static OUTLIER: Table = Table {
    keys: &[
        Key::new(
            "consecutive_5xx",
            COUNT_OR_NONE,
            "So many 5xx answers of an instance in a row, while most others give none. `false`: any number.",
        )
        .default("5"),
        Key::new(
            "connection_failures",
            COUNT_OR_NONE,
            "So many tries in a row without an answer from it. `false`: any number.",
        )
        .default("5"),
        Key::new(
            "success_rate",
            Shape::Either(&[Shape::Table(&SUCCESS_RATE), Shape::False]),
            "Fewer of its requests succeed than of the others'. `false`: that does not count.",
        ),
        Key::new(
            "interval",
            Shape::Text(&SECONDS),
            "From one look at success rates to the next.",
        )
        .default("\"10s\""),
        Key::new(
            "base",
            Shape::Text(&SECONDS),
            "How long an instance is left out; twice as long the second time, and so on.",
        )
        .default("\"30s\""),
        Key::new("cap", Shape::Text(&SECONDS), "How long, at most.").default("\"5m\""),
        Key::new(
            "share",
            Shape::Number { min: 0.0, max: 1.0 },
            "How many of the instances may be left out at once: one always, the last never.",
        )
        .default("0.1"),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `success_rate` of `outlier`.
pub(crate) static SUCCESS_RATE: Table = Table {
    keys: &[
        Key::new(
            "deviations",
            Shape::Number {
                min: 0.1,
                max: 10.0,
            },
            "How many standard deviations below the mean.",
        )
        .default("1.9"),
        Key::new(
            "instances",
            count(MAX_REQUESTS),
            "With fewer that had enough requests, nothing is said of any.",
        )
        .default("5"),
        Key::new(
            "requests",
            count(MAX_REQUESTS),
            "So many in the interval are enough.",
        )
        .default("100"),
    ],
    one_of: &[],
    exclusive: &[],
};

const COUNT_OR_NONE: Shape = Shape::Either(&[count(MAX_REQUESTS), Shape::False]);

const ENDINGS: &[Choice] = &[
    now("connect-failure"),
    now("reset"),
    now("timeout"),
    now("cancelled"),
    now("deadline-exceeded"),
    now("internal"),
    now("resource-exhausted"),
    now("unavailable"),
];

const fn count(max: i64) -> Shape {
    Shape::Integer { min: 1, max }
}
