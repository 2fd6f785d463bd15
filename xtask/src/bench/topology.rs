//! What the contenders are told to forward: services and their path prefixes.

/// Every service is the same origin under another name.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    pub(super) services: Vec<Service>,
}

#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) name: String,
    /// Path prefixes that lead to it.
    pub(super) prefixes: Vec<String>,
}

impl Topology {
    /// One service for all paths.
    pub(super) fn single() -> Self {
        Self {
            services: vec![Service {
                name: "origin".to_owned(),
                prefixes: vec!["/".to_owned()],
            }],
        }
    }
}
