//! What an instance tells: its state on the board, and events with the last lines of its output.

use polity_core::InstanceId;

use super::{Failure, Runner};
use crate::event::{EventKind, News, unix_ms};
use crate::process::LaunchError;
use crate::service::status::{InstanceState, InstanceStatus};

impl Runner {
    /// Enters a state; `change` adds what else is new.
    pub(super) fn enter(&self, state: InstanceState, change: impl FnOnce(&mut InstanceStatus)) {
        let now = unix_ms(self.birth.parts.clock.wall());
        self.board(|instance| {
            if instance.state != state {
                instance.state = state;
                instance.since_ms = now;
            }
            change(instance);
        });
    }

    pub(super) fn board(&self, change: impl FnOnce(&mut InstanceStatus)) {
        self.birth.board.update_instance(&self.birth.id, change);
    }

    pub(super) fn count_restart(&self) {
        self.board(|instance| instance.restarts += 1);
    }

    pub(super) fn tell(&self, kind: EventKind, message: impl Into<String>) {
        self.tell_news(News::new(kind, message));
    }

    /// Says why the instance failed, and what becomes of it.
    pub(super) fn tell_failure(&self, failure: Failure, state: InstanceState, next: &str) {
        let lines = self.tail.lines();
        self.enter(state, |instance| {
            instance.message = Some(failure.message.clone());
            instance.lines.clone_from(&lines);
            instance.last_exit = failure.exit.or(instance.last_exit);
        });
        let message = format!("{}{next}", failure.message);
        self.tell_news(News::new(failure.kind, message).with_lines(lines));
    }

    fn tell_news(&self, news: News) {
        let service = &self.birth.release.service.name;
        let news = news.of(&self.birth.id);
        self.birth.parts.events.tell(service, news);
    }

    pub(super) fn release_port(&mut self) {
        if let Some(port) = self.port.take() {
            self.birth.parts.ports.release(port);
        }
    }
}

/// The error and what caused it.
pub(super) fn describe(error: &LaunchError) -> String {
    match error {
        LaunchError::System { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// Spreads ids over the seeds (FNV-1a), so that instances draw different delays.
pub(super) fn fingerprint(id: &InstanceId) -> u64 {
    id.as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
