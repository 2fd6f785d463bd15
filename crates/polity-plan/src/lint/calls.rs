//! Calls in circles, in long chains, and to too many services at once.

use std::collections::{BTreeMap, VecDeque};

use crate::availability::{LOW, SERVICE_AVAILABILITY, multiplied};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::lint::Lint;

/// More calls than this, one waiting for the next, are a deep chain.
const DEEP: usize = 3;

/// The most services of a chain that a message names.
const MAX_SHOWN: usize = 12;

/// The longest chain of calls out of a group.
#[derive(Default)]
struct Chain {
    calls: usize,
    /// Its first call to another group: who calls whom.
    first: Option<(usize, usize)>,
}

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

    /// The shortest way from the first member of a group back to it, named once.
    fn cycle(&self, group: &[usize]) -> Vec<usize> {
        let start = group[0];
        let callees = self.graph.calls[start].iter();
        let ways = callees.filter(|callee| group.contains(callee));
        let back = ways.map(|callee| self.way(*callee, start, group));
        let mut cycle = back.min_by_key(Vec::len).unwrap_or_default();
        cycle.rotate_right(1);
        cycle
    }

    /// The shortest way from one member of a group to another, both ends included.
    fn way(&self, from: usize, to: usize, group: &[usize]) -> Vec<usize> {
        // Backwards, so that following what was found leads forwards.
        let mut next = BTreeMap::from([(to, to)]);
        let mut queue = VecDeque::from([to]);
        while let Some(service) = queue.pop_front() {
            for &caller in group {
                if self.graph.calls[caller].contains(&service) && !next.contains_key(&caller) {
                    next.insert(caller, service);
                    queue.push_back(caller);
                }
            }
        }
        let mut way = vec![from];
        while let Some(&step) = next
            .get(&way[way.len() - 1])
            .filter(|_| way.last() != Some(&to))
        {
            way.push(step);
        }
        way
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
        let mut chains: Vec<Chain> = Vec::new();
        let mut called = vec![false; groups.len()];
        for (index, group) in groups.iter().enumerate() {
            let calls = group.iter().flat_map(|caller| {
                let callees = self.graph.calls[*caller].iter();
                callees.map(|callee| (*caller, *callee))
            });
            let outward = calls.filter(|(_, callee)| {
                let http = self.graph.services[*callee].protocol.is_http();
                group_of[*callee] != index && http
            });
            let mut longest = Chain::default();
            for (caller, callee) in outward {
                let next = group_of[callee];
                called[next] = true;
                if chains[next].calls >= longest.calls {
                    longest.calls = chains[next].calls + 1;
                    longest.first = Some((caller, callee));
                }
            }
            chains.push(longest);
        }
        for (head, chain) in chains.iter().enumerate() {
            if called[head] || chain.calls <= DEEP {
                continue;
            }
            let mut services = Vec::new();
            let mut group = head;
            while let Some((caller, callee)) = chains[group].first {
                // Through a circle the chain goes from where it comes in to where it goes on.
                let entered = services.pop().unwrap_or(caller);
                services.extend(self.way(entered, caller, &groups[group]));
                services.push(callee);
                group = group_of[callee];
            }
            self.deep_chain(&services);
        }
    }

    fn deep_chain(&mut self, chain: &[usize]) {
        let shown = &chain[..chain.len().min(MAX_SHOWN)];
        let more = if shown.len() < chain.len() {
            " -> ..."
        } else {
            ""
        };
        let message = format!(
            "a chain of {} calls: {}{more}",
            chain.len() - 1,
            self.names(shown, " -> ")
        );
        let finding = Diagnostic::new(Code::DeepChain, message, self.call_span(chain[0], chain[1]))
            .label("each waits for the next")
            .help("let a service keep a copy of what it asks for, told by events, or join two of them");
        self.warn(&chain[..1], finding);
    }

    pub(super) fn availability(&mut self) {
        for service in 0..self.graph.services.len() {
            let route = self.place(service).and_then(|place| place.routes.first());
            let Some(span) = route.map(|route| route.span.clone()) else {
                continue;
            };
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
