//! Whom the gateway asks what became of a write that was in flight when its primary was lost.

use std::io;

use async_trait::async_trait;
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
