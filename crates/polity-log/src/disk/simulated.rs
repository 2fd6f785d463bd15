//! A disk in memory that fails as disks do, and the same way for the same seed.
//!
//! It promises what [`Disk`] promises and nothing more: at a power cut, each sector that was written and
//! not synced is the old one or the new one, whatever became of its neighbours; a length that was not
//! synced is the old one, the new one, or between; each name in a folder that was not synced is as it was
//! or as it became.

mod state;
mod tear;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, Entry, File};
use state::{Node, State};

#[cfg(test)]
#[path = "simulated_tests.rs"]
mod tests;

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

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl SimulatedDisk {
    /// An empty one.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(seed))),
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
                state.nodes.push(Node::file());
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
            state.nodes.push(Node::folder());
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
