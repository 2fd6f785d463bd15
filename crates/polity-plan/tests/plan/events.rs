//! The log of events and its topics.

use std::time::Duration;

use polity_core::ByteSize;
use polity_plan::{Broker, Cleanup, Durability, Events, Retention, Topic};

use crate::{codes, plan, shown};

const SHOP: &str = "[service.orders]\nrun = \"o\"\nroute = \"/\"\npublishes = [\"order.placed\"]\n\
    [service.tracker]\nrun = \"t\"\nconsumes = [\"order.placed\"]\n";

fn events(text: &str) -> Events {
    plan(text).events.expect("the log of events runs")
}

fn embedded(text: &str) -> polity_plan::EmbeddedBroker {
    match events(text).broker {
        Broker::Embedded(broker) => broker,
        Broker::Kafka(addresses) => panic!("{addresses:?}"),
    }
}

#[test]
fn the_log_runs_when_it_is_named_or_used() {
    assert_eq!(plan("[service.a]\nrun = \"a\"").events, None);
    for text in ["[events]", "[topic.t]", SHOP] {
        assert_eq!(codes(text), [""; 0], "{text}");
        let broker = embedded(text);
        assert_eq!(broker.listen.port, 9092);
        assert!(broker.listen.host.is_some_and(|host| host.is_loopback()));
        assert_eq!(broker.durability, Durability::Fsync);
        assert!(broker.auto_create);
        assert_eq!(broker.partitions, 1);
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        assert_eq!(broker.retention, Retention::For(week));
    }
    let topics = events(SHOP).topics;
    let names: Vec<&str> = topics.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["order.placed"]);
    assert_eq!(topics["order.placed"], Topic::default());
}

#[test]
fn every_key_is_read() {
    let text = "[events]\nlisten = \":9000\"\nadvertised = \"Events.example.com:9001\"\n\
        durability = \"os\"\nauto_create = false\npartitions = 3\nretention = \"forever\"\n\
        [topic.\"a.b\"]\npartitions = 4\nretention = \"400d\"\nretention_size = \"1GB\"\n\
        cleanup = \"compact,delete\"\nmax_message = \"2MiB\"";
    let broker = embedded(text);
    assert_eq!(broker.listen.port, 9000);
    let advertised = broker.advertised.map(|at| at.to_string());
    assert_eq!(advertised.as_deref(), Some("events.example.com:9001"));
    assert_eq!(broker.durability, Durability::Os);
    assert!(!broker.auto_create);
    assert_eq!(broker.partitions, 3);
    assert_eq!(broker.retention, Retention::Forever);
    let expected = Topic {
        partitions: Some(4),
        retention: Some(Retention::For(Duration::from_secs(400 * 24 * 60 * 60))),
        retention_size: Some(ByteSize(1_000_000_000)),
        cleanup: Some(Cleanup::CompactAndDelete),
        max_message: Some(ByteSize(2 << 20)),
    };
    assert_eq!(events(text).topics["a.b"], expected);
}

#[test]
fn a_cluster_elsewhere_takes_the_place_of_the_broker() {
    let at = |text: &str| match events(&format!("[events]\nkafka = \"{text}\"")).broker {
        Broker::Kafka(addresses) => addresses.iter().map(ToString::to_string).collect(),
        Broker::Embedded(_) => Vec::new(),
    };
    assert_eq!(at("kafka:9092"), ["kafka:9092"]);
    assert_eq!(at("a:1, [::1]:2"), ["a:1", "[::1]:2"]);
    for key in [
        "listen = \":9092\"",
        "advertised = \"h:1\"",
        "durability = \"os\"",
        "auto_create = true",
        "partitions = 1",
        "retention = \"1d\"",
    ] {
        let text = format!("[events]\nkafka = \"h:9092\"\n{key}");
        assert_eq!(codes(&text), ["P0109"], "{key}");
    }
}

#[test]
fn what_no_broker_could_do_is_refused() {
    for (line, code) in [
        ("listen = \"kafka:9092\"", "P0106"),
        ("kafka = \"kafka\"", "P0106"),
        ("kafka = \"\"", "P0106"),
        ("kafka = \"a:1,\"", "P0106"),
        ("kafka = \"http://kafka:9092\"", "P0106"),
        ("kafka = \"kafka:0\"", "P0106"),
        ("advertised = \":9092\"", "P0106"),
        ("durability = \"never\"", "P0106"),
        ("durability = 1", "P0104"),
        ("auto_create = \"yes\"", "P0104"),
        ("partitions = 0", "P0106"),
        ("retention = \"never\"", "P0106"),
        ("retention = \"0s\"", "P0106"),
        ("kafak = \"h:1\"", "P0102"),
    ] {
        assert_eq!(codes(&format!("[events]\n{line}")), [code], "{line}");
    }
    for (line, code) in [
        ("partitions = 0", "P0106"),
        ("partitions = 1001", "P0106"),
        ("retention = \"101y\"", "P0106"),
        ("retention = \"36601d\"", "P0106"),
        ("retention_size = \"0B\"", "P0106"),
        ("retention_size = \"9999999TiB\"", "P0106"),
        ("cleanup = \"none\"", "P0106"),
        ("max_message = \"1GB\"", "P0106"),
        ("replication = 3", "P0102"),
    ] {
        assert_eq!(codes(&format!("[topic.t]\n{line}")), [code], "{line}");
    }
    for name in ["", ".", "a b", "a/b", "__consumer_offsets"] {
        assert_eq!(codes(&format!("[topic.\"{name}\"]")), ["P0107"], "{name}");
    }
}

#[test]
fn its_port_is_its_own() {
    let text = "[service.a]\nrun = \"a\"\nport = 9092\nroute = \"/\"\n";
    assert_eq!(codes(text), [""; 0]);
    assert_eq!(codes(&format!("{text}publishes = [\"t\"]")), ["P0121"]);
    assert_eq!(codes(&format!("{text}[events]")), ["P0121"]);
    assert_eq!(
        codes(&format!("{text}[events]\nkafka = \"h:9092\"")),
        [""; 0]
    );
    assert_eq!(codes("[events]\nlisten = \"127.0.0.1:7070\""), ["P0121"]);
}

#[test]
fn a_topic_nobody_uses_is_told() {
    let text = format!("{SHOP}[topic.\"order.place\"]");
    assert_eq!(codes(&text), ["P0207"]);
    assert!(shown(&text).contains("did you mean `order.placed`?"));
    assert_eq!(codes(&format!("{text}\nallow = [\"P0207\"]")), [""; 0]);
    assert_eq!(codes(&format!("{SHOP}[topic.\"order.placed\"]")), [""; 0]);
}

#[test]
fn instances_beyond_the_partitions_are_told() {
    let shop = |topic: &str, events: &str| {
        codes(&format!(
            "{events}\n{SHOP}replicas = 2\n[topic.\"order.placed\"]\n{topic}"
        ))
    };
    assert_eq!(shop("", ""), ["P0208"]);
    assert_eq!(shop("", "[events]\npartitions = 2"), [""; 0]);
    assert_eq!(shop("partitions = 2", ""), [""; 0]);
    assert_eq!(
        shop("partitions = 1", "[events]\npartitions = 2"),
        ["P0208"]
    );
    let elsewhere = "[events]\nkafka = \"h:9092\"";
    assert_eq!(shop("", elsewhere), [""; 0]);
    assert_eq!(shop("partitions = 1", elsewhere), ["P0208"]);
    let allowed = format!("{SHOP}replicas = 2\nallow = [\"P0208\"]");
    assert_eq!(codes(&allowed), [""; 0]);
}
