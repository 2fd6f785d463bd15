//! What a service needs before its instances start or roll: a build, its callees, its tasks.

use std::sync::Arc;

use polity_core::ServiceName;

use crate::environment;
use crate::event::{EventKind, News};
use crate::service::actor::Actor;
use crate::service::failure::Failure;
use crate::service::release::Release;
use crate::service::status::Stage;
use crate::supervisor::parts::{BuildOrder, Built};
use crate::task::When;

impl Actor {
    pub(super) async fn build(&mut self) -> Result<Built, Failure> {
        let making = self.program.build.is_some();
        if making {
            self.stage(Stage::Building);
            self.tell(EventKind::Building, "is being built");
        }
        let order = BuildOrder {
            service: self.service.name.clone(),
            build: self.program.build.clone(),
            run: self.program.run.clone(),
            dir: self.parts.dir(&self.program.dir),
            environment: environment::of_build(
                &self.parts.inherited,
                &self.plan,
                &self.program.env,
            ),
        };
        match self.parts.builds.build(&order).await {
            Ok(built) => {
                if making {
                    let message = format!("built version {}", built.version);
                    self.tell(EventKind::Built, message);
                }
                Ok(built)
            }
            Err(failure) => {
                let message = format!("the build failed: {}", failure.reason);
                let news = News::new(EventKind::BuildFailed, message.clone());
                let news = news.with_lines(failure.lines.clone());
                self.parts.events.tell(&self.service.name, news);
                Err(Failure::new(message).with_lines(failure.lines))
            }
        }
    }

    pub(super) fn release(&self, built: Built) -> Result<Arc<Release>, Failure> {
        Release::new(&self.parts, &self.plan, &self.service, &self.program, built)
            .map_err(Failure::new)
    }

    /// Waits until each service it calls has settled, for better or worse: one that cannot start
    /// must not keep others from it, and those that call each other in a circle cannot wait.
    pub(super) async fn wait_for_callees(&mut self) {
        let circle =
            (self.plan.start_order.iter()).find(|group| group.contains(&self.service.name));
        let callees = self.service.calls.iter();
        let waited_for: Vec<ServiceName> = callees
            .filter(|callee| !circle.is_some_and(|circle| circle.contains(callee)))
            .cloned()
            .collect();
        for callee in waited_for {
            // Those that Polity does not run are not known here, and not waited for.
            let Some(board) = self.registry.board(&callee) else {
                continue;
            };
            if !board.read().settled() {
                let message = format!("waits for {callee}");
                self.stage(Stage::Waiting);
                self.board
                    .update(|status| status.message = Some(message.clone()));
                self.tell(EventKind::Waiting, message);
            }
            let status = board.wait_for(|s| s.settled().then(|| s.clone())).await;
            if status.ready() == 0 && status.replicas > 0 {
                let message = format!("{callee} is not ready; starts all the same");
                self.tell(EventKind::WentAhead, message);
            }
        }
        self.board.update(|status| status.message = None);
    }

    pub(super) async fn run_tasks(&mut self, when: When) -> Result<(), Failure> {
        let own = |task: &&Arc<polity_plan::Task>| task.before.contains(&self.service.name);
        let tasks: Vec<_> = self.plan.tasks.values().filter(own).cloned().collect();
        for task in tasks {
            self.stage(Stage::Tasks);
            let run = self.tasks.run(&task, &self.plan, &self.service.name, when);
            run.await?;
        }
        Ok(())
    }
}
