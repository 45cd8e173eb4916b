//! The heart of a node: as leader it pings the others, otherwise it waits for the leader's signs of
//! life and, after a silence of a lease and a random time drawn anew for every campaign, stands for
//! election. Before that it sounds the others out: a node that was merely cut off never disturbs a
//! leader that a majority still hears. openraft's own timers for both are off.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::inner::Inner;
use super::message::{Answer, Call, Pong};
use super::peers;
use super::types::Membership;

/// Even when all pongs agree, openraft's own heartbeat goes out with every so many pings.
const INSURANCE: u32 = 25;
/// The first pause after an election that the others would not have supported; it doubles.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_LIMIT: Duration = Duration::from_secs(1);
/// A node that does not vote only needs to look at its disk now and then.
const IDLE: Duration = Duration::from_secs(5);

/// Runs until the task is aborted or openraft has ended.
pub(crate) async fn run(inner: Arc<Inner>) {
    let mut roles = inner.core.server_metrics();
    let mut campaign = Campaign {
        draw: draw(&inner),
        drawn: None,
        retry: RETRY,
    };
    let mut beats: u32 = 0;
    loop {
        roles.borrow_and_update();
        let leads = inner.leads();
        inner.note_leading(leads);
        let wait = if leads {
            beats = beats.wrapping_add(1);
            beat(&inner, beats).await
        } else {
            campaign.step(&inner).await
        };
        watch_disk(&inner);
        let wait = wait.min(inner.timing().probe);
        if let Ok(Err(_)) = tokio::time::timeout(wait, roles.changed()).await {
            return;
        }
    }
}

/// Makes an idle store flush now and then, so that a dead disk is noticed before it matters.
fn watch_disk(inner: &Inner) {
    let disk = &inner.store.disk;
    if disk.flushed().is_none_or(|ago| ago >= inner.timing().probe) {
        disk.probe();
    }
}

async fn beat(inner: &Arc<Inner>, beats: u32) -> Duration {
    let pause = inner.timing().heartbeat;
    // Why: a leader that cannot promise anything any more lets the others find a better one.
    if inner.trouble().is_some() {
        return pause;
    }
    let ping = inner.ping();
    for (id, member) in inner.members().membership().nodes() {
        if *id == inner.me() || !inner.caller.peers.begin(*id) {
            continue;
        }
        let (inner, id, member) = (Arc::clone(inner), *id, member.clone());
        tokio::spawn(async move {
            let sent = Instant::now();
            let timing = inner.timing();
            let asked = inner
                .caller
                .ask_member(id, &member, Call::Ping(ping), timing.call)
                .await;
            let pong = match asked {
                Ok(Answer::Pong(pong)) => Some(pong),
                _ => None,
            };
            let confirmed = pong.filter(|pong| peers::confirms(pong.vote, ping.vote));
            inner.caller.peers.done(id, sent, confirmed, timing.lease);
            if pong.is_some_and(|pong| is_behind(&inner, pong))
                && !inner.is_handing_over.load(Ordering::Relaxed)
            {
                let _ = inner.core.trigger().heartbeat().await;
            }
        });
    }
    if beats.is_multiple_of(INSURANCE) {
        let _ = inner.core.trigger().heartbeat().await;
    }
    pause
}

/// Whether a member does not know what this leader knows, or knows of a newer leader.
fn is_behind(inner: &Inner, pong: Pong) -> bool {
    let applied = inner
        .core
        .data_metrics()
        .borrow()
        .last_applied
        .map(|id| id.index);
    let last_index = inner.last_log().map(|id| id.index);
    pong.vote != inner.vote() || pong.last_index != last_index || pong.applied != applied
}

/// This node's way to the lead.
struct Campaign {
    /// The random part of the wait, drawn anew for each attempt.
    draw: Duration,
    /// The sign of life after which it was drawn.
    drawn: Option<Instant>,
    /// The pause after the next campaign that finds no support.
    retry: Duration,
}

impl Campaign {
    /// Stands for election if it is time to; returns how long to wait until the next look.
    async fn step(&mut self, inner: &Arc<Inner>) -> Duration {
        let members = inner.members();
        let members = members.membership();
        let me = inner.me();
        // Why: with another store than the one it joined with, this node has forgotten promises.
        let joined = members
            .get_node(&me)
            .is_some_and(|me| me.store == inner.store.id);
        let votes = joined && members.voter_ids().any(|id| id == me);
        if !votes || inner.trouble().is_some() {
            return IDLE.min(inner.timing().lease * 4);
        }
        if members.voter_ids().count() > 1
            && let Some(wait) = self.wait(inner)
        {
            return wait;
        }
        self.draw = draw(inner);
        let supported = sound_out(inner, members).await;
        // Why: while the others were asked, this node may have voted for one of them, or that one
        // may lead already; a campaign now would unseat it.
        if members.voter_ids().count() > 1
            && let Some(wait) = self.wait(inner)
        {
            return wait;
        }
        if !supported {
            let retry = self.retry;
            self.retry = (self.retry * 2).min(RETRY_LIMIT);
            inner.hold(retry);
            return retry;
        }
        self.retry = RETRY;
        tracing::info!("stands for election as the ledger's leader");
        let _ = inner.core.trigger().elect().await;
        inner.hold(inner.timing().lease / 2 + self.draw);
        inner.timing().lease / 2
    }

    /// How long until a campaign may start; `None`: now.
    fn wait(&mut self, inner: &Inner) -> Option<Duration> {
        // Why: a draw made before this node knew what it is, or for an earlier silence, must not
        // decide this one.
        if self.drawn != inner.heard() {
            self.drawn = inner.heard();
            self.draw = draw(inner);
        }
        let silent = inner
            .heard()
            .map(|at| at + inner.timing().lease + self.draw);
        let due = silent.max(inner.held())?;
        let wait = due.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }
}

/// The random part of the wait before a campaign: a witness comes first.
fn draw(inner: &Inner) -> Duration {
    let spread = inner.timing().spread;
    let witness = inner.member(inner.me()).is_some_and(|me| me.witness);
    let (from, width) = if witness {
        (Duration::ZERO, spread / 4)
    } else {
        (spread / 2, spread / 2)
    };
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    from + width.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// Whether a majority in every part of the membership would vote for this node now.
async fn sound_out(inner: &Arc<Inner>, members: &Membership) -> bool {
    let mut asked = JoinSet::new();
    let last_log = inner.last_log();
    for (id, member) in members.nodes() {
        if *id == inner.me() || !members.voter_ids().any(|voter| voter == *id) {
            continue;
        }
        let (inner, id, member) = (Arc::clone(inner), *id, member.clone());
        asked.spawn(async move {
            let limit = inner.timing().call;
            let answer = inner
                .caller
                .ask_member(id, &member, Call::Sound { last_log }, limit)
                .await;
            (id, matches!(answer, Ok(Answer::WouldVote(true))))
        });
    }
    let mut friends = vec![inner.me()];
    loop {
        let enough = |voters: &std::collections::BTreeSet<u64>| {
            friends.iter().filter(|id| voters.contains(id)).count() > voters.len() / 2
        };
        if members.get_joint_config().iter().all(enough) {
            return true;
        }
        match asked.join_next().await {
            Some(Ok((id, true))) => friends.push(id),
            Some(_) => {}
            None => return false,
        }
    }
}
