//! What this node believes: the one input of `decide`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::gtid::Position;

use crate::{
    BootId, DataId, Document, Epoch, Gate, Health, Member, MemberKind, Memory, Millis, Mode,
    NodeName, Report, Server, Stamp, Timing,
};

/// Everything a decision is made from. Cheap to clone; two equal views get the same decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The present moment of a clock that only goes forward.
    pub now: Millis,
    /// The wall clock in seconds: for people and for the failover budget, never for safety.
    pub wall: u64,
    /// This node.
    pub me: NodeName,
    /// This boot of its kernel.
    pub boot: BootId,
    /// Its present data directory.
    pub data: DataId,
    /// Its durable mark.
    pub mark: Mark,
    /// Durable: the epoch of the primary that its last transactions came from.
    pub followed: Epoch,
    /// Its server.
    pub server: Server,
    /// Since when the server is as it is (stopped, or ill, or well).
    pub server_since: Millis,
    /// The newest document known to be committed.
    pub document: Option<Document>,
    /// The last report of each other node.
    pub peers: BTreeMap<NodeName, Peer>,
    /// The allow-list of this node's replication tunnels, and what is connected.
    pub admissions: BTreeMap<NodeName, Admission>,
    /// This node's gateway.
    pub gate: Gate,
    /// What the operator asked this node to see to.
    pub wish: Option<Wish>,
    /// What the agent has decided and done since it woke.
    pub memory: Memory,
    /// Waiting times.
    pub timing: Timing,
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its last words.
    pub report: Report,
    /// When they came.
    pub heard: Millis,
}

/// A replica that may connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    /// For which epoch.
    pub epoch: Epoch,
    /// How.
    pub mode: Mode,
    /// With which ids.
    pub stamp: Stamp,
    /// It is connected now.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: Millis,
}

/// What a node's disk remembers of having been open for writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Mark {
    /// What is in its log came from a primary.
    Clean,
    /// It was open for writes in this epoch: its log may end in what nobody else has.
    Opened {
        /// The epoch.
        epoch: Epoch,
    },
    /// It was, and its server has since been given a new data id to be started destructively.
    Rewound {
        /// The epoch.
        epoch: Epoch,
    },
}

/// The operator's wishes that take more than one swap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Wish {
    /// Planned: this node, the primary, hands over.
    Switchover {
        /// To whom; nobody named: to the best member.
        to: Option<NodeName>,
        /// When it was asked.
        asked: Millis,
    },
    /// Unplanned: this node becomes primary.
    Failover {
        /// Also when it cannot be shown to hold every acknowledged write.
        accept_loss: bool,
        /// When it was asked.
        asked: Millis,
    },
}

impl View {
    /// This node's boot and data directory.
    pub fn stamp(&self) -> Stamp {
        Stamp {
            boot: self.boot,
            data: self.data,
        }
    }

    /// How long ago `node` was heard; `None`: never since this agent woke.
    pub fn age(&self, node: &NodeName) -> Option<Millis> {
        self.peers
            .get(node)
            .map(|peer| self.now.saturating_sub(peer.heard))
    }

    /// The report of `node`, if it was heard within the suspicion time.
    pub fn fresh(&self, node: &NodeName) -> Option<&Report> {
        let peer = self.peers.get(node)?;
        let age = self.now.saturating_sub(peer.heard);
        (age < self.timing.suspicion).then_some(&peer.report)
    }

    /// How long the server has been as it is.
    pub fn server_age(&self) -> Millis {
        self.now.saturating_sub(self.server_since)
    }

    /// The other members that hold data and may be in sync.
    pub fn near_data_peers<'a>(
        &'a self,
        document: &'a Document,
    ) -> impl Iterator<Item = (&'a NodeName, &'a Member)> {
        document.members.iter().filter(|(name, member)| {
            **name != self.me && member.kind == MemberKind::Data && !member.far
        })
    }

    /// This agent has confirmed, since it woke, that this node is primary in the present epoch.
    pub fn is_confirmed(&self) -> bool {
        match (&self.document, &self.memory.tenure) {
            (Some(document), Some(tenure)) => {
                document.primary == self.me && tenure.epoch == document.epoch
            }
            _ => false,
        }
    }

    /// True when this node's data may be counted: it is in sync with its present ids.
    pub fn is_vouching_member(&self, document: &Document) -> bool {
        document.vouches(&self.me, self.stamp())
    }

    /// True when every member is there with the very ids the ledger names.
    pub(crate) fn can_be_taken_over(&self, document: &Document) -> bool {
        !document.paused
            && !document.in_sync.is_empty()
            && document
                .in_sync
                .iter()
                .all(|(node, stamp)| self.fresh(node).is_some_and(|r| r.stamp == *stamp))
    }

    /// True when, by the ledger, it is primary and cannot serve: others may take over.
    pub fn steps_down(&self) -> bool {
        let document = self.document.as_ref().filter(|d| d.primary == self.me);
        let Some(document) = document else {
            return false;
        };
        let age = self.server_age();
        let other_data = document.primary_data != self.data;
        match &self.server {
            Server::Running(running) => {
                // Why not always when ill: a member that leaves cannot let the others be given up.
                let ill = !running.health.is_ok() && age >= self.timing.ill;
                let ends = running.health == Health::Hung || self.can_be_taken_over(document);
                // Why a limit: one that cannot reach the ledger must not stand in the way for ever.
                let lingers = self.woke_in_office(document) && age >= self.timing.grace;
                other_data || (ill && ends) || lingers
            }
            // Why by its words: a server in a hung disk takes long to end, and serves nobody.
            Server::Busy(with) => {
                with == Server::ENDING || !self.is_confirmed() || age >= self.timing.grace
            }
            Server::Stopped | Server::NoData => true,
            Server::Unseen => false,
        }
    }

    /// It has not confirmed, since its agent woke, the office that it had before.
    fn woke_in_office(&self, document: &Document) -> bool {
        let learned_awake = self
            .memory
            .woke
            .is_some_and(|(_, epoch)| epoch < document.epoch);
        !self.is_confirmed() && !learned_awake
    }

    /// The epoch in which this node serves writes, if it does.
    pub fn serving(&self) -> Option<Epoch> {
        let running = self.server.running()?;
        let serves = self.is_confirmed() && !running.read_only && running.health.is_ok();
        serves.then(|| self.memory.tenure.as_ref().map(|tenure| tenure.epoch))?
    }

    /// The end of this node's binlog, if its server runs.
    pub fn written(&self) -> Option<&Position> {
        self.server.running().map(|running| &running.written)
    }

    /// What this node tells the others.
    pub fn report(&self) -> Report {
        let standing = crate::standing(self);
        Report {
            stamp: self.stamp(),
            mark: self.mark,
            server: self.server.clone(),
            document: self.document.clone(),
            steps_down: self.steps_down(),
            serving: self.serving(),
            confirmed: self.memory.tenure.as_ref().map(|tenure| tenure.epoch),
            growing: self.memory.grow.as_ref().map(|grow| grow.node.clone()),
            holding: self
                .memory
                .handover
                .as_ref()
                .and(self.document.as_ref())
                .map(|d| d.epoch),
            gate: self.gate,
            promise: self.memory.promise.clone(),
            hears: self
                .peers
                .keys()
                .filter_map(|n| Some((n.clone(), self.age(n)?)))
                .collect(),
            role: standing.is,
            becoming: standing.becoming,
        }
    }
}
