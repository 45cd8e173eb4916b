//! History and images in, verdict out. Pure: no clock, no server.
//!
//! Rules: acknowledged writes are on every node; what failed for certain is on none; what nobody
//! knows is on all or none; nothing else is there; money neither grows nor shrinks; registers
//! only rise; reads saw nothing that never was. Transactions over lists: see `check/lists.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use super::{
    image::{Image, Key},
    lists::{Consistency, check_transactions},
    verdict::Verdict,
    violation::Violation,
};
use crate::{History, Kind, Operation, Outcome, load::ACCOUNT_START};

/// How many differing rows of a table are named.
const EXAMPLES: usize = 5;

/// Holds what the nodes have against what the clients were told.
pub fn judge(history: &History, images: &[Image]) -> Verdict {
    let told = Told::of(history);
    let mut verdict = Verdict {
        nodes: images.iter().map(|image| image.node.clone()).collect(),
        acknowledged: history.acknowledged(),
        failed: history.writes(Outcome::Failed).count(),
        ..Verdict::default()
    };
    for image in images {
        told.check_rows(image, &mut verdict);
        told.check_registers(image, &mut verdict);
        check_money(image, &mut verdict);
    }
    if let Some((first, others)) = images.split_first() {
        for other in others {
            compare(first, other, &mut verdict);
        }
        for done in history.writes(Outcome::Unknown) {
            if is_there(done, first) {
                verdict.unknown_done += 1;
            } else {
                verdict.unknown_absent += 1;
            }
        }
        told.check_reads(history, first, &mut verdict);
    }
    verdict.transactions = history.transactions.len();
    for violation in check_transactions(history, images, Consistency::Primary) {
        verdict.add(violation);
    }
    verdict
}

/// The writes by table and key.
struct Told<'a> {
    entries: BTreeMap<Key, &'a Operation>,
    transfers: BTreeMap<Key, &'a Operation>,
    raises: BTreeMap<u32, BTreeMap<u64, Outcome>>,
    gateways: &'a [String],
}

impl<'a> Told<'a> {
    fn of(history: &'a History) -> Self {
        let mut told = Self {
            entries: BTreeMap::new(),
            transfers: BTreeMap::new(),
            raises: BTreeMap::new(),
            gateways: &history.gateways,
        };
        for done in &history.operations {
            let key = (done.writer, done.seq);
            match done.kind {
                Kind::Insert => drop(told.entries.insert(key, done)),
                Kind::Transfer { .. } => drop(told.transfers.insert(key, done)),
                Kind::Raise => {
                    told.raises
                        .entry(done.writer)
                        .or_default()
                        .insert(done.seq, done.outcome);
                }
                Kind::ReadOwn { .. } | Kind::ReadOther { .. } | Kind::ReadTotal { .. } => {}
            }
        }
        told
    }

    fn check_rows(&self, image: &Image, verdict: &mut Verdict) {
        let node = &image.node;
        compare_keys("entry", &self.entries, &image.entries, node, verdict);
        compare_keys("transfer", &self.transfers, &image.transfers, node, verdict);
        for (key, found) in &image.entries {
            let sent = self
                .entries
                .get(key)
                .and_then(|done| self.gateways.get(done.gateway));
            if sent.is_some_and(|sent| sent != found) {
                let what = format!("entry {} says `{found}`, `{sent:?}` was sent", name(*key));
                verdict.add(Violation::Altered {
                    node: node.clone(),
                    what,
                });
            }
        }
        for (key, &(source, target, amount)) in &image.transfers {
            let found = Kind::Transfer {
                source,
                target,
                amount,
            };
            let sent = self.transfers.get(key).map(|done| done.kind);
            if sent.is_some_and(|sent| sent != found) {
                let what = format!("transfer {} is {found:?}, {sent:?} was sent", name(*key));
                verdict.add(Violation::Altered {
                    node: node.clone(),
                    what,
                });
            }
        }
    }

    fn check_registers(&self, image: &Image, verdict: &mut Verdict) {
        for (writer, sent) in &self.raises {
            let acknowledged = |(_, outcome): &(&u64, &Outcome)| **outcome == Outcome::Ok;
            let floor = sent.iter().filter(acknowledged).map(|(seq, _)| *seq).max();
            let value = image.registers.get(writer).copied();
            let node = image.node.clone();
            let what = |seq: u64| format!("register {writer} raised to {seq}");
            if let Some(floor) = floor.filter(|floor| value.is_none_or(|value| value < *floor)) {
                verdict.add(Violation::Lost {
                    node: node.clone(),
                    what: what(floor),
                });
            }
            match value.map(|value| (value, sent.get(&value))) {
                Some((value, None)) => {
                    verdict.add(Violation::Phantom {
                        node,
                        what: what(value),
                    });
                }
                Some((value, Some(Outcome::Failed))) => {
                    verdict.add(Violation::Refused {
                        node,
                        what: what(value),
                    });
                }
                _ => {}
            }
        }
        for writer in image
            .registers
            .keys()
            .filter(|writer| !self.raises.contains_key(writer))
        {
            let what = format!("register {writer}");
            verdict.add(Violation::Phantom {
                node: image.node.clone(),
                what,
            });
        }
    }

    fn check_reads(&self, history: &History, image: &Image, verdict: &mut Verdict) {
        let expected = total_at_start(image);
        let mut reported = BTreeSet::new();
        for done in history
            .operations
            .iter()
            .filter(|done| done.outcome == Outcome::Ok)
        {
            let read = match done.kind {
                Kind::ReadOwn { floor, seen } => {
                    if seen.unwrap_or(0) < floor {
                        verdict.add(Violation::StaleRead {
                            writer: done.writer,
                            floor,
                            seen,
                        });
                    }
                    seen.map(|seen| (done.writer, seen))
                }
                Kind::ReadOther { writer, seen } => seen.map(|seen| (writer, seen)),
                Kind::ReadTotal { seen } => {
                    if seen != expected {
                        verdict.add(Violation::TornRead { expected, seen });
                    }
                    None
                }
                _ => continue,
            };
            verdict.reads += 1;
            if let Some((writer, seen)) = read
                && let Some(why) = self.unreal(writer, seen, image)
                && reported.insert((writer, seen))
            {
                verdict.add(Violation::UnrealRead { writer, seen, why });
            }
        }
    }

    /// Why a read value cannot be, if it cannot.
    fn unreal(&self, writer: u32, seen: u64, image: &Image) -> Option<&'static str> {
        match self.raises.get(&writer).and_then(|sent| sent.get(&seen)) {
            None => Some("it was never sent"),
            Some(Outcome::Failed) => Some("its client was told it is not done"),
            // Registers only rise, so what was once there is at least that high for ever.
            _ if image.registers.get(&writer).is_none_or(|last| *last < seen) => Some("it is gone"),
            _ => None,
        }
    }
}

/// Rows that should and should not be there.
fn compare_keys<T>(
    table: &str,
    sent: &BTreeMap<Key, &Operation>,
    found: &BTreeMap<Key, T>,
    node: &str,
    verdict: &mut Verdict,
) {
    let row = |key: &Key| (node.to_owned(), format!("{table} {}", name(*key)));
    for (key, done) in sent {
        match (done.outcome, found.contains_key(key)) {
            (Outcome::Ok, false) => {
                let (node, what) = row(key);
                verdict.add(Violation::Lost { node, what });
            }
            (Outcome::Failed, true) => {
                let (node, what) = row(key);
                verdict.add(Violation::Refused { node, what });
            }
            _ => {}
        }
    }
    for key in found.keys().filter(|key| !sent.contains_key(key)) {
        let (node, what) = row(key);
        verdict.add(Violation::Phantom { node, what });
    }
}

fn check_money(image: &Image, verdict: &mut Verdict) {
    let mut expected: BTreeMap<u32, i64> = image
        .accounts
        .keys()
        .map(|id| (*id, ACCOUNT_START))
        .collect();
    for (source, target, amount) in image.transfers.values() {
        *expected.entry(*source).or_default() -= amount;
        *expected.entry(*target).or_default() += amount;
    }
    for (account, expected) in &expected {
        let found = image.accounts.get(account).copied().unwrap_or(0);
        if found != *expected {
            let (node, account, expected) = (image.node.clone(), *account, *expected);
            verdict.add(Violation::Torn {
                node,
                account,
                expected,
                found,
            });
        }
    }
    let (expected, found) = (total_at_start(image), image.accounts.values().sum());
    if expected != found {
        verdict.add(Violation::Total {
            node: image.node.clone(),
            expected,
            found,
        });
    }
}

fn total_at_start(image: &Image) -> i64 {
    i64::try_from(image.accounts.len()).unwrap_or(0) * ACCOUNT_START
}

fn compare(one: &Image, other: &Image, verdict: &mut Verdict) {
    let before = verdict.violations().len();
    let nodes = (one.node.as_str(), other.node.as_str());
    differences("entry", &one.entries, &other.entries, nodes, verdict);
    differences("transfer", &one.transfers, &other.transfers, nodes, verdict);
    differences("account", &one.accounts, &other.accounts, nodes, verdict);
    differences("register", &one.registers, &other.registers, nodes, verdict);
    differences("list", &one.lists, &other.lists, nodes, verdict);
    if verdict.violations().len() > before {
        return;
    }
    for (table, sum) in &one.checksums {
        if other.checksums.get(table) != Some(sum) {
            let (one, other) = (one.node.clone(), other.node.clone());
            verdict.add(Violation::Checksum {
                table: table.clone(),
                one,
                other,
            });
        }
    }
}

fn differences<K: Ord + Debug, V: PartialEq + Debug>(
    table: &'static str,
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
    nodes: (&str, &str),
    verdict: &mut Verdict,
) {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    let differing: Vec<&K> = keys
        .into_iter()
        .filter(|key| one.get(key) != other.get(key))
        .collect();
    if differing.is_empty() {
        return;
    }
    let show = |value: Option<&V>| value.map_or("nothing".into(), |value| format!("{value:?}"));
    let example = |key: &&K| format!("{key:?}: {} / {}", show(one.get(key)), show(other.get(key)));
    verdict.add(Violation::Differs {
        table,
        one: nodes.0.to_owned(),
        other: nodes.1.to_owned(),
        rows: differing.len(),
        examples: differing.iter().take(EXAMPLES).map(example).collect(),
    });
}

fn is_there(done: &Operation, image: &Image) -> bool {
    let key = (done.writer, done.seq);
    match done.kind {
        Kind::Insert => image.entries.contains_key(&key),
        Kind::Transfer { .. } => image.transfers.contains_key(&key),
        // A later raise hides an earlier one; at least this high counts as done.
        _ => image
            .registers
            .get(&done.writer)
            .is_some_and(|value| *value >= done.seq),
    }
}

fn name((writer, seq): Key) -> String {
    format!("{writer}/{seq}")
}

#[cfg(test)]
mod tests;
