//! What an agent keeps on its own disk: its mark and its data's id, in the state file and in the data directory. A
//! mirror of the keeper's `store.rs`.

use cluster::{DataId, Mark, Outcome};

use super::AGAIN;
use super::Step::{self, Again, Done, Next};
use crate::event::Id;
use crate::world::World;

impl World {
    /// Something that is written to the agent's own disk.
    pub(super) fn on_disk(&mut self, me: Id, stage: u8, write: impl FnOnce(&mut Self)) -> Step {
        if stage == 0 {
            return Next(self.dice.between(300, 6_000));
        }
        if self.disk_hangs(me) {
            return Again(AGAIN);
        }
        write(self);
        Done(Outcome::Done)
    }

    pub(super) fn disk_hangs(&self, me: Id) -> bool {
        let server = self.nodes[me].server.as_ref();
        server.is_some_and(|server| server.health == cluster::Health::DiskHung)
    }

    pub(super) fn set_mark(&mut self, me: Id, mark: Mark) {
        let node = &mut self.nodes[me];
        node.mark = mark;
        if let Mark::Opened { epoch } = mark {
            node.followed = epoch;
        }
    }

    pub(super) fn fresh_data(&mut self) -> DataId {
        self.numbers += 1;
        DataId(self.numbers.into())
    }

    /// A new data id, in the state file and then in the data directory.
    pub(super) fn renounce(&mut self, me: Id, stage: u8, mark: Mark) -> Step {
        if self.disk_hangs(me) {
            return Again(AGAIN);
        }
        match stage {
            0 => Next(self.dice.between(300, 6_000)),
            1 => {
                let data = self.fresh_data();
                let node = &mut self.nodes[me];
                (node.data, node.mark) = (data, mark);
                Next(self.dice.between(300, 6_000))
            }
            _ => {
                let node = &mut self.nodes[me];
                node.tag = Some(node.data);
                Done(Outcome::Done)
            }
        }
    }

    /// Is the data directory the one that the state file speaks of? Else it gets a new id.
    pub(super) fn recognise(&mut self, me: Id) -> bool {
        let node = &self.nodes[me];
        if node.tag == Some(node.data) {
            return true;
        }
        let data = self.fresh_data();
        let node = &mut self.nodes[me];
        node.data = data;
        node.tag = Some(data);
        false
    }
}
