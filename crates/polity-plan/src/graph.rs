//! Who calls whom: strongly connected groups, in the order in which they can start.

use std::collections::BTreeMap;
use std::sync::Arc;

use polity_core::ServiceName;

use crate::plan::Service;

/// Groups of services that call each other in a circle, each group after all it calls, members in
/// the order of their names. A service in no circle is a group of its own. Calls to unknown
/// services are passed over.
pub(crate) fn start_order(services: &BTreeMap<ServiceName, Arc<Service>>) -> Vec<Vec<ServiceName>> {
    let names: Vec<&ServiceName> = services.keys().collect();
    let index: BTreeMap<&ServiceName, usize> = names.iter().copied().zip(0..).collect();
    let calls = services.values().map(|service| {
        let callees = service.calls.iter();
        callees
            .filter_map(|callee| index.get(callee).copied())
            .collect()
    });
    let groups = components(&calls.collect::<Vec<Vec<usize>>>());
    let group = |members: Vec<usize>| members.into_iter().map(|m| names[m].clone()).collect();
    groups.into_iter().map(group).collect()
}

/// Tarjan's strongly connected components (SIAM J. Comput. 1972), callees first, with a stack of
/// its own: a plan of ten thousand services in a row must not overflow the thread's.
pub(crate) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
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
