//! Polity's own broker, while it runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use polity_broker::{Advertised, Broker, Config};
use polity_plan::{Durability, EmbeddedBroker, Retention};
use polity_runtime::{DrainTrigger, drain, task};

use crate::up::socket_address;

/// A broker that answers.
pub struct Embedded {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it was started.
    config: EmbeddedBroker,
    trigger: DrainTrigger,
}

impl Embedded {
    /// Opens the log in `folder`, which may take a while after a crash, and begins to answer.
    pub async fn start(config: &EmbeddedBroker, folder: PathBuf) -> Result<Self> {
        let wanted = Config {
            advertised: config.advertised.as_ref().map(|at| Advertised {
                host: at.host.clone(),
                port: at.port,
            }),
            durability: match config.durability {
                Durability::Fsync => polity_broker::Durability::Fsync,
                Durability::Os => polity_broker::Durability::Os,
            },
            auto_create_topics: config.auto_create,
            default_partitions: config.partitions,
            default_retention: match config.retention {
                Retention::For(duration) => Some(duration),
                Retention::Forever => None,
            },
            ..Config::new(socket_address(&config.listen), folder)
        };
        let broker = tokio::task::spawn_blocking(|| Broker::new(wanted)).await;
        let broker = broker.context("the broker could not start")??;
        let address = broker.address();
        let (trigger, drain) = drain::channel();
        task::spawn("broker", broker.run(drain));
        Ok(Self {
            address,
            config: config.clone(),
            trigger,
        })
    }

    /// Where it is reached from this machine, whatever clients elsewhere are told.
    pub fn reached_at(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }

    /// What an edit changes and cannot change while it runs.
    pub fn remark(&self, edited: &EmbeddedBroker) -> Option<String> {
        let changed = *edited != self.config;
        changed.then(|| "`[events]` has changed, which counts from the next start on".to_owned())
    }

    /// Ends once its clients have their answers.
    pub async fn stop(self) {
        self.trigger.drained().await;
    }
}
