//! Cycles: looked for by writes alone, then with reads, with what was missed, with the clock; the
//! shortest of each component is told in words.

use std::collections::VecDeque;

use super::{
    super::anomaly::{Anomaly, Cycle, CycleClass, Shape},
    Found,
    components::components,
    edges::{Edge, Graph, LAYERS, Why},
    ends::name,
    known::Known,
    parts::{Parts, Point},
};

/// Edges followed at most for the shortest cycle of one component; then the best so far is told.
const EFFORT: usize = 20_000_000;
const FAR: u32 = u32::MAX;

/// The search for cycles, layer by layer.
pub(super) struct Cycles<'a> {
    known: &'a Known<'a>,
    parts: &'a Parts,
    search: Search<'a>,
}

impl<'a> Cycles<'a> {
    pub(super) fn of(known: &'a Known<'a>, parts: &'a Parts, graph: &'a Graph) -> Self {
        Self {
            known,
            parts,
            search: Search::new(graph),
        }
    }

    /// By dependencies alone.
    pub(super) fn check(&mut self, found: &mut Found) {
        for layer in 0..LAYERS - 1 {
            self.check_layer(layer, found);
        }
    }

    /// With the clock.
    pub(super) fn check_with_clock(&mut self, found: &mut Found) {
        self.check_layer(LAYERS - 1, found);
    }

    /// Tells one cycle of each component.
    fn check_layer(&mut self, layer: u8, found: &mut Found) {
        let graph = self.search.graph;
        for component in components(graph, layer) {
            let told = component.iter().any(|node| found.parts.contains(node));
            let parts = component.iter().filter(|node| **node < graph.parts);
            found.parts.extend(parts);
            if told {
                continue;
            }
            if let Some(cycle) = self.search.shortest(&component, layer) {
                let anomaly = Anomaly::Cycle(classify(&cycle));
                let what = words(self.known, self.parts, &cycle, component.len());
                found.add(anomaly, what);
            }
        }
    }
}

/// Breadth first; ways between moments cost nothing, so that the clock counts as one step.
struct Search<'a> {
    graph: &'a Graph,
    distance: Vec<u32>,
    by: Vec<usize>,
    is_member: Vec<bool>,
    touched: Vec<u32>,
    effort: usize,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            distance: vec![FAR; graph.nodes()],
            by: vec![usize::MAX; graph.nodes()],
            is_member: vec![false; graph.nodes()],
            touched: Vec::new(),
            effort: 0,
        }
    }

    fn shortest(&mut self, component: &[u32], layer: u8) -> Option<Vec<Edge>> {
        for node in component {
            self.is_member[*node as usize] = true;
        }
        self.effort = 0;
        let mut best: Option<(u32, Vec<Edge>)> = None;
        for start in component.iter().filter(|node| **node < self.graph.parts) {
            let limit = best.as_ref().map_or(FAR, |(length, _)| *length);
            if limit <= 2 || self.effort > EFFORT {
                break;
            }
            best = self.cycle_through(*start, layer, limit).or(best);
        }
        for node in component {
            self.is_member[*node as usize] = false;
        }
        best.map(|(_, cycle)| cycle)
    }

    /// One shorter than the limit.
    fn cycle_through(&mut self, start: u32, layer: u8, mut limit: u32) -> Option<(u32, Vec<Edge>)> {
        let mut best = None;
        for node in self.touched.drain(..) {
            self.distance[node as usize] = FAR;
        }
        self.distance[start as usize] = 0;
        self.touched.push(start);
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((node, distance)) = queue.pop_front() {
            if distance > self.distance[node as usize] {
                continue;
            }
            for (number, edge) in self.graph.from(node) {
                self.effort += 1;
                if edge.why.layer() > layer || !self.is_member[edge.to as usize] {
                    continue;
                }
                let cost = u32::from(node < self.graph.parts);
                let length = distance + cost;
                if length >= limit {
                    continue;
                }
                if edge.to == start {
                    limit = length;
                    best = Some((length, self.way(start, number)));
                    continue;
                }
                if length < self.distance[edge.to as usize] {
                    self.distance[edge.to as usize] = length;
                    self.by[edge.to as usize] = number;
                    self.touched.push(edge.to);
                    if cost == 0 {
                        queue.push_front((edge.to, length));
                    } else {
                        queue.push_back((edge.to, length));
                    }
                }
            }
        }
        best
    }

    /// From the start and back to it by this last edge; moments are left out.
    fn way(&self, start: u32, last: usize) -> Vec<Edge> {
        let mut cycle: Vec<Edge> = Vec::new();
        let mut edge = self.graph.edge(last);
        while let Some(&Edge { from, to, why }) = edge {
            match cycle.last_mut() {
                // What follows begins at a moment, which is this edge's end.
                Some(after) if after.from >= self.graph.parts => after.from = from,
                _ => cycle.push(Edge { from, to, why }),
            }
            if from == start {
                break;
            }
            edge = self.graph.edge(self.by[from as usize]);
        }
        cycle.reverse();
        cycle
    }
}

fn classify(cycle: &[Edge]) -> Cycle {
    let count = |is: fn(&Why) -> bool| cycle.iter().filter(|edge| is(&edge.why)).count();
    let missed = count(|why| matches!(why, Why::Missed { .. }));
    let read = count(|why| matches!(why, Why::WasRead { .. }));
    let wrote = count(|why| matches!(why, Why::Wrote { .. }));
    let class = match (missed, read) {
        (0, 0) => CycleClass::DirtyWrite,
        (0, _) => CycleClass::CircularFlow,
        (1, _) => CycleClass::ReadSkew,
        _ => CycleClass::AntiDependencies,
    };
    let shape = match (cycle.len(), missed, read, wrote) {
        (2, 1, 1, 0) => Some(Shape::FracturedRead),
        (2, 1, 0, 1) => Some(Shape::LostUpdate),
        (2, 2, 0, 0) => Some(Shape::WriteSkew),
        _ => None,
    };
    Cycle {
        class,
        in_real_time: cycle.iter().any(|edge| edge.why == Why::Time),
        shape,
    }
}

fn words(known: &Known, parts: &Parts, cycle: &[Edge], size: usize) -> String {
    let of = |node: u32| parts.get(node).map_or(usize::MAX, |part| part.of);
    let mut told: Vec<usize> = Vec::new();
    for edge in cycle {
        if !told.contains(&of(edge.from)) {
            told.push(of(edge.from));
        }
    }
    let label = |node: u32| {
        let number = told.iter().position(|index| *index == of(node));
        let number = number.map_or(0, |number| number + 1);
        let is_look = parts
            .get(node)
            .is_some_and(|part| part.point == Point::Look);
        format!(
            "{}{number}",
            if is_look { "the snapshot of T" } else { "T" }
        )
    };
    let step = |edge: &Edge| {
        let (one, two) = (label(edge.from), label(edge.to));
        match edge.why {
            Why::Wrote { key, before, after } => {
                let what = name(key, before);
                format!("{one} wrote {what} right before {after} of {two}")
            }
            Why::WasRead { key, element } => {
                format!("{two} has {one}'s {}", name(key, element))
            }
            Why::Missed { key, element } => {
                format!("{one} has not {two}'s {}", name(key, element))
            }
            Why::Itself => format!("{one} is before {two}"),
            Why::Time => format!("{one} had ended before {two} began"),
        }
    };
    let steps: Vec<String> = cycle.iter().map(step).collect();
    let who: Vec<String> = (1..)
        .zip(&told)
        .map(|(number, index)| format!("T{number} = {}", known.describe(*index)))
        .collect();
    let (steps, who) = (steps.join(", and "), who.join(", "));
    format!("{steps}; {who}; {size} points hang together")
}
