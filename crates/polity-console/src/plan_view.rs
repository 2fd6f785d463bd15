//! The plan as the API shows it: everything a reader of polity.toml would see but the secrets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use polity_plan::{
    Broker, Database, Events, ListenAddress, Origin, Plan, Port, Program, Protocol, Route, Service,
    Task,
};
use polity_route::{HostPattern, PathPattern, Rewrite};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "***";

/// The plan in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// Where the gateway is told to listen.
    pub gateway: String,
    /// Where the console is told to listen.
    pub console: String,
    /// The log of events; none when nothing in the plan asks for it.
    pub events: Option<PlannedEvents>,
    /// The services by name.
    pub services: BTreeMap<String, PlannedService>,
    /// The tasks by name.
    pub tasks: BTreeMap<String, PlannedTask>,
    /// Services in the order they start; those of one group start together.
    pub start_order: Vec<Vec<String>>,
}

/// `[events]` and every `[topic.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedEvents {
    /// Where Polity's own broker is told to listen; none when it runs none.
    pub listen: Option<String>,
    /// The Kafka cluster that is used instead.
    pub kafka: Vec<String>,
    /// The topics that are named, published or consumed.
    pub topics: Vec<String>,
}

/// `[service.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlannedService {
    /// What Polity runs; none for a service that runs elsewhere.
    pub program: Option<PlannedProgram>,
    /// Where it runs when Polity does not run it.
    pub urls: Vec<String>,
    /// `http` or `tcp`.
    pub protocol: String,
    /// Its public routes, as text.
    pub routes: Vec<String>,
    /// The services it may call.
    pub calls: Vec<String>,
    /// The topics it publishes.
    pub publishes: Vec<String>,
    /// The topics it consumes.
    pub consumes: Vec<String>,
    /// From a request's arrival to the first byte of its answer, in milliseconds.
    pub timeout_ms: u64,
    /// Tries of a request, the first included.
    pub attempts: u32,
    /// How one of its instances is chosen.
    pub balance: String,
}

/// What Polity runs for a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedProgram {
    /// The words of `build`.
    pub build: Option<Vec<String>>,
    /// The words of `run`.
    pub run: Vec<String>,
    /// Where both run.
    pub dir: String,
    /// The programs it needs besides; where one is not installed, the service is left out.
    pub requires: Vec<String>,
    /// How many at once.
    pub replicas: u32,
    /// A fixed port; none when Polity chooses it or there is none.
    pub port: Option<u16>,
    /// Whether it listens at all.
    pub listens: bool,
    /// The path of its health check; none for a TCP connect.
    pub health: Option<String>,
    /// `sqlite`, or a URL without its password.
    pub database: Option<String>,
    /// Its further environment: the names, the values masked.
    pub env: BTreeMap<String, String>,
}

/// `[task.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedTask {
    /// The words of `run`.
    pub run: Vec<String>,
    /// Where it runs.
    pub dir: String,
    /// The services that wait for it.
    pub before: Vec<String>,
    /// Its further environment: the names, the values masked.
    pub env: BTreeMap<String, String>,
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        let services = plan.services.iter();
        let tasks = plan.tasks.iter();
        Self {
            gateway: address(&plan.gateway.listen),
            console: address(&plan.console.listen),
            events: plan.events.as_ref().map(PlannedEvents::from),
            services: services
                .map(|(name, service)| (name.to_string(), PlannedService::from(&**service)))
                .collect(),
            tasks: tasks
                .map(|(name, task)| (name.to_string(), PlannedTask::from(&**task)))
                .collect(),
            start_order: plan.start_order.iter().map(texts).collect(),
        }
    }
}

impl From<&Events> for PlannedEvents {
    fn from(events: &Events) -> Self {
        let (listen, kafka) = match &events.broker {
            Broker::Embedded(broker) => (Some(address(&broker.listen)), Vec::new()),
            Broker::Kafka(brokers) => (None, texts(brokers)),
        };
        Self {
            listen,
            kafka,
            topics: texts(events.topics.keys()),
        }
    }
}

impl From<&Service> for PlannedService {
    fn from(service: &Service) -> Self {
        let scheme = match service.protocol {
            Protocol::Http | Protocol::Http2 | Protocol::Auto => "http",
            Protocol::Tcp => "tcp",
        };
        let urls = match &service.origin {
            Origin::Run(_) => Vec::new(),
            Origin::External(places) => {
                let url = |host: &str, port| match host.contains(':') {
                    true => format!("{scheme}://[{host}]:{port}"),
                    false => format!("{scheme}://{host}:{port}"),
                };
                places.iter().map(|at| url(&at.host, at.port)).collect()
            }
        };
        Self {
            program: service
                .program()
                .map(|program| PlannedProgram::from(&**program)),
            urls,
            protocol: scheme.to_owned(),
            routes: service.routes.iter().map(route_text).collect(),
            calls: texts(&service.calls),
            publishes: texts(&service.publishes),
            consumes: texts(&service.consumes),
            timeout_ms: u64::try_from(service.timeout.as_millis()).unwrap_or(u64::MAX),
            attempts: service.retry.attempts,
            balance: service.balance.policy.word().to_owned(),
        }
    }
}

impl From<&Program> for PlannedProgram {
    fn from(program: &Program) -> Self {
        Self {
            build: program.build.as_ref().map(|build| words(&build.words)),
            run: words(&program.run.words),
            dir: program.dir.display().to_string(),
            requires: program.requires.clone(),
            replicas: program.replicas,
            port: match program.port {
                Port::Fixed(port) => Some(port),
                Port::Auto | Port::None => None,
            },
            listens: program.port != Port::None,
            health: program.health.asks.shown(),
            database: program.database.as_ref().map(|database| match database {
                Database::Sqlite => "sqlite".to_owned(),
                Database::Url(url) => without_password(url),
            }),
            env: masked(&program.env),
        }
    }
}

impl From<&Task> for PlannedTask {
    fn from(task: &Task) -> Self {
        Self {
            run: words(&task.run.words),
            dir: task.dir.display().to_string(),
            before: texts(&task.before),
            env: masked(&task.env),
        }
    }
}

/// A public route as people read it: `shop.example.com/orders GET,POST`.
pub fn route_text(route: &Route) -> String {
    let host = match &route.pattern.host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Wildcard(suffix) => format!("*.{suffix}"),
        HostPattern::Any => String::new(),
    };
    let path = match &route.pattern.path {
        PathPattern::Exact(path) => format!("={path}"),
        PathPattern::Prefix(path) => path.clone(),
    };
    let methods = route.pattern.methods.iter().cloned().collect::<Vec<_>>();
    let mut text = format!("{host}{path}");
    if !methods.is_empty() {
        text = format!("{text} {}", methods.join(","));
    }
    // The value of a header may be a key that opens the route: its name must do.
    for name in route.pattern.headers.keys() {
        text = format!("{text} {name}:{MASK}");
    }
    if let Rewrite::Replace(with) = &route.rewrite {
        text = format!("{text} -> {with}");
    }
    text
}

fn address(listen: &ListenAddress) -> String {
    match listen.host {
        Some(host) => SocketAddr::new(host, listen.port).to_string(),
        None => format!(":{}", listen.port),
    }
}

fn texts<T: ToString>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

fn masked(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.keys()
        .map(|name| (name.clone(), MASK.to_owned()))
        .collect()
}

/// The words of a command, without the passwords of URLs among them.
fn words(words: &[String]) -> Vec<String> {
    words
        .iter()
        .map(|word| match word.contains("://") {
            true => without_password(word),
            false => word.clone(),
        })
        .collect()
}

/// A database's address without its secrets: the password, and whatever the query says under a
/// name that smells of one. What is not a URL may be a list of settings with a password among
/// them, and is masked whole. Masking too much is the better mistake, so a password that was not
/// encoded as it should (`/`, `@`, `?` in it) is found too.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return MASK.to_owned();
    };
    let (user_info, rest) = match rest.rsplit_once('@') {
        Some((user_info, rest)) => (Some(user_info), rest),
        None => (None, rest),
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let mut masked = format!("{scheme}://");
    if let Some(user_info) = user_info {
        masked += match user_info.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@"),
            None => format!("{user_info}@"),
        }
        .as_str();
    }
    masked += place;
    if let Some(query) = query {
        let settings: Vec<_> = query.split('&').map(without_secret).collect();
        masked = format!("{masked}?{}", settings.join("&"));
    }
    masked
}

/// A setting of a query, its value masked where the name says that it is secret.
fn without_secret(setting: &str) -> String {
    const SECRET: [&str; 5] = ["pass", "pwd", "secret", "token", "key"];
    let (name, _) = setting.split_once('=').unwrap_or((setting, ""));
    let lower = name.to_ascii_lowercase();
    match SECRET.iter().any(|part| lower.contains(part)) {
        true => format!("{name}={MASK}"),
        false => setting.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_a_url_is_shown() {
        let check = |url, expected| assert_eq!(without_password(url), expected);
        check("postgres://db:5432/orders", "postgres://db:5432/orders");
        check("postgres://app@db/orders", "postgres://app@db/orders");
        check(
            "postgres://app:s3cret@db/orders",
            "postgres://app:***@db/orders",
        );
        check(
            "postgres://app:s/3@cr?et@db/orders",
            "postgres://app:***@db/orders",
        );
        check("postgres://:s3cret@db", "postgres://:***@db");
        check(
            "postgres://db/orders?user=app&password=s3cret&sslmode=require",
            "postgres://db/orders?user=app&password=***&sslmode=require",
        );
        check("host=db password=s3cret", "***");
    }

    #[test]
    fn only_urls_among_the_words_of_a_command_are_masked() {
        let given = ["./serve", "--db", "redis://:s3cret@cache", "a:b@c"].map(str::to_owned);
        assert_eq!(
            words(&given),
            ["./serve", "--db", "redis://:***@cache", "a:b@c"]
        );
    }

    #[test]
    fn values_of_the_environment_are_never_shown() {
        let env = BTreeMap::from([("API_KEY".to_owned(), "s3cret".to_owned())]);
        assert_eq!(
            masked(&env),
            BTreeMap::from([("API_KEY".to_owned(), MASK.to_owned())])
        );
    }
}
