//! Planted faults, one each: the judge must name it, and nothing else where nothing else is wrong.

use std::time::{Duration, Instant};

use super::*;

fn operation(seq: u64, kind: Kind, outcome: Outcome) -> Operation {
    Operation {
        writer: 0,
        seq,
        gateway: 0,
        kind,
        invoked: Duration::ZERO,
        returned: Duration::ZERO,
        outcome,
    }
}

/// Insert 1, transfer 2, raise 3 acknowledged; insert 4 failed; insert 5 and raise 6 unknown.
fn history() -> History {
    let transfer = Kind::Transfer {
        source: 0,
        target: 1,
        amount: 30,
    };
    let operations = vec![
        operation(1, Kind::Insert, Outcome::Ok),
        operation(2, transfer, Outcome::Ok),
        operation(3, Kind::Raise, Outcome::Ok),
        operation(4, Kind::Insert, Outcome::Failed),
        operation(5, Kind::Insert, Outcome::Unknown),
        operation(6, Kind::Raise, Outcome::Unknown),
        operation(
            7,
            Kind::ReadOwn {
                floor: 3,
                seen: Some(3),
            },
            Outcome::Ok,
        ),
        operation(8, Kind::ReadTotal { seen: 2_000 }, Outcome::Ok),
    ];
    History::new(Instant::now(), vec!["alpha".into()], operations)
}

fn image(node: &str) -> Image {
    Image {
        node: node.into(),
        position: "0-1-9".into(),
        entries: BTreeMap::from([((0, 1), "alpha".into()), ((0, 5), "alpha".into())]),
        transfers: BTreeMap::from([((0, 2), (0, 1, 30))]),
        accounts: BTreeMap::from([(0, 970), (1, 1_030)]),
        registers: BTreeMap::from([(0, 3)]),
        lists: BTreeMap::new(),
        checksums: BTreeMap::from([("entry".into(), Some(1))]),
    }
}

fn found(history: &History, images: &[Image]) -> Vec<Violation> {
    judge(history, images).violations().to_vec()
}

/// The same fault on both nodes: only the judging of each node can find it.
fn on_both(change: impl Fn(&mut Image)) -> Vec<Violation> {
    let mut images = [image("alpha"), image("bravo")];
    images.iter_mut().for_each(change);
    found(&history(), &images)
}

#[test]
fn verdict_when_nothing_is_wrong_then_it_is_good_and_counts_the_unknown() {
    let verdict = judge(&history(), &[image("alpha"), image("bravo")]);
    assert!(verdict.is_good(), "{verdict}");
    assert_eq!((verdict.acknowledged, verdict.failed), (3, 1));
    assert_eq!((verdict.unknown_done, verdict.unknown_absent), (1, 1));
    assert!(
        verdict
            .to_string()
            .starts_with("passed: all 3 acknowledged writes are on alpha, bravo")
    );
}

#[test]
fn verdict_when_an_acknowledged_entry_is_missing_then_it_is_lost() {
    let found = on_both(|image| drop(image.entries.remove(&(0, 1))));
    assert_eq!(found.len(), 2);
    let lost = Violation::Lost {
        node: "alpha".into(),
        what: "entry 0/1".into(),
    };
    assert_eq!(found[0], lost);
}

#[test]
fn verdict_when_an_acknowledged_transfer_is_missing_cleanly_then_it_is_lost() {
    let found = on_both(|image| {
        image.transfers.clear();
        image.accounts = BTreeMap::from([(0, 1_000), (1, 1_000)]);
    });
    assert!(
        matches!(&found[..], [Violation::Lost { .. }, Violation::Lost { .. }]),
        "{found:?}"
    );
}

#[test]
fn verdict_when_an_entry_was_never_sent_then_it_is_a_phantom() {
    let found = on_both(|image| drop(image.entries.insert((9, 9), "alpha".into())));
    assert!(found.contains(&Violation::Phantom {
        node: "bravo".into(),
        what: "entry 9/9".into()
    }));
}

#[test]
fn verdict_when_a_failed_write_is_there_then_it_says_refused() {
    let found = on_both(|image| drop(image.entries.insert((0, 4), "alpha".into())));
    assert!(found.contains(&Violation::Refused {
        node: "alpha".into(),
        what: "entry 0/4".into()
    }));
}

#[test]
fn verdict_when_half_a_transfer_is_there_then_it_is_torn_and_the_total_wrong() {
    let found = on_both(|image| {
        let _ = image.accounts.insert(1, 1_000);
    });
    let torn = Violation::Torn {
        node: "alpha".into(),
        account: 1,
        expected: 1_030,
        found: 1_000,
    };
    assert!(found.contains(&torn));
    let total = Violation::Total {
        node: "alpha".into(),
        expected: 2_000,
        found: 1_970,
    };
    assert!(found.contains(&total));
}

#[test]
fn verdict_when_a_transfer_was_done_twice_then_it_is_torn_though_the_total_is_right() {
    let found = on_both(|image| image.accounts = BTreeMap::from([(0, 940), (1, 1_060)]));
    assert_eq!(found.len(), 4);
    assert!(
        found
            .iter()
            .all(|violation| matches!(violation, Violation::Torn { .. }))
    );
}

#[test]
fn verdict_when_an_unknown_write_is_on_one_node_only_then_the_nodes_differ() {
    let mut other = image("bravo");
    other.entries.remove(&(0, 5));
    let found = found(&history(), &[image("alpha"), other]);
    assert!(
        matches!(
            &found[..],
            [Violation::Differs {
                table: "entry",
                rows: 1,
                ..
            }]
        ),
        "{found:?}"
    );
}

#[test]
fn verdict_when_only_the_checksum_differs_then_it_is_told() {
    let mut other = image("bravo");
    other.checksums.insert("entry".into(), Some(2));
    let found = found(&history(), &[image("alpha"), other]);
    assert!(
        matches!(&found[..], [Violation::Checksum { .. }]),
        "{found:?}"
    );
}

#[test]
fn verdict_when_a_register_is_lower_than_acknowledged_then_the_raise_is_lost() {
    let found = on_both(|image| {
        let _ = image.registers.remove(&0);
    });
    let lost = Violation::Lost {
        node: "alpha".into(),
        what: "register 0 raised to 3".into(),
    };
    assert!(found.contains(&lost), "{found:?}");
}

#[test]
fn verdict_when_a_register_holds_the_unknown_value_then_it_is_good() {
    assert_eq!(
        on_both(|image| {
            let _ = image.registers.insert(0, 6);
        }),
        vec![]
    );
}

#[test]
fn verdict_when_a_register_holds_a_value_never_sent_then_it_is_a_phantom() {
    let found = on_both(|image| {
        let _ = image.registers.insert(0, 5);
    });
    assert!(matches!(
        &found[..],
        [Violation::Phantom { .. }, Violation::Phantom { .. }]
    ));
}

#[test]
fn verdict_when_a_row_has_another_content_then_it_is_altered() {
    let found = on_both(|image| drop(image.entries.insert((0, 1), "zulu".into())));
    assert!(matches!(
        &found[..],
        [Violation::Altered { .. }, Violation::Altered { .. }]
    ));
}

#[test]
fn verdict_when_reads_are_stale_torn_or_unreal_then_each_is_told() {
    let mut history = history();
    let reads = [
        Kind::ReadOwn {
            floor: 3,
            seen: None,
        },
        Kind::ReadTotal { seen: 1_970 },
        Kind::ReadOther {
            writer: 0,
            seen: Some(5),
        },
        Kind::ReadOther {
            writer: 0,
            seen: Some(6),
        },
    ];
    for (at, kind) in reads.into_iter().enumerate() {
        history
            .operations
            .push(operation(100 + at as u64, kind, Outcome::Ok));
    }
    let found = found(&history, &[image("alpha")]);
    let gone = Violation::UnrealRead {
        writer: 0,
        seen: 6,
        why: "it is gone",
    };
    let never = Violation::UnrealRead {
        writer: 0,
        seen: 5,
        why: "it was never sent",
    };
    assert_eq!(
        found,
        vec![
            Violation::StaleRead {
                writer: 0,
                floor: 3,
                seen: None
            },
            Violation::TornRead {
                expected: 2_000,
                seen: 1_970
            },
            never,
            gone
        ]
    );
}

#[test]
fn display_when_very_much_is_wrong_then_it_stays_short() {
    let mut wrong = image("alpha");
    wrong
        .entries
        .extend((0..100).map(|seq| ((7, seq), "alpha".to_owned())));
    let text = judge(&history(), &[wrong]).to_string();
    assert!(text.starts_with("FAILED: 100 things are wrong"), "{text}");
    assert!(text.ends_with("and 80 more"), "{text}");
}
