//! What is on the disk: as processes see it, and as it would be after a power cut.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use polity_core::SplitMix64;

#[derive(Debug)]
pub(super) struct State {
    pub(super) rng: SplitMix64,
    /// The first is the root.
    pub(super) nodes: Vec<Node>,
    pub(super) process: u64,
    /// Bytes that files may have in all.
    pub(super) capacity: usize,
    /// Operations until the power goes.
    pub(super) power: Option<u32>,
    /// Operations until one sync fails.
    pub(super) failing_sync: Option<u32>,
}

#[derive(Debug)]
pub(super) enum Node {
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

impl State {
    /// Nothing but the root.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: SplitMix64::new(seed),
            nodes: vec![Node::folder()],
            process: 0,
            capacity: usize::MAX,
            power: None,
            failing_sync: None,
        }
    }

    pub(super) fn used(&self) -> usize {
        let sizes = self.nodes.iter().map(|node| match node {
            Node::File { now, .. } => now.len(),
            Node::Folder { .. } => 0,
        });
        sizes.sum()
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<usize> {
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
    pub(super) fn parent(&self, path: &Path) -> io::Result<(usize, String)> {
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

    pub(super) fn names(&self, node: usize) -> io::Result<&BTreeMap<String, usize>> {
        match &self.nodes[node] {
            Node::Folder { now, .. } => Ok(now),
            Node::File { .. } => Err(not_a("folder")),
        }
    }

    pub(super) fn names_mut(&mut self, node: usize) -> io::Result<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[node] {
            Node::Folder { now, .. } => Ok(now),
            Node::File { .. } => Err(not_a("folder")),
        }
    }

    pub(super) fn bytes(&mut self, node: usize) -> io::Result<(&mut Vec<u8>, &mut usize)> {
        match &mut self.nodes[node] {
            Node::File { now, longest, .. } => Ok((now, longest)),
            Node::Folder { .. } => Err(not_a("file")),
        }
    }

    pub(super) fn sync(&mut self, node: usize) -> io::Result<()> {
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
}

impl Node {
    pub(super) fn file() -> Self {
        Self::File {
            now: Vec::new(),
            durable: Vec::new(),
            longest: 0,
        }
    }

    pub(super) fn folder() -> Self {
        Self::Folder {
            now: BTreeMap::new(),
            durable: BTreeMap::new(),
        }
    }
}

fn not_a(what: &str) -> io::Error {
    io::Error::other(format!("it is no {what}"))
}

fn names(path: &Path) -> Vec<String> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    names.collect()
}
