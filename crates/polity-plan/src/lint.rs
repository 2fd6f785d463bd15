//! What a plan may do and had better not: each finding a warning with a code that `allow` silences.

mod calls;
mod reach;
mod topics;

use std::collections::BTreeMap;

use polity_core::ServiceName;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::{Draft, DraftService};
use crate::graph::CallGraph;
use crate::plan::Plan;

/// A plan without error, with the places of its parts.
struct Lint<'a> {
    graph: CallGraph<'a>,
    places: BTreeMap<&'a ServiceName, &'a DraftService>,
    findings: &'a mut Findings,
}

/// Reports every risk that `allow` does not silence.
pub(crate) fn all(plan: &Plan, draft: &Draft, findings: &mut Findings) {
    // The log of events alone is a system of its own, and so is a folder of files.
    if draft.services.is_empty() && draft.sites.is_empty() && !draft.has_events() {
        findings.add(
            Diagnostic::new(Code::NoService, "the plan names no service", 0..0).help(
                "add `[service.NAME]` with `run = \"...\"`, or `[site.NAME]` with `root = \"...\"`",
            ),
        );
    }
    let places = draft.services.iter();
    let mut lint = Lint {
        graph: CallGraph::of(&plan.services),
        places: places.map(|place| (&place.service.name, place)).collect(),
        findings,
    };
    lint.cycles();
    lint.chains();
    lint.availability();
    lint.topics();
    lint.unreached();
    if let Some(events) = &plan.events {
        lint.unused_topics(&draft.events.topics);
        lint.idle_consumers(events, &draft.events.topics);
    }
}

impl<'a> Lint<'a> {
    fn place(&self, service: usize) -> Option<&'a DraftService> {
        self.places.get(self.graph.name(service)).copied()
    }

    /// Where the name of a service stands.
    fn name_span(&self, service: usize) -> Span {
        self.place(service).map_or(0..0, |place| place.name.clone())
    }

    /// Where one service says that it calls another.
    fn call_span(&self, caller: usize, callee: usize) -> Span {
        let callee = self.graph.name(callee);
        let calls = self.place(caller).map_or(&[][..], |place| &place.calls);
        let call = calls.iter().find(|call| call.value == *callee);
        call.map_or_else(|| self.name_span(caller), |call| call.span.clone())
    }

    /// Reports a finding about some services, unless one of them allows it.
    fn warn(&mut self, about: &[usize], finding: Diagnostic) {
        let allowed = |service: &usize| {
            self.place(*service)
                .is_some_and(|place| place.allow.contains(&finding.code))
        };
        if !about.iter().any(allowed) {
            self.findings.add(finding);
        }
    }

    /// "a, b and c" in backquotes.
    fn names(&self, services: &[usize], joint: &str) -> String {
        let names = services
            .iter()
            .map(|service| format!("`{}`", self.graph.name(*service)));
        names.collect::<Vec<_>>().join(joint)
    }
}
