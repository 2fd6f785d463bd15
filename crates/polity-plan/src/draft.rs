//! A plan being judged: the runtime parts, and beside them where in the file each was said.

use std::sync::Arc;

use polity_core::{ServiceName, TaskName, TopicName};
use polity_resilience::circuit_breaker;

use crate::code::Code;
use crate::diagnostic::Span;
use crate::plan::{
    Broker, Console, Cors, Gateway, Protocol, Route, Service, Site, Task, Topic, Upstream,
};

/// Something and where it was said.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// The whole file. What was wrong in it is left out or stands as its default.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) gateway: Gateway,
    pub(crate) gateway_listen: Option<Span>,
    pub(crate) entry: DraftEntry,
    /// Where each of the gateway's redirects stands, in their order.
    pub(crate) redirects: Vec<Span>,
    pub(crate) console: Console,
    pub(crate) console_listen: Option<Span>,
    pub(crate) events: DraftEvents,
    pub(crate) services: Vec<DraftService>,
    pub(crate) sites: Vec<DraftSite>,
    pub(crate) tasks: Vec<DraftTask>,
}

/// Where the gateway says how it is reached.
#[derive(Debug)]
pub(crate) struct DraftEntry {
    pub(crate) listen_http: Option<Span>,
    pub(crate) acme: Option<Span>,
    pub(crate) client_certificates: Option<Span>,
    /// `preload` of `hsts`, where it is on.
    pub(crate) preload: Option<Span>,
}

/// The log of events and what is said of topics.
#[derive(Debug)]
pub(crate) struct DraftEvents {
    pub(crate) broker: Broker,
    /// Where `listen` stands.
    pub(crate) listen: Option<Span>,
    /// Whether `[events]` is there.
    pub(crate) is_named: bool,
    pub(crate) topics: Vec<DraftTopic>,
}

/// One `[topic.NAME]`.
#[derive(Debug)]
pub(crate) struct DraftTopic {
    pub(crate) name: At<TopicName>,
    pub(crate) topic: Topic,
    /// Where `partitions` stands.
    pub(crate) partitions: Option<Span>,
    pub(crate) allow: Vec<Code>,
}

/// One service.
#[derive(Debug)]
pub(crate) struct DraftService {
    pub(crate) service: Arc<Service>,
    /// Where its name stands.
    pub(crate) name: Span,
    pub(crate) calls: Vec<At<ServiceName>>,
    pub(crate) routes: Vec<DraftRoute>,
    pub(crate) consumes: Vec<At<TopicName>>,
    /// Where it runs when it runs elsewhere.
    pub(crate) urls: Vec<DraftUrl>,
    pub(crate) balance: Option<DraftBalance>,
    pub(crate) failures: DraftFailures,
    /// The variables of its `env`.
    pub(crate) env: Vec<At<String>>,
    pub(crate) allow: Vec<Code>,
    /// Where its keys and values stand.
    pub(crate) places: Vec<Place>,
}

/// One site.
#[derive(Debug)]
pub(crate) struct DraftSite {
    pub(crate) site: Arc<Site>,
    /// Where its name stands.
    pub(crate) name: Span,
    pub(crate) routes: Vec<DraftRoute>,
}

/// One place of a service that runs elsewhere.
#[derive(Debug)]
pub(crate) struct DraftUrl {
    /// What the URL says is spoken there.
    pub(crate) protocol: Protocol,
    pub(crate) upstream: Upstream,
    /// Where the URL stands.
    pub(crate) span: Span,
    /// Where the keys of its table stand, if it is one.
    pub(crate) places: Vec<Place>,
}

/// What a service says of balancing.
#[derive(Debug)]
pub(crate) struct DraftBalance {
    /// The policy; none where what is said is none.
    pub(crate) word: Option<&'static str>,
    /// Where it is said, or else the table without it.
    pub(crate) policy: Span,
    /// Where the keys of its table stand, if it is one.
    pub(crate) places: Vec<Place>,
}

/// Where the keys stand by which a service says what becomes of requests that fail.
#[derive(Debug)]
pub(crate) struct DraftFailures {
    pub(crate) retry: Vec<Place>,
    pub(crate) backoff: Vec<Place>,
    pub(crate) hedge: Vec<Place>,
    pub(crate) circuit_breakers: Vec<DraftBreaker>,
    pub(crate) outlier: Vec<Place>,
}

/// A circuit breaker.
#[derive(Debug)]
pub(crate) struct DraftBreaker {
    pub(crate) scope: BreakerScope,
    pub(crate) settings: circuit_breaker::Settings,
    pub(crate) span: Span,
    pub(crate) places: Vec<Place>,
}

/// What a circuit breaker guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerScope {
    /// The service as a whole.
    Service,
    /// Each instance for itself.
    Instance,
}

/// One public route.
#[derive(Debug)]
pub(crate) struct DraftRoute {
    pub(crate) route: Route,
    /// Where its pattern stands.
    pub(crate) span: Span,
    pub(crate) request_headers: DraftHeaders,
    pub(crate) response_headers: DraftHeaders,
    pub(crate) cors: Option<DraftCors>,
}

/// Headers set and removed, by names in lower case.
#[derive(Debug)]
pub(crate) struct DraftHeaders {
    pub(crate) set: Vec<At<(String, String)>>,
    pub(crate) remove: Vec<At<String>>,
}

/// What a route says of other origins.
#[derive(Debug)]
pub(crate) struct DraftCors {
    pub(crate) cors: Arc<Cors>,
    /// Where the key stands.
    pub(crate) place: Span,
    /// Where it says that credentials are sent, if it does.
    pub(crate) credentials: Option<Span>,
    /// The lists that hold `"*"`: where it stands, and how many elements beside it.
    pub(crate) any: Vec<(&'static str, (Span, usize))>,
}

/// One task.
#[derive(Debug)]
pub(crate) struct DraftTask {
    pub(crate) task: Arc<Task>,
    pub(crate) name: At<TaskName>,
    pub(crate) before: Vec<At<ServiceName>>,
    pub(crate) env: Vec<At<String>>,
    pub(crate) places: Vec<Place>,
}

/// Where a key and its value stand.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) key: Span,
    pub(crate) value: Span,
}

impl Draft {
    /// Whether anything asks for the log of events.
    pub(crate) fn has_events(&self) -> bool {
        let uses = |service: &DraftService| {
            !service.service.publishes.is_empty() || !service.service.consumes.is_empty()
        };
        self.events.is_named || !self.events.topics.is_empty() || self.services.iter().any(uses)
    }
}

impl DraftService {
    /// Where key `name` of it stands, if it is written.
    pub(crate) fn place(&self, name: &str) -> Option<&Place> {
        find(&self.places, name)
    }

    /// Where the value of key `name` stands, or else the service's name.
    pub(crate) fn value_span(&self, name: &str) -> Span {
        self.place(name)
            .map_or_else(|| self.name.clone(), |place| place.value.clone())
    }
}

impl DraftBalance {
    /// Where key `name` of its table stands, if it is written.
    pub(crate) fn place(&self, name: &str) -> Option<&Place> {
        find(&self.places, name)
    }
}

/// Where key `name` stands among the keys of a table, if it is written.
pub(crate) fn find<'a>(places: &'a [Place], name: &str) -> Option<&'a Place> {
    places.iter().find(|place| place.name == name)
}
