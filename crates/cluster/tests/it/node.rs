//! One node of the world: what its disk remembers, its server, and its agent while that runs.

use std::collections::{BTreeMap, VecDeque};

use cluster::{
    Action, Admission, BootId, DataId, Document, Epoch, Gate, Mark, Memory, Millis, NodeName,
    Server, Stamp, Timing, View,
};

use crate::database::Database;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) number: u32,
    pub(crate) boot: BootId,
    pub(crate) data: DataId,
    pub(crate) mark: Mark,
    pub(crate) followed: Epoch,
    /// None: a witness.
    pub(crate) database: Option<Database>,
    /// None: it does not run.
    pub(crate) agent: Option<Agent>,
    /// Since when nothing on it moves.
    pub(crate) frozen: Option<Millis>,
}

/// An agent: the core's view, and the rest of the plan it is carrying out.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) view: View,
    pub(crate) plan: VecDeque<Action>,
    pub(crate) admissions: BTreeMap<NodeName, Admission>,
    /// The server's process has ended and this agent has not noticed yet.
    pub(crate) ended: bool,
    pub(crate) reason: String,
}

impl Node {
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            boot: self.boot,
            data: self.data,
        }
    }

    pub(crate) fn moves(&self) -> bool {
        self.agent.is_some() && self.frozen.is_none()
    }

    pub(crate) fn server(&self) -> &Database {
        self.database.as_ref().expect("a node with data")
    }

    pub(crate) fn server_mut(&mut self) -> &mut Database {
        self.database.as_mut().expect("a node with data")
    }

    pub(crate) fn runs(&self) -> bool {
        self.database.as_ref().is_some_and(|server| server.running)
    }

    /// Starts its agent, which remembers only what is on the disk.
    pub(crate) fn wake(&mut self, me: &NodeName, now: Millis) {
        let view = View {
            now,
            wall: now / 1_000,
            me: me.clone(),
            boot: self.boot,
            data: self.data,
            mark: self.mark,
            followed: self.followed,
            server: Server::Unseen,
            server_since: now,
            document: None,
            peers: BTreeMap::new(),
            admissions: BTreeMap::new(),
            gate: Gate::default(),
            wish: None,
            memory: Memory::default(),
            timing: Timing::default(),
        };
        self.agent = Some(Agent {
            view,
            plan: VecDeque::new(),
            admissions: BTreeMap::new(),
            ended: false,
            reason: String::new(),
        });
    }
}

impl Agent {
    /// A newer document that is known to be committed.
    pub(crate) fn learn(&mut self, document: &Document) {
        let known = self.view.document.as_ref().map(|d| d.rev);
        if known.is_none_or(|rev| rev < document.rev) {
            self.view.memory.learned(&self.view.me, document);
            self.view.document = Some(document.clone());
        }
    }
}
