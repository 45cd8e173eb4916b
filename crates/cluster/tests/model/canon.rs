//! A state as it is kept: without what has become meaningless, and with the same names as every state that
//! differs from it in names only.

use cluster::{Mark, Server};

use crate::model::Model;
use crate::rename::{Mentions, Renaming};
use crate::state::{FLOATING, Link, Log, NODES, Node, Rest, State, Unfolded, Used};

impl Model {
    pub(crate) fn unfold(&mut self, state: &State) -> Unfolded {
        for (at, number) in state.nodes.into_iter().enumerate() {
            self.tables.parents[at] = Some((**self.tables.nodes.get(number), number));
        }
        let rest = **self.tables.rests.get(state.rest);
        Unfolded {
            nodes: state.nodes.map(|number| **self.tables.nodes.get(number)),
            rest: Rest {
                used: state.used,
                ..rest
            },
        }
    }

    pub(crate) fn fold(&mut self, full: &Unfolded) -> State {
        let mut full = *full;
        if self.bounds.reductions.names {
            let primary = self.primary(&full);
            order_writes(&mut full, primary);
        }
        let mut nodes = full.nodes.map(|node| self.tables.number_of(&node));
        if self.bounds.reductions.names {
            for (at, number) in nodes.iter_mut().enumerate() {
                let tidied = self.tidied(*number);
                if tidied != *number {
                    full.nodes[at] = **self.tables.nodes.get(tidied);
                    *number = tidied;
                }
            }
        }
        let mut rest = full.rest;
        if self.bounds.reductions.names {
            let renaming = self.renaming(&mut full, &mut nodes);
            if !renaming.is_idle() {
                (nodes, rest) = self.rename(&full, nodes, &renaming);
            }
        }
        let used = rest.used;
        rest.used = Used::default();
        let rest = self.tables.rests.number(rest);
        State { nodes, rest, used }
    }

    /// A node without what it will not ask for again.
    fn tidied(&mut self, number: u32) -> u32 {
        let at = number as usize;
        if self.tables.tidied.len() <= at {
            self.tables.tidied.resize(at + 1, u32::MAX);
        }
        let known = self.tables.tidied[at];
        if known != u32::MAX {
            return known;
        }
        let mut node = **self.tables.nodes.get(number);
        if !node.database.has_data {
            // A copy brings its own.
            (node.followed, node.mark) = (0, Mark::Clean);
        }
        let epoch = self.tables.documents.get(node.document).epoch;
        node.mark = match node.mark {
            // Only a primary asks, and only whether it is its own epoch.
            Mark::Opened { epoch: own } if node.document != 0 && own < epoch => {
                Mark::Opened { epoch: 0 }
            }
            Mark::Rewound { .. } => Mark::Rewound { epoch: 0 },
            mark => mark,
        };
        for from in 0..NODES {
            node.reports[from] = self.received(&node, node.reports[from]);
        }
        let tidied = self.tables.nodes.number(node);
        self.tables.tidied[at] = tidied;
        tidied
    }

    /// What a replica said it had received counts where an end has been noted that it reaches, or if it is
    /// all there is: an end that is noted later lies no earlier than the present one.
    fn received(&mut self, node: &Node, number: u32) -> u32 {
        let tables = &mut self.tables;
        let leads = node.document != 0
            && tables.index(&tables.documents.get(node.document).primary) == node.me as usize;
        let Some(report) = tables
            .reports
            .get(number)
            .as_ref()
            .as_ref()
            .filter(|_| leads)
        else {
            return number;
        };
        let Server::Running(running) = &report.server else {
            return number;
        };
        let end = node.database.log.position();
        if running.received.is_empty() || running.received.covers(&end) {
            return number;
        }
        let memory = tables.memories.get(node.memory);
        let noted = [
            memory
                .tenure
                .as_ref()
                .and_then(|tenure| tenure.end.as_ref()),
            memory
                .shrink
                .as_ref()
                .and_then(|shrink| shrink.end.as_ref()),
            memory.grow.as_ref().and_then(|grow| grow.end.as_ref()),
            memory
                .handover
                .as_ref()
                .and_then(|handover| handover.end.as_ref()),
        ];
        let reached = noted
            .into_iter()
            .flatten()
            .filter(|end| running.received.covers(end));
        let reached = reached
            .max_by_key(|end| end.sequence(0))
            .cloned()
            .unwrap_or_default();
        let mut report = report.clone();
        if let Server::Running(running) = &mut report.server {
            running.received = reached;
        }
        tables.reports.number(Some(report))
    }

    fn renaming(&mut self, full: &mut Unfolded, nodes: &mut [u32; NODES]) -> Renaming {
        let mut all = Mentions::default();
        let count = self.bounds.nodes as usize;
        for number in *nodes {
            let mentions = self.mentions(number);
            all.join(&mentions);
        }
        let tables = &self.tables;
        let floating = full.rest.floating.iter().map(|number| u32::from(*number));
        let documents = floating.chain([full.rest.ledger, full.rest.before]);
        for number in documents.filter(|number| *number != 0) {
            all.document(&tables.names, tables.documents.get(number));
        }
        for (at, node) in full.nodes.iter_mut().enumerate() {
            // Nothing names that directory any more.
            if node.emptied != 0 && all.datas[at] & 1 << node.emptied == 0 {
                node.emptied = 0;
                nodes[at] = self.tables.nodes.number(*node);
            }
        }
        let tables = &self.tables;
        let ledger = tables.documents.get(full.rest.ledger);
        let with_data = full.nodes[..count].iter().filter(|n| n.database.has_data);
        let followed = with_data.map(|node| node.followed).min().unwrap_or(0);
        let swap = self.bounds.reductions.swap && count == 2 && tables.index(&ledger.primary) != 0;
        Renaming::new(all, ledger, followed.into(), swap)
    }

    fn mentions(&mut self, number: u32) -> Mentions {
        let at = number as usize;
        if self.tables.mentions.len() <= at {
            self.tables.mentions.resize(at + 1, None);
        }
        if let Some(known) = self.tables.mentions[at] {
            return known;
        }
        let tables = &self.tables;
        let (names, node) = (&tables.names, tables.nodes.get(number));
        let me = node.me as usize;
        let mut found = Mentions::default();
        found.stamp(me, node.stamp());
        if node.document != 0 {
            found.document(names, tables.documents.get(node.document));
        }
        found.memory(names, me, tables.memories.get(node.memory));
        found.plan(names, tables.plans.get(node.plan));
        for from in 0..NODES {
            if let Some(report) = tables.reports.get(node.reports[from]).as_ref() {
                found.report(from, report);
            }
            if let Some(admission) = &node.admissions[from] {
                let stamp = crate::state::stamp(admission.boot, admission.data);
                found.stamp(from, stamp);
            }
        }
        self.tables.mentions[at] = Some(found);
        found
    }

    fn rename(
        &mut self,
        full: &Unfolded,
        nodes: [u32; NODES],
        renaming: &Renaming,
    ) -> ([u32; NODES], Rest) {
        let key = self.tables.renamings.number(renaming.clone());
        let mut renamed = nodes;
        for at in 0..NODES {
            let known = self.tables.renamed.get(&(nodes[at], key)).copied();
            let number = known.unwrap_or_else(|| {
                let node = self.renamed_node(&full.nodes[at], renaming);
                let number = self.tables.nodes.number(node);
                self.tables.renamed.insert((nodes[at], key), number);
                number
            });
            renamed[renaming.index(at)] = number;
        }
        let mut rest = full.rest;
        rest.ledger = self.renamed_document(rest.ledger, renaming);
        rest.before = self.renamed_document(rest.before, renaming);
        let mut floating = [0; FLOATING];
        for (at, number) in rest.floating.iter().enumerate() {
            let number = self.renamed_document((*number).into(), renaming);
            floating[at] = u16::try_from(number).expect("few documents");
        }
        floating.sort_unstable_by(|a, b| b.cmp(a));
        rest.floating = floating;
        (renamed, rest)
    }

    fn renamed_document(&mut self, number: u32, renaming: &Renaming) -> u32 {
        if number == 0 {
            return 0;
        }
        let tables = &mut self.tables;
        let renamed = renaming.document(&tables.names, tables.documents.get(number));
        tables.documents.number(renamed)
    }

    fn renamed_node(&mut self, node: &Node, renaming: &Renaming) -> Node {
        let me = node.me as usize;
        let mut new = *node;
        new.me = renaming.index(me) as u8;
        new.boot = renaming.boot(me, node.boot.into()) as u8;
        new.data = renaming.data(me, node.data.into()) as u8;
        if node.emptied != 0 {
            new.emptied = renaming.data(me, node.emptied.into()) as u8;
        }
        new.mark = renaming.mark(node.mark);
        new.followed = renaming.epoch(node.followed.into()) as u8;
        new.database.source = node.database.source.map(|link| Link {
            to: renaming.index(link.to.into()) as u8,
            epoch: renaming.epoch(link.epoch.into()) as u8,
            mode: link.mode,
        });
        for log in [&mut new.database.log, &mut new.database.relay] {
            *log =
                log.renamed(|txn| (renaming.server(u32::from(txn >> 4)) as u8) << 4 | (txn & 15));
        }
        new.document = self.renamed_document(node.document, renaming);
        let tables = &mut self.tables;
        let names = tables.names.clone();
        if node.memory != 0 {
            let memory = renaming.memory(&names, me, tables.memories.get(node.memory));
            new.memory = tables.memories.number(memory);
        }
        if node.plan != 0 {
            let plan = tables.plans.get(node.plan).iter();
            let plan = plan.map(|action| renaming.action(&names, action)).collect();
            new.plan = tables.plans.number(plan);
        }
        for from in 0..NODES {
            let report = tables.reports.get(node.reports[from]).as_ref().as_ref();
            let report = report.map(|report| renaming.report(&names, from, report));
            new.reports[renaming.index(from)] = tables.reports.number(report);
            new.admissions[renaming.index(from)] = node.admissions[from].map(|mut admission| {
                admission.epoch = renaming.epoch(admission.epoch.into()) as u8;
                admission.boot = renaming.boot(from, admission.boot.into()) as u8;
                admission.data = renaming.data(from, admission.data.into()) as u8;
                admission
            });
        }
        new
    }
}

/// Writes are numbered in the order in which they stand in the logs, the primary's first.
fn order_writes(full: &mut Unfolded, primary: usize) {
    let mut numbers = [u8::MAX; 16];
    let mut next = 0;
    let mut note = |write: u8| {
        if numbers[write as usize] == u8::MAX {
            numbers[write as usize] = next;
            next += 1;
        }
    };
    let others = (0..NODES).filter(|at| *at != primary);
    for node in std::iter::once(primary)
        .chain(others)
        .map(|at| &full.nodes[at])
    {
        for log in [node.database.log, node.database.relay] {
            log.iter().for_each(|txn| note(txn & 15));
        }
    }
    (0..8_u8)
        .filter(|write| full.rest.acked & 1 << write != 0)
        .for_each(&mut note);
    if (0..8_u8).all(|write| numbers[write as usize] == write || numbers[write as usize] == u8::MAX)
    {
        return;
    }
    let renamed = |log: Log| log.renamed(|txn| txn & 0xF0 | numbers[(txn & 15) as usize]);
    for node in &mut full.nodes {
        node.database.log = renamed(node.database.log);
        node.database.relay = renamed(node.database.relay);
    }
    let acked = (0..8_u8).filter(|write| full.rest.acked & 1 << write != 0);
    let renamed = acked.map(|write| 1 << numbers[usize::from(write)]);
    full.rest.acked = renamed.fold(0, |bits, bit: u8| bits | bit);
}
