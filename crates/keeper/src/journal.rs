//! The last decisions of this node, for `why`. Bounded, in memory; the log has them for longer.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::sync::{Mutex, PoisonError};

use cluster::{Action, Reason, View};
use serde::{Deserialize, Serialize};

/// How many are kept.
const KEPT: usize = 200;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Wall clock, milliseconds since 1970.
    pub at: u64,
    /// Its sentence.
    pub reason: String,
    /// What was done about it.
    pub actions: Vec<String>,
    /// What it was founded on.
    pub evidence: String,
}

/// The last decisions, oldest first.
#[derive(Default)]
pub(crate) struct Journal {
    kept: Mutex<VecDeque<Remark>>,
    last: Option<Reason>,
}

impl Journal {
    /// Notes a decision unless it is the same as the last one. True when it was noted.
    pub(crate) fn note(
        &mut self,
        at: u64,
        view: &View,
        reason: &Reason,
        actions: &[Action],
    ) -> bool {
        let same = self
            .last
            .as_ref()
            .is_some_and(|last| discriminant(last) == discriminant(reason));
        if same {
            return false;
        }
        self.last = Some(reason.clone());
        let actions = actions.iter().map(name).collect();
        let remark = Remark {
            at,
            reason: reason.to_string(),
            actions,
            evidence: evidence(view),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(remark);
        true
    }

    pub(crate) fn all(&self) -> Vec<Remark> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

/// An action in a few words.
pub(crate) fn name(action: &Action) -> String {
    match action {
        Action::Swap { next, intent } => format!("swap to revision {} ({intent:?})", next.rev),
        Action::Follow(source) => {
            format!(
                "follow {} ({:?}, epoch {})",
                source.node, source.mode, source.epoch
            )
        }
        Action::Admit { node, mode, .. } => format!("admit {node} ({mode:?})"),
        Action::Cut(node) => format!("cut {node}"),
        other => {
            let text = format!("{other:?}");
            text.split(['{', '('])
                .next()
                .unwrap_or_default()
                .trim()
                .to_lowercase()
        }
    }
}

fn evidence(view: &View) -> String {
    let mut words = Vec::new();
    if let Some(document) = &view.document {
        let in_sync: Vec<_> = document.in_sync.keys().map(ToString::to_string).collect();
        words.push(format!(
            "ledger revision {} epoch {} primary {} in sync [{}]",
            document.rev,
            document.epoch,
            document.primary,
            in_sync.join(" ")
        ));
    }
    if let Some(running) = view.server.running() {
        words.push(format!(
            "server {} written {} received {} applied {}",
            running.health, running.written, running.received, running.applied
        ));
    } else {
        words.push(format!("server {:?}", view.server).to_lowercase());
    }
    for (node, peer) in &view.peers {
        let ms = view.now.saturating_sub(peer.heard);
        let down = if peer.report.steps_down {
            ", steps down"
        } else {
            ""
        };
        words.push(format!("{node} heard {ms} ms ago{down}"));
    }
    words.join("; ")
}
