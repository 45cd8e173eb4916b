//! The states in which an exploration begins.

use cluster::{Mark, Memory, Mode, Receiving, Tenure};

use crate::bounds::{Policy, Start};
use crate::model::Model;
use crate::mutation::Mutation;
use crate::state::{
    Admission, Apply, Database, FLOATING, Link, NODES, Node, Rest, Unfolded, Used, stamp,
};

impl Model {
    pub(crate) fn start(&mut self) -> Unfolded {
        let members = match self.bounds.start {
            Start::Protected => self.bounds.nodes,
            Start::Half => 2,
            Start::Alone => 1,
        };
        let mut document = self.tables.founding();
        for at in 1..members as usize {
            let name = self.tables.names[at].clone();
            document.in_sync.insert(name, stamp(1, 1));
        }
        let ledger = self.tables.document(&document);
        // All have been awake for longer than the ledger is as it is.
        let awake = Memory {
            woke: Some((0, 0)),
            ..Memory::default()
        };
        let serving = Memory {
            tenure: Some(Tenure {
                epoch: 1,
                reclaimed: false,
                end: None,
                opened: true,
            }),
            ..awake.clone()
        };
        let memories = [serving, awake].map(|memory| self.tables.memory(memory, ledger));
        let count = self.bounds.nodes;
        let nodes = [0, 1, 2].map(|me| match me {
            _ if me >= count => blank(me),
            0 => {
                let mut node = primary(count, members, ledger, memories[0]);
                node.database.semi_sync |= self.bounds.policy == Policy::Strict;
                node
            }
            _ => replica(me, members, ledger, memories[1]),
        });
        let rest = Rest {
            ledger,
            before: ledger * u32::from(self.tables.mutation == Some(Mutation::StaleRead)),
            floating: [0; FLOATING],
            acked: 0,
            used: Used::default(),
        };
        let mut full = Unfolded { nodes, rest };
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                self.tell(&mut full, from, to);
            }
        }
        full
    }
}

fn mode(me: u8, members: u8) -> Mode {
    if me < members {
        Mode::Sync
    } else {
        Mode::Async
    }
}

fn primary(count: u8, members: u8, document: u32, memory: u32) -> Node {
    let mut node = blank(0);
    (node.document, node.memory) = (document, memory);
    node.mark = Mark::Opened { epoch: 1 };
    let database = &mut node.database;
    (database.has_data, database.running) = (true, true);
    (database.read_only, database.semi_sync) = (false, members > 1);
    for replica in 1..count {
        node.admissions[replica as usize] = Some(Admission {
            epoch: 1,
            mode: mode(replica, members),
            boot: 1,
            data: 1,
            connected: true,
            ghost: None,
        });
    }
    node
}

fn replica(me: u8, members: u8, document: u32, memory: u32) -> Node {
    let mut node = blank(me);
    (node.document, node.memory) = (document, memory);
    let database = &mut node.database;
    (database.has_data, database.running) = (true, true);
    database.replica_settings = true;
    database.source = Some(Link {
        to: 0,
        epoch: 1,
        mode: mode(me, members),
    });
    database.connected = true;
    database.receiving = Receiving::Streaming;
    database.applying = Apply::Running;
    node
}

fn blank(me: u8) -> Node {
    Node {
        me,
        boot: 1,
        data: 1,
        mark: Mark::Clean,
        followed: 1,
        emptied: 0,
        database: Database::empty(),
        document: 0,
        memory: 0,
        plan: 0,
        reports: [0; NODES],
        admissions: [None; NODES],
        ended: false,
        wish: false,
    }
}
