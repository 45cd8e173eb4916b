//! Old processes of this node whose connections still go on, as the agent knows them: they ask every moment what holds,
//! and say what their gateway does.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cluster::Gate;

use crate::control::Following;

/// Who has not asked for so long has ended.
const GONE: Duration = Duration::from_secs(2);

/// By process.
#[derive(Default)]
pub(in crate::agent) struct Followers(Mutex<BTreeMap<u32, (Instant, Following)>>);

impl Followers {
    /// One of them asked.
    pub(in crate::agent) fn note(&self, following: Following) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (heard, _)| heard.elapsed() < GONE);
        all.insert(following.pid, (Instant::now(), following));
    }

    /// What this node's gateways do together: they hold when all of them do.
    pub(in crate::agent) fn with(&self, mut gate: Gate) -> Gate {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (heard, other) in all.values() {
            if heard.elapsed() >= GONE {
                continue;
            }
            if other.holding != gate.holding {
                gate.holding = None;
            }
            gate.open = gate.open.saturating_add(other.open);
        }
        gate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_when_an_old_process_has_transactions_open_then_they_count_until_it_is_gone() {
        let followers = Followers::default();
        let own = Gate {
            present: true,
            holding: Some(3),
            open: 1,
        };
        let told = |holding, open| Following {
            pid: 7,
            holding,
            open,
            seen: 0,
        };
        followers.note(told(None, 2));
        assert_eq!(followers.with(own).holding, None);
        followers.note(told(Some(3), 2));
        assert_eq!(
            (followers.with(own).holding, followers.with(own).open),
            (Some(3), 3)
        );
        let mut all = followers.0.lock().unwrap();
        all.get_mut(&7).unwrap().0 -= GONE;
        drop(all);
        assert_eq!(followers.with(own), own);
    }
}
