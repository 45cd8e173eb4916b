//! How large a cluster, how many events, from where: what makes the number of states finite.

use cluster::{Epoch, Rev};

/// The limits of one exploration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Nodes, all with data.
    pub(crate) nodes: u8,
    pub(crate) writes: u8,
    /// Changes of the ledger.
    pub(crate) revs: Rev,
    /// Changes of primary.
    pub(crate) epochs: Epoch,
    /// Crashes, power losses, agents that restart, emptied directories, failed applies.
    pub(crate) faults: u8,
    /// Orders of the operator.
    pub(crate) wishes: u8,
    pub(crate) asked: Asked,
    pub(crate) policy: Policy,
    /// Swaps may stay without an answer.
    pub(crate) undecided: bool,
    /// Anything may come between a decision and its first action too, not only between two actions.
    pub(crate) delayed: bool,
    pub(crate) start: Start,
    pub(crate) reductions: Reductions,
}

/// What the operator orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The primary is to hand over.
    Switchover,
    /// One that is not primary is to take over, without a loss.
    Failover,
}

/// How the cluster is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    TwoCopies,
    Strict,
    /// No change of primary by itself.
    Paused,
}

/// What is left out because it can make no difference: see `docs/reference/model.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reductions {
    /// Of another's words, what leaves every decision possible.
    pub(crate) heard: bool,
    /// Numbers that are only compared.
    pub(crate) names: bool,
    /// Which of two nodes is which.
    pub(crate) swap: bool,
}

impl Reductions {
    pub(crate) const NONE: Self = Self {
        heard: false,
        names: false,
        swap: false,
    };
    pub(crate) const ALL: Self = Self {
        heard: true,
        names: true,
        swap: true,
    };
}

/// The state in which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Everybody in sync and connected.
    Protected,
    /// The first node serves alone, the others are connected without counting.
    Alone,
    /// The second node is in sync, the third is connected without counting.
    Half,
}
