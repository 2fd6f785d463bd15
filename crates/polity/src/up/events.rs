//! The log of events: who keeps it, the topics made in it, and what services are told of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use polity_core::TopicName;
use polity_plan::{Broker, HostPort, Topic};
use polity_runtime::Published;

use crate::kafka::{Changed, Kafka, reconcile};

/// Where services find the brokers; both names are in use.
const VARIABLES: [&str; 2] = ["KAFKA_BROKERS", "KAFKA_BOOTSTRAP_SERVERS"];

/// The log of events as it is now, for all the parts that ask for it.
#[derive(Clone)]
pub struct Events {
    state: Published<State>,
}

/// Who is asked, who is told, and what was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    /// None while nothing in the plan asks for events.
    kafka: Option<Kafka>,
    /// Where services are told to find it.
    told: Vec<String>,
    /// The topics as they were last made.
    topics: BTreeMap<TopicName, Topic>,
}

impl Events {
    /// Finds who keeps the events of a plan, and has its topics made.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub async fn start(plan: Option<&polity_plan::Events>) -> Result<(Self, Changed)> {
        let events = Self {
            state: Published::new(State::default()),
        };
        let changed = events.apply(plan).await?;
        Ok((events, changed))
    }

    /// Has the topics of a plan made where the plan says that events are kept. When that fails
    /// nothing here has changed, though some of the topics may be there.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub async fn apply(&self, plan: Option<&polity_plan::Events>) -> Result<Changed> {
        let Some(plan) = plan else {
            self.state.store(State::default());
            return Ok(Changed::default());
        };
        let Broker::Kafka(brokers) = &plan.broker else {
            return Ok(Changed::default());
        };
        let brokers: Vec<String> = brokers.iter().map(HostPort::to_string).collect();
        let kafka = Kafka {
            brokers: brokers.clone(),
        };
        let before = self.state.load();
        let same = before.kafka.as_ref() == Some(&kafka);
        let topics = if same {
            before.topics.clone()
        } else {
            BTreeMap::new()
        };
        let changed = reconcile(&kafka, &topics, &plan.topics)
            .await
            .with_context(|| {
                format!(
                    "could not make the topics of the plan at `events.kafka`, {}",
                    brokers.join(",")
                )
            })?;
        self.state.store(State {
            kafka: Some(kafka),
            told: brokers,
            topics: plan.topics.clone(),
        });
        Ok(changed)
    }

    /// What every service is told.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let state = self.state.load();
        if state.kafka.is_none() {
            return BTreeMap::new();
        }
        let told = state.told.join(",");
        VARIABLES.map(|name| (name.to_owned(), told.clone())).into()
    }

    /// A client of whoever keeps the events.
    pub fn kafka(&self) -> Option<Kafka> {
        self.state.load().kafka.clone()
    }
}
