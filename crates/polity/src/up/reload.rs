//! Edits of the plan while it runs: seen, validated, and only the difference applied.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use polity_catalog::Catalog;
use polity_plan::Plan;
use polity_runtime::Published;

use super::events::Events;
use super::screen::Screen;
use super::{InForce, external, requirements};
use crate::data::DataFolder;
use crate::plan_file::{PlanFile, PlanText};
use crate::run_file::{EVENTS, GATEWAY, HTTP, RunFile};

/// How often the files are looked at. Looking works on every file system, also where there is no
/// notification (network and WSL2 mounts), and costs two `stat`s.
const INTERVAL: Duration = Duration::from_millis(300);

/// Watches the plan and applies what changes.
pub struct Reload {
    pub file: PlanFile,
    pub text: PlanText,
    pub in_force: Published<InForce>,
    pub catalog: Published<Catalog>,
    pub gateway: polity_gateway::Handle,
    pub events: Events,
    pub supervisor: polity_supervisor::Handle,
    /// As it was written last.
    pub run_file: RunFile,
    pub data: DataFolder,
}

/// Tells whether a file is another one than before without reading it.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Reload {
    /// Runs until it is aborted; an edit that is being applied then is applied in part, on a
    /// system that stops.
    pub async fn run(mut self, screen: Screen) {
        let mut seen = self.stamps();
        // The plan may have been edited between the reading at the start and now.
        let mut pending = true;
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            let now = self.stamps();
            let changed = now != seen;
            seen = now;
            // An editor may be writing still: an edit counts once a look finds it at rest.
            if changed || !pending {
                pending |= changed;
                continue;
            }
            pending = false;
            self.look(&screen).await;
        }
    }

    async fn look(&mut self, screen: &Screen) {
        let text = match self.file.read() {
            Ok(text) => text,
            Err(error) => {
                screen.problem(&format!("{error:#}; the plan in force stays"));
                return;
            }
        };
        if text == self.text {
            return;
        }
        let loaded = text.load();
        match &loaded.plan {
            Some(plan) => self.apply(Arc::new(plan.clone()), screen).await,
            None => {
                screen.raw(&text.render(&loaded, screen.style()));
                screen.problem("the edit has errors and changes nothing; the plan in force stays");
            }
        }
        self.text = text;
    }

    /// The gateway first: it may refuse (a port in use), and then nothing else has changed.
    async fn apply(&mut self, plan: Arc<Plan>, screen: &Screen) {
        let in_force = self.in_force.load();
        let before = &in_force.runnable;
        let (runnable, skipped) = requirements::resolve(&plan);
        let runnable = Arc::new(runnable);
        external::publish(&self.catalog, None, &runnable);
        if let Err(error) = self.gateway.apply(runnable.clone()).await {
            external::publish(&self.catalog, Some(&runnable), before);
            screen.problem(&format!("{error}; the edit changes nothing"));
            return;
        }
        match self.events.apply(runnable.events.as_ref()).await {
            Ok(changed) => screen.topics(&changed),
            // What the rest of the edit says is in force all the same.
            Err(error) => screen.problem(&format!("{error:#}; services are told what they were")),
        }
        self.tell_addresses(screen);
        if before.gateway.tls != runnable.gateway.tls {
            screen.authority(self.gateway.local_authority().as_deref());
        }
        external::publish(&self.catalog, Some(before), &runnable);
        let applied = self.supervisor.apply(runnable.clone()).await;
        if before.console != runnable.console {
            screen.problem("console.listen has changed, which counts from the next start on");
        }
        self.in_force.store(InForce {
            plan,
            runnable,
            skipped,
        });
        match applied {
            Ok(applied) => screen.applied(&applied),
            Err(error) => screen.problem(&format!("the edit could not be applied: {error}")),
        }
    }

    /// Says where the parts listen that listen elsewhere than before.
    fn tell_addresses(&mut self, screen: &Screen) {
        let parts = [
            (
                GATEWAY,
                "the gateway listens",
                Some(self.gateway.public_address()),
            ),
            (
                HTTP,
                "plain HTTP is sent to HTTPS from",
                self.gateway.plain_address(),
            ),
            (EVENTS, "events are kept", self.events.address()),
        ];
        let mut is_new = false;
        for (part, what, address) in parts {
            let known = &mut self.run_file.addresses;
            let Some(address) = address else {
                is_new |= known.remove(part).is_some();
                continue;
            };
            if known.insert(part.to_owned(), address) != Some(address) {
                screen.say(&format!("{what} on {address}"));
                is_new = true;
            }
        }
        if let (true, Err(error)) = (is_new, self.run_file.write(&self.data)) {
            screen.problem(&format!("{error:#}; it names the addresses from before"));
        }
    }

    fn stamps(&self) -> [Stamp; 2] {
        [stamp(&self.file.path), stamp(&self.file.root.join(".env"))]
    }
}

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
}
