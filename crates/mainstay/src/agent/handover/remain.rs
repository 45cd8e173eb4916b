//! What is left of an old process: connections that go on, its gateway's and those of other nodes' gateways to this
//! node's server. It decides nothing. It asks the agent every moment what holds, and nothing passes when it does not hear.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::super::guide::{self, Guide};
use super::super::node::Node;
use crate::control::{self, Followed, Following, Request};

/// What the agent has said is believed for this long, from the question on.
const BELIEF: Duration = Duration::from_secs(1);
/// One question.
const ASK_LIMIT: Duration = Duration::from_secs(2);
/// After a question that nobody answered.
const AGAIN: Duration = Duration::from_millis(20);
/// While a switchover waits for transactions to end, the agent is told of them this often.
const PACE: Duration = Duration::from_millis(5);
/// Without an agent for this long there is nothing to wait for.
const DEAF: Duration = Duration::from_secs(30);
/// Between two looks at how many connections are left.
const LOOK: Duration = Duration::from_millis(50);

/// From here on the guide is not the keeper's any more: it holds for a moment, until somebody says it anew.
pub(in crate::agent) fn freeze(node: &Node) {
    let mut guide = node.guide.borrow().clone();
    guide.fresh_until = Some(bounded(guide.fresh_until, Instant::now()));
    guide::tell(node, guide);
}

/// Returns when the last connection has ended, after `linger`, when the agent ends, or when there is none.
pub(in crate::agent) async fn remain(node: &Arc<Node>, linger: Duration) -> &'static str {
    tokio::select! {
        () = drained(node) => "all its connections have ended",
        () = sleep(linger) => "its time is over",
        why = follow(node) => why,
    }
}

async fn drained(node: &Node) {
    loop {
        let own = node
            .gateway
            .get()
            .map_or(0, |gateway| gateway.stats().connections);
        if own == 0 && node.carried.load(Ordering::Relaxed) == 0 {
            return;
        }
        sleep(LOOK).await;
    }
}

async fn follow(node: &Node) -> &'static str {
    let socket = node.config.control_socket();
    let mut heard = Instant::now();
    let mut seen = 0;
    loop {
        let gate = *node.gate.borrow();
        let request = Request::Follow(Following {
            pid: std::process::id(),
            holding: gate.holding,
            open: gate.open,
            seen,
        });
        let sent = Instant::now();
        let told: Result<Followed, _> = control::ask(&socket, &request, ASK_LIMIT).await;
        match told {
            Ok(told) if told.ends => return "the agent ends",
            Ok(told) => {
                heard = sent;
                let now = node.guide.borrow().clone();
                let is_holding = told.asked.is_some();
                seen = if is_holding { 0 } else { told.mark };
                guide::tell(node, next(now, told, sent));
                if is_holding {
                    sleep(PACE).await;
                }
            }
            Err(_) if heard.elapsed() > DEAF => return "there is no agent",
            Err(error) => {
                tracing::trace!(%error, "the agent does not answer");
                seen = 0;
                sleep(AGAIN).await;
            }
        }
    }
}

/// What holds after the agent has said this, asked at `sent`.
///
/// An agent that has just started names no primary: connections stay and nothing passes, until it does or
/// there is a newer epoch.
fn next(now: Guide, told: Followed, sent: Instant) -> Guide {
    let knows_less = told.epoch < now.epoch;
    let names_none = told.epoch == now.epoch && told.primary.is_none() && now.primary.is_some();
    if knows_less || names_none {
        return Guide {
            fresh_until: Some(sent.min(now.fresh_until.unwrap_or(sent))),
            ..now
        };
    }
    let fresh = told.fresh_ms.map(|ms| sent + Duration::from_millis(ms));
    Guide {
        epoch: told.epoch,
        primary: told.primary,
        hold: told.hold,
        fresh_until: Some(bounded(fresh, sent)),
        began: told.began,
        asked: told.asked,
        silent: told.silent,
        // Why: an old process' reads all go to the primary.
        replicas: Vec::new(),
        reads: None,
        ends: false,
    }
}

fn bounded(until: Option<Instant>, from: Instant) -> Instant {
    let most = from + BELIEF;
    until.map_or(most, |until| until.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(epoch: u64, primary: Option<&str>, fresh_ms: Option<u64>) -> Followed {
        Followed {
            epoch,
            primary: primary.map(|name| name.parse().unwrap()),
            fresh_ms,
            ..Followed::default()
        }
    }

    #[test]
    fn guide_when_a_new_agent_names_no_primary_then_nothing_passes_and_nothing_is_cut() {
        let sent = Instant::now();
        let first = next(Guide::default(), told(4, Some("a"), None), sent);
        assert_eq!(first.fresh_until, Some(sent + BELIEF));
        for less in [
            told(0, None, None),
            told(4, None, None),
            told(3, Some("b"), None),
        ] {
            let later = next(first.clone(), less, sent);
            assert_eq!(later.primary, first.primary);
            assert!(later.epoch == 4 && later.fresh_until <= Some(sent));
        }
    }

    #[test]
    fn guide_when_the_epoch_is_newer_then_followed_whoever_is_primary() {
        let sent = Instant::now();
        let first = next(Guide::default(), told(4, Some("a"), Some(5_000)), sent);
        assert_eq!(first.fresh_until, Some(sent + BELIEF));
        let none = next(first.clone(), told(5, None, Some(100)), sent);
        assert_eq!((none.epoch, none.primary.is_none()), (5, true));
        let other = next(none, told(5, Some("b"), Some(100)), sent);
        assert_eq!(other.primary.unwrap().as_str(), "b");
        assert_eq!(other.fresh_until, Some(sent + Duration::from_millis(100)));
    }
}
