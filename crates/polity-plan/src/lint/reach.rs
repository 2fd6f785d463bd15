//! What no request and no event reaches.

use std::collections::BTreeSet;

use polity_core::TopicName;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::lint::Lint;
use crate::plan::{Port, Service};

impl Lint<'_> {
    /// A topic published and consumed by nobody is no finding: to publish first and consume later,
    /// or outside of the plan, is what topics are for.
    pub(super) fn topics(&mut self) {
        let services = self.graph.services.iter();
        let published: BTreeSet<&TopicName> = services.flat_map(|s| &s.publishes).collect();
        for service in 0..self.graph.services.len() {
            let Some(place) = self.place(service) else {
                continue;
            };
            for topic in &place.consumes {
                if published.contains(&topic.value) {
                    continue;
                }
                let names = published.iter().map(|topic| topic.as_str());
                let message = format!("nobody publishes `{}`", topic.value);
                let help = did_you_mean(topic.value.as_str(), names).unwrap_or_else(|| {
                    "name it in `publishes` of the service that does".to_owned()
                });
                let finding = Diagnostic::new(Code::UnpublishedTopic, message, topic.span.clone())
                    .label(format!(
                        "`{}` waits for it in vain",
                        self.graph.name(service)
                    ))
                    .help(help);
                self.warn(&[service], finding);
            }
        }
    }

    /// A group of services that cannot be reached is told once, at the head of its calls.
    pub(super) fn unreached(&mut self) {
        let services = self.graph.services.iter().enumerate();
        let starts = services.filter(|(_, service)| starts_work(service));
        let reached = self.graph.reach(starts.map(|(index, _)| index));
        let groups = self.graph.groups();
        let mut group_of = vec![0; self.graph.calls.len()];
        for (index, group) in groups.iter().enumerate() {
            group.iter().for_each(|member| group_of[*member] = index);
        }
        let mut called = vec![false; groups.len()];
        for (caller, callees) in self.graph.calls.iter().enumerate() {
            let others = callees.iter().map(|callee| group_of[*callee]);
            others
                .filter(|group| *group != group_of[caller])
                .for_each(|group| called[group] = true);
        }
        for (group, called) in groups.into_iter().zip(called) {
            if called || reached.contains(&group[0]) {
                continue;
            }
            let verb = if group.len() == 1 {
                "reaches"
            } else {
                "reaches any of"
            };
            let message = format!("nothing {verb} {}", self.names(&group, ", "));
            let finding = Diagnostic::new(Code::Unreached, message, self.name_span(group[0]))
                .label("no route, no caller, no topic")
                .help("give it a `route`, name it in `calls` of another, or say `port = false` if it works on its own");
            self.warn(&group, finding);
        }
    }
}

/// Whether something happens in a service without a call: a request from outside, an event, its
/// own doing. A fixed port may be known to anybody.
fn starts_work(service: &Service) -> bool {
    let port = service.program().map(|program| program.port);
    !service.routes.is_empty()
        || !service.consumes.is_empty()
        || matches!(port, Some(Port::None | Port::Fixed(_)))
}
