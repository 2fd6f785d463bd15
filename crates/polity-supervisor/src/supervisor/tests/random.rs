//! Random commands, crashes and sickness: what must hold in every order of events.

use std::time::Duration;

use polity_core::{Rng, SplitMix64};
use polity_plan::Port;
use tokio::time::sleep;

use super::command::broken;
use crate::process::Exit;
use crate::service::Stage;
use crate::simulation::{Behaviour, Scene, Sketch, World};

const SERVICES: [&str; 3] = ["inventory", "orders", "worker"];
const STEPS: usize = 40;
/// How many lives are lived; `POLITY_SEEDS` asks for more.
const SEEDS: u64 = 12;

fn sketch(replicas: u32, log: &str) -> Sketch {
    Sketch::new()
        .service("inventory")
        .service("orders")
        .calls("orders", "inventory")
        .with("orders", |p| {
            p.replicas = replicas;
            p.env.insert("LOG".to_owned(), log.to_owned());
        })
        .service("worker")
        .with("worker", |p| p.port = Port::None)
}

/// One random thing happens.
async fn step(scene: &Scene, rng: &mut SplitMix64) {
    let service = SERVICES[rng.below(3)];
    let alive = scene.world.alive();
    let handle = scene.handle.clone();
    match rng.below(10) {
        0 | 1 if !alive.is_empty() => scene.world.kill(&alive[rng.below(alive.len())]),
        2 if !alive.is_empty() => {
            let id = &alive[rng.below(alive.len())];
            scene.world.sicken(id, rng.below(2) == 0);
        }
        3 => scene.world.behave(service, behaviour(rng)),
        4 => scene.world.fail_builds(service, rng.below(2) == 0),
        5 => drop(tokio::spawn(async move { handle.deploy(service).await })),
        6 => drop(tokio::spawn(async move { handle.restart(service).await })),
        7 => {
            let replicas = rng.below(4) as u32;
            drop(tokio::spawn(async move {
                handle.scale(service, replicas).await
            }));
        }
        8 => {
            let sketch = sketch(1 + rng.below(3) as u32, ["info", "debug"][rng.below(2)]);
            drop(tokio::spawn(
                async move { handle.apply(sketch.plan()).await },
            ));
        }
        _ => {}
    }
    sleep(Duration::from_millis(rng.below(3000) as u64)).await;
    scene.check();
}

fn behaviour(rng: &mut SplitMix64) -> Behaviour {
    match rng.below(5) {
        0 => broken(),
        1 => Behaviour {
            ready_after: None,
            ..Behaviour::default()
        },
        2 => Behaviour {
            ends_after: Some((Duration::from_millis(700), Exit::Signal(11))),
            ..Behaviour::default()
        },
        3 => Behaviour {
            ignores_term: true,
            ..Behaviour::default()
        },
        _ => Behaviour::default(),
    }
}

/// Everything is well again: what runs is as many as there should be, all ready.
async fn recover(scene: &Scene) {
    for service in SERVICES {
        scene.world.behave(service, Behaviour::default());
        scene.world.fail_builds(service, false);
    }
    sleep(Duration::from_secs(600)).await;
    for service in SERVICES {
        scene.until(service, |s| s.operation.is_none()).await;
        if scene.status(service).stage == Stage::Failed {
            scene
                .handle
                .deploy(service)
                .await
                .expect("all is well again");
        }
        scene
            .until(service, |s| {
                s.ready() == s.replicas as usize && s.instances.len() == s.replicas as usize
            })
            .await;
    }
    scene.check();
}

async fn live(seed: u64) -> Vec<String> {
    let mut rng = SplitMix64::new(seed);
    let data = tempfile::tempdir().expect("a folder");
    let mut scene = Scene::open_in(&sketch(2, "info"), World::new(), data, seed);
    for _ in 0..STEPS {
        step(&scene, &mut rng).await;
    }
    recover(&scene).await;
    scene.stop().await;
    scene.trace()
}

/// A runtime of its own, so that nothing of one run is left for the next.
fn run(seed: u64) -> Vec<String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(live(seed))
}

#[test]
fn whatever_happens_the_catalog_is_true_and_all_recover() {
    let asked = std::env::var("POLITY_SEEDS").ok();
    let seeds = asked.and_then(|count| count.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        let lived = std::panic::catch_unwind(|| run(seed));
        assert!(lived.is_ok(), "seed {seed}");
    }
}

#[test]
fn the_same_seed_lives_the_same_life() {
    for seed in 0..5 {
        let (once, again) = (run(seed), run(seed));
        assert!(once.len() > STEPS, "something happened");
        let differ = once.iter().zip(&again).position(|(a, b)| a != b);
        if let Some(at) = differ {
            panic!("seed {seed}, event {at}:\n{}\n{}", once[at], again[at]);
        }
        assert_eq!(once.len(), again.len());
    }
}
