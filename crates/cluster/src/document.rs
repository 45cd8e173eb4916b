//! The ledger's document: who is primary, who is in sync, who is a member.
//!
//! It is written only when membership changes. Its bytes and its nonce belong to the `ledger`
//! crate and to the keeper's `format` module; here is what it means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::gtid::Position;

use crate::{BootId, DataId, Epoch, NodeName, Rev};

/// How many cuts are kept: a node that was away for more changes of primary than this is cloned.
pub(crate) const CUTS_KEPT: usize = 64;

/// What the members agree on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Document {
    /// Revision; every compare-and-swap names the one it replaces.
    pub rev: Rev,
    /// Number of this primary's term of office.
    pub epoch: Epoch,
    /// The one node that may take writes in this epoch.
    pub primary: NodeName,
    /// The data directory with which it became primary: another one has no claim.
    pub primary_data: DataId,
    /// Replicas without one of which the primary acknowledges nothing; empty: it is alone.
    pub in_sync: BTreeMap<NodeName, Stamp>,
    /// Where each epoch began, oldest first.
    pub cuts: Vec<Cut>,
    /// Every node of the cluster.
    pub members: BTreeMap<NodeName, Member>,
    /// Automatic changes of primary are suspended by the operator.
    pub paused: bool,
    /// Whether the primary may ever acknowledge alone.
    pub durability: Durability,
    /// Wall-clock seconds of the failovers since the cluster was last protected for a while.
    pub strain: Vec<u64>,
    /// The last change of primary, for people.
    pub last_change: Option<Change>,
}

/// The boot and the data directory with which a replica takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Kernel boot: a relay log that was not fsynced ends with it.
    pub boot: BootId,
    /// Data directory.
    pub data: DataId,
}

/// Where an epoch began: everything up to `position` is common history.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cut {
    /// The epoch that began here.
    pub epoch: Epoch,
    /// The new primary's position at that moment.
    pub position: Position,
}

/// One node, as agreed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Where its agent is reached, `ADDRESS:PORT`.
    pub address: String,
    /// Its number in the cluster, from 1: MariaDB's `server_id` and the ledger's voter id.
    pub number: u32,
    /// Whether it holds data.
    pub kind: MemberKind,
    /// Replicates asynchronously, is never in sync, becomes primary only by the operator's word.
    pub far: bool,
    /// Among equals the higher one becomes primary.
    pub priority: i32,
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberKind {
    /// Runs MariaDB.
    Data,
    /// Votes, holds no data.
    Witness,
}

/// What an acknowledgement is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Two copies; the primary goes on alone only after the ledger says so.
    #[default]
    TwoCopies,
    /// Never acknowledges with fewer than two copies.
    Strict,
}

/// One change of primary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// Planned or not.
    pub kind: ChangeKind,
    /// Who was primary.
    pub from: NodeName,
    /// Who is.
    pub to: NodeName,
    /// Wall-clock seconds.
    pub at: u64,
    /// Why, as a sentence.
    pub reason: String,
}

/// How a primary came to its office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Unplanned, nothing acknowledged was lost.
    Failover,
    /// Planned.
    Switchover,
    /// The operator accepted a loss.
    Forced,
}

impl Document {
    /// The first document of a cluster: its founder is primary, alone.
    pub fn founding(founder: NodeName, member: Member, data: DataId) -> Self {
        Self {
            rev: 1,
            epoch: 1,
            primary: founder.clone(),
            primary_data: data,
            in_sync: BTreeMap::new(),
            cuts: Vec::new(),
            members: BTreeMap::from([(founder, member)]),
            paused: false,
            durability: Durability::default(),
            strain: Vec::new(),
            last_change: None,
        }
    }

    /// The same with the next revision: a swap that changes nothing else.
    #[must_use]
    pub fn bumped(&self) -> Self {
        Self {
            rev: self.rev + 1,
            ..self.clone()
        }
    }

    /// True when `node` takes part in sync with exactly these ids.
    pub fn vouches(&self, node: &NodeName, stamp: Stamp) -> bool {
        self.in_sync.get(node) == Some(&stamp)
    }

    /// The members that hold data, by name.
    pub fn data_members(&self) -> impl Iterator<Item = (&NodeName, &Member)> {
        self.members
            .iter()
            .filter(|(_, member)| member.kind == MemberKind::Data)
    }

    /// True when `node` is a member that only votes.
    pub fn is_witness(&self, node: &NodeName) -> bool {
        self.members
            .get(node)
            .is_some_and(|member| member.kind == MemberKind::Witness)
    }

    /// A new epoch that begins at `position` with `change.to` as its primary.
    #[must_use]
    pub fn with_primary(&self, data: DataId, position: Position, change: Change) -> Self {
        let mut next = self.bumped();
        next.epoch += 1;
        next.primary = change.to.clone();
        next.primary_data = data;
        next.in_sync = BTreeMap::new();
        next.cuts.push(Cut {
            epoch: next.epoch,
            position,
        });
        let surplus = next.cuts.len().saturating_sub(CUTS_KEPT);
        next.cuts.drain(..surplus);
        next.last_change = Some(change);
        next
    }
}
