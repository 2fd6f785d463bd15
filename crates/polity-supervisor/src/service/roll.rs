//! Which instances there are: replacing, adding and taking away, never fewer ready ones than before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use polity_core::InstanceId;
use polity_plan::{MAX_REPLICAS, Port};

use crate::event::{EventKind, News};
use crate::service::actor::Actor;
use crate::service::failure::Failure;
use crate::service::instance::{Birth, Instance, UnlessReady};
use crate::service::release::Release;
use crate::service::status::InstanceState;

impl Actor {
    /// Replaces every instance by one of `to`, one after another. When one cannot be replaced,
    /// those that were are replaced back, so that what served before serves after.
    pub(super) async fn roll(&mut self, to: Arc<Release>) -> Result<(), Failure> {
        let version = to.version().clone();
        self.tell(EventKind::Rolling, format!("rolls to version {version}"));
        let old: Vec<InstanceId> = self.instances.iter().map(|i| i.id.clone()).collect();
        let mut old = old.into_iter();
        for _ in 0..self.replicas {
            if let Err(failure) = self.replace(old.next(), &to).await {
                self.roll_back(&to).await;
                let message = match self.instances.is_empty() {
                    true => format!("version {version} does not start: {}", failure.message),
                    false => format!(
                        "version {version} does not start, the old one stays: {}",
                        failure.message
                    ),
                };
                let news = News::new(EventKind::RollFailed, message.clone());
                let news = news.with_lines(failure.lines.clone());
                self.parts.events.tell(&self.service.name, news);
                return Err(Failure::new(message).with_lines(failure.lines));
            }
        }
        for surplus in old {
            self.retire(&[surplus]).await;
        }
        self.set_current(to);
        self.tell(EventKind::Rolled, format!("runs version {version}"));
        Ok(())
    }

    async fn roll_back(&mut self, failed: &Arc<Release>) {
        let Some(before) = self.current.clone() else {
            return;
        };
        let new = self.instances.iter();
        let new = new.filter(|instance| Arc::ptr_eq(&instance.release, failed));
        let ids: Vec<InstanceId> = new.map(|instance| instance.id.clone()).collect();
        for id in ids {
            // An instance of the new version that serves is better than none of the old.
            if self.replace(Some(id), &before).await.is_err() {
                return;
            }
        }
    }

    /// Puts a ready instance of `to` in the place of `old`, or leaves `old` as it was.
    async fn replace(&mut self, old: Option<InstanceId>, to: &Arc<Release>) -> Result<(), Failure> {
        let held_by = |id: &InstanceId| self.instances.iter().find(|i| i.id == *id);
        let before = old.as_ref().and_then(held_by).map(|i| i.release.clone());
        if let (Some(before), Some(old)) = (&before, &old)
            && let Port::Fixed(port) = to.program.port
            && before.program.port == to.program.port
        {
            return self.replace_on_port(port, old, before, to).await;
        }
        self.start_ready(to).await?;
        if let Some(old) = old {
            self.retire(&[old]).await;
        }
        Ok(())
    }

    /// Two cannot listen on one port: the old instance goes first, and comes back if it must.
    async fn replace_on_port(
        &mut self,
        port: u16,
        old: &InstanceId,
        before: &Arc<Release>,
        to: &Arc<Release>,
    ) -> Result<(), Failure> {
        let message = format!("stops before the new one starts: both listen on port {port}");
        self.tell(EventKind::Stopping, message);
        self.retire(std::slice::from_ref(old)).await;
        let started = self.start_ready(to).await;
        if started.is_err() {
            let id = self.start_instance(before, UnlessReady::Retry);
            // It has run before; should it fail now, it is started again as after any crash.
            let _ = self.settled(&id).await;
        }
        started
    }

    /// Starts an instance that must become ready; one that does not is gone again.
    async fn start_ready(&mut self, release: &Arc<Release>) -> Result<(), Failure> {
        let id = self.start_instance(release, UnlessReady::GiveUp);
        let settled = self.settled(&id).await;
        if settled.is_err() {
            self.retire(&[id]).await;
        }
        settled
    }

    /// `polity scale`: the file's number is overridden until it is edited.
    pub(super) async fn scale(&mut self, replicas: u32) -> Result<(), Failure> {
        let scaled = self.try_scale(replicas).await;
        match &scaled {
            Ok(()) => self.tell(EventKind::Scaled, format!("scaled to {replicas}")),
            Err(failure) => {
                let news = News::new(EventKind::ScaleFailed, failure.message.clone());
                let news = news.with_lines(failure.lines.clone());
                self.parts.events.tell(&self.service.name, news);
            }
        }
        scaled
    }

    async fn try_scale(&mut self, replicas: u32) -> Result<(), Failure> {
        if replicas > MAX_REPLICAS {
            let message = format!("{replicas} instances are more than the {MAX_REPLICAS} allowed");
            return Err(Failure::new(message));
        }
        self.resize(replicas, UnlessReady::GiveUp).await?;
        let planned = self.program.replicas;
        let saved = self
            .overrides
            .set(&self.service.name, replicas, planned)
            .await;
        saved.map_err(|error| {
            Failure::new(format!(
                "scaled, but a restart of Polity forgets it: {error}"
            ))
        })
    }

    /// Starts or retires as many as it takes.
    pub(super) async fn resize(
        &mut self,
        replicas: u32,
        unless_ready: UnlessReady,
    ) -> Result<(), Failure> {
        if let (Port::Fixed(port), 2..) = (self.program.port, replicas) {
            let message = format!("only one instance can listen on port {port}; remove `port`");
            return Err(Failure::new(message));
        }
        let have = self.instances.len();
        let wanted = replicas as usize;
        if wanted > have {
            let Some(release) = self.current.clone() else {
                let message = "it has no build to run; deploy it first";
                return Err(Failure::new(message));
            };
            self.add(wanted - have, &release, unless_ready).await?;
        } else {
            let surplus = self.least_useful(have - wanted);
            self.retire(&surplus).await;
        }
        self.set_replicas(replicas);
        Ok(())
    }

    async fn add(
        &mut self,
        count: usize,
        release: &Arc<Release>,
        unless_ready: UnlessReady,
    ) -> Result<(), Failure> {
        let ids: Vec<_> = (0..count)
            .map(|_| self.start_instance(release, unless_ready))
            .collect();
        let mut all = Ok(());
        for id in &ids {
            all = self.settled(id).await.and(all);
        }
        if unless_ready == UnlessReady::Retry {
            // One that fails is started again, and says so itself.
            return Ok(());
        }
        if all.is_err() {
            self.retire(&ids).await;
        }
        all
    }

    /// Those that are not ready first, then the youngest.
    fn least_useful(&self, count: usize) -> Vec<InstanceId> {
        let status = self.board.read();
        let state = |id: &InstanceId| status.instance(id).map(|instance| instance.state);
        let mut ids: Vec<_> = self.instances.iter().rev().map(|i| i.id.clone()).collect();
        ids.sort_by_key(|id| state(id) == Some(InstanceState::Ready));
        ids.truncate(count);
        ids
    }

    pub(super) fn start_instance(
        &mut self,
        release: &Arc<Release>,
        unless_ready: UnlessReady,
    ) -> InstanceId {
        let ordinal = self.last_ordinal.fetch_add(1, Ordering::Relaxed) + 1;
        let id = InstanceId::numbered(&self.service.name, ordinal);
        self.instances.push(Instance::start(Birth {
            parts: self.parts.clone(),
            board: self.board.clone(),
            id: id.clone(),
            release: release.clone(),
            unless_ready,
            restarts: self.restarts.clone(),
        }));
        id
    }

    /// Waits until the instance has become ready, or has failed once.
    pub(super) async fn settled(&self, id: &InstanceId) -> Result<(), Failure> {
        let board = &self.board;
        board
            .wait_for(|status| {
                let Some(instance) = status.instance(id) else {
                    return Some(Err(Failure::new(format!("{id} is gone"))));
                };
                // The state may have gone on to the next start before it was looked at.
                let failed = instance.state.has_failed() || instance.restarts > 0;
                match instance.state {
                    InstanceState::Ready => Some(Ok(())),
                    _ if failed => {
                        let why = instance.message.as_deref().unwrap_or("failed");
                        let failure = Failure::new(format!("{id} {why}"));
                        Some(Err(failure.with_lines(instance.lines.clone())))
                    }
                    _ => None,
                }
            })
            .await
    }

    /// Out of the catalog, requests finished, stopped; several at the same time.
    pub(super) async fn retire(&mut self, ids: &[InstanceId]) {
        for instance in self.instances.iter().filter(|i| ids.contains(&i.id)) {
            instance.retire(drain_bound(&instance.release));
        }
        for instance in self.instances.iter_mut().filter(|i| ids.contains(&i.id)) {
            instance.ended().await;
        }
        self.instances
            .retain(|instance| !ids.contains(&instance.id));
        self.board
            .update(|status| status.instances.retain(|i| !ids.contains(&i.id)));
    }
}

/// A request that came last may take the service's whole timeout to be answered.
fn drain_bound(release: &Release) -> Duration {
    release.service.timeout.max(release.program.stop_timeout)
}
