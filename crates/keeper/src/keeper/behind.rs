//! A ledger that this version cannot read: a later one has written its newest document. What it decided is not
//! known here, so nothing is decided on what was before; what serves goes on to serve.

use super::Keeper;
use crate::signal::Signals;

/// What to do about it, and why nothing happens until then.
const REASON: &str = "the newest document of the ledger cannot be read by this version of Mainstay: nothing is decided here until it is upgraded";

impl Keeper {
    /// Says so and waits for a document that can be read, or for news; wishes are refused meanwhile.
    pub(super) async fn wait_behind(&mut self, why: String, signals: &mut Signals) {
        if self.extras.reason != REASON {
            tracing::error!(
                "{why}: upgrade Mainstay on this node; until then nothing is decided here"
            );
        }
        REASON.clone_into(&mut self.extras.reason);
        let told = format!("{why}: upgrade Mainstay on this node");
        if let Some(pending) = self.pending.take() {
            self.view.wish = None;
            let _ = pending.reply.send(Err(told.clone()));
        }
        self.extras.trouble = Some(told);
        self.reason = None;
        self.publish();
        let pace = self.tick();
        tokio::select! {
            () = signals.wait(&self.shared, &mut self.slot, pace) => {}
            Some(request) = self.requests.recv() => self.accept(request),
        }
    }

    /// Why the newest document that this node has seen cannot be read; none when it can, or is known.
    pub(super) fn unreadable(&self) -> Option<String> {
        let newest = self.shared.scribe.register().watch();
        let newest = newest.borrow();
        let record = newest.as_ref()?;
        let document = self.view.document.as_ref();
        let is_news = document.is_none_or(|document| document.rev < record.rev);
        let error = is_news
            .then(|| crate::decode_document(&record.body).err())
            .flatten();
        error.map(|error| error.to_string())
    }
}
