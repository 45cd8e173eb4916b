//! Why: one value for tests, one sentence for people, the same in the log, in `why` and on screen.
//! The sentences are in `sentence.rs`.

mod sentence;

use wire::gtid::Position;

use crate::{Epoch, Health, Millis, NodeName, Rev};

/// Why a decision is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "each variant's sentence below says what it means"
)]
pub enum Reason {
    LedgerUnknown,
    NotAMember,
    Undecided {
        rev: Rev,
    },
    Witness,
    LooksAtItsServer,
    Busy {
        with: String,
    },
    // The primary.
    Serves {
        in_sync: Vec<NodeName>,
    },
    ServesAlone,
    PrimaryDataReplaced,
    PrimaryWithoutData,
    LeavesTheWayOpen {
        left_ms: Millis,
    },
    Reclaims,
    StartsAsPrimary,
    StepsDown {
        health: Health,
    },
    IllAndAlone {
        health: Health,
    },
    TakesOffice {
        epoch: Epoch,
    },
    OfficeContradicted {
        cut: Position,
        has: Position,
    },
    Opens {
        epoch: Epoch,
    },
    WaitsForAMember {
        end: Position,
    },
    Shrinks {
        lost: Vec<(NodeName, Loss)>,
    },
    ShrinkWaits {
        end: Position,
    },
    StrictWaits,
    GoesOnWithout {
        lost: Vec<NodeName>,
    },
    Grows {
        node: NodeName,
    },
    GrowWaits {
        node: NodeName,
    },
    GrowGivenUp {
        node: NodeName,
    },
    SwitchoverWaits {
        to: NodeName,
        obstacle: String,
    },
    SwitchoverRefused {
        why: String,
    },
    SwitchoverHolds {
        to: NodeName,
        open: u32,
    },
    SwitchoverCatchesUp {
        to: NodeName,
        missing: u64,
    },
    SwitchoverUndone {
        to: NodeName,
    },
    HandsOver {
        to: NodeName,
    },
    Relieved,
    // A replica.
    Replicates {
        from: NodeName,
    },
    Connects {
        to: NodeName,
    },
    Follows {
        node: NodeName,
        epoch: Epoch,
    },
    StartsAsReplica,
    EndsHungServer,
    SetsRight,
    Deposed {
        epoch: Epoch,
    },
    Rewinds {
        epoch: Epoch,
    },
    Salvages,
    Drains {
        missing: u64,
    },
    ApplyStopped {
        error: String,
    },
    WakesFenced,
    ReturnsTo {
        node: NodeName,
    },
    MarkCleared,
    SavesTail {
        beyond: Position,
    },
    NeedsClone {
        why: String,
    },
    NoSource,
    WaitsToBeTakenOut,
    // Failover.
    Suspects {
        node: NodeName,
        suspicion: Suspicion,
    },
    Paused {
        node: NodeName,
    },
    WaitsForPromises {
        of: Vec<NodeName>,
    },
    WaitsForCandidate {
        node: NodeName,
    },
    BudgetSpent {
        failovers: usize,
    },
    TakesOver {
        from: NodeName,
        suspicion: Suspicion,
    },
    NobodyMayPromote {
        node: NodeName,
    },
    ForcedFailover {
        missing: u64,
    },
    WishRefused {
        why: String,
    },
    WishDone,
}

/// Why a member is given up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant's words below say what it means")]
pub enum Loss {
    Silent { ms: Millis },
    Disconnected { ms: Millis },
    ServerDown,
    NoData,
    Ill(Health),
    OtherIds,
    ApplyFailed,
    Lags { ms: Millis },
    TooSlow { ms: Millis },
    NoLongerAMember,
}

impl Loss {
    /// It does not come back as the member it was.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::OtherIds | Self::NoData | Self::ApplyFailed | Self::NoLongerAMember
        )
    }
}

/// Why a primary is suspected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant's words below say what it means")]
pub enum Suspicion {
    ServerDown,
    ServerIll(Health),
    SaysItStepsDown,
    Silent { ms: Millis },
    NeverHeard,
    OperatorsWord,
}

/// What a forced failover costs, as far as this node can know.
pub(crate) fn loss(missing: u64) -> String {
    match missing {
        0 => "how much is lost is not known".to_owned(),
        _ => format!("at least {missing} known transactions are lost"),
    }
}
