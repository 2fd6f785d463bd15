//! A disk in memory that fails as disks do, and the same way for the same seed.
//!
//! It promises what [`Disk`] promises and nothing more: at a power cut, each sector that was written and
//! not synced is the old one or the new one, whatever became of its neighbours; a length that was not
//! synced is the old one, the new one, or between; each name in a folder that was not synced is as it was
//! or as it became.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polity_core::{Rng, SplitMix64};

use super::{Disk, Entry, File};

#[cfg(test)]
#[path = "simulated_tests.rs"]
mod tests;

/// Written wholly or not at all.
const SECTOR: usize = 512;

/// A disk as one process sees it: after [`SimulatedDisk::restart`] the files that this one has open
/// answer nothing but errors.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    process: u64,
}

/// An open file of it.
#[derive(Debug)]
pub struct SimulatedFile {
    disk: SimulatedDisk,
    node: usize,
}

#[derive(Debug)]
struct State {
    rng: SplitMix64,
    /// The first is the root.
    nodes: Vec<Node>,
    process: u64,
    /// Bytes that files may have in all.
    capacity: usize,
    /// Operations until the power goes.
    power: Option<u32>,
    /// Operations until one sync fails.
    failing_sync: Option<u32>,
}

#[derive(Debug)]
enum Node {
    File {
        now: Vec<u8>,
        durable: Vec<u8>,
        /// The greatest length since the last sync: the kernel may have written what was then cut off.
        longest: usize,
    },
    Folder {
        now: BTreeMap<String, usize>,
        durable: BTreeMap<String, usize>,
    },
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

fn not_a(what: &str) -> io::Error {
    io::Error::other(format!("it is no {what}"))
}

impl SimulatedDisk {
    /// An empty one.
    pub fn new(seed: u64) -> Self {
        let root = Node::Folder {
            now: BTreeMap::new(),
            durable: BTreeMap::new(),
        };
        let state = State {
            rng: SplitMix64::new(seed),
            nodes: vec![root],
            process: 0,
            capacity: usize::MAX,
            power: None,
            failing_sync: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            process: 0,
        }
    }

    /// The process was killed: what it wrote is there, and another process sees it.
    pub fn restart(&self) -> Self {
        let mut state = self.lock();
        state.process += 1;
        (state.power, state.failing_sync) = (None, None);
        Self {
            state: self.state.clone(),
            process: state.process,
        }
    }

    /// The power was cut: what was not synced may be there or not.
    pub fn power_cut(&self) -> Self {
        self.lock().tear();
        self.restart()
    }

    /// The power goes after so many operations: those that follow fail.
    pub fn cut_power_after(&self, operations: u32) {
        self.lock().power = Some(operations);
    }

    /// One sync fails, after so many that do not.
    pub fn fail_sync_after(&self, syncs: u32) {
        self.lock().failing_sync = Some(syncs);
    }

    /// Leaves room for so many bytes more; None is any number.
    pub fn leave_room(&self, bytes: Option<usize>) {
        let mut state = self.lock();
        state.capacity = bytes.map_or(usize::MAX, |bytes| state.used() + bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, if this process still runs and the power is on.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        if state.process != self.process {
            return Err(power_is_off());
        }
        match &mut state.power {
            Some(0) => return Err(power_is_off()),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(state)
    }

    fn file(&self, node: usize) -> SimulatedFile {
        SimulatedFile {
            disk: self.clone(),
            node,
        }
    }
}

impl State {
    fn used(&self) -> usize {
        let sizes = self.nodes.iter().map(|node| match node {
            Node::File { now, .. } => now.len(),
            Node::Folder { .. } => 0,
        });
        sizes.sum()
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = 0;
        for name in names(path) {
            node = *self
                .names(node)?
                .get(&name)
                .ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The folder a path is in, and its last name.
    fn parent(&self, path: &Path) -> io::Result<(usize, String)> {
        let mut names = names(path);
        let name = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut node = 0;
        for name in names {
            node = *self
                .names(node)?
                .get(&name)
                .ok_or(io::ErrorKind::NotFound)?;
        }
        Ok((node, name))
    }

    fn names(&self, node: usize) -> io::Result<&BTreeMap<String, usize>> {
        match &self.nodes[node] {
            Node::Folder { now, .. } => Ok(now),
            Node::File { .. } => Err(not_a("folder")),
        }
    }

    fn names_mut(&mut self, node: usize) -> io::Result<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[node] {
            Node::Folder { now, .. } => Ok(now),
            Node::File { .. } => Err(not_a("folder")),
        }
    }

    fn bytes(&mut self, node: usize) -> io::Result<(&mut Vec<u8>, &mut usize)> {
        match &mut self.nodes[node] {
            Node::File { now, longest, .. } => Ok((now, longest)),
            Node::Folder { .. } => Err(not_a("file")),
        }
    }

    fn sync(&mut self, node: usize) -> io::Result<()> {
        match &mut self.failing_sync {
            Some(0) => {
                self.failing_sync = None;
                return Err(io::Error::other("the sync failed"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        match &mut self.nodes[node] {
            Node::File {
                now,
                durable,
                longest,
            } => {
                durable.clone_from(now);
                *longest = now.len();
            }
            Node::Folder { now, durable } => durable.clone_from(now),
        }
        Ok(())
    }

    fn tear(&mut self) {
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

fn names(path: &Path) -> Vec<String> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    names.collect()
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn open(&self, path: &Path) -> io::Result<SimulatedFile> {
        let mut state = self.operate()?;
        let node = state.find(path)?;
        state.bytes(node)?;
        drop(state);
        Ok(self.file(node))
    }

    fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        let mut state = self.operate()?;
        if state.used() >= state.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (folder, name) = state.parent(path)?;
        let node = match state.names(folder)?.get(&name) {
            Some(node) => *node,
            None => {
                state.nodes.push(Node::File {
                    now: Vec::new(),
                    durable: Vec::new(),
                    longest: 0,
                });
                let node = state.nodes.len() - 1;
                state.names_mut(folder)?.insert(name, node);
                node
            }
        };
        state.bytes(node)?.0.clear();
        drop(state);
        Ok(self.file(node))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let (folder, name) = state.parent(path)?;
        if !state.names(folder)?.contains_key(&name) {
            state.nodes.push(Node::Folder {
                now: BTreeMap::new(),
                durable: BTreeMap::new(),
            });
            let node = state.nodes.len() - 1;
            state.names_mut(folder)?.insert(name, node);
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let state = self.operate()?;
        let names = state.names(state.find(folder)?)?;
        let entry = |(name, node): (&String, &usize)| {
            let (is_folder, length) = match &state.nodes[*node] {
                Node::File { now, .. } => (false, now.len() as u64),
                Node::Folder { .. } => (true, 0),
            };
            Entry {
                name: name.clone(),
                is_folder,
                length,
            }
        };
        Ok(names.iter().map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let (from, from_name) = state.parent(from)?;
        let (to, to_name) = state.parent(to)?;
        let node = state
            .names_mut(from)?
            .remove(&from_name)
            .ok_or(io::ErrorKind::NotFound)?;
        state.names_mut(to)?.insert(to_name, node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let (folder, name) = state.parent(path)?;
        let node = state.names_mut(folder)?.remove(&name);
        node.map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let node = state.find(path)?;
        state.sync(node)
    }
}

impl File for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.operate()?.bytes(self.node)?.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.operate()?;
        let bytes = state
            .bytes(self.node)?
            .0
            .get(at as usize..)
            .unwrap_or_default();
        let there = bytes.len().min(buffer.len());
        buffer[..there].copy_from_slice(&bytes[..there]);
        Ok(there)
    }

    fn write_at(&self, parts: [&[u8]; 2], at: u64) -> io::Result<()> {
        let mut state = self.disk.operate()?;
        let bytes = parts.concat();
        let room = state.capacity.saturating_sub(state.used());
        let (now, longest) = state.bytes(self.node)?;
        let end = at as usize + bytes.len();
        let more = end.saturating_sub(now.len());
        let written = bytes.len() - more.saturating_sub(room);
        let end = at as usize + written;
        now.resize(now.len().max(end), 0);
        *longest = now.len().max(*longest);
        now[at as usize..end].copy_from_slice(&bytes[..written]);
        match written == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.operate()?.sync(self.node)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk
            .operate()?
            .bytes(self.node)?
            .0
            .truncate(length as usize);
        Ok(())
    }
}
