//! Legal histories with one thing planted at random: it is found, every time.

use super::{
    legal::{Dice, legal},
    *,
};

const SEEDS: u64 = 60;

/// Plants something in legal histories; what is expected must be among what is found.
fn plant(
    expected: &[&str],
    change: impl Fn(&mut Dice, &mut Vec<Transaction>, &mut Image) -> Option<()>,
) {
    let mut planted = 0;
    for seed in 0..SEEDS {
        let (mut all, mut image) = legal(seed, 200, 5);
        let mut dice = Dice(seed ^ 0xabcd);
        // Not every history has a place for it.
        if change(&mut dice, &mut all, &mut image).is_none() {
            continue;
        }
        planted += 1;
        let found = check_transactions(&history(all), &[image], Consistency::Primary);
        let kinds = kinds(&found);
        let is_expected = |kind: &String| expected.iter().any(|name| kind.contains(name));
        assert!(kinds.iter().any(is_expected), "seed {seed}: {kinds:?}");
    }
    assert!(planted > SEEDS / 4, "planted only {planted} times");
}

/// A random one of these.
fn choose<T>(dice: &mut Dice, mut from: Vec<T>) -> Option<T> {
    let count = from.len() as u64;
    (count > 0).then(|| from.swap_remove(dice.below(count) as usize))
}

fn with_appends(all: &[Transaction], outcome: Outcome, least: usize) -> Vec<usize> {
    let fits =
        |index: &usize| all[*index].outcome == outcome && all[*index].appends().count() >= least;
    (0..all.len()).filter(fits).collect()
}

fn remove(list: &mut Box<[Element]>, element: Element) {
    *list = list
        .iter()
        .copied()
        .filter(|other| *other != element)
        .collect();
}

/// From the end and from everything that was read.
fn remove_everywhere(all: &mut [Transaction], image: &mut Image, element: Element) {
    for list in image.lists.values_mut() {
        remove(list, element);
    }
    for step in all.iter_mut().flat_map(|done| &mut done.steps) {
        if let Action::Read { seen, .. } = &mut step.action {
            remove(seen, element);
        }
    }
}

#[test]
fn acknowledged_append_when_dropped_then_it_is_lost() {
    plant(&["lost"], |dice, all, image| {
        let index = choose(dice, with_appends(all, Outcome::Ok, 1))?;
        let (_, element) = all[index].appends().next()?;
        remove_everywhere(all, image, element);
        Some(())
    });
}

#[test]
fn transaction_when_half_of_it_is_dropped_then_it_is_torn() {
    for outcome in [Outcome::Ok, Outcome::Unknown] {
        let change = |dice: &mut Dice, all: &mut Vec<Transaction>, image: &mut Image| {
            let mut fitting = with_appends(all, outcome, 2);
            fitting.retain(|index| {
                let (key, element) = all[*index].appends().next().unwrap_or_default();
                image
                    .lists
                    .get(&key)
                    .is_some_and(|list| list.contains(&element))
            });
            let index = choose(dice, fitting)?;
            let (_, element) = all[index].appends().next()?;
            remove_everywhere(all, image, element);
            Some(())
        };
        plant(&["torn transaction"], change);
    }
}

#[test]
fn append_when_doubled_then_it_is_a_duplicate() {
    plant(&["duplicate"], |dice, _, image| {
        let full: Vec<Key> = image.lists.keys().copied().collect();
        let list = image.lists.get_mut(&choose(dice, full)?)?;
        let element = choose(dice, list.to_vec())?;
        *list = [&list[..], &[element]].concat().into();
        Some(())
    });
}

#[test]
fn acknowledged_transaction_when_called_refused_then_it_is_told() {
    plant(&["refused", "aborted read"], |dice, all, _| {
        let index = choose(dice, with_appends(all, Outcome::Ok, 1))?;
        all[index].outcome = Outcome::Failed;
        Some(())
    });
}

/// Reads that show at least one element, none of them the reader's own.
fn reads(all: &[Transaction]) -> Vec<(usize, usize)> {
    let mut reads = Vec::new();
    for (index, done) in all.iter().enumerate() {
        let has_own = |key: Key| done.appends().any(|(own, _)| own == key);
        for (number, step) in done.steps.iter().enumerate() {
            if let Action::Read { key, seen, .. } = &step.action
                && !seen.is_empty()
                && !has_own(*key)
            {
                reads.push((index, number));
            }
        }
    }
    reads
}

fn seen(done: &mut Transaction, step: usize) -> Option<&mut Box<[Element]>> {
    match &mut done.steps.get_mut(step)?.action {
        Action::Read { seen, .. } => Some(seen),
        Action::Append { .. } => None,
    }
}

#[test]
fn read_when_it_shows_an_older_state_then_it_is_stale() {
    let names = ["stale read", "intermediate read", "cycle"];
    plant(&names, |dice, all, _| {
        let mut fitting = reads(all);
        // Only what was acknowledged before the transaction began must be seen.
        fitting.retain(|&(index, number)| {
            let begun = all[index].invoked;
            let Action::Read { seen, .. } = &all[index].steps[number].action else {
                return false;
            };
            seen.last().is_some_and(|last| {
                all.iter().any(|done| {
                    done.outcome == Outcome::Ok
                        && done.returned < begun
                        && done.appends().any(|(_, element)| element == *last)
                })
            })
        });
        let (index, number) = choose(dice, fitting)?;
        let seen = seen(&mut all[index], number)?;
        *seen = seen[..seen.len() - 1].into();
        Some(())
    });
}

#[test]
fn read_when_it_has_a_hole_or_another_order_then_it_is_incompatible() {
    let fitting = |all: &[Transaction]| {
        let mut fitting = reads(all);
        fitting.retain(|&(index, number)| {
            matches!(&all[index].steps[number].action, Action::Read { seen, .. } if seen.len() > 1)
        });
        fitting
    };
    plant(&["incompatible order"], |dice, all, _| {
        let (index, number) = choose(dice, fitting(all))?;
        let seen = seen(&mut all[index], number)?;
        *seen = seen[1..].into();
        Some(())
    });
    plant(&["incompatible order"], |dice, all, _| {
        let (index, number) = choose(dice, fitting(all))?;
        let seen = seen(&mut all[index], number)?;
        seen.swap(0, 1);
        Some(())
    });
}

#[test]
fn lists_when_acknowledged_appends_are_turned_round_everywhere_then_it_is_told() {
    let names = ["reversed", "cycle", "reordered", "own write missed"];
    plant(&names, |dice, all, image| {
        let soonest = |element: Element| {
            let of = all
                .iter()
                .find(|done| done.appends().any(|(_, own)| own == element));
            of.map(|done| (done.invoked, done.returned, done.outcome))
        };
        let mut fitting = Vec::new();
        for (key, list) in &image.lists {
            for (place, pair) in list.windows(2).enumerate() {
                if let (Some((_, ended, Outcome::Ok)), Some((begun, _, _))) =
                    (soonest(pair[0]), soonest(pair[1]))
                    && ended < begun
                {
                    fitting.push((*key, place));
                }
            }
        }
        let (key, place) = choose(dice, fitting)?;
        let list = image.lists.get_mut(&key)?;
        let (one, two) = (list[place], list[place + 1]);
        list.swap(place, place + 1);
        for step in all.iter_mut().flat_map(|done| &mut done.steps) {
            if let Action::Read { seen, .. } = &mut step.action {
                turn(seen, one, two);
            }
        }
        Some(())
    });
}

/// Where both stand, the second comes first; where only the first stands, the second does.
fn turn(seen: &mut [Element], one: Element, two: Element) {
    let place = |element| seen.iter().position(|other| *other == element);
    match (place(one), place(two)) {
        (Some(first), Some(second)) => seen.swap(first, second),
        (Some(first), None) => seen[first] = two,
        _ => {}
    }
}

#[test]
fn snapshot_when_it_loses_one_of_two_lists_of_a_transaction_then_it_is_fractured() {
    // A reader of all lists, put in after everything, that misses one list of the last transaction.
    plant(&["stale read", "cycle"], |dice, all, image| {
        let mut fitting = with_appends(all, Outcome::Ok, 2);
        let last_of = |key: Key| image.lists.get(&key).and_then(|list| list.last()).copied();
        fitting.retain(|index| {
            let mut lists: Vec<(Key, Element)> = all[*index].appends().collect();
            lists.dedup_by_key(|(key, _)| *key);
            lists.len() == 2
                && lists
                    .iter()
                    .all(|(key, element)| last_of(*key) == Some(*element))
        });
        let index = choose(dice, fitting)?;
        let lists: Vec<(Key, Element)> = all[index].appends().collect();
        let (from, to) = (all[index].invoked, all[index].returned);
        let list = |key: Key| image.lists.get(&key).cloned().unwrap_or_default();
        let (one, two) = (list(lists[0].0), list(lists[1].0));
        let mut reader = made(99, Class::Repeatable, 0, 0);
        (reader.0.invoked, reader.0.returned) = (from, to);
        all.push(
            reader
                .read(lists[0].0, &one)
                .read(lists[1].0, &two[..two.len() - 1])
                .ok(),
        );
        Some(())
    });
}
