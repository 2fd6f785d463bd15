//! Calls in circles, in long chains, and to too many services at once.

use std::collections::BTreeMap;

use crate::availability::{LOW, SERVICE_AVAILABILITY, multiplied};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lint::Lint;
use crate::plan::Protocol;

/// More calls than this, one waiting for the next, are a deep chain.
const DEEP: usize = 3;

impl Lint<'_> {
    pub(super) fn cycles(&mut self) {
        for group in self.graph.groups() {
            if group.len() < 2 {
                continue;
            }
            let cycle = self.cycle(&group);
            let edges: Vec<_> = cycle.iter().zip(cycle.iter().cycle().skip(1)).collect();
            let mut spans = edges.iter().map(|(from, to)| self.call_span(**from, **to));
            let message = format!(
                "{} -> `{}` call each other in a circle",
                self.names(&cycle, " -> "),
                self.graph.name(cycle[0])
            );
            let finding = Diagnostic::new(Code::Cycle, message, spans.next().unwrap_or(0..0))
                .label("the circle starts here")
                .help("none of them can be deployed, or fail, alone: turn one of the calls into an event, or make them one service");
            let finding = spans.fold(finding, |finding, span| finding.other(span, "and goes on"));
            self.warn(&group, finding);
        }
    }

    /// The shortest way from the first member of a group back to it.
    fn cycle(&self, group: &[usize]) -> Vec<usize> {
        let start = group[0];
        let mut came_from = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(service) = queue.pop_front() {
            for &callee in &self.graph.calls[service] {
                if callee == start {
                    let mut cycle = vec![service];
                    while let Some(before) = came_from.get(&cycle[cycle.len() - 1]) {
                        cycle.push(*before);
                    }
                    cycle.reverse();
                    return cycle;
                }
                if group.contains(&callee) && !came_from.contains_key(&callee) {
                    came_from.insert(callee, service);
                    queue.push_back(callee);
                }
            }
        }
        group.to_vec()
    }

    /// Chains are told at their heads: the groups nobody else calls. What is not HTTP, a database
    /// mostly, is no link: every service stands on something like it.
    pub(super) fn chains(&mut self) {
        let groups = self.graph.groups();
        let mut group_of = vec![0; self.graph.calls.len()];
        for (index, group) in groups.iter().enumerate() {
            for member in group {
                group_of[*member] = index;
            }
        }
        // Callees come first, so that each group's longest chain is known before its callers'.
        let mut chains: Vec<Vec<usize>> = Vec::new();
        let mut called = vec![false; groups.len()];
        for (index, group) in groups.iter().enumerate() {
            let mut longest = vec![group[0]];
            for &member in group {
                for &callee in &self.graph.calls[member] {
                    let other = group_of[callee];
                    if other == index || self.graph.services[callee].protocol == Protocol::Tcp {
                        continue;
                    }
                    called[other] = true;
                    if chains[other].len() >= longest.len() {
                        longest = [&[member][..], &chains[other]].concat();
                    }
                }
            }
            chains.push(longest);
        }
        let heads = chains.into_iter().zip(called);
        for (chain, _) in heads.filter(|(chain, called)| !called && chain.len() > DEEP + 1) {
            let message = format!(
                "a chain of {} calls: {}",
                chain.len() - 1,
                self.names(&chain, " -> ")
            );
            let finding = Diagnostic::new(Code::DeepChain, message, self.call_span(chain[0], chain[1]))
                .label("each waits for the next")
                .help("let a service keep a copy of what it asks for, told by events, or join two of them");
            self.warn(&chain[..1], finding);
        }
    }

    pub(super) fn availability(&mut self) {
        for service in 0..self.graph.services.len() {
            let route = self.place(service).and_then(|place| place.routes.first());
            let Some(span) = route.cloned() else { continue };
            let needs: Vec<usize> = self.graph.reach([service]).into_iter().collect();
            let availability = multiplied(needs.len());
            if availability >= LOW {
                continue;
            }
            let message = format!(
                "the routes of `{}` need {} services at once",
                self.graph.name(service),
                needs.len()
            );
            let label = format!(
                "up {:.2}% of the time if each is up {:.1}%",
                availability * 100.0,
                SERVICE_AVAILABILITY * 100.0
            );
            let finding = Diagnostic::new(Code::LowAvailability, message, span)
                .label(label)
                .help(format!("they are {}", self.names(&needs, ", ")));
            self.warn(&[service], finding);
        }
    }
}
