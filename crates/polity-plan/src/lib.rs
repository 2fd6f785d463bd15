//! polity.toml to [`Plan`]: parsing with spans, every validation, every lint, and the schema.

pub mod plan;

pub use plan::{
    Balance, Command, Console, Database, Gateway, HealthCheck, ListenAddress, Network, Origin,
    Plan, Port, Program, Protocol, Retry, Route, Service, Task, Upstream,
};
