//! Not one request fails, whatever is done to the service that answers.

use std::collections::BTreeSet;
use std::fs;

use crate::http::get;
use crate::load::Load;
use crate::shop;
use crate::system::System;
use crate::wait;

/// Does something to the shop while `GET /orders` is asked for on several connections.
#[track_caller]
fn under_load(act: impl FnOnce(&System)) {
    let system = shop::quick();
    let load = Load::start(system.gateway(), "/orders");
    act(&system);
    load.goes_on();
    load.stop_without_a_failure();
}

fn wait_for_instances(system: &System, count: usize) {
    wait::until("as many instances as wanted", || {
        let orders = system.service("orders");
        let instances = orders["instances"].as_array().unwrap();
        let ready = instances
            .iter()
            .all(|instance| instance["state"] == "ready");
        (ready && instances.len() == count).then_some(())
    });
}

#[test]
fn an_instance_is_killed() {
    under_load(|system| {
        let pids = system.pids("orders");
        system.kill(pids[0]);
        wait::until("the killed instance is replaced", || {
            let now = system.pids("orders");
            (now.len() == 2 && !now.contains(&pids[0])).then_some(())
        });
        wait_for_instances(system, 2);
    });
}

#[test]
fn a_service_is_deployed() {
    under_load(|system| {
        let before: BTreeSet<u32> = system.pids("orders").into_iter().collect();
        system.succeeds(&["deploy", "orders"]);
        let after: BTreeSet<u32> = system.pids("orders").into_iter().collect();
        assert_eq!(after.len(), 2);
        assert!(before.is_disjoint(&after), "{before:?} {after:?}");
    });
}

#[test]
fn a_service_is_restarted() {
    under_load(|system| {
        system.succeeds(&["restart", "orders"]);
    });
}

#[test]
fn a_service_is_scaled_up_and_down() {
    under_load(|system| {
        system.succeeds(&["scale", "orders", "4"]);
        wait_for_instances(system, 4);
        system.succeeds(&["scale", "orders", "1"]);
        wait_for_instances(system, 1);
    });
}

#[test]
fn a_route_is_added_to_the_plan() {
    under_load(|system| {
        let before = system.pids("orders");
        let routed = "[service.inventory]\nroute = \"/warehouse\"";
        let plan = shop::quick_plan();
        let edited = plan.replace(
            "[[service.inventory.routes]]\nexact = \"/stock\"\nmethods = [\"GET\"]\n",
            "",
        );
        let edited = edited.replace("[service.inventory]", routed);
        assert_ne!(edited, plan);
        fs::write(system.path().join("polity.toml"), edited).unwrap();
        wait::until("the route is there", || {
            let answer = get(system.gateway(), "/warehouse");
            answer
                .headers
                .get("x-polity-reason")
                .is_none()
                .then_some(())
        });
        assert_eq!(
            system.pids("orders"),
            before,
            "what did not change is not touched"
        );
    });
}

#[test]
fn an_invalid_edit_changes_nothing_and_is_shown() {
    let mut system = shop::quick();
    let load = Load::start(system.gateway(), "/orders");
    let before = system.pids("orders");
    fs::write(
        system.path().join("polity.toml"),
        shop::quick_plan() + "[servce.x]\n",
    )
    .unwrap();
    system.wait_for_line("the error is shown", |line| {
        line.to_string().contains("servce")
    });
    load.goes_on();
    assert_eq!(system.pids("orders"), before);
    load.stop_without_a_failure();
}

#[test]
fn a_deploy_whose_build_fails_leaves_the_old_version_serving() {
    let plan = shop::quick_plan();
    let system = System::folder(&plan.replace("build = \"cp ", "build = \"./build.sh "));
    let script = system.path().join("build.sh");
    write_script(&script, "#!/bin/sh\nexec cp \"$@\"\n");
    let system = system.started();
    let before = system.pids("orders");
    let load = Load::start(system.gateway(), "/orders");

    write_script(
        &script,
        "#!/bin/sh\necho no such thing as an order\nexit 3\n",
    );
    let said = system.polity(&["deploy", "orders"]);
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    assert!(
        said.stderr.contains("no such thing as an order"),
        "{said:#?}"
    );
    assert!(said.stderr.contains("exit code 3"), "{said:#?}");

    load.goes_on();
    assert_eq!(system.pids("orders"), before);
    load.stop_without_a_failure();
}

#[test]
fn a_deploy_that_never_gets_ready_leaves_the_old_version_serving() {
    let system = System::folder(&shop::quick_plan()).started();
    let before = system.pids("orders");
    let load = Load::start(system.gateway(), "/orders");
    let plan = shop::quick_plan();
    let broken = plan.replace("run = \"./shop-orders\"", "run = \"false\"");
    assert_ne!(broken, plan);
    fs::write(system.path().join("polity.toml"), broken).unwrap();
    wait::until("the failure is shown", || {
        let note = system.service("orders")["note"].as_str()?.to_owned();
        note.contains("exit code 1").then_some(())
    });
    load.goes_on();
    assert_eq!(system.pids("orders"), before);
    load.stop_without_a_failure();
}

/// Written aside and renamed: a script that is being run cannot be written to.
fn write_script(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let aside = path.with_extension("new");
    fs::write(&aside, text).unwrap();
    fs::set_permissions(&aside, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(aside, path).unwrap();
}
