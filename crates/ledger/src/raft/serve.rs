//! Answers what other nodes ask. The caller has been authenticated as a member of the cluster;
//! what it says is checked all the same before openraft sees it.

use std::io::Cursor;
use std::time::Duration;

use openraft::EntryPayload;
use openraft::error::Fatal;

use super::client::Try;
use super::inner::Inner;
use super::message::{Answer, Call, Ping, Pong, Refusal, Request};
use super::state::State;
use super::types::{AppendRequest, AppendResponse, LogId, SnapshotMeta, Vote, VoteRequest};
use super::{caller, format, machine};
use crate::BODY_LIMIT;

/// No honest counter gets this far; beyond it openraft's arithmetic could overflow.
const COUNT_LIMIT: u64 = 1 << 62;
/// The longest a forwarded read or swap may keep this node busy.
const FORWARD_LIMIT: Duration = Duration::from_secs(30);

impl Inner {
    /// Answers `request`, whatever it is.
    pub(crate) async fn handle(&self, request: &[u8]) -> Vec<u8> {
        let answer = match format::decode::<Request>(request) {
            Ok(request) => self.answer(request).await,
            Err(why) => Answer::Refused(Refusal::Garbage(why)),
        };
        format::encode(&answer).unwrap_or_default()
    }

    async fn answer(&self, request: Request) -> Answer {
        let Request {
            cluster,
            founding,
            from,
            to,
            store,
            call,
        } = request;
        let me = &self.caller.me;
        if cluster != me.cluster {
            return garbage("the caller belongs to another cluster");
        }
        if to != me.node || from == me.node {
            return garbage("the call is for another node");
        }
        let mine = self.store.founding();
        if founding.is_some() && mine.is_some() && founding != mine {
            return Answer::Refused(Refusal::OtherFounding);
        }
        if store.is_some_and(|store| store != self.store.id) {
            return Answer::Refused(Refusal::OtherStore(self.store.id));
        }
        if let Err(why) = check(&call, from) {
            return garbage(why);
        }
        match call {
            Call::Hello => Answer::Store(self.store.id),
            Call::Ping(ping) => self.pinged(ping),
            Call::Read { limit_ms, relay } => self.read_for(limit(limit_ms), relay).await,
            Call::Swap {
                proposal,
                limit_ms,
                relay,
            } => {
                let Ok(_permit) = self.gate.try_acquire() else {
                    return not_now("too busy");
                };
                match self.swap_for(proposal, limit(limit_ms), relay).await {
                    Try::Decided(verdict) => Answer::Decided(verdict),
                    Try::Not(why) => not_now(&why),
                    Try::Maybe(why) => Answer::Unknown(why),
                }
            }
            call => self.vow(call, from, founding).await,
        }
    }

    /// The calls that ask for a promise: a node whose store is in trouble makes none.
    async fn vow(&self, call: Call, from: u64, founding: Option<u64>) -> Answer {
        if let Some(trouble) = self.trouble() {
            return Answer::Refused(Refusal::Store(trouble));
        }
        let Some(founding) = founding else {
            return garbage("the caller has no ledger");
        };
        if let Err(why) = self.store.belong_to(founding).await {
            return Answer::Refused(Refusal::Store(why));
        }
        let limit = self.timing().stall;
        let answer = async {
            match call {
                Call::Sound { last_log } => Ok(Answer::WouldVote(self.would_vote(last_log))),
                Call::TakeOver { vote, last_log } => self.take_over(vote, last_log, from).await,
                Call::Append(request) => self.append(request).await,
                Call::Vote { request, handover } => self.cast(request, handover).await,
                Call::Snapshot { vote, meta, data } => self.install(vote, meta, &data).await,
                _ => Ok(garbage("unexpected call")),
            }
        };
        match tokio::time::timeout(limit.max(caller::SNAPSHOT_LIMIT), answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(fatal)) => Answer::Refused(Refusal::Store(self.lost(&fatal))),
            Err(_) => not_now("the ledger did not get to it in time"),
        }
    }

    /// What to say when openraft's core is gone.
    pub(crate) fn lost(&self, fatal: &Fatal<u64>) -> String {
        let failure = self.store.disk.failure();
        failure.map_or_else(
            || fatal.to_string(),
            |why| format!("the ledger's store failed: {why}"),
        )
    }

    fn pinged(&self, ping: Ping) -> Answer {
        let mine = self.vote();
        if ping.vote >= mine {
            self.hear(Some(ping));
        }
        if let Some(trouble) = self.trouble() {
            return Answer::Refused(Refusal::Store(trouble));
        }
        let applied = self
            .core
            .data_metrics()
            .borrow()
            .last_applied
            .map(|id| id.index);
        let last_index = self.last_log().map(|id| id.index);
        Answer::Pong(Pong {
            vote: mine,
            last_index,
            applied,
        })
    }

    fn would_vote(&self, last_log: Option<LogId>) -> bool {
        last_log >= self.last_log() && !self.has_leader() && !self.has_granted()
    }

    /// Whether this node has no reason to look for another leader.
    fn has_leader(&self) -> bool {
        let lease = self.timing().lease;
        if self.leads() {
            self.is_confirmed(lease)
        } else {
            self.hears(lease)
        }
    }

    async fn take_over(
        &self,
        vote: Vote,
        last_log: Option<LogId>,
        from: u64,
    ) -> Result<Answer, Fatal<u64>> {
        if vote != self.vote() || self.leader() != Some(from) {
            return Ok(not_now("another node leads"));
        }
        if self.last_log() < last_log {
            return Ok(not_now("the log is not complete here"));
        }
        let term = vote.leader_id.term + 1;
        self.caller
            .handover_term
            .store(term, std::sync::atomic::Ordering::Relaxed);
        self.hold(self.timing().lease);
        self.core.trigger().elect().await?;
        Ok(Answer::Standing)
    }

    async fn append(&self, request: AppendRequest) -> Result<Answer, Fatal<u64>> {
        let response = self.core.append_entries(request).await;
        let response = response.map_err(fatal)?;
        if !matches!(response, AppendResponse::HigherVote(_)) {
            self.hear(None);
        }
        Ok(Answer::Appended(response))
    }

    async fn cast(&self, request: VoteRequest, handover: bool) -> Result<Answer, Fatal<u64>> {
        if !handover && self.has_leader() {
            return Ok(not_now("the ledger has a leader"));
        }
        let response = self.core.vote(request).await.map_err(fatal)?;
        if response.vote_granted {
            self.grant();
        }
        Ok(Answer::Voted(response))
    }

    async fn install(
        &self,
        vote: Vote,
        meta: SnapshotMeta,
        data: &str,
    ) -> Result<Answer, Fatal<u64>> {
        use base64::Engine as _;
        let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(data) else {
            return Ok(garbage("the snapshot is not readable"));
        };
        match format::recall::<State>(&bytes) {
            Ok(state) if machine::meta(&state) == meta => {}
            _ => return Ok(garbage("the snapshot is not what it says")),
        }
        let snapshot = openraft::Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(bytes)),
        };
        let response = self.core.install_full_snapshot(vote, snapshot).await?;
        if response.vote == vote {
            self.hear(None);
        }
        Ok(Answer::Installed(response.vote))
    }

    async fn read_for(&self, limit: Duration, relay: bool) -> Answer {
        let Ok(_permit) = self.gate.try_acquire() else {
            return not_now("too busy");
        };
        let record = if self.leads() || !relay {
            self.read_here(limit).await
        } else {
            self.read_at_leader(limit).await
        };
        match record {
            Ok(record) => Answer::Current(record),
            Err(why) => not_now(&why),
        }
    }
}

fn fatal(error: openraft::error::RaftError<u64>) -> Fatal<u64> {
    error.into_fatal().unwrap_or(Fatal::Stopped)
}

fn limit(limit_ms: u64) -> Duration {
    Duration::from_millis(limit_ms).min(FORWARD_LIMIT)
}

fn garbage(why: &str) -> Answer {
    Answer::Refused(Refusal::Garbage(why.into()))
}

fn not_now(why: &str) -> Answer {
    Answer::Refused(Refusal::NotNow(why.into()))
}

/// Refuses what openraft would stumble over, and orders of a leader that do not come from it.
fn check(call: &Call, from: u64) -> Result<(), &'static str> {
    let leads = |vote: &Vote| {
        let mine = vote.leader_id.node_id == from && vote.leader_id.term < COUNT_LIMIT;
        if mine && vote.committed {
            Ok(())
        } else {
            Err("the caller does not hold that vote")
        }
    };
    match call {
        Call::Ping(ping) => leads(&ping.vote),
        Call::TakeOver { vote, .. } => leads(vote),
        Call::Append(request) => leads(&request.vote).and_then(|()| check_entries(request)),
        Call::Snapshot { vote, meta, .. } => {
            let last = meta
                .last_log_id
                .filter(is_sane)
                .ok_or("the snapshot is empty");
            leads(vote).and(last.map(|_| ()))
        }
        Call::Vote { request, .. } => {
            let vote = request.vote;
            let mine = vote.leader_id.node_id == from && vote.leader_id.term < COUNT_LIMIT;
            let sane = request.last_log_id.is_none_or(|id| is_sane(&id));
            if mine && !vote.committed && sane {
                Ok(())
            } else {
                Err("not a vote of the caller")
            }
        }
        Call::Swap { proposal, .. } if !proposal.record.follows(proposal.expected) => {
            Err("the record does not follow")
        }
        Call::Hello | Call::Sound { .. } | Call::Read { .. } | Call::Swap { .. } => Ok(()),
    }
}

fn check_entries(request: &AppendRequest) -> Result<(), &'static str> {
    let sane = |id: &Option<LogId>| id.as_ref().is_none_or(is_sane);
    if !sane(&request.prev_log_id) || !sane(&request.leader_commit) {
        return Err("a log id is out of range");
    }
    let mut last = request.prev_log_id;
    for entry in &request.entries {
        let next = last.map_or(0, |last| last.index + 1);
        if entry.log_id.index != next || Some(entry.log_id) <= last || !is_sane(&entry.log_id) {
            return Err("the entries are not in sequence");
        }
        last = Some(entry.log_id);
        match &entry.payload {
            EntryPayload::Normal(proposal) if proposal.record.body.len() > BODY_LIMIT => {
                return Err("an entry is too large");
            }
            EntryPayload::Membership(members)
                if members.voter_ids().next().is_none()
                    || members
                        .voter_ids()
                        .any(|id| members.get_node(&id).is_none()) =>
            {
                return Err("the members are not consistent");
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_sane(id: &LogId) -> bool {
    id.index < COUNT_LIMIT && id.leader_id.term < COUNT_LIMIT
}
