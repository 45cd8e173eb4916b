//! The clock, list by list: what was acknowledged before something was sent comes before it. Cycles
//! would show the same; this says it more plainly.

use std::{collections::BTreeMap, time::Duration};

use super::{
    super::anomaly::Anomaly,
    Consistency, Found,
    ends::name,
    known::Known,
    parts::{Parts, Point},
    reads::Sight,
};
use crate::{Element, Key};

/// In every read, and in every list.
pub(super) fn check(
    known: &Known,
    parts: &Parts,
    sights: &[Sight],
    reads: Consistency,
    found: &mut Found,
) {
    let soonest: BTreeMap<Key, Vec<Option<(Duration, usize)>>> = known
        .orders
        .iter()
        .map(|(key, order)| (*key, soonest(known, *key, order)))
        .collect();
    for sight in sights {
        let Some(part) = parts.get(sight.part) else {
            continue;
        };
        if part.point == Point::Look && reads != Consistency::Primary {
            continue;
        }
        let missed = soonest
            .get(&sight.key)
            .and_then(|list| list.get(sight.count));
        if let Some(Some((at, place))) = missed
            && *at < part.start
        {
            let (reader, element) = (part.of, known.order(sight.key)[*place]);
            let owner = known.owner(sight.key, element).unwrap_or(reader);
            let (reader, owner) = (known.describe(reader), known.describe(owner));
            let (what, start) = (name(sight.key, element), part.start.as_secs_f64());
            let what = format!("{reader} asked at {start:.4} s and did not see {what} of {owner}");
            found.add(Anomaly::StaleRead, what);
            found.parts.insert(sight.part);
        }
    }
    for (key, order) in &known.orders {
        reversed(known, parts, *key, order, found);
    }
}

/// By place: of the elements from there on, the one acknowledged first, and when.
fn soonest(known: &Known, key: Key, order: &[Element]) -> Vec<Option<(Duration, usize)>> {
    let mut list = vec![None; order.len()];
    let mut best: Option<(Duration, usize)> = None;
    for (place, element) in order.iter().enumerate().rev() {
        let owner = known.owner(key, *element);
        if let Some(at) = owner.and_then(|by| known.acknowledged(by))
            && best.is_none_or(|(soonest, _)| at < soonest)
        {
            best = Some((at, place));
        }
        list[place] = best;
    }
    list
}

fn reversed(known: &Known, parts: &Parts, key: Key, order: &[Element], found: &mut Found) {
    // The element so far whose transaction could act last.
    let mut latest: Option<(Duration, Element, u32)> = None;
    for element in order {
        let Some(by) = known.owner(key, *element) else {
            continue;
        };
        let Some(number) = parts.find(by, Point::Act) else {
            continue;
        };
        let Some(part) = parts.get(number) else {
            continue;
        };
        if let (Some(at), Some((start, before, other))) = (known.acknowledged(by), latest)
            && at < start
        {
            let owner = |element| known.owner(key, element).map(|by| known.describe(by));
            let (one, two) = (name(key, *element), name(key, before));
            let (one_by, two_by) = (owner(*element), owner(before));
            let what = format!(
                "{one} of {} comes after {two} of {}",
                one_by.unwrap_or_default(),
                two_by.unwrap_or_default()
            );
            found.add(Anomaly::Reversed, what);
            found.parts.extend([number, other]);
        }
        if latest.is_none_or(|(start, ..)| part.start > start) {
            latest = Some((part.start, *element, number));
        }
    }
}
