//! The last lines of each service, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use polity_core::{InstanceId, ServiceName};

use super::Line;

/// How many lines of a service are kept in memory.
pub(super) const MAX_LINES: usize = 1000;

/// And how many bytes of text.
pub(super) const MAX_BYTES: usize = 256 << 10;

/// The last lines of each service.
#[derive(Debug, Default)]
pub(super) struct Recent {
    services: BTreeMap<ServiceName, Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
}

impl Recent {
    pub(super) fn push(&mut self, line: Arc<Line>) {
        let ring = match self.services.get_mut(&line.service) {
            Some(ring) => ring,
            None => self.services.entry(line.service.clone()).or_default(),
        };
        ring.bytes += line.text.len();
        ring.lines.push_back(line);
        while ring.lines.len() > MAX_LINES || ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.lines.pop_front() else {
                break;
            };
            ring.bytes -= oldest.text.len();
        }
    }

    /// The last `count` lines of one instance, oldest first.
    pub(super) fn of_instance(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        count: usize,
    ) -> Vec<Arc<Line>> {
        let lines = self
            .services
            .get(service)
            .into_iter()
            .flat_map(|ring| ring.lines.iter().rev());
        let own = lines.filter(|line| line.instance == *instance);
        let mut last: Vec<_> = own.take(count).cloned().collect();
        last.reverse();
        last
    }

    /// All lines kept of one service, oldest first.
    pub(super) fn of_service(&self, service: &ServiceName) -> impl Iterator<Item = &Arc<Line>> {
        self.services
            .get(service)
            .into_iter()
            .flat_map(|ring| &ring.lines)
    }

    /// The services that have printed something.
    pub(super) fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::line;

    #[test]
    fn it_is_bounded_in_lines_and_in_bytes() {
        let mut recent = Recent::default();
        for sequence in 0..MAX_LINES as u64 + 10 {
            recent.push(Arc::new(line(sequence, "a", "short")));
        }
        let service = line(0, "a", "").service;
        assert_eq!(recent.of_service(&service).count(), MAX_LINES);
        assert_eq!(
            recent.of_service(&service).next().map(|line| line.sequence),
            Some(10)
        );
        let long = "x".repeat(MAX_BYTES / 2);
        for sequence in 2000..2010 {
            recent.push(Arc::new(line(sequence, "a", &long)));
        }
        assert_eq!(recent.of_service(&service).count(), 2);
    }

    #[test]
    fn the_last_lines_of_an_instance_are_its_own_and_in_order() {
        let mut recent = Recent::default();
        for sequence in 0..10 {
            let mut line = line(sequence, "a", "text");
            line.instance = if sequence % 2 == 0 { "a-1" } else { "a-2" }.into();
            recent.push(Arc::new(line));
        }
        let last = recent.of_instance(&line(0, "a", "").service, &"a-2".into(), 3);
        assert_eq!(
            last.iter().map(|line| line.sequence).collect::<Vec<_>>(),
            [5, 7, 9]
        );
    }
}
