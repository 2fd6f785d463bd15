//! Services whose programs are not installed: left out, and said so.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use polity_core::ServiceName;
use polity_plan::{Origin, Plan, Service};

/// Why each service that was left out was.
pub type Skipped = BTreeMap<ServiceName, String>;

/// The plan as it can run here. A service that was left out keeps its routes and its callers, and
/// has no place where it answers: they are told that no instance is there.
pub fn resolve(plan: &Plan) -> (Plan, Skipped) {
    resolve_in(plan, &env::var_os("PATH").unwrap_or_default())
}

fn resolve_in(plan: &Plan, path: &OsStr) -> (Plan, Skipped) {
    let mut runnable = plan.clone();
    let mut skipped = Skipped::new();
    for (name, service) in &mut runnable.services {
        let Some(missing) = missing(service, path) else {
            continue;
        };
        let left_out = Service {
            origin: Origin::External(Vec::new()),
            ..Service::clone(service)
        };
        *service = Arc::new(left_out);
        skipped.insert(name.clone(), missing);
    }
    (runnable, skipped)
}

fn missing(service: &Service, path: &OsStr) -> Option<String> {
    let required = &service.program()?.requires;
    let missing: Vec<String> = required
        .iter()
        .filter(|program| !is_installed(program, path))
        .map(|program| format!("`{program}`"))
        .collect();
    (!missing.is_empty()).then(|| format!("needs {}, not found in PATH", missing.join(" and ")))
}

fn is_installed(program: &str, path: &OsStr) -> bool {
    let is_program = |file: &Path| {
        let data = fs::metadata(file);
        data.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(path).any(|folder| is_program(&folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polity_plan::{Source, load};

    #[test]
    fn a_service_is_left_out_where_a_program_it_needs_is_not_installed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let installed = folder.path().join("there");
        fs::write(&installed, "").expect("written");
        let plan = load(Source {
            name: "polity.toml",
            text: "[service.a]\nrun = \"there a\"\nroute = \"/a\"\nrequires = [\"there\"]\n\
                   [service.b]\nrun = \"gone b\"\nroute = \"/b\"\nrequires = [\"there\", \"gone\"]\n",
            environment: &|_| None,
        })
        .plan
        .expect("valid");
        let skipped = || resolve_in(&plan, folder.path().as_os_str()).1;
        let names = || {
            skipped()
                .keys()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(),
            ["a", "b"],
            "a file that may not be run is no program"
        );
        fs::set_permissions(&installed, fs::Permissions::from_mode(0o755)).expect("made a program");
        assert_eq!(names(), ["b"]);
        let why = skipped().into_values().next();
        assert_eq!(why.as_deref(), Some("needs `gone`, not found in PATH"));
        let (runnable, _) = resolve_in(&plan, folder.path().as_os_str());
        let b = ServiceName::new("b").expect("a legal name");
        assert!(runnable.services[&b].program().is_none());
        assert_eq!(runnable.services[&b].routes, plan.services[&b].routes);
    }
}
