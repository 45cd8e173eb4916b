//! Carries out the next step of `plan.rs` on the leader, and hands the lead to a witness.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use openraft::ChangeMembers;
use openraft::error::{ChangeMembershipError, ClientWriteError, RaftError};

use super::change::Change;
use super::inner::Inner;
use super::message::{Answer, Call};
use super::plan::{Step, View, next_step};
use super::types::Member;
use super::voter::Voter;
use crate::{Error, Result};

/// How long a change of members may take to be agreed on.
const LIMIT: Duration = Duration::from_secs(5);
/// A learner this close to the end of the log is ready to vote.
const NEAR: u64 = 8;
/// How long before the lead is offered nothing new is proposed.
const QUIET: Duration = Duration::from_millis(20);
const HANDOVER_PAUSE_LIMIT: Duration = Duration::from_hours(1);

/// What is remembered between two calls.
#[derive(Default)]
pub(crate) struct Memory {
    handovers: u32,
    last: Option<Instant>,
}

/// See [`Raft::reconcile`](super::Raft::reconcile).
pub(crate) async fn reconcile(
    inner: &Arc<Inner>,
    memory: &mut Memory,
    wanted: &BTreeMap<u64, Voter>,
) -> Result<Change> {
    if let Some(failure) = inner.store.disk.failure() {
        return Err(Error::StoreFailed(failure));
    }
    if !inner.leads() {
        return Ok(Change::NotLeader);
    }
    if !inner.is_confirmed(inner.timing().recent()) {
        return Ok(Change::Waiting(
            "a majority of the voters does not answer".into(),
        ));
    }
    match next_step(&view(inner), wanted) {
        Step::Wait(why) => Ok(Change::Waiting(why)),
        Step::Voters(voters) => {
            change(inner, ChangeMembers::ReplaceAllVoters(voters.clone())).await?;
            Ok(Change::Voters(voters.into_iter().collect()))
        }
        Step::Remove(id) => {
            change(inner, ChangeMembers::RemoveNodes(BTreeSet::from([id]))).await?;
            inner.caller.peers.forget(id);
            Ok(Change::Removed(id))
        }
        Step::Update(id, member) => {
            change(
                inner,
                ChangeMembers::SetNodes(BTreeMap::from([(id, member)])),
            )
            .await?;
            Ok(Change::Updated(id))
        }
        Step::Add(ids) => match add(inner, &ids, wanted).await? {
            Change::Waiting(why) => {
                let handed = hand_over(inner, memory, wanted).await?;
                Ok(if handed == Change::Nothing {
                    Change::Waiting(why)
                } else {
                    handed
                })
            }
            change => Ok(change),
        },
        Step::Nothing => hand_over(inner, memory, wanted).await,
    }
}

fn view(inner: &Inner) -> View {
    let members = inner.members();
    let members = members.membership();
    let peers = &inner.caller.peers;
    let last = inner.last_log().map_or(0, |id| id.index);
    let recent = inner.timing().recent();
    let ready = |id: &u64| {
        let near = peers
            .last_index(*id)
            .is_some_and(|index| index + NEAR >= last);
        peers.lives(*id, recent) && near
    };
    View {
        me: inner.me(),
        voters: members.voter_ids().collect(),
        is_joint: members.get_joint_config().len() > 1,
        members: members
            .nodes()
            .map(|(id, member)| (*id, member.clone()))
            .collect(),
        strangers: members
            .nodes()
            .map(|(id, _)| *id)
            .filter(|id| peers.is_stranger(*id))
            .collect(),
        ready: members.nodes().map(|(id, _)| *id).filter(ready).collect(),
    }
}

/// Lets the first of `ids` listen that tells its store.
async fn add(inner: &Inner, ids: &[u64], wanted: &BTreeMap<u64, Voter>) -> Result<Change> {
    let mut reason = String::new();
    for id in ids {
        let Some(voter) = wanted.get(id) else {
            continue;
        };
        let limit = inner.timing().call;
        let store = match inner
            .caller
            .ask(*id, &voter.address, None, Call::Hello, limit)
            .await
        {
            Ok(Answer::Store(store)) => store,
            Ok(Answer::Refused(why)) => {
                reason = format!("node {id} refuses: {why}");
                continue;
            }
            Ok(_) => continue,
            Err(why) => {
                reason = why;
                continue;
            }
        };
        let Voter {
            name,
            address,
            witness,
            ..
        } = voter.clone();
        let member = Member {
            name,
            address,
            witness,
            store,
        };
        change(
            inner,
            ChangeMembers::AddNodes(BTreeMap::from([(*id, member)])),
        )
        .await?;
        return Ok(Change::Added(*id));
    }
    Ok(Change::Waiting(reason))
}

async fn change(inner: &Inner, change: ChangeMembers<u64, Member>) -> Result<()> {
    let result = tokio::time::timeout(LIMIT, inner.core.change_membership(change, true)).await;
    let failed = |why: String| Err(Error::Members(why));
    match result {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(RaftError::Fatal(fatal))) => Err(Error::StoreFailed(inner.lost(&fatal))),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
            failed("the lead was lost".into())
        }
        Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error)))) => {
            failed(match error {
                ChangeMembershipError::InProgress(_) => "an earlier change is under way".into(),
                error => error.to_string(),
            })
        }
        Err(_) => failed(format!("not agreed on within {LIMIT:?}")),
    }
}

/// Hands the lead to a witness that deserves it.
async fn hand_over(
    inner: &Inner,
    memory: &mut Memory,
    wanted: &BTreeMap<u64, Voter>,
) -> Result<Change> {
    let Some((id, member)) = heir(inner, wanted) else {
        return Ok(Change::Nothing);
    };
    let settle = inner.timing().settle;
    if let Some(last) = memory.last {
        let pause = settle * 2_u32.saturating_pow(memory.handovers.min(16));
        if last.elapsed() < pause.min(HANDOVER_PAUSE_LIMIT) {
            return Ok(Change::Nothing);
        }
        if last.elapsed() > HANDOVER_PAUSE_LIMIT {
            memory.handovers = 0;
        }
    }
    memory.last = Some(Instant::now());
    memory.handovers = memory.handovers.saturating_add(1);
    inner.is_handing_over.store(true, Ordering::Relaxed);
    let result = offer(inner, id, &member).await;
    inner.is_handing_over.store(false, Ordering::Relaxed);
    Ok(result)
}

/// Offers the lead to `id` while nothing new is proposed here; returns once it leads, or does not.
async fn offer(inner: &Inner, id: u64, member: &Member) -> Change {
    let limit = inner.timing().call;
    // Why: proposals that are under way must reach the witness first. With more than three voters
    // the witness needs others' votes than this node's too, and openraft refuses to give one for
    // the length of a call after each append.
    let many = inner.members().membership().voter_ids().count() > 3;
    tokio::time::sleep(if many { limit + QUIET } else { QUIET }).await;
    let (vote, last_log) = (inner.vote(), inner.last_log());
    match inner
        .caller
        .ask_member(id, member, Call::TakeOver { vote, last_log }, limit)
        .await
    {
        Ok(Answer::Standing) => {}
        Ok(Answer::Refused(why)) => return Change::Waiting(why.to_string()),
        Ok(_) => return Change::Waiting("the witness gave an unexpected answer".into()),
        Err(why) => return Change::Waiting(why),
    }
    let mut metrics = inner.core.server_metrics();
    let led = metrics.wait_for(|metrics| metrics.current_leader == Some(id));
    match tokio::time::timeout(inner.timing().recent(), led).await {
        Ok(Ok(_)) => Change::HandedOver(id),
        _ => Change::Waiting(format!("node {id} did not take the lead it was offered")),
    }
}

/// The witness that should lead instead of this node, if there is one.
fn heir(inner: &Inner, wanted: &BTreeMap<u64, Voter>) -> Option<(u64, Member)> {
    let timing = inner.timing();
    if wanted.get(&inner.me()).is_some_and(|me| me.witness) || inner.led_for()? < timing.settle {
        return None;
    }
    let last = inner.last_log().map_or(0, |id| id.index);
    let members = inner.members();
    let members = members.membership();
    if members.get_joint_config().len() > 1 {
        return None;
    }
    members
        .voter_ids()
        .filter(|id| {
            wanted
                .get(id)
                .is_some_and(|voter| voter.witness && voter.running)
        })
        .filter(|id| {
            inner
                .caller
                .peers
                .last_index(*id)
                .is_some_and(|index| index + NEAR >= last)
        })
        .find(|id| {
            let steady = inner.caller.peers.steady_for(*id, timing.lease);
            steady.is_some_and(|steady| steady >= timing.settle)
        })
        .and_then(|id| Some((id, members.get_node(&id)?.clone())))
}
