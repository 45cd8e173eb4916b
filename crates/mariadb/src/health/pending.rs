//! Work with a deadline that is not given up when it is late: a hung server or disk has at most one of each in flight.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;

/// One piece of work in flight, or none.
pub(super) struct Pending<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Pending<T> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// Waits for the work in flight, or for new work if there is none. `None` when it is late or has failed to run.
    pub(super) async fn run<F>(&mut self, limit: Duration, start: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let handle = self.0.get_or_insert_with(|| tokio::spawn(start()));
        let outcome = tokio::time::timeout(limit, &mut *handle).await.ok()?;
        self.0 = None;
        outcome.ok()
    }

    /// Gives up what is in flight.
    pub(super) fn forget(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.abort();
        }
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.abort();
        }
    }
}
