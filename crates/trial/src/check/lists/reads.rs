//! Every read by itself: it shows the beginning of the list as it is in the end, with the reader's
//! own appends behind it, nothing half done and nothing refused.

use std::collections::BTreeMap;

use super::{
    super::anomaly::Anomaly,
    Found,
    ends::name,
    known::Known,
    parts::{Parts, Point, has_appended},
};
use crate::{Action, Element, Key, Outcome, Transaction};

/// A read that fits: so many elements of that list, not counting the reader's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) part: u32,
    pub(super) key: Key,
    pub(super) count: usize,
}

/// Checks all reads against the orders; those that fit.
pub(super) fn check(known: &Known, parts: &Parts, found: &mut Found) -> Vec<Sight> {
    let bad = first_bad(known);
    let mut sights = Vec::new();
    for (index, done) in known.transactions.iter().enumerate() {
        for (number, step) in done.steps.iter().enumerate() {
            let Action::Read { key, locks, seen } = &step.action else {
                continue;
            };
            let own = own(done, number, *key);
            if !seen.ends_with(&own) {
                let whose = known.describe(index);
                let what = format!("{whose} appended {own:?} to list {key} and read {seen:?}");
                found.add(Anomaly::OwnWriteMissed, what);
                continue;
            }
            let base = &seen[..seen.len() - own.len()];
            let point = if *locks || has_appended(done, number, *key) {
                Point::Act
            } else {
                Point::Look
            };
            let part = parts.find(index, point);
            let order = known.order(*key);
            if !order.starts_with(base) {
                misfit(known, index, *key, base, found);
                found.parts.extend(part);
                continue;
            }
            if let Some((place, anomaly)) = bad.get(key)
                && base.len() > *place
            {
                let element = order[*place];
                let what = || format!("{} read {}", known.describe(index), name(*key, element));
                found.add_once(*anomaly, u64::from(element), what);
            }
            if intermediate(known, index, *key, base, found) {
                found.parts.extend(part);
            }
            sights.extend(part.map(|part| Sight {
                part,
                key: *key,
                count: base.len(),
            }));
        }
    }
    sights
}

/// What the transaction had appended to that list before this step.
fn own(done: &Transaction, step: usize, key: Key) -> Vec<Element> {
    let before = done.steps[..step].iter();
    let element = |action: &Action| match action {
        Action::Append { key: own, element } if *own == key => Some(*element),
        _ => None,
    };
    before.filter_map(|step| element(&step.action)).collect()
}

/// The first place of each list that nobody should have read.
fn first_bad(known: &Known) -> BTreeMap<Key, (usize, Anomaly)> {
    let mut bad = BTreeMap::new();
    for (key, order) in &known.orders {
        let why = |element: &Element| match known.owner(*key, *element) {
            None => Some(Anomaly::PhantomRead),
            Some(by) if known.transactions[by].outcome == Outcome::Failed => {
                Some(Anomaly::AbortedRead)
            }
            Some(_) => None,
        };
        let found = order.iter().map(why).enumerate();
        if let Some((place, Some(anomaly))) = { found }.find(|(_, why)| why.is_some()) {
            bad.insert(*key, (place, anomaly));
        }
    }
    bad
}

/// Says why a read is not the beginning of its list.
fn misfit(known: &Known, index: usize, key: Key, base: &[Element], found: &mut Found) {
    let order = known.order(key);
    let differs = |place: &usize| base.get(*place) != order.get(*place);
    let Some(place) = (0..base.len()).find(differs) else {
        return;
    };
    let element = base[place];
    let what = |why: &str| {
        let (reader, subject) = (known.describe(index), name(key, element));
        format!("{reader} read {subject}, {why}")
    };
    let once = u64::from(element);
    let sender = known.owner(key, element);
    let sender = sender.map(|by| (&known.transactions[by], known.describe(by)));
    if base[..place].contains(&element) {
        found.add_once(Anomaly::Duplicate, once, || what("twice"));
    } else if sender.is_none() {
        let why = || what("which was never sent there");
        found.add_once(Anomaly::PhantomRead, once, why);
    } else if let Some((done, whose)) = &sender
        && done.outcome == Outcome::Failed
    {
        let why = || what(&format!("which is not done: {whose}"));
        found.add_once(Anomaly::AbortedRead, once, why);
    } else if known.place(key, element).is_some() {
        let missing = order.get(place).copied().unwrap_or_default();
        let why = || what(&format!("and not {missing}, which is before it"));
        found.add_once(
            Anomaly::IncompatibleRead,
            once << 32 | u64::from(missing),
            why,
        );
    } else if let Some((_, whose)) = &sender {
        let why = || what(&format!("which is gone: {whose}"));
        found.add_once(Anomaly::VanishedRead, once, why);
    }
}

/// The read ends between two appends of another transaction.
fn intermediate(
    known: &Known,
    index: usize,
    key: Key,
    base: &[Element],
    found: &mut Found,
) -> bool {
    let (Some(last), Some(next)) = (base.last(), known.order(key).get(base.len())) else {
        return false;
    };
    let owner = known.owner(key, *last);
    let by = owner.filter(|by| *by != index && known.owner(key, *next) == Some(*by));
    if let Some(by) = by {
        found.add_once(Anomaly::IntermediateRead, u64::from(*last), || {
            let (reader, whose) = (known.describe(index), known.describe(by));
            format!(
                "{reader} read {} and not {next}, both of {whose}",
                name(key, *last)
            )
        });
    }
    by.is_some()
}
