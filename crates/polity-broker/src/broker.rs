//! The broker as a part: configuration in, a listener bound, and run until the drain.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polity_core::SystemClock;
use polity_log::{Durability, OpenError, RealDisk, Settings};
use polity_runtime::loopback::do_not_pace;
use polity_runtime::{Drain, task};
use tokio::task::JoinHandle;

use crate::internal_topic::JournalError;
use crate::node::{Log, Node};
use crate::{server, transactions};

/// How long records are kept where nobody says, as in Kafka.
const DEFAULT_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// From one look for old records to the next (Kafka's `log.retention.check.interval.ms`).
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// From one look whether the log is still in use to the next, and for how long.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a broker is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where Kafka clients are listened for; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where clients are told to come. None tells each to come where it came to, which is right
    /// unless something between translates addresses.
    pub advertised: Option<Advertised>,
    /// The folder of the log, made if it is not there; the one above it is.
    pub data: PathBuf,
    /// When a record counts.
    pub durability: Durability,
    /// Whether a topic is made when a client asks for one that there is not.
    pub auto_create_topics: bool,
    /// How many partitions a topic has that is made without saying so.
    pub default_partitions: u32,
    /// How long a topic keeps records that is made without saying so; None is for ever.
    pub default_retention: Option<Duration>,
}

/// A place that clients reach the broker by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not this machine's.
    #[error(
        "could not listen on {address} for Kafka clients: free it or choose another by `events.listen`"
    )]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The log is not as it must be, or its disk fails.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The broker's own topics are not as they must be, or their disk fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file beside the log is not as it must be, or cannot be read or written.
    #[error("could not use {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
}

/// A broker, bound to its address and not yet answering.
#[derive(Debug)]
pub struct Broker {
    listener: TcpListener,
    address: SocketAddr,
    node: Arc<Node>,
}

impl Config {
    /// A broker at `listen` over the log in `data`, all else as by default.
    pub fn new(listen: SocketAddr, data: PathBuf) -> Self {
        Self {
            listen,
            advertised: None,
            data,
            durability: Durability::default(),
            auto_create_topics: true,
            default_partitions: 1,
            default_retention: Some(DEFAULT_RETENTION),
        }
    }
}

impl Broker {
    /// Takes the address and opens the log, which may take a while after a crash. Clients that
    /// connect are answered from [`Broker::run`] on.
    ///
    /// # Errors
    /// When the address or the log cannot be had.
    pub fn new(config: Config) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        do_not_pace(&listener, address);
        let log = open_log(&config)?;
        Ok(Self {
            listener,
            address,
            node: Arc::new(Node::new(config, log)?),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves clients until `drain` begins; what they asked until then is answered, and the log closed.
    pub async fn run(self, drain: Drain) {
        let Self { listener, node, .. } = self;
        let tasks = [
            background("kafka-groups", &node, |node| async move {
                node.groups.run().await
            }),
            background("kafka-transactions", &node, |node| async move {
                transactions::run(&node).await
            }),
            background("log-housekeeping", &node, |node| async move {
                keep_house(&node).await
            }),
        ];
        server::run(listener, node.clone(), &drain).await;
        for task in tasks {
            task.abort();
        }
        close(node).await;
        // Whoever waits for the drain may open the log again.
        drop(drain);
    }
}

fn background<F>(
    name: &'static str,
    node: &Arc<Node>,
    work: impl FnOnce(Arc<Node>) -> F,
) -> JoinHandle<Option<()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    task::spawn(name, work(node.clone()))
}

/// Closes the log, once nobody else has it.
async fn close(node: Arc<Node>) {
    let closing = async {
        while Arc::strong_count(&node) > 1 {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        tracing::warn!("the log of events is still in use: its next start verifies it");
    }
    // Not joined, it would go on after the last word of this part.
    let closed = tokio::task::spawn_blocking(move || drop(node)).await;
    if let Err(error) = closed {
        tracing::error!(%error, "the log of events was not closed");
    }
}

/// Lets the log do what time makes due; never ends.
async fn keep_house(node: &Arc<Node>) {
    loop {
        tokio::time::sleep(HOUSEKEEPING_INTERVAL).await;
        node.blocking(|node| node.log.housekeep()).await;
    }
}

fn open_log(config: &Config) -> Result<Log, OpenError> {
    let settings = Settings {
        durability: config.durability,
        ..Settings::default()
    };
    let clock = Arc::new(SystemClock);
    let (log, opened) = Log::open(RealDisk, &config.data, &settings, clock)?;
    for cut in &opened.truncated {
        tracing::warn!(
            "{} bytes at the end of {}-{} were not written whole and are cut off: {}",
            cut.bytes,
            cut.topic,
            cut.partition,
            cut.why
        );
    }
    Ok(log)
}
