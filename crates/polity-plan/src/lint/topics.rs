//! What is said of topics and what services do with them.

use std::collections::BTreeSet;

use polity_core::TopicName;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::draft::DraftTopic;
use crate::lint::Lint;
use crate::plan::{Broker, Events};

impl Lint<'_> {
    /// Where there is no service at all, whoever uses the topics is outside.
    pub(super) fn unused_topics(&mut self, topics: &[DraftTopic]) {
        let services = self.graph.services.iter();
        let used: BTreeSet<&TopicName> = services
            .flat_map(|service| service.publishes.iter().chain(&service.consumes))
            .collect();
        if self.graph.services.is_empty() {
            return;
        }
        for topic in topics {
            let name = &topic.name.value;
            if used.contains(name) || topic.allow.contains(&Code::UnusedTopic) {
                continue;
            }
            let names = used.iter().map(|topic| topic.as_str());
            let help = did_you_mean(name.as_str(), names).unwrap_or_else(|| {
                "name it in `publishes` or `consumes` of the service that uses it".to_owned()
            });
            let message = format!("no service publishes or consumes `{name}`");
            self.findings.add(
                Diagnostic::new(Code::UnusedTopic, message, topic.name.span.clone())
                    .label("nobody uses this topic")
                    .help(help),
            );
        }
    }

    /// Instances beyond the partitions of what they consume have nothing to read.
    pub(super) fn idle_consumers(&mut self, events: &Events, topics: &[DraftTopic]) {
        for service in 0..self.graph.services.len() {
            let (Some(place), Some(program)) =
                (self.place(service), self.graph.services[service].program())
            else {
                continue;
            };
            // A topic whose partitions only the cluster knows may have enough.
            let partitions = place
                .consumes
                .iter()
                .map(|topic| partitions(events, &topic.value));
            let Some(Some(most)) = partitions.max_by_key(|known| known.unwrap_or(u32::MAX)) else {
                continue;
            };
            if program.replicas <= most {
                continue;
            }
            let message = format!(
                "`{}` has {} instances to consume at most {most} partition{}",
                self.graph.name(service),
                program.replicas,
                if most == 1 { "" } else { "s" },
            );
            let finding =
                Diagnostic::new(Code::IdleConsumers, message, place.value_span("replicas"))
                    .label("some of them have nothing to read");
            let said = place.consumes.iter().find_map(|consumed| {
                let topic = topics
                    .iter()
                    .find(|topic| topic.name.value == consumed.value);
                topic?.partitions.clone()
            });
            let finding = match said {
                Some(span) => finding.other(span, "so many partitions"),
                None => finding,
            };
            let help = match place.consumes.first() {
                Some(topic) => format!(
                    "say `[topic.\"{}\"]` with `partitions = {}`",
                    topic.value, program.replicas
                ),
                None => continue,
            };
            self.warn(&[service], finding.help(help));
        }
    }
}

/// How many partitions a topic is known to have.
fn partitions(events: &Events, topic: &TopicName) -> Option<u32> {
    let said = events.topics.get(topic).and_then(|topic| topic.partitions);
    match &events.broker {
        Broker::Embedded(broker) => Some(said.unwrap_or(broker.partitions)),
        Broker::Kafka(_) => said,
    }
}
