//! Histories that one server could have made: every transaction looks and acts at random moments
//! within its statements, and all outcomes occur.

use std::collections::BTreeMap;

use super::{super::parts::has_appended, *};

/// Numbers that a seed repeats (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// From 0 to below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % limit
    }

    fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from(to.saturating_sub(from).as_nanos()).unwrap();
        from + Duration::from_nanos(self.below(span + 1))
    }
}

type Lists = BTreeMap<Key, Vec<Element>>;

/// A history of so many transactions of so many clients, and what is there in the end.
pub(super) fn legal(seed: u64, count: usize, clients: u32) -> (Vec<Transaction>, Image) {
    let mut dice = Dice(seed);
    let mut clocks = vec![Duration::ZERO; clients as usize];
    let mut all: Vec<Transaction> = (0..count)
        .map(|number| begin(&mut dice, number, &mut clocks))
        .collect();
    let mut points: Vec<(Duration, usize, bool)> = Vec::new();
    let mut is_done = vec![false; count];
    for (index, done) in all.iter_mut().enumerate() {
        is_done[index] = settle(&mut dice, done);
        let first_plain = done.steps.iter().find(|step| is_read(step, false));
        let look = first_plain.map(|step| dice.between(done.steps[0].sent, step.answered));
        points.extend(look.map(|at| (at, index, false)));
        let last_locked = (0..done.steps.len()).rfind(|step| is_newest(done, *step));
        let last_locked = last_locked.map(|step| &done.steps[step]);
        let last_read = done
            .steps
            .iter()
            .rfind(|step| is_read(step, true) || is_read(step, false));
        let appends = done.appends().next().is_some();
        let act = if appends && done.outcome == Outcome::Ok {
            dice.between(done.committing.unwrap(), done.returned)
        } else if appends && is_done[index] {
            // Nobody knows when; some come much later.
            done.committing.unwrap() + Duration::from_millis(dice.below(50))
        } else if let (Some(locked), Some(read)) = (last_locked, last_read) {
            let sent = look.unwrap_or_default().max(locked.sent);
            dice.between(sent.min(read.answered), read.answered)
        } else {
            done.returned
        };
        points.push((act.max(look.unwrap_or_default()), index, true));
    }
    points.sort_unstable();
    let (mut lists, mut snapshots) = (Lists::new(), BTreeMap::new());
    for (_, index, is_act) in points {
        if !is_act {
            snapshots.insert(index, lists.clone());
            continue;
        }
        let mut own = lists.clone();
        fill(&mut all[index], snapshots.remove(&index), &mut own);
        if is_done[index] {
            lists = own;
        }
    }
    let end: Vec<(Key, &[Element])> = lists.iter().map(|(key, list)| (*key, &list[..])).collect();
    let image = image("alpha", &end);
    (all, image)
}

fn is_read(step: &Step, locking: bool) -> bool {
    matches!(step.action, Action::Read { locks, .. } if locks == locking)
}

/// A read that shows, and locks, the newest state.
fn is_newest(done: &Transaction, number: usize) -> bool {
    let step = &done.steps[number];
    let has_own = has_appended(done, number, step.action.key());
    is_read(step, true) || (is_read(step, false) && has_own)
}

/// Statements and times; what is read comes later.
fn begin(dice: &mut Dice, number: usize, clocks: &mut [Duration]) -> Transaction {
    let client = dice.below(clocks.len() as u64) as usize;
    let class = [
        Class::Single,
        Class::Repeatable,
        Class::Locking,
        Class::Serializable,
    ][dice.below(4) as usize];
    let micros = |most: u64, dice: &mut Dice| Duration::from_micros(1 + dice.below(most));
    let mut now = clocks[client] + micros(500, dice);
    let invoked = now;
    let steps = if class == Class::Single {
        1
    } else {
        1 + dice.below(4)
    };
    let mut done = made(u32::try_from(client).unwrap(), class, 0, 0).0;
    (done.seq, done.invoked) = (number as u64 + 1, invoked);
    for step in 0..steps {
        // Lists retire.
        let key = u32::try_from(dice.below(3) + number as u64 / 50 * 3).unwrap();
        let element = u32::try_from(number as u64 * 4 + step + 1).unwrap();
        let action = if dice.below(2) == 0 {
            Action::Append { key, element }
        } else {
            let locks = match class {
                Class::Single => false,
                Class::Repeatable => dice.below(4) == 0,
                _ => true,
            };
            let seen = Box::default();
            Action::Read { key, locks, seen }
        };
        let sent = now;
        now += micros(1_000, dice);
        let answered = now;
        done.committing = Some(if class == Class::Single { sent } else { now });
        done.steps.push(Step {
            sent,
            answered,
            action,
        });
    }
    done.returned = if class == Class::Single {
        now
    } else {
        now + micros(1_000, dice)
    };
    clocks[client] = done.returned;
    done
}

/// How it ends for its client; whether it takes effect.
fn settle(dice: &mut Dice, done: &mut Transaction) -> bool {
    let (outcome, is_done) = match dice.below(20) {
        0 => (Outcome::Failed, false),
        1 => (Outcome::Unknown, false),
        2 => (Outcome::Unknown, true),
        _ => (Outcome::Ok, true),
    };
    done.outcome = outcome;
    // One that only reads has read before it commits.
    is_done && (outcome == Outcome::Ok || done.appends().next().is_some())
}

/// What it reads, and what it appends to its own copy of the lists.
fn fill(done: &mut Transaction, snapshot: Option<Lists>, lists: &mut Lists) {
    let snapshot = snapshot.unwrap_or_default();
    let mut appended = Vec::new();
    for step in &mut done.steps {
        match &mut step.action {
            Action::Append { key, element } => {
                lists.entry(*key).or_default().push(*element);
                appended.push(*key);
            }
            Action::Read { key, locks, seen } => {
                let is_newest = *locks || appended.contains(key);
                let from = if is_newest { &*lists } else { &snapshot };
                *seen = from.get(key).cloned().unwrap_or_default().into();
            }
        }
    }
}

#[test]
fn histories_when_legal_then_they_are_clean() {
    for seed in 0..60 {
        let clients = 1 + seed as u32 % 9;
        let (all, image) = legal(seed, 300, clients);
        let found = check_transactions(&history(all), &[image], Consistency::Primary);
        assert!(found.is_empty(), "seed {seed}: {}", found[0]);
    }
}
