//! The register itself: one record, the nonces of the last ones, and the ledger's members. Pure:
//! the same entries give the same state on every node.

use std::collections::VecDeque;

use openraft::EntryPayload;
use serde::{Deserialize, Serialize};

use super::format;
use super::types::{Entry, LogId, Proposal, StoredMembership, Verdict};
use crate::Record;

/// How many past revisions remember their nonce, so that a late retry learns that it had won.
const MEMORY: usize = 256;

/// The applied state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) applied: Option<LogId>,
    pub(crate) members: StoredMembership,
    #[serde(with = "format::optional_record")]
    pub(crate) record: Option<Record>,
    /// Revision and nonce of the last records, oldest first, the current one included.
    past: VecDeque<(u64, String)>,
}

impl State {
    /// Applies one committed entry.
    pub(crate) fn apply(&mut self, entry: Entry) -> Verdict {
        self.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Verdict::Nothing,
            EntryPayload::Membership(members) => {
                self.members = StoredMembership::new(Some(entry.log_id), members);
                Verdict::Nothing
            }
            EntryPayload::Normal(proposal) => self.swap(proposal),
        }
    }

    fn swap(&mut self, proposal: Proposal) -> Verdict {
        let Proposal { expected, record } = proposal;
        let current = self.record.as_ref().map(|record| record.rev);
        if current == expected && record.follows(expected) {
            self.past.push_back((record.rev, nonce_text(record.nonce)));
            if self.past.len() > MEMORY {
                self.past.pop_front();
            }
            self.record = Some(record);
            return Verdict::Won;
        }
        if current.unwrap_or(0) < record.rev {
            return Verdict::Lost(self.record.clone());
        }
        match self.past.iter().find(|(rev, _)| *rev == record.rev) {
            Some((_, nonce)) if *nonce == nonce_text(record.nonce) => Verdict::Won,
            Some(_) => Verdict::Lost(self.record.clone()),
            None => Verdict::Forgotten,
        }
    }
}

fn nonce_text(nonce: u128) -> String {
    format!("{nonce:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn propose(state: &mut State, expected: Option<u64>, nonce: u128) -> Verdict {
        let rev = expected.unwrap_or(0) + 1;
        let record = Record {
            rev,
            nonce,
            body: b"same".to_vec(),
        };
        state.swap(Proposal { expected, record })
    }

    #[test]
    fn swap_when_two_name_the_same_revision_then_one_wins() {
        let mut state = State::default();
        assert_eq!(propose(&mut state, None, 1), Verdict::Won);
        assert!(matches!(
            propose(&mut state, None, 2),
            Verdict::Lost(Some(Record { nonce: 1, .. }))
        ));
        assert_eq!(propose(&mut state, Some(1), 3), Verdict::Won);
        assert!(matches!(propose(&mut state, Some(1), 4), Verdict::Lost(_)));
    }

    #[test]
    fn swap_when_retried_after_it_was_replaced_then_still_won() {
        let mut state = State::default();
        propose(&mut state, None, 1);
        propose(&mut state, Some(1), 2);
        propose(&mut state, Some(2), 3);
        assert_eq!(propose(&mut state, Some(1), 2), Verdict::Won);
        assert!(matches!(propose(&mut state, Some(1), 9), Verdict::Lost(_)));
    }

    #[test]
    fn swap_when_too_old_to_remember_then_says_forgotten() {
        let mut state = State::default();
        propose(&mut state, None, 1);
        for rev in 1..=MEMORY as u64 {
            propose(&mut state, Some(rev), u128::from(rev) + 1);
        }
        assert_eq!(propose(&mut state, None, 1), Verdict::Forgotten);
        assert_eq!(propose(&mut state, Some(1), 2), Verdict::Won);
    }

    #[test]
    fn swap_when_revision_does_not_follow_then_is_lost() {
        let mut state = State::default();
        let record = Record {
            rev: 5,
            nonce: 1,
            body: vec![],
        };
        let verdict = state.swap(Proposal {
            expected: None,
            record,
        });
        assert_eq!(verdict, Verdict::Lost(None));
        assert_eq!(state.record, None);
    }
}
