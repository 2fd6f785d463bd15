//! What a fuzzer drives: a request, from its first byte to the types of its API and on to its answer.
//!
//! Built for tests and for `fuzz/` only. An input is a request without its length.

mod writer;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message};
use polity_core::{Rng, SplitMix64, SystemClock, TopicName};
use polity_log::{Durability, RealDisk, Settings, TopicConfig};
use tokio::runtime::{Builder, Runtime};

use crate::Config;
use crate::api::{self, Call};
use crate::connection::Client;
use crate::limits::READ_CHUNK;
use crate::node::{Log, Node, new_topic_id};
use crate::wire::answer::{Answer, Part};
use crate::wire::frame::Frame;
use crate::wire::header::Prefix;
use crate::wire::shapes;

pub(crate) use writer::Writer;

/// How long an answer is waited for, in a time that passes as fast as it can.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is asked of a topic or for it at most: each partition is a folder on the disk.
const FEW: i32 = 4;

/// What the decoder made of bytes: how many it left, and the same request encoded again.
pub(crate) struct Decoded {
    pub(crate) left: usize,
    pub(crate) again: Option<Bytes>,
}

fn decode<R: Decodable + Encodable + Message>(bytes: &[u8], version: i16) -> Option<Decoded> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let request = R::decode(&mut rest, version).ok()?;
    let mut again = BytesMut::new();
    let encoded = request.encode(&mut again, version);
    let again = encoded.ok().map(|()| again.freeze());
    Some(Decoded {
        left: rest.len(),
        again,
    })
}

macro_rules! requests {
    ($($key:ident $request:ident,)*) => {
        /// Every request, and its versions.
        pub(crate) const KEYS: &[(ApiKey, i16, i16)] = &[
            $((ApiKey::$key, <$request as Message>::VERSIONS.min, <$request as Message>::VERSIONS.max),)*
        ];

        /// Decodes a request of any kind; none where it is not one.
        pub(crate) fn decode_any(key: ApiKey, bytes: &[u8], version: i16) -> Option<Decoded> {
            match key {
                $(ApiKey::$key => decode::<$request>(bytes, version),)*
                _ => None,
            }
        }
    };
}

requests! {
    ApiVersions ApiVersionsRequest, Metadata MetadataRequest, Produce ProduceRequest,
    Fetch FetchRequest, ListOffsets ListOffsetsRequest,
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest,
    DescribeTopicPartitions DescribeTopicPartitionsRequest,
    DescribeCluster DescribeClusterRequest, DeleteRecords DeleteRecordsRequest,
    FindCoordinator FindCoordinatorRequest, JoinGroup JoinGroupRequest,
    SyncGroup SyncGroupRequest, Heartbeat HeartbeatRequest, LeaveGroup LeaveGroupRequest,
    OffsetCommit OffsetCommitRequest, OffsetFetch OffsetFetchRequest,
    OffsetDelete OffsetDeleteRequest, DescribeGroups DescribeGroupsRequest,
    ListGroups ListGroupsRequest, DeleteGroups DeleteGroupsRequest,
    ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest,
    ConsumerGroupDescribe ConsumerGroupDescribeRequest, CreateTopics CreateTopicsRequest,
    DeleteTopics DeleteTopicsRequest, CreatePartitions CreatePartitionsRequest,
    DescribeLogDirs DescribeLogDirsRequest, DescribeConfigs DescribeConfigsRequest, AlterConfigs AlterConfigsRequest,
    IncrementalAlterConfigs IncrementalAlterConfigsRequest,
    InitProducerId InitProducerIdRequest, AddPartitionsToTxn AddPartitionsToTxnRequest,
    AddOffsetsToTxn AddOffsetsToTxnRequest, EndTxn EndTxnRequest,
    TxnOffsetCommit TxnOffsetCommitRequest, DescribeProducers DescribeProducersRequest,
    DescribeTransactions DescribeTransactionsRequest, ListTransactions ListTransactionsRequest,
}

/// Reads a request, and decodes it if it is one.
pub fn request(input: &[u8]) {
    let _ = read(input);
}

fn read(input: &[u8]) -> Option<Call> {
    let prefix = Prefix::read(input)?;
    let bytes = Bytes::copy_from_slice(input);
    let call = Call::read(Frame {
        prefix,
        bytes,
        share: None,
    });
    let call = call.ok()?;
    let decoded = decode_any(call.key, call.body(), call.version);
    if let Some(decoded) = decoded {
        assert!(decoded.left <= input.len(), "it has more than there was");
        if let Some(again) = decoded.again {
            let again = decode_any(call.key, &again, call.version);
            assert!(again.is_some(), "what is encoded of it is not one");
        }
    }
    Some(call)
}

/// One request of each kind and version, every field of it filled.
pub fn seeds() -> Vec<Vec<u8>> {
    let versions = KEYS
        .iter()
        .flat_map(|(key, min, max)| (*min..=*max).map(|version| (*key, version)));
    versions
        .map(|(key, version)| seed(key, version, 7))
        .collect()
}

fn seed(key: ApiKey, version: i16, seed: u64) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend((key as i16).to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend([0, 0, 0, 9]);
    // The client is called x.
    request.extend([0, 1, b'x']);
    if key.request_header_version(version) >= 2 {
        request.push(0);
    }
    if let Some(shape) = shapes::of(key) {
        request.extend(Writer::write(shape, version, seed));
    }
    request
}

/// A request that is nearly one, by its seed.
pub fn nearly(number: u64) -> Vec<u8> {
    let mut rng = SplitMix64::new(number);
    let mut below = |bound: usize| (rng.next_u64() % bound.max(1) as u64) as usize;
    let (key, min, max) = KEYS[below(KEYS.len())];
    let version = min + below((max - min + 1) as usize) as i16;
    let mut bytes = seed(key, version, number);
    for _ in 0..below(4) {
        let (at, what) = (below(bytes.len()), below(8));
        match what {
            0 => bytes[at] = 0xff,
            1 => bytes[at] = 0x7f,
            2 => bytes[at] = 0,
            3 => bytes.truncate(at.max(8)),
            4 => bytes.insert(at, 0x80),
            5 => drop(bytes.remove(at)),
            _ => bytes[at] = below(256) as u8,
        }
        if bytes.len() < 8 {
            break;
        }
    }
    bytes
}

/// A broker without a port, to which each request comes by a connection of its own.
#[derive(Debug)]
pub struct Live {
    node: Arc<Node>,
    runtime: Runtime,
}

impl Live {
    /// Over a log in a folder that is made if it is not there.
    ///
    /// # Panics
    /// Where there is no such disk or runtime.
    pub fn new(folder: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            auto_create_topics: false,
            ..Config::new(address, folder.to_owned())
        };
        // Nothing waits for a disk: time that passes by itself would not wait for it.
        let settings = Settings {
            durability: Durability::Os,
            ..Settings::default()
        };
        let log = Log::open(RealDisk, folder, &settings, Arc::new(SystemClock))
            .expect("a log")
            .0;
        let node = Arc::new(Node::new(config, log).expect("a node"));
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let groups = node.clone();
        runtime.spawn(async move { groups.groups.run().await });
        Self { node, runtime }
    }

    /// Reads a request and answers it.
    ///
    /// # Panics
    /// Where the answer is not one, or never comes: that is what is looked for.
    pub fn answer(&self, input: &[u8]) {
        let Some(mut call) = read(input).filter(|call| !is_costly(call)) else {
            return;
        };
        self.make_topics();
        let here = SocketAddr::from(([127, 0, 0, 1], 9));
        let client = Client {
            peer: here,
            local: here,
        };
        let answering = async {
            match api::handle(&self.node, &client, &mut call).await {
                Ok(Answer::Later(later)) => later.reply.await.ok(),
                Ok(Answer::Now(reply)) => Some(reply),
                Ok(Answer::Large(large)) => large.encode().ok(),
                Ok(Answer::None) | Err(_) => None,
            }
        };
        let answered = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, answering).await });
        let Ok(reply) = answered else {
            // They wait for other members, for as long as they say themselves.
            let may_wait = matches!(call_key(input), Some(ApiKey::JoinGroup | ApiKey::SyncGroup));
            assert!(may_wait, "no answer to {input:x?}");
            return;
        };
        let Some(reply) = reply else { return };
        let lengths = reply.0.iter().map(|part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::File(slice) => slice.length,
        });
        let length: usize = lengths.sum();
        let Some(Part::Bytes(first)) = reply.0.first() else {
            panic!("an answer without a beginning");
        };
        let said = first
            .first_chunk::<4>()
            .map(|it| u32::from_be_bytes(*it) as usize);
        assert_eq!(
            said,
            Some(length - 4),
            "its length is that of all its parts"
        );
        assert_eq!(first.get(4..8), input.get(4..8), "it is the answer to this");
    }

    /// Names as the [`Writer`] writes them.
    fn make_topics(&self) {
        for name in ["x", "xx", "xxx"] {
            if self.node.log.topic(name).is_none() {
                let name = TopicName::new(name).expect("a legal name");
                let config = TopicConfig::default();
                let made = self.node.log.create_topic(&name, new_topic_id(), 2, config);
                self.node.topics.changed(&made.expect("a topic"));
            }
        }
    }
}

fn call_key(input: &[u8]) -> Option<ApiKey> {
    ApiKey::try_from(Prefix::read(input)?.key).ok()
}

/// Whether it would keep the disk busy for longer than it is worth.
fn is_costly(call: &Call) -> bool {
    match call.key {
        ApiKey::CreateTopics => call.decode::<CreateTopicsRequest>().is_ok_and(|request| {
            let large = |it: &create_topics_request::CreatableTopic| {
                it.num_partitions > FEW || it.assignments.len() > FEW as usize
            };
            request.topics.len() > FEW as usize || request.topics.iter().any(large)
        }),
        ApiKey::CreatePartitions => call
            .decode::<CreatePartitionsRequest>()
            .is_ok_and(|request| request.topics.iter().any(|it| it.count > FEW)),
        _ => call.body().len() > READ_CHUNK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests are tried, unless more are asked for.
    const ROUNDS: u64 = 3000;

    fn rounds() -> u64 {
        let asked = std::env::var("POLITY_FUZZ_ROUNDS").ok();
        asked.and_then(|it| it.parse().ok()).unwrap_or(ROUNDS)
    }

    #[test]
    fn every_request_that_is_served_is_among_them() {
        for served in api::SERVED {
            let is_known = KEYS.iter().any(|(key, ..)| *key == served.key);
            assert!(is_known, "{:?} is not decoded here", served.key);
        }
    }

    #[test]
    fn every_request_of_every_version_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let live = Live::new(&folder.path().join("events"));
        for seed in seeds() {
            assert!(read(&seed).is_some() || !is_served(&seed), "{seed:x?}");
            live.answer(&seed);
        }
    }

    fn is_served(request: &[u8]) -> bool {
        let prefix = Prefix::read(request).expect("a prefix");
        let served = api::SERVED.iter().find(|it| it.key as i16 == prefix.key);
        served.is_some_and(|it| (it.from..=it.to).contains(&prefix.version))
    }

    #[test]
    fn whatever_is_nearly_a_request_is_answered_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let live = Live::new(&folder.path().join("events"));
        for number in 0..rounds() {
            live.answer(&nearly(number));
        }
    }
}
