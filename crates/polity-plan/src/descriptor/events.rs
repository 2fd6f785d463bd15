//! Every key of `[events]` and `[topic.NAME]`.

use crate::descriptor::balance::now;
use crate::descriptor::format::*;
use crate::descriptor::{Key, Shape, Table};
use crate::plan::MAX_PARTITIONS;

const PARTITIONS: Shape = Shape::Integer {
    min: 1,
    max: MAX_PARTITIONS as i64,
};

/// `[events]`.
pub(crate) static EVENTS: Table = Table {
    keys: &[
        Key::new(
            "listen",
            Shape::Text(&LISTEN),
            "Where it listens, in Kafka's protocol; port 0 picks a free one.",
        )
        .default("\"127.0.0.1:9092\""),
        Key::new(
            "advertised",
            Shape::Text(&HOST_PORT),
            "Where clients are told to find it, when that is another address than `listen`.",
        ),
        Key::new(
            "kafka",
            Shape::Text(&BROKERS),
            "A Kafka cluster elsewhere that is used instead: Polity runs none of its own.",
        ),
        Key::new(
            "durability",
            Shape::Choice(&[now("fsync"), now("os")]),
            "When a record counts as kept: once it is on the disk (`fsync`), or once the operating system has it, as Kafka does (`os`).",
        )
        .default("\"fsync\""),
        Key::new(
            "auto_create",
            Shape::Boolean,
            "Whether a topic is made when a client first asks for it; those of the plan are made in any case.",
        )
        .default("true"),
        Key::new(
            "partitions",
            PARTITIONS,
            "Partitions of a topic for which nothing else is said.",
        )
        .default("1"),
        Key::new(
            "retention",
            Shape::Text(&RETENTION),
            "How long records stay in a topic for which nothing else is said, or `\"forever\"`.",
        )
        .default("\"7d\""),
    ],
    one_of: &[],
    exclusive: &[
        &["kafka", "listen"],
        &["kafka", "advertised"],
        &["kafka", "durability"],
        &["kafka", "auto_create"],
        &["kafka", "partitions"],
        &["kafka", "retention"],
    ],
};

/// `[topic.NAME]`.
pub(crate) static TOPIC: Table = Table {
    keys: &[
        Key::new(
            "partitions",
            PARTITIONS,
            "How many consumers of one group can share its work; records of one key stay in order in one of them. It can grow and not shrink. Default: as `[events]` or the cluster says.",
        ),
        Key::new(
            "retention",
            Shape::Text(&RETENTION),
            "How long records stay, or `\"forever\"`. Default: as `[events]` or the cluster says.",
        ),
        Key::new(
            "retention_size",
            Shape::Text(&SOME_SIZE),
            "Bytes that each partition keeps, about; beyond, the oldest records go. Default: any number.",
        ),
        Key::new(
            "cleanup",
            Shape::Choice(&[now("delete"), now("compact"), now("compact,delete")]),
            "What becomes of old records: `delete` drops them by `retention`, `compact` keeps the last one of each key.",
        )
        .default("\"delete\""),
        Key::new(
            "max_message",
            Shape::Text(&MESSAGE_SIZE),
            "Bytes of a batch of records, at most, as it is sent. Default: Kafka's, 1 MiB and a few bytes.",
        ),
        Key::new(
            "allow",
            Shape::List(&Shape::Text(&WARNING_CODE)),
            "Codes of warnings not to be given about it.",
        )
        .default("[]"),
    ],
    one_of: &[],
    exclusive: &[],
};
