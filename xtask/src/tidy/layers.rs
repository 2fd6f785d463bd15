//! Which crate may use which: the layers of ARCHITECTURE.md, edge by edge.

use crate::finding::Finding;
use crate::repository::Repository;

/// Every package and the members it may depend on, tests included. What is not listed is refused,
/// so that a new edge is a decision somebody takes here.
const EDGES: &[(&str, &[&str])] = &[
    ("polity-core", &[]),
    ("polity-route", &["polity-core"]),
    ("polity-resilience", &["polity-core"]),
    // Resilience for the simulation only: its balancers eject outliers as the gateway does.
    ("polity-balance", &["polity-core", "polity-resilience"]),
    ("polity-catalog", &["polity-core"]),
    ("polity-transcode", &[]),
    (
        "polity-plan",
        &["polity-core", "polity-resilience", "polity-route"],
    ),
    ("polity-runtime", &["polity-core"]),
    ("polity-http", &["polity-core", "polity-runtime"]),
    ("polity-log", &["polity-core"]),
    (
        "polity-gateway",
        &[
            "polity-balance",
            "polity-catalog",
            "polity-core",
            "polity-http",
            "polity-plan",
            "polity-resilience",
            "polity-route",
            "polity-runtime",
            "polity-transcode",
        ],
    ),
    (
        "polity-broker",
        &["polity-core", "polity-log", "polity-runtime"],
    ),
    (
        "polity-supervisor",
        &[
            "polity-catalog",
            "polity-core",
            "polity-plan",
            "polity-resilience",
            "polity-runtime",
        ],
    ),
    (
        "polity-console",
        &[
            "polity-core",
            "polity-plan",
            "polity-route",
            "polity-runtime",
        ],
    ),
    (
        "polity",
        &[
            "polity-balance",
            "polity-broker",
            "polity-catalog",
            "polity-console",
            "polity-core",
            "polity-gateway",
            "polity-http",
            // How batches are compressed, and nothing of what is stored.
            "polity-log",
            "polity-plan",
            "polity-resilience",
            "polity-route",
            "polity-runtime",
            "polity-supervisor",
        ],
    ),
    // Services are ordinary programs: none may know of Polity.
    ("shop-events", &[]),
    ("shop-orders", &["shop-events"]),
    ("shop-inventory", &[]),
    ("shop-tracker", &["shop-events"]),
    // Instruments share nothing with what they measure.
    ("polity-bench", &[]),
    // But for simulations, which are worth something only with the algorithms themselves.
    ("xtask", &["polity-balance", "polity-log"]),
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in repository.manifests() {
        let Some(package) = &manifest.package else {
            continue;
        };
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| name == package) else {
            let message = format!("the package {package} has no layer");
            findings.push(Finding::new(
                &manifest.path,
                0,
                message,
                "add it to EDGES in xtask/src/tidy/layers.rs",
            ));
            continue;
        };
        for dependency in &manifest.dependencies {
            let name = dependency.name.as_str();
            let is_member = EDGES.iter().any(|(member, _)| *member == name);
            if is_member && !allowed.contains(&name) {
                let message = format!("{package} may not depend on {name}");
                let remedy = match package.starts_with("polity") {
                    true => {
                        "declare a narrow trait here and let crates/polity adapt one to the other"
                    }
                    false => "use what anybody outside the workspace can use",
                };
                findings.push(Finding::new(
                    &manifest.path,
                    dependency.line,
                    message,
                    remedy,
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn an_edge_upwards_is_found() {
        let manifest = "[package]\nname = \"polity-core\"\n\n[dependencies]\nserde.workspace = true\npolity-plan.workspace = true\n";
        expect(
            check,
            &[("crates/polity-core/Cargo.toml", manifest)],
            &[("crates/polity-core/Cargo.toml", 6)],
        );
    }

    #[test]
    fn an_edge_between_services_is_found_in_tests_and_for_a_target_too() {
        let manifest = "[package]\nname = \"polity-console\"\n[dev-dependencies]\npolity-gateway.workspace = true\n[target.'cfg(unix)'.dependencies]\npolity-supervisor.workspace = true\n";
        expect(
            check,
            &[("a/Cargo.toml", manifest)],
            &[("a/Cargo.toml", 4), ("a/Cargo.toml", 6)],
        );
    }

    #[test]
    fn an_allowed_edge_and_an_outside_crate_are_fine() {
        let manifest = "[package]\nname = \"polity-plan\"\n[dependencies]\npolity-route.workspace = true\ntoml.workspace = true\n";
        expect(check, &[("a/Cargo.toml", manifest)], &[]);
    }

    #[test]
    fn a_package_without_a_layer_is_found() {
        expect(
            check,
            &[("a/Cargo.toml", "[package]\nname = \"polity-new\"\n")],
            &[("a/Cargo.toml", 0)],
        );
    }

    #[test]
    fn the_edges_have_no_circle() {
        for (package, below) in EDGES {
            let place = |name: &str| EDGES.iter().position(|(listed, _)| *listed == name);
            assert!(
                below.iter().all(|name| place(name) < place(package)),
                "{package} stands before what it uses"
            );
        }
    }
}
