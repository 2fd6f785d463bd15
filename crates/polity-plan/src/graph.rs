//! Who calls whom: strongly connected groups, in the order in which they can start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use polity_core::ServiceName;

use crate::plan::Service;

/// The services of a plan, each with the indexes of those it calls.
pub(crate) struct CallGraph<'a> {
    pub(crate) services: Vec<&'a Service>,
    pub(crate) calls: Vec<Vec<usize>>,
}

impl<'a> CallGraph<'a> {
    pub(crate) fn of(services: &'a BTreeMap<ServiceName, Arc<Service>>) -> Self {
        let index: BTreeMap<&ServiceName, usize> = services.keys().zip(0..).collect();
        let callees = |service: &Arc<Service>| {
            let callees = service.calls.iter();
            callees
                .filter_map(|name| index.get(name).copied())
                .collect()
        };
        Self {
            calls: services.values().map(callees).collect(),
            services: services.values().map(Arc::as_ref).collect(),
        }
    }

    pub(crate) fn name(&self, index: usize) -> &'a ServiceName {
        &self.services[index].name
    }

    /// Groups of services that call each other in a circle, each group after all it calls, members
    /// in the order of their names. A service in no circle is a group of its own.
    pub(crate) fn groups(&self) -> Vec<Vec<usize>> {
        components(&self.calls)
    }

    pub(crate) fn start_order(&self) -> Vec<Vec<ServiceName>> {
        let name = |member| self.name(member).clone();
        let groups = self.groups().into_iter();
        groups
            .map(|group| group.into_iter().map(name).collect())
            .collect()
    }

    /// Everything that `from` reaches by calls, itself included.
    pub(crate) fn reach(&self, from: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<usize> = from.into_iter().collect();
        while let Some(service) = next.pop() {
            if reached.insert(service) {
                next.extend(&self.calls[service]);
            }
        }
        reached
    }
}

/// Tarjan's strongly connected components (SIAM J. Comput. 1972), callees first, with a stack of
/// its own: a plan of ten thousand services in a row must not overflow the thread's.
fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut state = Tarjan {
        edges,
        order: vec![None; edges.len()],
        low: vec![0; edges.len()],
        on_stack: vec![false; edges.len()],
        stack: Vec::new(),
        count: 0,
        components: Vec::new(),
    };
    for node in 0..edges.len() {
        if state.order[node].is_none() {
            state.visit(node);
        }
    }
    state.components
}

struct Tarjan<'a> {
    edges: &'a [Vec<usize>],
    /// When each node was reached first.
    order: Vec<Option<usize>>,
    /// The earliest node each can get back to.
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    count: usize,
    components: Vec<Vec<usize>>,
}

impl Tarjan<'_> {
    fn visit(&mut self, root: usize) {
        self.enter(root);
        let mut path = vec![(root, 0)];
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            let Some(&next) = self.edges[node].get(*edge) else {
                path.pop();
                self.leave(node);
                if let Some((parent, _)) = path.last() {
                    self.low[*parent] = self.low[*parent].min(self.low[node]);
                }
                continue;
            };
            *edge += 1;
            match self.order[next] {
                None => {
                    self.enter(next);
                    path.push((next, 0));
                }
                Some(order) if self.on_stack[next] => {
                    self.low[node] = self.low[node].min(order);
                }
                Some(_) => {}
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.order[node] = Some(self.count);
        self.low[node] = self.count;
        self.count += 1;
        self.stack.push(node);
        self.on_stack[node] = true;
    }

    fn leave(&mut self, node: usize) {
        if self.order[node] != Some(self.low[node]) {
            return;
        }
        let mut component = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.on_stack[member] = false;
            component.push(member);
            if member == node {
                break;
            }
        }
        component.sort_unstable();
        self.components.push(component);
    }
}
