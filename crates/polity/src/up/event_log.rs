//! The log of events as the admin API asks for it: what the broker says, and the plan of it.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use polity_console::view::{Group, NewRecord, Published, RecordLine, Topic, TopicDescription};
use polity_console::{BoxFuture, EventLog, EventLogError, Start};
use polity_plan::{Plan, Service};

use crate::kafka::Kafka;

/// A broker, and the plan whose services use it.
pub struct PlannedLog {
    pub kafka: Kafka,
    pub plan: Arc<Plan>,
}

impl PlannedLog {
    fn with_services(&self, mut topic: Topic) -> Topic {
        let names = |uses: &dyn Fn(&Service) -> bool| {
            let services = self.plan.services.values();
            let users = services.filter(|service| uses(service));
            users.map(|service| service.name.to_string()).collect()
        };
        topic.published_by = names(&|service| service.publishes.contains(topic.name.as_str()));
        topic.consumed_by = names(&|service| service.consumes.contains(topic.name.as_str()));
        topic
    }
}

impl EventLog for PlannedLog {
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, EventLogError>> {
        Box::pin(async {
            let topics = self.kafka.topics().await?.into_iter();
            Ok(topics.map(|topic| self.with_services(topic)).collect())
        })
    }

    fn topic(&self, name: String) -> BoxFuture<'_, Result<TopicDescription, EventLogError>> {
        Box::pin(async move {
            let described = self.kafka.topic(&name).await?;
            Ok(TopicDescription {
                topic: self.with_services(described.topic),
                ..described
            })
        })
    }

    fn groups(&self) -> BoxFuture<'_, Result<Vec<Group>, EventLogError>> {
        Box::pin(async { Ok(self.kafka.groups().await?) })
    }

    fn tail(
        &self,
        topic: String,
        from: Start,
    ) -> BoxFuture<'_, Result<BoxStream<'static, RecordLine>, EventLogError>> {
        Box::pin(async move { Ok(self.kafka.tail(&topic, from).await?) })
    }

    fn publish(
        &self,
        topic: String,
        record: NewRecord,
    ) -> BoxFuture<'_, Result<Published, EventLogError>> {
        Box::pin(async move { Ok(self.kafka.publish(&topic, record).await?) })
    }
}
