//! A file's text to a plan: parse, interpolate, hold against the descriptors, decode, check, lint.

use std::collections::BTreeMap;
use std::sync::Arc;

use polity_core::{ServiceName, TopicName};
use toml::de::DeTable;

use crate::check;
use crate::code::Code;
use crate::conform::conform;
use crate::decode::decode;
use crate::descriptor::tables::PLAN;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::Draft;
use crate::graph::CallGraph;
use crate::lint;
use crate::plan::{Events, Plan, Service, Topic};
use crate::tree;

/// The largest plan that is read: a thousand services fit ten times.
pub const MAX_PLAN_BYTES: usize = 1 << 20;

/// A plan as read from somewhere.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The path to show.
    pub name: &'a str,
    /// The whole text.
    pub text: &'a str,
    /// Looks `${VAR}` up: the environment, then `.env`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// What became of it.
#[derive(Debug)]
pub struct Loaded {
    /// The plan; some exactly when no diagnostic is an error.
    pub plan: Option<Plan>,
    /// Errors and warnings in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a plan. Pure: the same source gives the same answer.
pub fn load(source: Source<'_>) -> Loaded {
    let mut findings = Findings::default();
    let plan = read(source, &mut findings);
    Loaded {
        plan,
        diagnostics: findings.into_sorted(),
    }
}

fn read(source: Source<'_>, findings: &mut Findings) -> Option<Plan> {
    if source.text.len() > MAX_PLAN_BYTES {
        let message = format!("the plan is larger than {} KiB", MAX_PLAN_BYTES >> 10);
        findings.add(Diagnostic::new(Code::TooLarge, message, 0..0));
        return None;
    }
    let (root, errors) = DeTable::parse_recoverable(source.text);
    let broken: Vec<Span> = errors
        .iter()
        .map(|error| error.span().unwrap_or(0..0))
        .collect();
    let entries = tree::grow(&root, source.text, source.environment, findings);
    conform(&entries, &PLAN, source.text, findings);
    if !broken.is_empty() {
        let unread: Vec<Span> = broken
            .iter()
            .map(|span| unread(source.text, span))
            .collect();
        findings.retain(|finding| {
            let start = finding.label.span.start;
            !unread.iter().any(|lines| lines.contains(&start))
        });
        for (error, span) in errors.iter().zip(broken) {
            findings.add(
                Diagnostic::new(Code::Syntax, "this is not TOML", span).label(error.message()),
            );
        }
        return None;
    }
    let draft = decode(&entries);
    check::all(&draft, findings);
    if findings.has_error() {
        return None;
    }
    let plan = finish(&draft);
    lint::all(&plan, &draft, findings);
    Some(plan)
}

/// The lines of which nothing can be said besides the syntax error in them: the parser's guess at
/// that line, and below a broken header whatever has lost its table.
fn unread(text: &str, error: &Span) -> Span {
    let at = error.start.min(text.len());
    let bytes = text.as_bytes();
    let start = bytes[..at]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |newline| newline + 1);
    let mut end = start;
    for line in bytes[start..].split_inclusive(|byte| *byte == b'\n') {
        let header = line.trim_ascii_start().starts_with(b"[");
        let broken_header = bytes[start..].trim_ascii_start().starts_with(b"[");
        if end > start && (header || !broken_header) {
            break;
        }
        end += line.len();
    }
    start..end.max(start + 1)
}

fn finish(draft: &Draft) -> Plan {
    let services: BTreeMap<_, _> = draft
        .services
        .iter()
        .map(|draft| (draft.service.name.clone(), Arc::clone(&draft.service)))
        .collect();
    Plan {
        gateway: draft.gateway.clone(),
        console: draft.console.clone(),
        events: events(draft, &services),
        start_order: CallGraph::of(&services).start_order(),
        services,
        sites: draft
            .sites
            .iter()
            .map(|draft| (draft.site.name.clone(), Arc::clone(&draft.site)))
            .collect(),
        tasks: draft
            .tasks
            .iter()
            .map(|draft| (draft.task.name.clone(), Arc::clone(&draft.task)))
            .collect(),
    }
}

/// The log of events, if anything in the plan asks for it.
fn events(draft: &Draft, services: &BTreeMap<ServiceName, Arc<Service>>) -> Option<Events> {
    let used = services
        .values()
        .flat_map(|service| service.publishes.iter().chain(&service.consumes));
    let mut topics: BTreeMap<TopicName, Topic> = used
        .map(|topic| (topic.clone(), Topic::default()))
        .collect();
    let said = draft.events.topics.iter();
    topics.extend(said.map(|topic| (topic.name.value.clone(), topic.topic.clone())));
    draft.has_events().then(|| Events {
        broker: draft.events.broker.clone(),
        topics,
    })
}
