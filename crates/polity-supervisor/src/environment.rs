//! The environment contract: what a service is told of itself, its database and whom it may call.
//!
//! The base is Polity's own environment, as it is with Compose and every Procfile tool: programs
//! expect `PATH`, `HOME`, `LANG`, a proxy, a virtual environment. Taken out of it is what would
//! lie to the service: `POLITY_*` (Polity's own settings), what systemd told Polity of its sockets
//! and watchdog, and every variable of the contract, so that a service that calls nobody does not
//! inherit a `DATABASE_URL` or an `ORDERS_URL` meant for another. What the plan's `env` says wins
//! over all: somebody wrote it down for this service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use polity_core::{InstanceId, ServiceName, VersionId};
use polity_plan::{Database, Plan, Protocol, Service};

/// A whole environment.
pub type Environment = BTreeMap<String, String>;

/// Where services are told to listen.
pub const HOST: &str = "127.0.0.1";

/// Variables of systemd and of the contract itself that are not handed on.
const OWN: &[&str] = &[
    "DATABASE_PATH",
    "DATABASE_URL",
    "HOST",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_BROKERS",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "PORT",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// What the environment of a service is made of.
pub struct Ingredients<'a> {
    /// The plan: who is called, and by which protocol.
    pub plan: &'a Plan,
    /// The service.
    pub service: &'a Service,
    /// Polity's own environment.
    pub inherited: &'a Environment,
    /// Variables of the parts that run: brokers, collectors, discovery.
    pub parts: Environment,
    /// Where the service reaches each callee.
    pub calls: &'a dyn Fn(&ServiceName) -> Option<SocketAddr>,
    /// The data folder, absolute.
    pub data: &'a Path,
    /// The build it runs.
    pub version: &'a VersionId,
}

/// A callee cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{caller}` calls `{callee}`, and the gateway has no listener for that")]
pub struct NoListener {
    /// Who calls.
    pub caller: ServiceName,
    /// Whom.
    pub callee: ServiceName,
}

/// What all instances of a release are given alike.
pub fn of_release(ingredients: Ingredients<'_>) -> Result<Environment, NoListener> {
    let Ingredients { plan, service, .. } = ingredients;
    let mut environment = inherited(ingredients.inherited, plan);
    environment.extend(ingredients.parts);
    let mut set = |key: &str, value: String| environment.insert(key.to_owned(), value);
    set("HOST", HOST.to_owned());
    set("POLITY_SERVICE", service.name.to_string());
    set("POLITY_VERSION", ingredients.version.to_string());
    for callee in &service.calls {
        let address = (ingredients.calls)(callee).ok_or_else(|| NoListener {
            caller: service.name.clone(),
            callee: callee.clone(),
        })?;
        let name = callee.to_env();
        let protocol = plan.services.get(callee).map(|callee| callee.protocol);
        if protocol == Some(Protocol::Tcp) {
            set(&format!("{name}_HOST"), address.ip().to_string());
            set(&format!("{name}_PORT"), address.port().to_string());
            set(&format!("{name}_URL"), format!("tcp://{address}"));
        } else {
            set(&format!("{name}_URL"), format!("http://{address}"));
        }
    }
    let Some(program) = service.program() else {
        return Ok(environment);
    };
    match &program.database {
        Some(Database::Sqlite) => {
            let path = database_path(ingredients.data, &service.name);
            set("DATABASE_URL", sqlite_url(&path));
            set("DATABASE_PATH", path.display().to_string());
        }
        Some(Database::Url(url)) => {
            set("DATABASE_URL", url.clone());
        }
        None => {}
    }
    environment.extend(program.env.clone());
    Ok(environment)
}

/// What one instance is given: the release's environment, its id and its port.
pub fn of_instance(release: &Environment, id: &InstanceId, port: Option<u16>) -> Environment {
    let mut environment = release.clone();
    let mut set = |key: &str, value: String| {
        // Already there only if the plan's `env` says so.
        environment.entry(key.to_owned()).or_insert(value);
    };
    set("POLITY_INSTANCE", id.to_string());
    if let Some(port) = port {
        set("PORT", port.to_string());
    }
    environment
}

/// What a build is given: as the service, but for what is known only once it runs.
pub fn of_build(own: &Environment, plan: &Plan, env: &Environment) -> Environment {
    let mut environment = inherited(own, plan);
    environment.extend(env.clone());
    environment
}

/// Where a service's SQLite file is.
pub fn database_path(data: &Path, service: &ServiceName) -> PathBuf {
    data.join("databases").join(format!("{service}.sqlite"))
}

/// `sqlite:////absolute/path`; what a URL would take for a query, a fragment or an escape is escaped.
fn sqlite_url(path: &Path) -> String {
    let path = path.display().to_string();
    let escaped = path.replace('%', "%25").replace('?', "%3F");
    format!("sqlite:///{}", escaped.replace('#', "%23"))
}

fn inherited(own: &Environment, plan: &Plan) -> Environment {
    let of_services: Vec<String> = (plan.services.keys().map(ServiceName::to_env))
        .flat_map(|name| ["HOST", "PORT", "URL"].map(|suffix| format!("{name}_{suffix}")))
        .collect();
    let handed_on = |key: &String| {
        !key.starts_with("POLITY_") && !OWN.contains(&key.as_str()) && !of_services.contains(key)
    };
    let kept = own.iter().filter(|(key, _)| handed_on(key));
    kept.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
