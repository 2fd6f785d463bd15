//! The log of events, and its topics.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use polity_core::{ByteSize, TopicName};

use crate::address::{parse_brokers, parse_host_port, parse_listen};
use crate::code::Code;
use crate::decode::Fields;
use crate::descriptor::format::parse_retention;
use crate::draft::{At, DraftEvents, DraftTopic};
use crate::plan::{Broker, Cleanup, Durability, EmbeddedBroker, ListenAddress, Retention, Topic};
use crate::tree::Entry;

const PORT: u16 = 9092;
const PARTITIONS: u32 = 1;
const RETENTION: Retention = Retention::For(Duration::from_secs(7 * 86_400));

/// `fields` is the whole file's.
pub(super) fn events(fields: Fields<'_>) -> DraftEvents {
    let table = fields.table("events");
    let topics = fields.table("topic").0.iter();
    DraftEvents {
        broker: match table.parse("kafka", |text| parse_brokers(text).ok()) {
            Some(addresses) => Broker::Kafka(addresses),
            None => Broker::Embedded(embedded(table)),
        },
        listen: table.span("listen"),
        is_named: fields.get("events").is_some(),
        topics: topics.filter_map(topic).collect(),
    }
}

fn embedded(fields: Fields<'_>) -> EmbeddedBroker {
    let loopback = ListenAddress {
        host: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: PORT,
    };
    EmbeddedBroker {
        listen: fields
            .parse("listen", |text| parse_listen(text).ok())
            .unwrap_or(loopback),
        advertised: fields.parse("advertised", |text| parse_host_port(text).ok()),
        durability: match fields.text("durability") {
            Some("os") => Durability::Os,
            _ => Durability::Fsync,
        },
        auto_create: fields.boolean("auto_create").unwrap_or(true),
        partitions: fields.integer("partitions").unwrap_or(PARTITIONS),
        retention: fields
            .parse("retention", |text| parse_retention(text).ok())
            .unwrap_or(RETENTION),
    }
}

fn topic(entry: &Entry) -> Option<DraftTopic> {
    let fields = Fields(entry.node.table());
    let size = |name| fields.parse(name, |text| ByteSize::parse(text).ok());
    Some(DraftTopic {
        name: At {
            value: TopicName::new(&entry.key).ok()?,
            span: entry.key_span.clone(),
        },
        topic: Topic {
            partitions: fields.integer("partitions"),
            retention: fields.parse("retention", |text| parse_retention(text).ok()),
            retention_size: size("retention_size"),
            cleanup: fields.parse("cleanup", Cleanup::of_word),
            max_message: size("max_message"),
        },
        partitions: fields.span("partitions"),
        allow: fields.parse_list("allow", Code::parse),
    })
}
