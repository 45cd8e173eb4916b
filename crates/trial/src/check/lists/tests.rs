//! The tester on trial, without servers: histories made by hand with one anomaly each, histories
//! that one server could have made, and the same with something planted in them.

mod by_hand;
mod legal;
mod planted;

use std::time::{Duration, Instant};

use super::{Consistency, check_transactions};
use crate::{Action, Class, Element, History, Image, Key, Outcome, Step, Transaction, Violation};

pub(super) fn history(transactions: Vec<Transaction>) -> History {
    let gateways = vec!["alpha".into(), "bravo".into()];
    let mut history = History::new(Instant::now(), gateways, Vec::new());
    history.transactions = transactions;
    history
}

pub(super) fn image(node: &str, lists: &[(Key, &[Element])]) -> Image {
    let list = |(key, list): &(Key, &[Element])| (*key, Box::from(*list));
    Image {
        node: node.into(),
        lists: lists.iter().map(list).collect(),
        ..Image::default()
    }
}

/// The kinds that were found, in order, each once.
pub(super) fn kinds(found: &[Violation]) -> Vec<String> {
    let kind = |violation: &Violation| match violation {
        Violation::Anomaly { anomaly, .. } => anomaly.to_string(),
        other => {
            let text = other.to_string();
            text.split(':').next().unwrap_or_default().to_owned()
        }
    };
    let mut kinds: Vec<String> = found.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// A transaction whose statements are all sent at its beginning and answered at its end.
pub(super) struct Made(pub(super) Transaction);

pub(super) fn made(client: u32, class: Class, from_ms: u64, to_ms: u64) -> Made {
    let (from, to) = (Duration::from_millis(from_ms), Duration::from_millis(to_ms));
    Made(Transaction {
        client,
        seq: 1,
        gateway: client as usize % 2,
        connection: 1,
        class,
        steps: Vec::new(),
        invoked: from,
        committing: Some(from),
        returned: to,
        outcome: Outcome::Ok,
    })
}

impl Made {
    fn step(mut self, action: Action) -> Self {
        let (sent, answered) = (self.0.invoked, self.0.returned);
        let step = Step {
            sent,
            answered,
            action,
        };
        self.0.steps.push(step);
        self
    }

    pub(super) fn append(self, key: Key, element: Element) -> Self {
        self.step(Action::Append { key, element })
    }

    pub(super) fn read(self, key: Key, seen: &[Element]) -> Self {
        let locks = matches!(self.0.class, Class::Locking | Class::Serializable);
        let seen = seen.into();
        self.step(Action::Read { key, locks, seen })
    }

    pub(super) fn ended(mut self, outcome: Outcome) -> Transaction {
        self.0.outcome = outcome;
        self.0
    }

    pub(super) fn ok(self) -> Transaction {
        self.0
    }
}
