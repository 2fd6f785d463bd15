//! `balance` of a service, and what `urls` says of each place for it.

use crate::descriptor::format::*;
use crate::descriptor::{Choice, Key, Shape, Status, Table};
use crate::plan::MAX_WEIGHT;

/// The word alone, or a table with it.
pub(super) const BALANCE_OR_WORD: Shape =
    Shape::Either(&[Shape::Choice(POLICIES), Shape::Table(&BALANCE)]);

/// A URL, or a table with it.
pub(super) const PLACE_OR_URL: Shape =
    Shape::Either(&[Shape::Text(&UPSTREAM), Shape::Table(&PLACE)]);

/// Beyond this, a bound on an instance's load is none.
const MAX_LOAD: f64 = 100.0;

const SHARE: Shape = Shape::Number { min: 0.0, max: 1.0 };

/// `balance` of a service, as a table.
pub(crate) static BALANCE: Table = Table {
    keys: &[
        Key::new(
            "policy",
            Shape::Choice(POLICIES),
            "By what an instance is chosen; `hash` and `consistent_hash` need `by`, `prequal` needs `probe`.",
        )
        .default("\"p2c\""),
        Key::new(
            "by",
            Shape::Text(&HASH_BY),
            "For `hash` and `consistent_hash`: what requests have in common that go to one instance.",
        ),
        Key::new(
            "probe",
            Shape::Text(&PATH),
            "For `prequal`: the path that instances are asked for to say how busy they are, in `x-server-in-flight` or as ORCA's `in_flight`.",
        ),
        Key::new(
            "algorithm",
            Shape::Choice(&[now("maglev"), now("ring")]),
            "For `consistent_hash`: a table with very even shares, or a ring of which the fewest requests move when instances come and go.",
        )
        .default("\"maglev\""),
        Key::new(
            "load",
            Shape::Either(&[
                Shape::Number {
                    min: 1.0,
                    max: MAX_LOAD,
                },
                Shape::False,
            ]),
            "For `consistent_hash`: requests in flight that an instance has at most, beside the mean for its weight; those beyond go to another. `false`: any number.",
        )
        .default("1.25"),
        Key::new(
            "utilization",
            Shape::Boolean,
            "For `p2c`: whether what instances report of themselves counts.",
        )
        .default("true"),
        Key::new(
            "failure_limit",
            SHARE,
            "For `p2c`: instances that fail more often are passed over while others are found.",
        )
        .default("0.2"),
        Key::new(
            "utilization_limit",
            Shape::Number { min: 0.0, max: 100.0 },
            "For `p2c` with more than eight instances, of which two are drawn: the same for those that report a higher utilisation. 1 is all of one, more is a line of waiting requests. Of up to eight all are looked at, and what they report only adds to what they cost.",
        )
        .default("1.5"),
        Key::new(
            "ramp",
            Shape::Either(&[Shape::Text(&DURATION), Shape::False]),
            "How long an instance newer than others gets less than its share: a tenth of it at first. For `p2c`, `peak_ewma`, `random` and the round robins. `false`: not at all.",
        )
        .default("\"90s\""),
        Key::new(
            "panic_threshold",
            SHARE,
            "Below this share of healthy capacity all instances are used, those taken out for their failures too. 0: only where nothing else is left.",
        )
        .default("0.5"),
        Key::new(
            "sticky",
            Shape::Either(&[Shape::Text(&COOKIE_NAME), Shape::Table(&STICKY)]),
            "A cookie by which a client's requests stay with the instance of its first, while that is there: its name, or a table.",
        ),
    ],
    one_of: &[],
    exclusive: &[],
};

/// `sticky` of `balance`, as a table.
pub(crate) static STICKY: Table = Table {
    keys: &[
        Key::new("cookie", Shape::Text(&COOKIE_NAME), "The cookie's name.").required(),
        Key::new(
            "max_age",
            Shape::Text(&DURATION),
            "How long a browser keeps it.",
        )
        .default("until the browser is closed"),
    ],
    one_of: &[],
    exclusive: &[],
};

/// An element of `urls`, as a table.
pub(crate) static PLACE: Table = Table {
    keys: &[
        Key::new("url", Shape::Text(&UPSTREAM), "Where it is.").required(),
        Key::new(
            "weight",
            Shape::Integer {
                min: 1,
                max: MAX_WEIGHT as i64,
            },
            "Its capacity, beside the others'.",
        )
        .default("1"),
        Key::new(
            "zone",
            Shape::Text(&ZONE),
            "Where that is; those in the zone of `[gateway]` come first, and those without count as in it.",
        ),
    ],
    one_of: &[],
    exclusive: &[],
};

const POLICIES: &[Choice] = &[
    now("p2c"),
    now("round_robin"),
    now("weighted_round_robin"),
    now("random"),
    now("least_connections"),
    now("weighted_least_connections"),
    now("least_response_time"),
    now("peak_ewma"),
    now("join_shortest_queue"),
    now("prequal"),
    now("ip_hash"),
    now("url_hash"),
    now("hash"),
    now("consistent_hash"),
];

/// The word of a policy that can be used.
pub(crate) fn policy(word: &str) -> Option<&'static str> {
    let mut now = POLICIES.iter().filter(|it| it.status == Status::Now);
    now.find(|choice| choice.word == word).map(|it| it.word)
}

pub(super) const fn now(word: &'static str) -> Choice {
    Choice {
        word,
        status: Status::Now,
    }
}
