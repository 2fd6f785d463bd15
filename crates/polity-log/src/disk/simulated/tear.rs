//! What a power cut leaves.
//!
//! A disk writes sectors in any order: each that was not synced is the old one or the new one, whatever
//! became of those before it.

use std::collections::{BTreeMap, BTreeSet};

use polity_core::{Rng, SplitMix64};

use super::state::{Node, State};

/// Written wholly or not at all.
const SECTOR: usize = 512;

impl State {
    pub(super) fn tear(&mut self) {
        let rng = &mut self.rng;
        for node in &mut self.nodes {
            match node {
                Node::File {
                    now,
                    durable,
                    longest,
                } => {
                    *now = tear_file(rng, now, durable, *longest);
                    durable.clone_from(now);
                    *longest = now.len();
                }
                Node::Folder { now, durable } => {
                    let names: BTreeSet<String> =
                        now.keys().chain(durable.keys()).cloned().collect();
                    let pick = |name: String| {
                        let from = if rng.below(2) == 0 { &*now } else { &*durable };
                        from.get(&name).map(|node| (name, *node))
                    };
                    let left: BTreeMap<String, usize> =
                        names.into_iter().filter_map(pick).collect();
                    (*now, *durable) = (left.clone(), left);
                }
            }
        }
    }
}

fn tear_file(rng: &mut SplitMix64, now: &[u8], durable: &[u8], longest: usize) -> Vec<u8> {
    if now == durable && longest <= now.len() {
        return now.to_vec();
    }
    let (short, long) = (
        now.len().min(durable.len()),
        now.len().max(durable.len()).max(longest),
    );
    let length = match rng.below(3) {
        0 => now.len(),
        1 => durable.len(),
        _ => short + rng.below(long - short + 1),
    };
    // All, nothing, or a mixture: each is likely enough to be seen.
    let likelihood = [0, 1, 2][rng.below(3)];
    let mut torn = vec![0; length];
    for (number, sector) in torn.chunks_mut(SECTOR).enumerate() {
        let is_new = rng.below(2) < likelihood;
        let from = if is_new { now } else { durable };
        let from = from.get(number * SECTOR..).unwrap_or_default();
        let there = from.len().min(sector.len());
        sector[..there].copy_from_slice(&from[..there]);
    }
    torn
}
