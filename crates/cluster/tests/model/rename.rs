//! States that differ only in names: revisions, epochs, boots, data directories and writes get new
//! numbers, the same for equal states. The core compares them and never counts with them, but for the next
//! revision and the next epoch, and both are kept: order is, and the ledger's own are what they were.

use std::collections::BTreeMap;

use cluster::{
    Action, BootId, Cut, DataId, Document, EndOf, Epoch, Gtid, Mark, Memory, NodeName, Position,
    Report, Rev, Server, Source, Stamp,
};

use crate::state::NODES;

/// What the ledger's revision and epoch are called.
pub(crate) const REV: Rev = 24;
pub(crate) const EPOCH: Epoch = 16;

/// The numbers that occur, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mentions {
    pub(crate) revs: u32,
    pub(crate) boots: [u16; NODES],
    pub(crate) datas: [u16; NODES],
    /// Epochs that have a cut.
    pub(crate) cuts: u32,
}

impl Mentions {
    pub(crate) fn join(&mut self, other: &Self) {
        self.revs |= other.revs;
        self.cuts |= other.cuts;
        for at in 0..NODES {
            self.boots[at] |= other.boots[at];
            self.datas[at] |= other.datas[at];
        }
    }

    pub(crate) fn rev(&mut self, rev: Rev) {
        self.revs |= if rev == 0 { 0 } else { 1 << rev };
    }

    pub(crate) fn stamp(&mut self, of: usize, stamp: Stamp) {
        self.boots[of] |= 1 << stamp.boot.0;
        self.datas[of] |= 1 << stamp.data.0;
    }

    pub(crate) fn document(&mut self, names: &[NodeName], document: &Document) {
        self.rev(document.rev);
        self.datas[index(names, &document.primary)] |= 1 << document.primary_data.0;
        for cut in &document.cuts {
            self.cuts |= 1 << cut.epoch;
        }
        for (node, stamp) in &document.in_sync {
            self.stamp(index(names, node), *stamp);
        }
    }

    pub(crate) fn memory(&mut self, names: &[NodeName], me: usize, memory: &Memory) {
        self.rev(memory.woke.map_or(0, |(rev, _)| rev));
        self.rev(memory.undecided.unwrap_or(0));
        if let Some(promise) = &memory.promise {
            self.rev(promise.rev);
            self.stamp(me, promise.stamp);
        }
        if let Some(grow) = &memory.grow {
            self.stamp(index(names, &grow.node), grow.stamp);
        }
    }

    pub(crate) fn plan(&mut self, names: &[NodeName], actions: &[Action]) {
        for action in actions {
            match action {
                Action::Swap { next, .. } => self.document(names, next),
                Action::StopReceiving { promise } => self.rev(promise.unwrap_or(0)),
                Action::Admit { node, stamp, .. } | Action::BeginGrow { node, stamp } => {
                    self.stamp(index(names, node), *stamp);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn report(&mut self, from: usize, report: &Report) {
        self.stamp(from, report.stamp);
        if let Some(promise) = &report.promise {
            self.rev(promise.rev);
            self.stamp(from, promise.stamp);
        }
    }
}

/// Each name begins with another letter, in order: this is asked more often than anything else.
pub(crate) fn index(names: &[NodeName], name: &NodeName) -> usize {
    let at = usize::from(name.as_str().as_bytes()[0] - b'a');
    debug_assert_eq!(names[at], *name);
    at
}

/// From old numbers to new ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Renaming {
    mentions: Mentions,
    ledger: (Rev, Epoch),
    /// Cuts up to this epoch are left out: no node has followed a primary of an earlier one last.
    followed: Epoch,
    /// The first two nodes change places.
    pub(crate) swap: bool,
}

impl Renaming {
    pub(crate) fn new(mentions: Mentions, ledger: &Document, followed: Epoch, swap: bool) -> Self {
        Self {
            mentions,
            ledger: (ledger.rev, ledger.epoch),
            followed,
            swap,
        }
    }

    /// True when it changes nothing.
    pub(crate) fn is_idle(&self) -> bool {
        let dense = |mask: u16| (mask >> 1) & ((mask >> 1) + 1) == 0;
        let revs = self.mentions.revs >> self.mentions.revs.trailing_zeros();
        !self.swap
            && self.ledger == (REV, EPOCH)
            && revs & (revs + 1) == 0
            && self.mentions.cuts & ((2 << self.followed) - 1) == 0
            && self.mentions.boots.iter().all(|mask| dense(*mask))
            && self.mentions.datas.iter().all(|mask| dense(*mask))
    }

    pub(crate) fn index(&self, at: usize) -> usize {
        match at {
            0 | 1 if self.swap => 1 - at,
            _ => at,
        }
    }

    pub(crate) fn rev(&self, rev: Rev) -> Rev {
        if rev == 0 {
            return 0;
        }
        let below = |rev: Rev| (self.mentions.revs & ((1 << rev) - 1)).count_ones();
        REV + Rev::from(below(rev)) - Rev::from(below(self.ledger.0))
    }

    pub(crate) fn epoch(&self, epoch: Epoch) -> Epoch {
        if epoch == 0 {
            return 0;
        }
        epoch + EPOCH - self.ledger.1
    }

    pub(crate) fn boot(&self, of: usize, boot: u128) -> u128 {
        u128::from((self.mentions.boots[of] & ((1 << boot) - 1)).count_ones()) + 1
    }

    pub(crate) fn data(&self, of: usize, data: u128) -> u128 {
        u128::from((self.mentions.datas[of] & ((1 << data) - 1)).count_ones()) + 1
    }

    /// The number of a server from 1.
    pub(crate) fn server(&self, server: u32) -> u32 {
        self.index(server as usize - 1) as u32 + 1
    }

    fn stamp(&self, of: usize, stamp: Stamp) -> Stamp {
        Stamp {
            boot: BootId(self.boot(of, stamp.boot.0)),
            data: DataId(self.data(of, stamp.data.0)),
        }
    }

    fn name(&self, names: &[NodeName], name: &NodeName) -> NodeName {
        names[self.index(index(names, name))].clone()
    }

    fn position(&self, position: &Position) -> Position {
        let renamed = position.iter().map(|id| Gtid {
            server: self.server(id.server),
            ..id
        });
        renamed.collect()
    }

    pub(crate) fn mark(&self, mark: Mark) -> Mark {
        match mark {
            Mark::Clean => Mark::Clean,
            Mark::Opened { epoch } => Mark::Opened {
                epoch: self.epoch(epoch),
            },
            Mark::Rewound { epoch } => Mark::Rewound {
                epoch: self.epoch(epoch),
            },
        }
    }

    pub(crate) fn document(&self, names: &[NodeName], document: &Document) -> Document {
        let owner = index(names, &document.primary);
        let in_sync: BTreeMap<_, _> = document
            .in_sync
            .iter()
            .map(|(node, stamp)| {
                let of = index(names, node);
                (self.name(names, node), self.stamp(of, *stamp))
            })
            .collect();
        let kept = document.cuts.iter().filter(|cut| cut.epoch > self.followed);
        let cuts = kept.map(|cut| Cut {
            epoch: self.epoch(cut.epoch),
            position: self.position(&cut.position),
        });
        // Members are alike: nobody asks for their numbers.
        Document {
            rev: self.rev(document.rev),
            epoch: self.epoch(document.epoch),
            primary: self.name(names, &document.primary),
            primary_data: DataId(self.data(owner, document.primary_data.0)),
            in_sync,
            cuts: cuts.collect(),
            ..document.clone()
        }
    }

    pub(crate) fn memory(&self, names: &[NodeName], me: usize, memory: &Memory) -> Memory {
        let mut new = memory.clone();
        new.woke = memory
            .woke
            .map(|(rev, epoch)| (self.rev(rev), self.epoch(epoch)));
        new.undecided = memory.undecided.map(|rev| self.rev(rev));
        if let Some(tenure) = &mut new.tenure {
            tenure.epoch = self.epoch(tenure.epoch);
            tenure.end = tenure.end.as_ref().map(|end| self.position(end));
        }
        if let Some(promise) = &mut new.promise {
            promise.rev = self.rev(promise.rev);
            promise.stamp = self.stamp(me, promise.stamp);
            promise.received = self.position(&promise.received);
        }
        if let Some(shrink) = &mut new.shrink {
            shrink.lost = shrink.lost.iter().map(|n| self.name(names, n)).collect();
            shrink.end = shrink.end.as_ref().map(|end| self.position(end));
        }
        if let Some(grow) = &mut new.grow {
            grow.stamp = self.stamp(index(names, &grow.node), grow.stamp);
            grow.node = self.name(names, &grow.node);
            grow.end = grow.end.as_ref().map(|end| self.position(end));
        }
        if let Some(handover) = &mut new.handover {
            handover.to = self.name(names, &handover.to);
            handover.end = handover.end.as_ref().map(|end| self.position(end));
        }
        new
    }

    pub(crate) fn action(&self, names: &[NodeName], action: &Action) -> Action {
        let mut new = action.clone();
        match &mut new {
            Action::Swap { next, .. } => **next = self.document(names, next),
            Action::StopReceiving { promise } => *promise = promise.map(|rev| self.rev(rev)),
            Action::Follow(source) => *source = self.source(names, source),
            Action::Admit {
                node, epoch, stamp, ..
            } => {
                *stamp = self.stamp(index(names, node), *stamp);
                *node = self.name(names, node);
                *epoch = self.epoch(*epoch);
            }
            Action::BeginGrow { node, stamp } => {
                *stamp = self.stamp(index(names, node), *stamp);
                *node = self.name(names, node);
            }
            Action::Cut(node) | Action::BeginHandover(node) | Action::Clone { from: node } => {
                *node = self.name(names, node);
            }
            Action::NoteEnd(EndOf::Shrink(lost)) => {
                *lost = lost.iter().map(|node| self.name(names, node)).collect();
            }
            Action::SetMark(mark) | Action::Renounce(mark) => *mark = self.mark(*mark),
            Action::SaveTail(position) => *position = self.position(position),
            _ => {}
        }
        new
    }

    fn source(&self, names: &[NodeName], source: &Source) -> Source {
        Source {
            node: self.name(names, &source.node),
            epoch: self.epoch(source.epoch),
            mode: source.mode,
        }
    }

    pub(crate) fn report(&self, names: &[NodeName], from: usize, report: &Report) -> Report {
        let mut new = report.clone();
        new.stamp = self.stamp(from, report.stamp);
        new.mark = self.mark(report.mark);
        new.confirmed = report.confirmed.map(|epoch| self.epoch(epoch));
        new.growing = report.growing.as_ref().map(|n| self.name(names, n));
        if let Some(promise) = &mut new.promise {
            promise.rev = self.rev(promise.rev);
            promise.stamp = self.stamp(from, promise.stamp);
            promise.received = self.position(&promise.received);
        }
        if let Server::Running(running) = &mut new.server {
            running.received = self.position(&running.received);
            running.applied = self.position(&running.applied);
            running.source = running.source.as_ref().map(|s| self.source(names, s));
        }
        new
    }
}
