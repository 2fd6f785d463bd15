//! A broker for a test, and a client that speaks exactly the versions it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use polity_broker::{Broker, Config};
use polity_runtime::{DrainTrigger, drain};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// What a test waits for an answer before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker that runs until this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    config: Config,
    data: Option<TempDir>,
    trigger: Option<DrainTrigger>,
    runtime: Runtime,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// A broker that is set up otherwise than by default.
    pub(crate) fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Config::new(listen, data.path().join("events"));
        change(&mut config);
        Self::over(config, data)
    }

    fn over(config: Config, data: TempDir) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let broker = Broker::new(config.clone()).expect("a broker");
        let address = broker.address();
        let (trigger, drain) = drain::channel();
        runtime.spawn(broker.run(drain));
        Self {
            address,
            config,
            data: Some(data),
            trigger: Some(trigger),
            runtime,
        }
    }

    /// Stops it gracefully and starts another over the same log.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|_| ())
    }

    /// The same, with something done to the log's folder in between.
    pub(crate) fn restart_after(mut self, meanwhile: impl FnOnce(&Path)) -> Self {
        self.stop();
        meanwhile(&self.config.data);
        let data = self.data.take().expect("it is there until the end");
        Self::over(self.config.clone(), data)
    }

    fn stop(&mut self) {
        if let Some(trigger) = self.trigger.take() {
            self.runtime.block_on(trigger.drained());
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A connection of a client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    next: i32,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream, next: 0 }
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let correlation = self.send(version, request);
        self.receive::<R>(version, correlation)
    }

    /// Sends a request; gives what its answer will be known by.
    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.next += 1;
        let mut frame = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.next)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let encoded = header.encode(&mut frame, R::header_version(version));
        encoded.expect("a header encodes");
        request
            .encode(&mut frame, version)
            .expect("the request encodes");
        self.send_frame(&frame);
        self.next
    }

    /// Waits for the answer to a request sent before.
    pub(crate) fn receive<R: Request>(&mut self, version: i16, correlation: i32) -> R::Response {
        let mut frame = self.receive_frame().expect("an answer");
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version));
        assert_eq!(header.expect("a header").correlation_id, correlation);
        let response = R::Response::decode(&mut frame, version).expect("an answer decodes");
        assert!(
            frame.is_empty(),
            "the answer ends where its last field does"
        );
        response
    }

    pub(crate) fn send_frame(&mut self, frame: &[u8]) {
        let length = i32::try_from(frame.len()).expect("a short frame");
        self.send_bytes(&[&length.to_be_bytes(), frame].concat());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        // A broker that has closed the connection is what some tests are about.
        let _ = self.stream.write_all(bytes);
    }

    /// The next answer; none when the broker closed the connection.
    pub(crate) fn receive_frame(&mut self) -> Option<Bytes> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer"),
            Err(_) => return None,
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).expect("a whole answer");
        Some(frame.into())
    }
}

/// Text as messages carry it.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A topic's name as messages carry it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Makes a topic; gives its id.
pub(crate) fn create_topic(client: &mut Client, name: &str, partitions: i32) -> Uuid {
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let response = client.call(7, &CreateTopicsRequest::default().with_topics(vec![topic]));
    let made = &response.topics[0];
    assert_eq!(made.error_code, 0, "{:?}", made.error_message);
    made.topic_id
}
