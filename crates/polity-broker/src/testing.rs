//! A node and its connections, within a test's own runtime.

mod pipe;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Encodable, Request, StrBytes};
use polity_core::{SystemClock, TopicName};
use polity_log::batch::BatchBuilder;
use polity_log::{Origin, RealDisk, Settings, TopicConfig, TopicId};
use polity_runtime::loopback::do_not_pace;
use polity_runtime::{DrainTrigger, drain};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::Config;
use crate::connection::{self, Client};
use crate::node::{Log, Node, Partition, Topic};
use crate::server::Activity;

pub(crate) use pipe::pipe;

/// A node over a log of its own.
pub(crate) struct TestNode {
    pub(crate) node: Arc<Node>,
    pub(crate) folder: TempDir,
    _trigger: DrainTrigger,
    drain: drain::Drain,
}

impl TestNode {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self::with(settings, |_| ())
    }

    /// A node that is set up otherwise than by default.
    pub(crate) fn with(settings: &Settings, change: impl FnOnce(&mut Node)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::new(any_address(), folder.path().join("events"));
        let log = Log::open(RealDisk, &config.data, settings, Arc::new(SystemClock));
        let mut node = Node::new(config, log.expect("a log").0).expect("a node");
        change(&mut node);
        let (trigger, drain) = drain::channel();
        Self {
            node: Arc::new(node),
            folder,
            _trigger: trigger,
            drain,
        }
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: u32) -> Arc<Topic> {
        let name = TopicName::new(name).expect("a legal name");
        let config = TopicConfig::default();
        let id = TopicId([name.as_str().len() as u8; 16]);
        let topic = self.node.log.create_topic(&name, id, partitions, config);
        let topic = topic.expect("a topic");
        self.node.topics.changed(&topic);
        topic
    }

    /// A connection, served by the runtime that this is called in, and its server's end.
    pub(crate) async fn connect(&self) -> (TcpStream, JoinHandle<()>) {
        self.connect_as(Activity::new(&Arc::new(AtomicU64::new(0))))
            .await
    }

    pub(crate) async fn connect_as(&self, activity: Activity) -> (TcpStream, JoinHandle<()>) {
        let (near, far) = connection().await;
        let client = Client {
            peer: far.peer_addr().expect("a peer"),
            local: far.local_addr().expect("an address"),
        };
        let serving =
            connection::serve(far, client, self.node.clone(), activity, self.drain.clone());
        (near, tokio::spawn(serving))
    }
}

pub(crate) fn any_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// While it is held, paused time passes only where the test says so. Otherwise it jumps to the next timer
/// whenever all wait, as they do for what the system has taken and not yet delivered: a busy machine would
/// make connections look stalled that are not.
pub(crate) struct Standstill {
    _end: std::sync::mpsc::Sender<()>,
}

impl Standstill {
    pub(crate) fn begin() -> Self {
        let (end, ended) = std::sync::mpsc::channel();
        // Tokio keeps paused time where it is while anything blocks.
        tokio::task::spawn_blocking(move || ended.recv());
        Self { _end: end }
    }
}

/// The two ends of a connection, the server's as the server has it.
pub(crate) async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(any_address()).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    do_not_pace(&listener, address);
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.expect("a connection"), far.expect("a connection").0)
}

/// A request as it is sent, its length first.
pub(crate) fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    let mut frame = BytesMut::from(&[0; 4][..]);
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let encoded = header.encode(&mut frame, R::header_version(version));
    encoded.expect("a header encodes");
    let encoded = request.encode(&mut frame, version);
    encoded.expect("the request encodes");
    let length = i32::try_from(frame.len() - 4).expect("a short frame");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}

/// Appends a batch of one record.
pub(crate) fn append(partition: &Arc<Partition>, value: &[u8]) {
    let batch = BatchBuilder::new().record(1000, None, Some(value)).build();
    let appended = partition.append(&batch, Origin::Client);
    appended.expect("it is appended");
}
