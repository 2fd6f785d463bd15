//! The log of events: who keeps it, the topics made in it, and what services are told of it.

mod embedded;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use polity_core::TopicName;
use polity_plan::{Broker, HostPort, Topic};
use polity_runtime::Published;
use tokio::sync::Mutex;

use crate::kafka::{Changed, Kafka, reconcile};
use embedded::Embedded;

/// Where services find the brokers; both names are in use.
const VARIABLES: [&str; 2] = ["KAFKA_BROKERS", "KAFKA_BOOTSTRAP_SERVERS"];

/// The log of events as it is now, for all the parts that ask for it. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    /// Where Polity's own broker keeps them.
    folder: PathBuf,
    state: Published<State>,
    /// Polity's own broker, from when it is first asked for to the end.
    embedded: Arc<Mutex<Option<Embedded>>>,
}

/// Who keeps the events, and what was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    /// None while nothing in the plan asks for events.
    kafka: Option<Kafka>,
    /// Where Polity's own broker listens.
    address: Option<SocketAddr>,
    /// The topics as they were last made.
    topics: BTreeMap<TopicName, Topic>,
}

impl Events {
    /// Has whoever keeps the events of a plan found or started, and the plan's topics made.
    ///
    /// # Errors
    /// When a broker cannot start, cannot be reached or refuses.
    pub async fn start(
        plan: Option<&polity_plan::Events>,
        folder: PathBuf,
    ) -> Result<(Self, Changed)> {
        let events = Self {
            folder,
            state: Published::new(State::default()),
            embedded: Arc::default(),
        };
        let changed = events.apply(plan).await?;
        Ok((events, changed))
    }

    /// The same for an edited plan. When it fails nothing that others see has changed, though some
    /// of the topics may have been made.
    ///
    /// # Errors
    /// When a broker cannot start, cannot be reached or refuses.
    pub async fn apply(&self, plan: Option<&polity_plan::Events>) -> Result<Changed> {
        let before = self.state.load();
        let mut next = State {
            address: before.address,
            ..State::default()
        };
        let Some(plan) = plan else {
            self.state.store(next);
            return Ok(Changed::default());
        };
        let mut remarks = Vec::new();
        let brokers = match &plan.broker {
            Broker::Kafka(brokers) => brokers.iter().map(HostPort::to_string).collect(),
            Broker::Embedded(config) => {
                let mut running = self.embedded.lock().await;
                let broker = match &mut *running {
                    Some(broker) => {
                        remarks.extend(broker.remark(config));
                        broker
                    }
                    none => none.insert(Embedded::start(config, self.folder.clone()).await?),
                };
                next.address = Some(broker.address);
                vec![broker.reached_at().to_string()]
            }
        };
        let kafka = Kafka { brokers };
        let same = before.kafka.as_ref() == Some(&kafka);
        let made = if same {
            before.topics.clone()
        } else {
            BTreeMap::new()
        };
        let mut changed = reconcile(&kafka, &made, &plan.topics)
            .await
            .with_context(|| {
                let brokers = kafka.brokers.join(",");
                let key = match &plan.broker {
                    Broker::Kafka(_) => " (`events.kafka`)",
                    Broker::Embedded(_) => "",
                };
                format!("could not make the plan's topics at {brokers}{key}")
            })?;
        changed.remarks.extend(remarks);
        next.kafka = Some(kafka);
        next.topics = plan.topics.clone();
        self.state.store(next);
        Ok(changed)
    }

    /// What every service is told.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let Some(kafka) = &self.state.load().kafka else {
            return BTreeMap::new();
        };
        let told = kafka.brokers.join(",");
        VARIABLES.map(|name| (name.to_owned(), told.clone())).into()
    }

    /// A client of whoever keeps the events.
    pub fn kafka(&self) -> Option<Kafka> {
        self.state.load().kafka.clone()
    }

    /// Where Polity's own broker listens, if it runs.
    pub fn address(&self) -> Option<SocketAddr> {
        self.state.load().address
    }

    /// Stops Polity's own broker, if it runs, once its clients have their answers.
    pub async fn stop(&self) {
        if let Some(broker) = self.embedded.lock().await.take() {
            broker.stop().await;
        }
    }
}
