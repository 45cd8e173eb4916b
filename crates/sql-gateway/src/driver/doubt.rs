//! A write was in flight when its connection was lost: the primary of the next epoch is asked what became of it.

use std::sync::Arc;

use super::client::Client;
use crate::session::{Phase, Want};

impl Client {
    /// Asks, when somebody can be asked now. True when it is still not known what became of the write.
    pub(super) async fn resolve(&mut self) -> bool {
        let Want::Ask(question) = self.link.session.want() else {
            return false;
        };
        if !self.state.held() {
            let route = Arc::clone(&self.state.route);
            let sent = self.link.lost_in;
            if route.epoch > sent {
                let outcome = self.shared.desk.ask(route, sent, question).await;
                if let Some(outcome) = outcome {
                    self.link.session.answered(&outcome);
                }
            } else {
                self.reconnect().await;
            }
        }
        self.link.session.phase() == Phase::Doubt
    }
}
