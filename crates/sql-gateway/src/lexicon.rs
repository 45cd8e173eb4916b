//! What the database's names mean, as somebody read it last, and whether that may still be true: a statement that
//! defines something makes it unknown until it is read again. While it is unknown no read is spread, because a view over
//! a function that locks gives no error on a replica.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wire::catalog::Catalog;
use wire::gtid::{Gtid, Position};

/// The names of one gateway. Whoever reads them and the sessions share it.
#[derive(Debug, Default)]
pub struct Lexicon {
    /// Changes with each change of what [`Lexicon::catalog`] says.
    version: AtomicU64,
    state: Mutex<State>,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    catalog: Option<Arc<Catalog>>,
    /// Definitions that run now.
    running: usize,
    /// Begins and ends of definitions so far.
    turns: u64,
    /// The last transactions that defined something.
    after: Position,
}

/// A reading that is about to be made.
#[derive(Clone, Debug)]
pub struct Reading {
    turns: u64,
    after: Position,
}

impl Reading {
    /// A server that has not applied this much does not have what was defined.
    pub fn after(&self) -> &Position {
        &self.after
    }
}

impl Lexicon {
    /// Call before the database is asked.
    pub fn begin(&self) -> Reading {
        let state = self.lock();
        Reading {
            turns: state.turns,
            after: state.after.clone(),
        }
    }

    /// The database was asked, and this is its answer. It counts unless something was defined meanwhile.
    pub fn know(&self, reading: &Reading, catalog: &Arc<Catalog>) {
        let mut state = self.lock();
        if state.running > 0 || state.turns != reading.turns {
            return;
        }
        let is_same = state.catalog.as_ref().is_some_and(|known| known == catalog);
        if !is_same {
            state.catalog = Some(Arc::clone(catalog));
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Nobody can read them now.
    pub fn forget(&self) {
        self.forget_in(&mut self.lock());
    }

    /// True while it is known what names mean.
    pub fn is_known(&self) -> bool {
        self.lock().catalog.is_some()
    }

    /// Returns when something was defined since the last call, and not read since.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Something that defines, or may, is sent to the server.
    pub(crate) fn definition_begins(&self) {
        let mut state = self.lock();
        state.running += 1;
        state.turns += 1;
        self.forget_in(&mut state);
    }

    /// It has ended, or its connection has; `gtid`: its transaction, if it is known.
    pub(crate) fn definition_ended(&self, gtid: Option<Gtid>) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
        state.turns += 1;
        if let Some(gtid) = gtid {
            state.after.advance(gtid);
        }
        drop(state);
        self.wanted.notify_one();
    }

    /// Tells one state from another.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What the names mean; `None` while that is not known.
    pub(crate) fn catalog(&self) -> Option<Arc<Catalog>> {
        self.lock().catalog.clone()
    }

    fn forget_in(&self, state: &mut State) {
        if state.catalog.take().is_some() {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_when_something_is_defined_are_unknown_until_they_are_read_after_it() {
        let lexicon = Lexicon::default();
        let catalog = Arc::new(Catalog::default());
        assert!(lexicon.catalog().is_none());
        lexicon.know(&lexicon.begin(), &catalog);
        assert!(lexicon.catalog().is_some());
        let version = lexicon.version();
        lexicon.know(&lexicon.begin(), &catalog);
        assert_eq!(lexicon.version(), version, "nothing new");

        let before = lexicon.begin();
        lexicon.definition_begins();
        let during = lexicon.begin();
        lexicon.know(&before, &catalog);
        lexicon.know(&during, &catalog);
        assert!(lexicon.catalog().is_none() && lexicon.version() != version);
        lexicon.definition_ended("0-1-7".parse().ok());
        lexicon.know(&during, &catalog);
        assert!(lexicon.catalog().is_none());
        let after = lexicon.begin();
        assert_eq!(after.after().sequence(0), 7);
        lexicon.know(&after, &catalog);
        assert!(lexicon.catalog().is_some());
        lexicon.forget();
        assert!(lexicon.catalog().is_none());
    }
}
