//! Which lists are in use: a few at a time, so that transactions meet, and each only for a while,
//! so that no list grows without bounds. One for all gateways of a load.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::transaction::{Element, Key};

/// Lists in use at a time.
const SLOTS: u64 = 5;
/// Appends after which a slot takes a new list, on average.
const APPENDS: u64 = 24;
/// Clients that can have elements of their own.
pub(crate) const LIST_CLIENTS: u32 = 256;

/// The turnover of lists.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    appends: AtomicU64,
}

impl Keys {
    /// A list in use; the dice choose which.
    pub(crate) fn choose(&self, dice: u64) -> Key {
        list_of(dice % SLOTS, self.appends.load(Relaxed))
    }

    /// Says that something will be appended.
    pub(crate) fn appending(&self) {
        self.appends.fetch_add(1, Relaxed);
    }
}

fn list_of(slot: u64, appends: u64) -> Key {
    // Why the offset: the slots do not all take a new list at the same moment.
    let turn = (appends + slot * APPENDS) / (APPENDS * SLOTS);
    Key::try_from(slot + turn * SLOTS).unwrap_or(Key::MAX)
}

/// The element with this number of this client.
pub(crate) fn element(client: u32, number: u32) -> Element {
    number
        .saturating_mul(LIST_CLIENTS)
        .saturating_add(client % LIST_CLIENTS)
}

/// The elements of a list as the table has it; what cannot be read becomes `Element::MAX`, which
/// nobody sends.
pub(crate) fn parse(value: &str) -> Box<[Element]> {
    let parts = value.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| part.parse().unwrap_or(Element::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn lists_when_appended_to_then_they_retire_and_never_come_back() {
        let keys = Keys::default();
        let mut used: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
        for round in 0..10_000 {
            used.entry(keys.choose(round)).or_default().push(round);
            keys.appending();
        }
        assert!(used.len() > 400, "{}", used.len());
        for (key, rounds) in used {
            let (first, last) = (rounds[0], rounds[rounds.len() - 1]);
            assert!(last - first <= APPENDS * SLOTS, "list {key}");
            assert!(rounds.len() as u64 <= APPENDS, "list {key}");
        }
    }

    #[test]
    fn elements_when_written_then_they_are_read_back_and_rubbish_is_told() {
        let (one, two) = (element(3, 1), element(255, 70_000));
        assert_eq!(*parse(&format!("{one},{two}")), [one, two]);
        assert!(parse("").is_empty());
        assert_eq!(*parse("7,x"), [7, Element::MAX]);
    }
}
