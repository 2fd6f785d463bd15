//! What Polity's broker is to reach beside Apache Kafka.

use super::brokers::KAFKA;
use super::load::{MEGABYTES_PER_CPU, P50, P99, RECORDS, RECORDS_PER_CPU};
use super::{consume, flow, produce, start};
use crate::bench::goals::{Bound, Goal, other};

pub(super) const GOALS: [Goal; 11] = [
    other(
        produce::BULK.name,
        RECORDS_PER_CPU,
        Bound::TimesPeer(KAFKA, 2.0),
    ),
    other(produce::DURABLE.name, RECORDS, Bound::TimesPeer(KAFKA, 5.0)),
    other(
        produce::SMALL.name,
        RECORDS_PER_CPU,
        Bound::TimesPeer(KAFKA, 3.0),
    ),
    other(produce::SMALL.name, P99, Bound::AtMostPeer(KAFKA)),
    other(
        consume::NAME,
        MEGABYTES_PER_CPU,
        Bound::TimesPeer(KAFKA, 2.0),
    ),
    other(
        flow::TAIL.name,
        MEGABYTES_PER_CPU,
        Bound::TimesPeer(KAFKA, 2.0),
    ),
    other(flow::LATENCY.name, P50, Bound::OfPeer(KAFKA, 0.5)),
    other(flow::LATENCY.name, P99, Bound::OfPeer(KAFKA, 0.5)),
    other(start::NAME, start::FIRST, Bound::AtMost(100.0)),
    other(start::NAME, start::IDLE, Bound::AtMost(20.0)),
    other(start::NAME, start::LOADED, Bound::AtMost(150.0)),
];
