//! What is known before anything is judged: who sent which element, the order of every list, and
//! which transactions took effect.

use std::{collections::BTreeMap, time::Duration};

use super::super::image::Image;
use crate::{Action, Class, Element, History, Key, Outcome, Transaction};

/// An append that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// The transaction's index.
    pub(super) by: usize,
    /// To this list.
    pub(super) key: Key,
}

/// The history, looked up.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) transactions: &'a [Transaction],
    gateways: &'a [String],
    sent: BTreeMap<Element, Sent>,
    /// Each list in its order.
    pub(super) orders: BTreeMap<Key, &'a [Element]>,
    /// Where an element is; the first place if there are several.
    places: BTreeMap<Element, (Key, usize)>,
    /// By transaction: it took effect, at least in part.
    pub(super) is_done: Vec<bool>,
}

impl<'a> Known<'a> {
    pub(super) fn of(history: &'a History, images: &'a [Image]) -> Self {
        let transactions = history.transactions.as_slice();
        let mut sent = BTreeMap::new();
        for (by, done) in transactions.iter().enumerate() {
            for (key, element) in done.appends() {
                sent.insert(element, Sent { by, key });
            }
        }
        let orders = orders(transactions, images);
        let mut places = BTreeMap::new();
        for (key, order) in &orders {
            for (place, element) in order.iter().enumerate() {
                places.entry(*element).or_insert((*key, place));
            }
        }
        let mut known = Self {
            transactions,
            gateways: &history.gateways,
            sent,
            orders,
            places,
            is_done: Vec::new(),
        };
        let is_there = |(key, element)| known.place(key, element).is_some();
        let is_done =
            |done: &Transaction| done.outcome == Outcome::Ok || done.appends().any(is_there);
        known.is_done = transactions.iter().map(is_done).collect();
        known
    }

    /// Who sent it, and whereto.
    pub(super) fn sent(&self, element: Element) -> Option<Sent> {
        self.sent.get(&element).copied()
    }

    /// Whose it is, if it was sent to that list.
    pub(super) fn owner(&self, key: Key, element: Element) -> Option<usize> {
        let sent = self.sent(element)?;
        (sent.key == key).then_some(sent.by)
    }

    /// Its place in that list's order.
    pub(super) fn place(&self, key: Key, element: Element) -> Option<usize> {
        let (found, place) = self.places.get(&element)?;
        (*found == key).then_some(*place)
    }

    /// A list's order; empty when nobody ever saw it.
    pub(super) fn order(&self, key: Key) -> &'a [Element] {
        self.orders.get(&key).copied().unwrap_or_default()
    }

    /// When it was acknowledged that this transaction is done.
    pub(super) fn acknowledged(&self, index: usize) -> Option<Duration> {
        let done = self.transactions.get(index)?;
        (done.outcome == Outcome::Ok).then_some(done.returned)
    }

    /// `3/17`.
    pub(super) fn name(&self, index: usize) -> String {
        let of = |done: &Transaction| format!("transaction {}/{}", done.client, done.seq);
        self.transactions.get(index).map_or_else(String::new, of)
    }

    /// With its node, times, class and outcome.
    pub(super) fn describe(&self, index: usize) -> String {
        let Some(done) = self.transactions.get(index) else {
            return String::new();
        };
        let node = self.gateways.get(done.gateway).map_or("?", String::as_str);
        let class = match done.class {
            Class::Single => "one statement",
            Class::Repeatable => "REPEATABLE READ",
            Class::Locking => "FOR UPDATE",
            Class::Serializable => "SERIALIZABLE",
        };
        let outcome = match done.outcome {
            Outcome::Ok => "acknowledged",
            Outcome::Failed => "not done",
            Outcome::Unknown => "outcome unknown",
        };
        let (from, to) = (done.invoked.as_secs_f64(), done.returned.as_secs_f64());
        let name = self.name(index);
        format!("{name} (at {node}, {from:.4} s to {to:.4} s, {class}, {outcome})")
    }
}

/// What the first node that has it shows, else the longest read.
fn orders<'a>(
    transactions: &'a [Transaction],
    images: &'a [Image],
) -> BTreeMap<Key, &'a [Element]> {
    let mut orders: BTreeMap<Key, &[Element]> = BTreeMap::new();
    for image in images {
        for (key, list) in &image.lists {
            orders.entry(*key).or_insert(list);
        }
    }
    if !images.is_empty() {
        return orders;
    }
    for step in transactions.iter().flat_map(|done| &done.steps) {
        if let Action::Read { key, seen, .. } = &step.action {
            let longest = orders.entry(*key).or_default();
            if seen.len() > longest.len() {
                *longest = seen;
            }
        }
    }
    orders
}
