//! The replicas of a route: which there are, and how far each is, which changes all the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wire::gtid::Position;

/// How one replica does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How far it is behind the primary; `None`: nobody knows, or it does not follow. No reads go there then.
    pub lag: Option<Duration>,
    /// What it has applied, in the history of the route's epoch.
    pub reached: Position,
}

/// Servers that follow the route's primary in the route's epoch. Two of them are equal when they name the same nodes:
/// how these do is told beside, to all clones at once, and changes no route.
#[derive(Clone, Debug, Default)]
pub struct Replicas {
    names: Arc<[String]>,
    told: Arc<Told>,
}

/// Tells routes' replicas from those of other routes.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Debug, Default)]
struct Told {
    number: u64,
    version: AtomicU64,
    progress: Mutex<Arc<[Progress]>>,
}

impl PartialEq for Replicas {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

impl Eq for Replicas {}

impl Replicas {
    /// These nodes. Nobody has told yet how they do.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            names: names.into_iter().collect(),
            told: Arc::new(Told {
                number: NEXT.fetch_add(1, Ordering::Relaxed),
                ..Told::default()
            }),
        }
    }

    /// Their names, as the ledger has them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How they do now, in the order of their names.
    pub fn tell(&self, progress: Vec<Progress>) {
        let mut known = self.told.lock();
        if **known != *progress {
            *known = progress.into();
            self.told.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Differs whenever [`Self::progress`] or the names do.
    pub(crate) fn stamp(&self) -> (u64, u64) {
        (self.told.number, self.told.version.load(Ordering::Acquire))
    }

    /// How they do; shorter than the names when nobody has told.
    pub(crate) fn progress(&self) -> Arc<[Progress]> {
        Arc::clone(&self.told.lock())
    }
}

impl Told {
    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<[Progress]>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_when_their_progress_is_told_are_the_same_and_all_clones_know() {
        let replicas = Replicas::of(["b".to_owned()]);
        let clone = replicas.clone();
        assert!(clone.progress().is_empty());
        let told = Progress {
            lag: Some(Duration::ZERO),
            reached: "0-1-5".parse().unwrap(),
        };
        let before = clone.stamp();
        replicas.tell(vec![told.clone()]);
        assert_ne!(clone.stamp(), before);
        assert_eq!(*clone.progress(), [told]);
        assert_eq!(clone, Replicas::of(["b".to_owned()]));
        assert_ne!(clone, Replicas::default());
    }
}
