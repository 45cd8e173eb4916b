//! The cables between nodes: one for each direction, each may be cut; delay, loss and repetition for all.

use crate::clock::{MS, Micros};
use crate::dice::Dice;
use crate::event::Id;

/// All cables.
pub(crate) struct Network {
    nodes: usize,
    /// How many faults cut this direction.
    cuts: Vec<u32>,
    pub(crate) delay: Micros,
    pub(crate) jitter: Micros,
    /// How many packets of a thousand are lost; what carries them sends them again later.
    pub(crate) loss: u64,
    /// How many letters of a thousand arrive twice.
    pub(crate) twice: u64,
}

/// A lost packet is sent again after so long.
const AGAIN: Micros = 200 * MS;

impl Network {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            cuts: vec![0; nodes * nodes],
            delay: 250,
            jitter: 300,
            loss: 0,
            twice: 5,
        }
    }

    pub(crate) fn cut(&mut self, from: Id, to: Id) {
        self.cuts[from * self.nodes + to] += 1;
    }

    pub(crate) fn mend(&mut self, from: Id, to: Id) {
        let cuts = &mut self.cuts[from * self.nodes + to];
        *cuts = cuts.saturating_sub(1);
    }

    /// Packets get from one to the other.
    pub(crate) fn passes(&self, from: Id, to: Id) -> bool {
        from == to || self.cuts[from * self.nodes + to] == 0
    }

    /// Packets get there and back.
    pub(crate) fn joins(&self, a: Id, b: Id) -> bool {
        self.passes(a, b) && self.passes(b, a)
    }

    /// How long the next packet takes.
    pub(crate) fn takes(&self, dice: &mut Dice) -> Micros {
        let mut takes = self.delay + dice.below(self.jitter + 1);
        while dice.per_mille(self.loss) {
            takes += AGAIN;
        }
        takes
    }
}
