//! Reasons as sentences: what a person reads in the log, in `why` and on screen.

use std::fmt;

use super::{Loss, Reason, Suspicion};
use crate::{Health, NodeName};

fn list(names: &[NodeName]) -> String {
    names
        .iter()
        .map(NodeName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerDown => f.write_str("its server process does not run"),
            Self::ServerIll(health) => write!(f, "its server is ill ({health})"),
            Self::SaysItStepsDown => f.write_str("its agent says that its server cannot serve"),
            Self::Silent { ms } => {
                write!(
                    f,
                    "nothing came from it for {ms} ms and no other voter hears it"
                )
            }
            Self::NeverHeard => f.write_str("it has not been heard and no other voter hears it"),
            Self::OperatorsWord => f.write_str("the operator's word"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { ms } => write!(f, "silent for {ms} ms"),
            Self::Disconnected { ms } => write!(f, "not connected for {ms} ms"),
            Self::NoData => f.write_str("its data is gone"),
            Self::ServerDown => f.write_str("its server does not run"),
            Self::Ill(health) => write!(f, "its server is ill ({health})"),
            Self::OtherIds => f.write_str("it came back with another boot or data directory"),
            Self::ApplyFailed => f.write_str("it cannot apply what it receives"),
            Self::Lags { ms } => write!(f, "its data is {ms} ms behind"),
            Self::TooSlow { ms } => write!(f, "it has acknowledged nothing for {ms} ms"),
            Self::NoLongerAMember => f.write_str("it is no member any more"),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Hung => "hung",
            Self::DiskHung => "disk-hung",
            Self::DiskFull => "disk-full",
            Self::DiskReadOnly => "disk-read-only",
            Self::OutOfConnections => "out-of-connections",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Reason as R;
        match self {
            R::LedgerUnknown => f.write_str("the ledger has not been read since this agent woke"),
            R::NotAMember => f.write_str("this node is not a member of the cluster any more"),
            R::Undecided { rev } => {
                write!(
                    f,
                    "a change on revision {rev} may still land: moves the ledger past it"
                )
            }
            R::Witness => f.write_str("votes and holds no data"),
            R::LooksAtItsServer => f.write_str("looks at its server"),
            R::Busy { with } => write!(f, "its server is busy: {with}"),
            _ if self.is_of_primary() => self.of_primary(f),
            _ => self.of_replica(f),
        }
    }
}

impl Reason {
    fn is_of_primary(&self) -> bool {
        use Reason as R;
        matches!(
            self,
            R::Serves { .. }
                | R::ServesAlone
                | R::PrimaryDataReplaced
                | R::PrimaryWithoutData
                | R::LeavesTheWayOpen { .. }
                | R::Reclaims
                | R::StartsAsPrimary
                | R::StepsDown { .. }
                | R::IllAndAlone { .. }
                | R::TakesOffice { .. }
                | R::OfficeContradicted { .. }
                | R::Opens { .. }
                | R::WaitsForAMember { .. }
                | R::Shrinks { .. }
                | R::ShrinkWaits { .. }
                | R::StrictWaits
                | R::GoesOnWithout { .. }
                | R::Grows { .. }
                | R::GrowWaits { .. }
                | R::GrowGivenUp { .. }
        )
    }

    fn of_primary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Reason as R;
        match self {
            R::Serves { in_sync } => write!(f, "serves writes with {} in sync", list(in_sync)),
            R::ServesAlone => f.write_str("serves writes alone: no replica is in sync"),
            R::PrimaryDataReplaced => f.write_str(
                "the ledger names this node primary with another data directory: it has no claim",
            ),
            R::PrimaryWithoutData => {
                f.write_str("the ledger names this node primary and it has no data")
            }
            R::LeavesTheWayOpen { left_ms } => {
                write!(
                    f,
                    "its server does not run: a member may take over within {left_ms} ms"
                )
            }
            R::Reclaims => {
                f.write_str("nobody took over: confirms in the ledger that it is still primary")
            }
            R::StartsAsPrimary => f.write_str("starts its server as the confirmed primary"),
            R::StepsDown { health } => {
                write!(
                    f,
                    "its server is ill ({health}): ends it so that a member can take over"
                )
            }
            R::IllAndAlone { health } => {
                write!(f, "its server is ill ({health}) and nobody can take over")
            }
            R::TakesOffice { epoch } => {
                write!(f, "the ledger made this node primary of epoch {epoch}")
            }
            R::OfficeContradicted { cut, has } => write!(
                f,
                "the ledger made this node primary at {cut} and it holds {has}: stays closed"
            ),
            R::Opens { epoch } => write!(f, "opens for writes as primary of epoch {epoch}"),
            R::WaitsForAMember { end } => {
                write!(
                    f,
                    "stays closed until a member holds {end}, the end of its log"
                )
            }
            R::Shrinks { lost } => {
                f.write_str("goes on without")?;
                for (n, (node, loss)) in lost.iter().enumerate() {
                    write!(f, "{} {node} ({loss})", if n > 0 { "," } else { "" })?;
                }
                Ok(())
            }
            R::ShrinkWaits { end } => write!(f, "waits until a remaining member holds {end}"),
            R::StrictWaits => {
                f.write_str("no replica is left and durability is strict: writes wait")
            }
            R::GoesOnWithout { lost } => write!(f, "takes {} out of the in-sync set", list(lost)),
            R::Grows { node } => write!(f, "takes {node} into the in-sync set"),
            R::GrowWaits { node } => write!(f, "waits until {node} holds everything"),
            R::GrowGivenUp { node } => write!(f, "{node} did not confirm in time: goes on alone"),
            _ => Ok(()),
        }
    }

    fn of_replica(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Reason as R;
        match self {
            R::Replicates { from } => write!(f, "replicates from {from}"),
            R::Connects { to } => write!(f, "connects to {to}"),
            R::Follows { node, epoch } => {
                write!(f, "begins to follow {node}, primary of epoch {epoch}")
            }
            R::StartsAsReplica => f.write_str("starts its server as a replica"),
            R::EndsHungServer => {
                f.write_str("its server has not answered for long: ends it, to start it again")
            }
            R::SetsRight => f.write_str("sets right what somebody changed on its server by hand"),
            R::Deposed { epoch } => write!(
                f,
                "was primary of epoch {epoch} and is not any more: ends its server hard"
            ),
            R::Rewinds { epoch } => write!(
                f,
                "starts its server so that recovery drops what epoch {epoch} never acknowledged"
            ),
            R::Salvages => f.write_str("applies the relay log that was left when its server ended"),
            R::Drains { missing } => write!(f, "applies {missing} transactions it has received"),
            R::ApplyStopped { error } => write!(f, "cannot apply what it received: {error}"),
            R::WakesFenced => f.write_str(
                "has just woken as a member: receives nothing until the ledger has moved on",
            ),
            R::ReturnsTo { node } => {
                write!(f, "{node} is well: moves the ledger on to follow it again")
            }
            R::MarkCleared => f.write_str("replicates again: its log holds nothing of its own"),
            R::SavesTail { beyond } => {
                write!(
                    f,
                    "saves what it holds beyond {beyond}, which the cluster does not have"
                )
            }
            R::NeedsClone { why } => write!(f, "needs a copy of another node's data: {why}"),
            R::NoSource => {
                f.write_str("needs a copy of another node's data and none can give it now")
            }
            R::WaitsToBeTakenOut => {
                f.write_str("waits until the primary has taken it out of the in-sync set")
            }
            R::Suspects { node, suspicion } => {
                write!(
                    f,
                    "suspects {node} ({suspicion}) and stops receiving from it"
                )
            }
            R::Paused { node } => write!(f, "suspects {node}; automatic change is paused"),
            R::WaitsForPromises { of } => {
                write!(
                    f,
                    "waits for the word of {}, which may hold acknowledged writes",
                    list(of)
                )
            }
            R::WaitsForCandidate { node } => write!(f, "waits for {node}, which takes over"),
            R::BudgetSpent { failovers } => write!(
                f,
                "{failovers} failovers within an hour without protection in between: holds"
            ),
            R::TakesOver { from, suspicion } => write!(f, "takes over from {from}: {suspicion}"),
            R::NobodyMayPromote { node } => write!(
                f,
                "{node} went on alone before it was lost: only it holds every acknowledged write"
            ),
            _ => self.of_wish(f),
        }
    }

    fn of_wish(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Reason as R;
        match self {
            R::ForcedFailover { missing } => {
                write!(
                    f,
                    "takes over by the operator's word: {}",
                    super::loss(*missing)
                )
            }
            R::WishRefused { why } | R::SwitchoverRefused { why } => write!(f, "refused: {why}"),
            R::WishDone => f.write_str("what the operator asked is done"),
            R::SwitchoverWaits { to, obstacle } => {
                write!(f, "{to} cannot take over yet: {obstacle}")
            }
            R::SwitchoverHolds { to, open } => {
                write!(f, "hands over to {to}: {open} transactions may end first")
            }
            R::SwitchoverCatchesUp { to, missing } => {
                write!(f, "hands over to {to}: it has {missing} transactions to go")
            }
            R::SwitchoverUndone { to } => write!(f, "{to} was not ready in time: stays primary"),
            R::HandsOver { to } => write!(f, "hands over to {to}"),
            R::Relieved => f.write_str("protected for a while: failovers are counted anew"),
            _ => Ok(()),
        }
    }
}
