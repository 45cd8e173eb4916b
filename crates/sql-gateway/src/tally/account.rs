//! Which numbers are an account's: the first accounts that log in have their own, the others share one set.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::count::Count;

/// Accounts with numbers of their own; however many there are, memory and metrics stay small.
pub(super) const MAX_ACCOUNTS: usize = 100;
/// The account of everybody else.
pub(crate) const OTHER: u16 = 0;

/// What is counted for one account on one thread.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Cells {
    pub(super) routes: [RouteCells; 2],
    pub(super) errors: Count,
    pub(super) held: Count,
    pub(super) held_micros: Count,
    pub(super) replayed: Count,
    pub(super) pool_waits: Count,
    pub(super) pool_micros: Count,
    pub(super) clients: Count,
}

/// The same for the primary, or for replicas.
#[derive(Debug, Default)]
pub(super) struct RouteCells {
    pub(super) answered: Count,
    pub(super) micros: Count,
    pub(super) failed: Count,
    pub(super) connections: Count,
}

/// The names behind the numbers.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<HashMap<Box<str>, u16>>);

impl Names {
    /// The number of an account that has logged in.
    pub(crate) fn of(&self, user: &str) -> u16 {
        let known = self.known(user);
        if known != OTHER {
            return known;
        }
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let next = names.len() + 1;
        if next > MAX_ACCOUNTS {
            return OTHER;
        }
        *names.entry(user.into()).or_insert(next as u16)
    }

    /// The number of a name that somebody says is his: only those who have logged in get one.
    pub(crate) fn known(&self, user: &str) -> u16 {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(user).copied().unwrap_or(OTHER)
    }

    /// All of them, with their numbers.
    pub(super) fn all(&self) -> Vec<(String, u16)> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(String, u16)> = names
            .iter()
            .map(|(name, number)| (name.to_string(), *number))
            .collect();
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_when_there_are_too_many_then_the_rest_share_one_number() {
        let names = Names::default();
        assert_eq!(names.known("app"), OTHER);
        let first = names.of("app");
        assert_eq!((names.of("app"), names.known("app")), (first, first));
        for number in 1..MAX_ACCOUNTS {
            assert_ne!(names.of(&format!("user{number}")), OTHER);
        }
        assert_eq!(names.of("one too many"), OTHER);
        assert_eq!(names.of("app"), first);
        assert_eq!(names.all().len(), MAX_ACCOUNTS);
    }
}
