//! What is asked of the loop by this node's handle.

use cluster::{Epoch, NodeName, Wish};
use tokio::sync::oneshot;

/// How a wish ended: in which epoch and how long the write pause was, or why it was refused.
pub(crate) type Ending = Result<(Epoch, u64), String>;

/// A wish and where its end is to be told.
pub(crate) struct Request {
    pub(crate) wish: Wish,
    pub(crate) reply: oneshot::Sender<Ending>,
}

/// A wish under way.
pub(crate) struct Pending {
    pub(crate) reply: oneshot::Sender<Ending>,
    /// The handover is done; it ends when this node hears the new primary serve.
    pub(crate) handed_to: Option<NodeName>,
}
