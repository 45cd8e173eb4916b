//! Strongly connected components: sets of nodes of which each reaches each. Tarjan's, without
//! recursion, because a path may be as long as the history.

use super::edges::Graph;

const UNSEEN: u32 = u32::MAX;

/// A node on the way, and how many of its edges were followed.
struct Visit {
    node: u32,
    followed: usize,
}

struct Search<'a> {
    graph: &'a Graph,
    layer: u8,
    /// When a node was first seen.
    index: Vec<u32>,
    /// The earliest that it reaches.
    low: Vec<u32>,
    is_open: Vec<bool>,
    open: Vec<u32>,
    next: u32,
    found: Vec<Vec<u32>>,
}

/// The components with more than one node, by edges up to this layer.
pub(super) fn components(graph: &Graph, layer: u8) -> Vec<Vec<u32>> {
    let nodes = graph.nodes();
    let mut search = Search {
        graph,
        layer,
        index: vec![UNSEEN; nodes],
        low: vec![UNSEEN; nodes],
        is_open: vec![false; nodes],
        open: Vec::new(),
        next: 0,
        found: Vec::new(),
    };
    for root in (0..).take(nodes) {
        if search.index[root as usize] == UNSEEN {
            search.visit(root);
        }
    }
    search.found
}

impl Search<'_> {
    fn visit(&mut self, root: u32) {
        let mut way = vec![self.enter(root)];
        while let Some(visit) = way.last_mut() {
            let node = visit.node;
            let Some(edge) = self.graph.at(node, visit.followed) else {
                way.pop();
                self.leave(node);
                if let Some(before) = way.last() {
                    self.lower(before.node, self.low[node as usize]);
                }
                continue;
            };
            visit.followed += 1;
            if edge.why.layer() > self.layer {
                continue;
            }
            let to = edge.to;
            if self.index[to as usize] == UNSEEN {
                way.push(self.enter(to));
            } else if self.is_open[to as usize] {
                self.lower(node, self.index[to as usize]);
            }
        }
    }

    fn enter(&mut self, node: u32) -> Visit {
        self.index[node as usize] = self.next;
        self.low[node as usize] = self.next;
        self.next += 1;
        self.is_open[node as usize] = true;
        self.open.push(node);
        Visit { node, followed: 0 }
    }

    fn lower(&mut self, node: u32, to: u32) {
        let low = &mut self.low[node as usize];
        *low = (*low).min(to);
    }

    /// All that it reaches was seen; if it reaches nothing earlier, it ends a component.
    fn leave(&mut self, node: u32) {
        if self.low[node as usize] != self.index[node as usize] {
            return;
        }
        let mut component = Vec::new();
        while let Some(member) = self.open.pop() {
            self.is_open[member as usize] = false;
            component.push(member);
            if member == node {
                break;
            }
        }
        if component.len() > 1 {
            self.found.push(component);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::edges::*, *};

    fn graph(nodes: u32, pairs: &[(u32, u32)]) -> Graph {
        let edge = |&(from, to): &(u32, u32)| Edge {
            from,
            to,
            why: Why::Time,
        };
        Graph::new(nodes, nodes as usize, pairs.iter().map(edge).collect())
    }

    #[test]
    fn components_when_two_rings_hang_together_one_way_then_they_are_two() {
        let pairs = [(0, 1), (1, 0), (1, 2), (2, 3), (3, 4), (4, 2), (4, 5)];
        let mut found = components(&graph(6, &pairs), LAYERS);
        for component in &mut found {
            component.sort_unstable();
        }
        found.sort_unstable();
        assert_eq!(found, [vec![0, 1], vec![2, 3, 4]]);
        assert!(components(&graph(6, &pairs), 2).is_empty());
    }

    #[test]
    fn components_when_the_way_is_very_long_then_the_stack_holds() {
        let nodes = 300_000;
        let mut pairs: Vec<(u32, u32)> = (1..nodes).map(|to| (to - 1, to)).collect();
        assert!(components(&graph(nodes, &pairs), LAYERS).is_empty());
        pairs.push((nodes - 1, 0));
        let found = components(&graph(nodes, &pairs), LAYERS);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].len(), nodes as usize);
    }
}
