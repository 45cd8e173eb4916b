//! Files that a service was writing when it was dropped are written to the end, on a thread of the runtime. The next
//! agent must not begin before that.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use crate::agent::BLOCKING_THREADS;

#[derive(Default)]
struct Meeting {
    there: Mutex<(usize, bool)>,
    changed: Condvar,
}

/// Returns true when nothing is being written any more: every thread for such work has been seen idle, twice, as the end of
/// one piece of work may begin another.
pub(in crate::agent) async fn quiet(limit: Duration) -> bool {
    let both = async { meet().await && meet().await };
    timeout(limit, both).await.unwrap_or(false)
}

async fn meet() -> bool {
    let meeting = Arc::new(Meeting::default());
    let _over = Over(Arc::clone(&meeting));
    let all: Vec<_> = (0..BLOCKING_THREADS)
        .map(|_| {
            let meeting = Arc::clone(&meeting);
            tokio::task::spawn_blocking(move || meeting.attend())
        })
        .collect();
    for one in all {
        if one.await.is_err() {
            return false;
        }
    }
    true
}

impl Meeting {
    /// Until all are there, or it is over.
    fn attend(&self) {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        there.0 += 1;
        self.changed.notify_all();
        let waits = |there: &mut (usize, bool)| there.0 < BLOCKING_THREADS && !there.1;
        drop(self.changed.wait_while(there, waits));
    }
}

/// Sends everybody home, also when not all have come.
struct Over(Arc<Meeting>);

impl Drop for Over {
    fn drop(&mut self) {
        let mut there = self.0.there.lock().unwrap_or_else(PoisonError::into_inner);
        there.1 = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn quiet_when_something_is_being_written_then_only_after_it() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS)
            .enable_all()
            .build()
            .unwrap();
        let (finish, finished) = mpsc::channel::<()>();
        runtime.block_on(async {
            assert!(quiet(Duration::from_mins(1)).await);
            let writing = tokio::task::spawn_blocking(move || finished.recv().is_err());
            assert!(!quiet(Duration::from_millis(50)).await);
            drop(finish);
            assert!(quiet(Duration::from_mins(1)).await && writing.is_finished());
        });
    }
}
