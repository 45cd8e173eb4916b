//! Reads and swaps from any node: here if this node leads, else at the leader, and when the way to
//! the leader is cut through another member. What is not known for certain is said to be unknown.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use openraft::error::{ClientWriteError, RaftError};

use super::inner::Inner;
use super::message::{Answer, Call, Refusal};
use super::route::{Route, Way};
use super::types::{Member, Proposal, Verdict};
use crate::{Error, Record, Result, Swap};

/// How one attempt of a swap ended.
pub(crate) enum Try {
    /// It was applied with this verdict.
    Decided(Verdict),
    /// It was not proposed and never will be.
    Not(String),
    /// It may have been proposed.
    Maybe(String),
}

/// No caller waits longer, whatever it says.
const LIMIT_LIMIT: Duration = Duration::from_hours(1);

impl Inner {
    /// See [`Register::read`](crate::Register::read).
    pub(crate) async fn read(&self, limit: Duration) -> Result<Option<Record>> {
        let end = Instant::now() + limit.min(LIMIT_LIMIT);
        let mut way = Way::default();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let result = match self.route(&mut way) {
                Route::Here => self.read_here(left).await,
                Route::To { id, member, relay } => {
                    let call = Call::Read {
                        limit_ms: millis(left),
                        relay,
                    };
                    tokio::select! {
                        result = self.read_there(id, &member, call, left) => result,
                        () = self.leader_changes(way.leader) => continue,
                    }
                }
                Route::Nowhere => Err("no leader of the ledger is known".into()),
            };
            let reason = match result {
                Ok(record) => {
                    self.shown.offer(record.as_ref());
                    return Ok(record);
                }
                Err(reason) => reason,
            };
            if let Some(failure) = self.store.disk.failure() {
                return Err(Error::StoreFailed(failure));
            }
            way.failures += 1;
            if !self.pause(end).await {
                return Err(Error::NoQuorum { limit, reason });
            }
        }
    }

    /// See [`Register::swap`](crate::Register::swap).
    pub(crate) async fn swap(
        &self,
        expected: Option<u64>,
        record: Record,
        limit: Duration,
    ) -> Swap {
        if !record.follows(expected) {
            return Swap::Lost(None);
        }
        let end = Instant::now() + limit.min(LIMIT_LIMIT);
        let proposal = Proposal { expected, record };
        let (mut way, mut may_land) = (Way::default(), false);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let tried = match self.route(&mut way) {
                Route::Here => self.swap_here(proposal.clone(), left).await,
                Route::To { id, member, relay } => {
                    let limit_ms = millis(left);
                    let call = Call::Swap {
                        proposal: proposal.clone(),
                        limit_ms,
                        relay,
                    };
                    tokio::select! {
                        tried = self.swap_there(id, &member, call, left) => tried,
                        () = self.leader_changes(way.leader) => {
                            may_land = true;
                            continue;
                        }
                    }
                }
                Route::Nowhere => Try::Not("no leader of the ledger is known".into()),
            };
            match tried {
                Try::Decided(verdict) => {
                    let told = conclude(verdict, &proposal, may_land);
                    self.shown.learn(&told, &proposal.record);
                    return told;
                }
                Try::Maybe(why) => {
                    tracing::debug!(%why, rev = proposal.record.rev, "swap without an answer");
                    may_land = true;
                }
                Try::Not(_) => {}
            }
            way.failures += 1;
            if self.store.disk.failure().is_some() || !self.pause(end).await {
                return Swap::Undecided;
            }
        }
    }

    /// Reads as the leader.
    pub(crate) async fn read_here(&self, limit: Duration) -> Result<Option<Record>, String> {
        match tokio::time::timeout(limit, self.core.ensure_linearizable()).await {
            Ok(Ok(_)) => Ok(self.shown.current()),
            Ok(Err(RaftError::Fatal(fatal))) => Err(self.lost(&fatal)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no majority answered in time".into()),
        }
    }

    /// Reads at the leader, on behalf of a node that cannot reach it.
    pub(crate) async fn read_at_leader(&self, limit: Duration) -> Result<Option<Record>, String> {
        let (id, member) = self.other_leader()?;
        let call = Call::Read {
            limit_ms: millis(limit),
            relay: false,
        };
        self.read_there(id, &member, call, limit).await
    }

    /// Swaps on behalf of another node, at the leader if `relay` allows it.
    pub(crate) async fn swap_for(&self, proposal: Proposal, limit: Duration, relay: bool) -> Try {
        if self.leads() || !relay {
            return self.swap_here(proposal, limit).await;
        }
        match self.other_leader() {
            Ok((id, member)) => {
                let call = Call::Swap {
                    proposal,
                    limit_ms: millis(limit),
                    relay: false,
                };
                self.swap_there(id, &member, call, limit).await
            }
            Err(why) => Try::Not(why),
        }
    }

    async fn swap_here(&self, proposal: Proposal, limit: Duration) -> Try {
        // Why: a leader cut off from the others would pile up proposals that may all land later.
        if !self.leads() || !self.is_confirmed(self.timing().recent()) {
            return Try::Not("this node leads no majority of the ledger's voters".into());
        }
        if self.is_handing_over.load(Ordering::Relaxed) {
            return Try::Not("the lead of the ledger is being handed over".into());
        }
        match tokio::time::timeout(limit, self.core.client_write(proposal)).await {
            Ok(Ok(response)) => Try::Decided(response.data),
            // Why: openraft says the same of a proposal it never took and of one that a new
            // leader's entry replaced here, which may still live on another node.
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                Try::Maybe("the lead was lost".into())
            }
            Ok(Err(error)) => Try::Maybe(error.to_string()),
            Err(_) => Try::Maybe("no majority answered in time".into()),
        }
    }

    async fn read_there(
        &self,
        id: u64,
        member: &Member,
        call: Call,
        left: Duration,
    ) -> Result<Option<Record>, String> {
        match self
            .caller
            .ask_member(id, member, call, self.patience(left))
            .await?
        {
            Answer::Current(record) => Ok(record),
            Answer::Refused(why) => Err(why.to_string()),
            _ => Err(format!("node {id} gave an unexpected answer")),
        }
    }

    async fn swap_there(&self, id: u64, member: &Member, call: Call, left: Duration) -> Try {
        match self
            .caller
            .ask_member(id, member, call, self.patience(left))
            .await
        {
            Ok(Answer::Decided(Verdict::Nothing)) => Try::Maybe("no verdict".into()),
            Ok(Answer::Decided(verdict)) => Try::Decided(verdict),
            Ok(Answer::Refused(Refusal::NotNow(why) | Refusal::Store(why))) => Try::Not(why),
            Ok(Answer::Refused(why)) => Try::Not(why.to_string()),
            Ok(Answer::Unknown(why)) | Err(why) => Try::Maybe(why),
            Ok(_) => Try::Maybe(format!("node {id} gave an unexpected answer")),
        }
    }

    /// How long one attempt may take: long enough for a slow disk, short enough to try another way.
    fn patience(&self, left: Duration) -> Duration {
        left.min(self.timing().stall.max(self.timing().call))
    }
}

/// What a verdict means for the caller. An earlier attempt that may still land makes "lost"
/// certain only once the register is at the record's revision or past it.
fn conclude(verdict: Verdict, proposal: &Proposal, may_land: bool) -> Swap {
    match verdict {
        Verdict::Won => Swap::Won,
        Verdict::Lost(current) => {
            let rev = current.as_ref().map_or(0, |record| record.rev);
            if may_land && rev < proposal.record.rev {
                Swap::Undecided
            } else {
                Swap::Lost(current)
            }
        }
        Verdict::Forgotten | Verdict::Nothing => Swap::Undecided,
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(rev: u64) -> Proposal {
        Proposal {
            expected: Some(rev - 1),
            record: Record {
                rev,
                nonce: 1,
                body: vec![],
            },
        }
    }

    fn current(rev: u64) -> Record {
        Record {
            rev,
            nonce: 2,
            body: vec![],
        }
    }

    #[test]
    fn lost_when_an_earlier_attempt_may_land_then_certain_only_past_the_revision() {
        let verdict = |rev| conclude(Verdict::Lost(Some(current(rev))), &proposal(5), true);
        assert_eq!(verdict(3), Swap::Undecided);
        assert_eq!(verdict(5), Swap::Lost(Some(current(5))));
        assert_eq!(verdict(9), Swap::Lost(Some(current(9))));
    }

    #[test]
    fn lost_when_no_earlier_attempt_may_land_then_certain() {
        let swap = conclude(Verdict::Lost(None), &proposal(5), false);
        assert_eq!(swap, Swap::Lost(None));
    }
}
