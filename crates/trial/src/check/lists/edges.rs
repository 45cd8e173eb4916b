//! What must come before what: the dependencies between points, and the clock. The clock is drawn
//! through moments, one for each time that something was sent after something had ended: so there
//! are as many edges as points, not as pairs of them.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Consistency,
    known::Known,
    parts::{Part, Parts, Point},
    reads::Sight,
};
use crate::{Element, Key};

/// Why one comes before the other. In the order in which cycles are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Its element is right before the other's.
    Wrote {
        key: Key,
        before: Element,
        after: Element,
    },
    /// The other read its element.
    WasRead { key: Key, element: Element },
    /// It read the list without the other's element.
    Missed { key: Key, element: Element },
    /// Its look and its act.
    Itself,
    /// It had ended before the other was sent; also to, between and from moments.
    Time,
}

impl Why {
    /// Cycles are looked for with the edges up to each layer.
    pub(super) fn layer(self) -> u8 {
        match self {
            Self::Wrote { .. } => 0,
            Self::WasRead { .. } => 1,
            Self::Missed { .. } | Self::Itself => 2,
            Self::Time => 3,
        }
    }
}

/// The last layer.
pub(super) const LAYERS: u8 = 4;

/// An edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) why: Why,
}

/// Parts by their number, then moments; edges by where they begin.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) parts: u32,
    nodes: usize,
    edges: Vec<Edge>,
    /// Where the edges of each node begin.
    begins: Vec<usize>,
}

impl Graph {
    pub(super) fn new(parts: u32, nodes: usize, mut edges: Vec<Edge>) -> Self {
        edges.sort_unstable_by_key(|edge| (edge.from, edge.to, edge.why));
        edges.dedup();
        let mut begins = vec![0; nodes + 1];
        for edge in &edges {
            begins[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            begins[node + 1] += begins[node];
        }
        Self {
            parts,
            nodes,
            edges,
            begins,
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    /// The edges from a node, each with its number.
    pub(super) fn from(&self, node: u32) -> impl Iterator<Item = (usize, &Edge)> {
        let range = self.begins[node as usize]..self.begins[node as usize + 1];
        range.clone().zip(&self.edges[range])
    }

    pub(super) fn edge(&self, number: usize) -> Option<&Edge> {
        self.edges.get(number)
    }

    /// The edge's number at this position of a node's edges.
    pub(super) fn at(&self, node: u32, position: usize) -> Option<&Edge> {
        let begin = self.begins[node as usize];
        let number = begin + position;
        (number < self.begins[node as usize + 1]).then(|| &self.edges[number])
    }
}

/// Draws all of them.
pub(super) fn build(known: &Known, parts: &Parts, sights: &[Sight], reads: Consistency) -> Graph {
    let mut edges = Vec::new();
    writes(known, parts, &mut edges);
    for sight in sights {
        read(known, parts, *sight, &mut edges);
    }
    for of in 0..known.transactions.len() {
        let points = (parts.find(of, Point::Look), parts.find(of, Point::Act));
        if let (Some(from), Some(to)) = points {
            let why = Why::Itself;
            edges.push(Edge { from, to, why });
        }
    }
    if reads == Consistency::Connection {
        connections(known, parts, &mut edges);
    }
    let count = u32::try_from(parts.all.len()).unwrap_or(u32::MAX);
    let moments = clock(&parts.all, count, reads, &mut edges);
    Graph::new(count, parts.all.len() + moments as usize, edges)
}

fn act_of(known: &Known, parts: &Parts, key: Key, element: Element) -> Option<u32> {
    parts.find(known.owner(key, element)?, Point::Act)
}

fn writes(known: &Known, parts: &Parts, edges: &mut Vec<Edge>) {
    for (key, order) in &known.orders {
        for pair in order.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let acts = (
                act_of(known, parts, *key, before),
                act_of(known, parts, *key, after),
            );
            if let (Some(from), Some(to)) = acts
                && from != to
            {
                let key = *key;
                let why = Why::Wrote { key, before, after };
                edges.push(Edge { from, to, why });
            }
        }
    }
}

fn read(known: &Known, parts: &Parts, sight: Sight, edges: &mut Vec<Edge>) {
    let Sight { part, key, count } = sight;
    let order = known.order(key);
    let last = count.checked_sub(1).and_then(|place| order.get(place));
    if let Some(element) = last.copied()
        && let Some(from) = act_of(known, parts, key, element)
        && from != part
    {
        let why = Why::WasRead { key, element };
        edges.push(Edge {
            from,
            to: part,
            why,
        });
    }
    if let Some(element) = order.get(count).copied()
        && let Some(to) = act_of(known, parts, key, element)
        && to != part
    {
        let why = Why::Missed { key, element };
        edges.push(Edge {
            from: part,
            to,
            why,
        });
    }
}

/// What a connection has written comes before what it then looks at.
fn connections(known: &Known, parts: &Parts, edges: &mut Vec<Edge>) {
    let mut by_connection: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for (index, done) in known.transactions.iter().enumerate() {
        let whose = (done.client, done.connection);
        by_connection.entry(whose).or_default().push(index);
    }
    for mut indexes in by_connection.into_values() {
        indexes.sort_unstable_by_key(|index| known.transactions[*index].seq);
        let mut written = None;
        for index in indexes {
            if let (Some(from), Some(to)) = (written, parts.find(index, Point::Look)) {
                let why = Why::Time;
                edges.push(Edge { from, to, why });
            }
            if known.acknowledged(index).is_some() {
                written = parts.find(index, Point::Act).or(written);
            }
        }
    }
}

/// Ends before starts; how many moments there are.
fn clock(parts: &[Part], first: u32, reads: Consistency, edges: &mut Vec<Edge>) -> u32 {
    // At the same time starts come first: then neither was before the other.
    let mut events: Vec<(Duration, bool, u32)> = Vec::with_capacity(2 * parts.len());
    for (number, part) in (0..).zip(parts) {
        let is_bound = part.point == Point::Act || reads == Consistency::Primary;
        if is_bound {
            events.push((part.start, false, number));
        }
        events.extend(part.end.map(|end| (end, true, number)));
    }
    events.sort_unstable();
    let mut moments = 0;
    let mut ended: Vec<u32> = Vec::new();
    let why = Why::Time;
    for (_, is_end, part) in events {
        if is_end {
            ended.push(part);
            continue;
        }
        if !ended.is_empty() {
            let to = first + moments;
            if moments > 0 {
                ended.push(to - 1);
            }
            edges.extend(ended.drain(..).map(|from| Edge { from, to, why }));
            moments += 1;
        }
        if moments > 0 {
            let from = first + moments - 1;
            edges.push(Edge {
                from,
                to: part,
                why,
            });
        }
    }
    moments
}
