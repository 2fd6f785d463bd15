//! Range: each topic's partitions in order, cut into as many pieces as there are subscribers.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Subscriber;
use crate::group::consumer::assignment::Assignment;

pub(super) fn assign(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
    let mut order: Vec<usize> = (0..subscribers.len()).collect();
    order.sort_by_key(|at| &subscribers[*at].key);
    let mut all = vec![Assignment::new(); subscribers.len()];
    for (topic, partitions) in topics {
        let takes = |at: &&usize| subscribers[**at].topics.contains(topic);
        let takers: Vec<usize> = order.iter().filter(takes).copied().collect();
        let (total, count) = (*partitions, i32::try_from(takers.len()).unwrap_or(i32::MAX));
        let mut next = 0;
        for (number, at) in (0..).zip(&takers) {
            // The first ones take one more where it does not come out even.
            let size = total / count + i32::from(number < total % count);
            if size > 0 {
                all[*at].insert(*topic, (next..next + size).collect());
            }
            next += size;
        }
    }
    all
}
