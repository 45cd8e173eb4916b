//! What is there in the end: on every node all that was acknowledged and nothing that was not
//! sent or was refused, each element once, each transaction whole and in its own order.

use std::collections::BTreeSet;

use super::{
    super::{anomaly::Anomaly, image::Image, violation::Violation},
    Found,
    known::Known,
};
use crate::{Element, Key, Outcome};

/// One node.
pub(super) fn check(known: &Known, image: &Image, found: &mut Found) {
    let mut there: BTreeSet<(Key, Element)> = BTreeSet::new();
    let mut elements = BTreeSet::new();
    let node = || image.node.clone();
    for (key, list) in &image.lists {
        for element in list {
            there.insert((*key, *element));
            if !elements.insert(*element) {
                let what = format!("{} is on {} twice", name(*key, *element), image.node);
                found.add(Anomaly::Duplicate, what);
            }
            if known.owner(*key, *element).is_none() {
                let what = name(*key, *element);
                found
                    .violations
                    .push(Violation::Phantom { node: node(), what });
            }
        }
    }
    for (index, done) in known.transactions.iter().enumerate() {
        let (mut present, mut absent) = (None, None);
        for (key, element) in done.appends() {
            let is_there = there.contains(&(key, element));
            let place = if is_there { &mut present } else { &mut absent };
            place.get_or_insert((key, element));
            let what = || format!("{} of {}", name(key, element), known.describe(index));
            match (done.outcome, is_there) {
                (Outcome::Ok, false) => found.violations.push(Violation::Lost {
                    node: node(),
                    what: what(),
                }),
                (Outcome::Failed, true) => found.violations.push(Violation::Refused {
                    node: node(),
                    what: what(),
                }),
                _ => {}
            }
        }
        if let (Some((key, element)), Some((other, missing))) = (present, absent) {
            let (here, gone) = (name(key, element), name(other, missing));
            let whose = known.describe(index);
            let what = format!("of {whose}, {here} is on {} and {gone} is not", image.node);
            found.add(Anomaly::Torn, what);
        }
    }
}

/// Each transaction's appends to one list are in the order in which they were sent.
pub(super) fn check_orders(known: &Known, found: &mut Found) {
    for (index, done) in known.transactions.iter().enumerate() {
        let appends: Vec<(Key, Element)> = done.appends().collect();
        for (number, &(key, element)) in appends.iter().enumerate() {
            let mut before = appends[..number].iter().rev();
            let Some((_, earlier)) = before.find(|(other, _)| *other == key) else {
                continue;
            };
            let (place, earlier_place) = (known.place(key, element), known.place(key, *earlier));
            if place.is_some() && place < earlier_place {
                let (one, other) = (name(key, *earlier), name(key, element));
                let what = format!("{one} of {} comes after {other}", known.describe(index));
                found.add(Anomaly::Reordered, what);
            }
        }
    }
}

/// `element 769 of list 4`.
pub(super) fn name(key: Key, element: Element) -> String {
    format!("element {element} of list {key}")
}
