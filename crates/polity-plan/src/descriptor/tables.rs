//! Every key of a plan.

use crate::descriptor::format::*;
use crate::descriptor::{Choice, Key, Shape, Status, Table};

/// The most replicas of one service on one machine.
const MAX_REPLICAS: i64 = 1000;

/// The most tries of one request: beyond, retries are an attack on the service.
const MAX_ATTEMPTS: i64 = 10;

const NOTHING: &[&str] = &[];

const PATHS: Shape = Shape::List(&Shape::Text(&FILE));
const TOPICS: Shape = Shape::List(&Shape::Text(&TOPIC_NAME));
const SERVICES: Shape = Shape::List(&Shape::Text(&SERVICE_NAME));
const ENVIRONMENT: Shape = Shape::Named {
    key: &VARIABLE_NAME,
    value: &Shape::Either(&[
        Shape::Text(&VALUE),
        Shape::Integer {
            min: i64::MIN,
            max: i64::MAX,
        },
        Shape::Boolean,
    ]),
};

/// The whole file.
pub(crate) static PLAN: Table = Table {
    keys: &[
        Key::new("gateway", Shape::Table(&GATEWAY), "The public entry."),
        Key::new(
            "console",
            Shape::Table(&CONSOLE),
            "The dashboard and admin API.",
        ),
        Key::new(
            "service",
            Shape::Named {
                key: &SERVICE_NAME,
                value: &Shape::Table(&SERVICE),
            },
            "What answers requests or does work, by name.",
        ),
        Key::new(
            "task",
            Shape::Named {
                key: &TASK_NAME,
                value: &Shape::Table(&TASK),
            },
            "What runs once before services start or roll, by name.",
        ),
        Key::later("events"),
        Key::later("topic"),
        Key::later("discovery"),
        Key::later("telemetry"),
        Key::later("identity"),
        Key::later("site"),
        Key::later("delivery"),
        Key::later("saga"),
        Key::later("isolation"),
    ],
    one_of: NOTHING,
    exclusive: &[],
};

/// `[gateway]`.
pub(crate) static GATEWAY: Table = Table {
    keys: &[
        Key::new(
            "listen",
            Shape::Text(&LISTEN),
            "Where it listens; port 0 picks a free one.",
        )
        .default("\":8080\""),
        Key::new(
            "trusted_proxies",
            Shape::List(&Shape::Text(&NETWORK)),
            "Peers whose `x-forwarded-*` and `forwarded` headers are believed.",
        )
        .default("[]"),
        Key::later("domain"),
        Key::later("tls"),
        Key::later("max_in_flight"),
    ],
    one_of: NOTHING,
    exclusive: &[],
};

/// `[console]`.
pub(crate) static CONSOLE: Table = Table {
    keys: &[Key::new(
        "listen",
        Shape::Text(&LISTEN),
        "Where it listens; port 0 picks a free one.",
    )
    .default("\"127.0.0.1:7070\"")],
    one_of: NOTHING,
    exclusive: &[],
};

/// `[service.NAME]`.
pub(crate) static SERVICE: Table = Table {
    keys: &[
        Key::new(
            "run",
            Shape::Command,
            "Starts it; `{port}` is its port. A string is split as a shell would and run without one, an array stands as it is.",
        ),
        Key::new(
            "url",
            Shape::Text(&UPSTREAM),
            "Where it runs when Polity does not run it.",
        ),
        Key::new(
            "urls",
            Shape::NonEmptyList(&Shape::Text(&UPSTREAM)),
            "The same, for several places.",
        ),
        Key::new(
            "build",
            Shape::Command,
            "Makes it, before the first start and on deploy.",
        )
        .needs("run"),
        Key::new(
            "dir",
            Shape::Text(&FILE),
            "Where `build` and `run` run, relative to the plan's folder.",
        )
        .default("\".\"")
        .needs("run"),
        Key::new(
            "route",
            Shape::Text(&PATH),
            "A public path prefix: short for one entry of `routes`.",
        ),
        Key::new(
            "routes",
            Shape::List(&Shape::Table(&ROUTE)),
            "Public routes, each a table `[[service.NAME.routes]]`.",
        ),
        Key::new(
            "replicas",
            Shape::Integer {
                min: 1,
                max: MAX_REPLICAS,
            },
            "How many run at once.",
        )
        .default("1")
        .needs("run"),
        Key::new(
            "port",
            Shape::Either(&[
                Shape::Boolean,
                Shape::Integer {
                    min: 1,
                    max: u16::MAX as i64,
                },
            ]),
            "`true`: a port Polity chooses and says in `$PORT`; a number: that one; `false`: it listens on nothing.",
        )
        .default("true")
        .needs("run"),
        Key::new(
            "protocol",
            Shape::Choice(&[now("http"), now("tcp")]),
            "What it speaks; `tcp` for whatever is not HTTP, such as a database.",
        )
        .default("\"http\""),
        Key::new(
            "health",
            Shape::Either(&[Shape::Text(&REQUEST_TARGET), Shape::Table(&HEALTH)]),
            "A path that answers 2xx when it is ready; without it, a TCP connect tells.",
        )
        .needs("run"),
        Key::new(
            "database",
            Shape::Text(&DATABASE),
            "Its own database: `sqlite` for a file Polity makes, or a URL.",
        )
        .needs("run"),
        Key::new("calls", SERVICES, "The services it may call; `$NAME_URL` for each.")
            .default("[]")
            .needs("run"),
        Key::new("publishes", TOPICS, "The topics it publishes.").default("[]"),
        Key::new("consumes", TOPICS, "The topics it consumes.").default("[]"),
        Key::new(
            "env",
            ENVIRONMENT,
            "Further environment variables. Their values are never shown.",
        )
        .default("{}")
        .needs("run"),
        Key::new(
            "watch",
            PATHS,
            "Paths, relative to `dir`, whose change rebuilds and rolls it.",
        )
        .default("[]")
        .needs("run"),
        Key::new(
            "timeout",
            Shape::Text(&DURATION),
            "From a request's arrival to the first byte of its answer.",
        )
        .default("\"30s\""),
        Key::new("retry", Shape::Table(&RETRY), "Tries of a request to it."),
        Key::new(
            "balance",
            Shape::Either(&[Shape::Choice(BALANCE), Shape::LaterTable]),
            "How one of its instances is chosen.",
        )
        .default("\"p2c\""),
        Key::new(
            "start_timeout",
            Shape::Text(&DURATION),
            "From start to ready, at most.",
        )
        .default("\"60s\"")
        .needs("run"),
        Key::new(
            "stop_timeout",
            Shape::Text(&DURATION),
            "From SIGTERM to SIGKILL.",
        )
        .default("\"10s\"")
        .needs("run"),
        Key::new(
            "restart_after",
            Shape::Text(&DURATION),
            "How long its health check fails before it is restarted.",
        )
        .default("\"30s\"")
        .needs("run"),
        Key::new(
            "allow",
            Shape::List(&Shape::Text(&WARNING_CODE)),
            "Codes of warnings not to be given about it.",
        )
        .default("[]"),
        Key::later("isolation"),
        Key::later("transcode"),
        Key::later("tls"),
        Key::later("max_in_flight"),
    ],
    one_of: &["run", "url", "urls"],
    exclusive: &[],
};

/// `[[service.NAME.routes]]`.
pub(crate) static ROUTE: Table = Table {
    keys: &[
        Key::new(
            "path",
            Shape::Text(&PATH),
            "This path and all below it, by whole segments.",
        )
        .default("\"/\""),
        Key::new("exact", Shape::Text(&PATH), "This one path."),
        Key::new(
            "host",
            Shape::Text(&HOST),
            "Only this host, or every host below `*.`; the port does not count.",
        )
        .default("any host"),
        Key::new(
            "methods",
            Shape::NonEmptyList(&Shape::Text(&METHOD)),
            "Only these methods.",
        )
        .default("any method"),
        Key::new(
            "headers",
            Shape::Named {
                key: &HEADER_NAME,
                value: &Shape::Text(&HEADER_VALUE),
            },
            "Only requests that have all these headers with exactly these values.",
        )
        .default("{}"),
        Key::new(
            "strip",
            Shape::Boolean,
            "Whether the matched part of the path is removed before the request is forwarded.",
        )
        .default("false"),
        Key::new(
            "rewrite",
            Shape::Text(&PATH),
            "What the matched part of the path is replaced by.",
        ),
    ],
    one_of: NOTHING,
    exclusive: &[&["path", "exact"], &["strip", "rewrite"]],
};

/// `health` of a service, as a table.
pub(crate) static HEALTH: Table = Table {
    keys: &[
        Key::new(
            "path",
            Shape::Text(&REQUEST_TARGET),
            "A path that answers 2xx; without it, a TCP connect tells.",
        ),
        Key::new(
            "interval",
            Shape::Text(&DURATION),
            "From one check to the next.",
        )
        .default("\"2s\""),
        Key::new("timeout", Shape::Text(&DURATION), "One check, at most.").default("\"1s\""),
    ],
    one_of: NOTHING,
    exclusive: &[],
};

/// `retry` of a service.
pub(crate) static RETRY: Table = Table {
    keys: &[
        Key::new(
            "attempts",
            Shape::Integer {
                min: 1,
                max: MAX_ATTEMPTS,
            },
            "Tries in all, the first included.",
        )
        .default("2"),
        Key::new(
            "budget",
            Shape::Number { min: 0.0, max: 1.0 },
            "Retries that may be added to the service's load: 0.2 is one for five requests.",
        )
        .default("0.2"),
    ],
    one_of: NOTHING,
    exclusive: &[],
};

/// `[task.NAME]`.
pub(crate) static TASK: Table = Table {
    keys: &[
        Key::new("run", Shape::Command, "What it runs.").required(),
        Key::new(
            "before",
            Shape::NonEmptyList(&Shape::Text(&SERVICE_NAME)),
            "The services that wait for it; it has the environment of the first.",
        )
        .required(),
        Key::new("build", Shape::Command, "Makes it."),
        Key::new(
            "dir",
            Shape::Text(&FILE),
            "Where it runs, relative to the plan's folder.",
        )
        .default("\".\""),
        Key::new(
            "env",
            ENVIRONMENT,
            "Further environment variables. Their values are never shown.",
        )
        .default("{}"),
        Key::new(
            "timeout",
            Shape::Text(&DURATION),
            "From start to end, at most.",
        )
        .default("\"10m\""),
    ],
    one_of: NOTHING,
    exclusive: &[],
};

const BALANCE: &[Choice] = &[
    now("p2c"),
    now("round_robin"),
    now("least_connections"),
    now("random"),
    later("weighted_round_robin"),
    later("weighted_least_connections"),
    later("ip_hash"),
    later("url_hash"),
    later("header_hash"),
    later("cookie_hash"),
    later("ring_hash"),
    later("maglev"),
    later("least_response_time"),
    later("peak_ewma"),
    later("join_shortest_queue"),
    later("prequal"),
];

const fn now(word: &'static str) -> Choice {
    Choice {
        word,
        status: Status::Now,
    }
}

const fn later(word: &'static str) -> Choice {
    Choice {
        word,
        status: Status::Later,
    }
}
