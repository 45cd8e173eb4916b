//! Whom the gateway asks what became of a write that was in flight when its primary was lost.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime;
use wire::outcome::{Outcome, Question};

use crate::route::Route;

/// The new primary's own word about what its history holds.
#[async_trait]
pub trait Outcomes: Send + Sync + 'static {
    /// What became of a write that was sent in epoch `sent` to the primary of that time; asked of the primary of
    /// `route`, an epoch later than that.
    ///
    /// [`Outcome::Committed`] and [`Outcome::NotThere`] are for good: whoever answers so promises that the former
    /// primary can neither acknowledge it nor execute it any more, and that what it alone has never comes back. An error
    /// means that nobody could be asked now; the gateway bounds the time and asks again.
    async fn outcome(&self, route: &Route, sent: u64, question: &Question) -> io::Result<Outcome>;
}

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Where sessions ask, if anywhere.
#[derive(Default)]
pub(crate) struct Desk(OnceLock<(Arc<dyn Outcomes>, runtime::Handle)>);

impl Desk {
    /// From now on. Must be called inside the tokio runtime that carries the questions.
    pub(crate) fn open(&self, outcomes: Arc<dyn Outcomes>) {
        let _ = self.0.set((outcomes, runtime::Handle::current()));
    }

    /// A random mark for a session that may ask; 0 for one that may not.
    pub(crate) fn mark(&self) -> u64 {
        let random = self.0.get().and_then(|_| getrandom::u64().ok());
        random.unwrap_or(0)
    }

    /// Asks; `None` when nobody answered. The caller need not live on a tokio runtime.
    pub(crate) async fn ask(
        &self,
        route: Arc<Route>,
        sent: u64,
        question: Question,
    ) -> Option<Outcome> {
        let (outcomes, runtime) = self.0.get()?.clone();
        let asked = runtime.spawn(async move {
            let answer = outcomes.outcome(&route, sent, &question);
            tokio::time::timeout(LIMIT, answer).await
        });
        match asked.await {
            Ok(Ok(Ok(outcome))) => Some(outcome),
            Ok(Ok(Err(error))) => {
                tracing::debug!(%error, sent, "what became of a write could not be asked");
                None
            }
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
