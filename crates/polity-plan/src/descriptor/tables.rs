//! Every key of a plan but the gateway's and a service's own.

pub(crate) use crate::descriptor::events::{EVENTS, TOPIC};
use crate::descriptor::format::*;
pub(crate) use crate::descriptor::gateway::GATEWAY;
pub(crate) use crate::descriptor::route::ROUTE;
pub(crate) use crate::descriptor::service::SERVICE;
pub(crate) use crate::descriptor::site::SITE;
use crate::descriptor::{Case, Key, Shape, Table};

const NOTHING: &[&str] = &[];

pub(super) const ENVIRONMENT: Shape = Shape::Named {
    key: &VARIABLE_NAME,
    value: &Shape::Either(&[
        Shape::Text(&VALUE),
        Shape::Integer {
            min: i64::MIN,
            max: i64::MAX,
        },
        Shape::Boolean,
    ]),
    case: Case::Counts,
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
                case: Case::Counts,
            },
            "What answers requests or does work, by name.",
        ),
        Key::new(
            "task",
            Shape::Named {
                key: &TASK_NAME,
                value: &Shape::Table(&TASK),
                case: Case::Counts,
            },
            "What runs once before services start or roll, by name.",
        ),
        Key::new(
            "site",
            Shape::Named {
                key: &SITE_NAME,
                value: &Shape::Table(&SITE),
                case: Case::Counts,
            },
            "Folders of files that the gateway serves itself, by name.",
        ),
        Key::new(
            "events",
            Shape::Table(&EVENTS),
            "The log of events, which speaks Kafka's protocol; it runs when a service publishes or consumes, or when this table is there.",
        ),
        Key::new(
            "topic",
            Shape::Named {
                key: &OWN_TOPIC_NAME,
                value: &Shape::Table(&TOPIC),
                case: Case::Counts,
            },
            "What is said of a topic, by name; the topics that services publish and consume need not be named here.",
        ),
        Key::later("discovery"),
        Key::later("telemetry"),
        Key::later("identity"),
        Key::later("delivery"),
        Key::later("saga"),
        Key::later("isolation"),
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

/// `health` of a service, as a table.
pub(crate) static HEALTH: Table = Table {
    keys: &[
        Key::new(
            "path",
            Shape::Text(&REQUEST_TARGET),
            "A path that answers 2xx; without it, a TCP connect tells.",
        ),
        Key::new(
            "grpc",
            Shape::Either(&[Shape::Boolean, Shape::Text(&GRPC_SERVICE)]),
            "`true`: gRPC's own health check (grpc.health.v1) tells, of the server as a whole; or the name of the service that is asked about.",
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
    exclusive: &[&["path", "grpc"]],
};

/// `transcode` of a service.
pub(crate) static TRANSCODE: Table = Table {
    keys: &[Key::new(
        "descriptors",
        Shape::Text(&FILE),
        "A file as `protoc --include_imports --descriptor_set_out` writes it, relative to polity.toml; without it, the service tells by server reflection.",
    )],
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
