//! One anomaly each, as small as it can be: it is found and named, and nothing else is.

use super::{Class::*, Outcome::*, *};

fn found(transactions: Vec<Transaction>, images: &[Image]) -> Vec<String> {
    kinds(&check_transactions(
        &history(transactions),
        images,
        Consistency::Primary,
    ))
}

/// Everything at the same time, so that the clock says nothing.
fn at_once(client: u32, class: Class) -> Made {
    made(client, class, 0, 100)
}

#[test]
fn history_when_nothing_is_wrong_then_nothing_is_found() {
    let transactions = vec![
        made(1, Single, 0, 1).append(1, 10).ok(),
        made(2, Repeatable, 2, 3)
            .append(1, 20)
            .read(1, &[10, 20])
            .append(2, 21)
            .ok(),
        made(3, Locking, 4, 5)
            .read(2, &[21])
            .append(1, 30)
            .ended(Failed),
        made(4, Single, 5, 6).append(2, 40).ended(Unknown),
        made(5, Serializable, 7, 8)
            .read(1, &[10, 20])
            .read(3, &[])
            .ok(),
    ];
    for end in [&[21][..], &[21, 40]] {
        let image = image("alpha", &[(1, &[10, 20]), (2, end)]);
        assert_eq!(found(transactions.clone(), &[image]), [""; 0]);
    }
}

#[test]
fn end_when_it_is_not_what_was_sent_then_each_kind_is_named() {
    let transactions = || {
        vec![
            made(1, Repeatable, 0, 1).append(1, 10).append(2, 11).ok(),
            made(2, Single, 2, 3).append(1, 20).ended(Failed),
            made(3, Repeatable, 4, 5)
                .append(1, 30)
                .append(2, 31)
                .ended(Unknown),
        ]
    };
    let with = |one: &[Element], two: &[Element]| {
        found(transactions(), &[image("alpha", &[(1, one), (2, two)])])
    };
    assert_eq!(with(&[10], &[11]), [""; 0]);
    assert_eq!(with(&[10, 30], &[11, 31]), [""; 0]);
    assert_eq!(with(&[], &[]), ["lost"]);
    assert_eq!(with(&[10], &[]), ["lost", "torn transaction"]);
    assert_eq!(with(&[10, 30], &[11]), ["torn transaction"]);
    assert_eq!(with(&[10, 20], &[11]), ["refused"]);
    assert_eq!(with(&[10, 99], &[11]), ["phantom"]);
    assert_eq!(with(&[10, 11], &[11]), ["duplicate", "phantom"]);
    assert_eq!(with(&[10, 10], &[11]), ["duplicate"]);
    assert_eq!(
        with(&[30, 10], &[11, 31]),
        ["cycle of writes (G0)", "reversed"]
    );
}

#[test]
fn end_when_one_node_lacks_something_then_it_is_lost_there() {
    let history = history(vec![made(1, Single, 0, 1).append(1, 10).ok()]);
    let images = [image("alpha", &[(1, &[10])]), image("bravo", &[])];
    let found = check_transactions(&history, &images, Consistency::Primary);
    assert!(
        matches!(&found[..], [Violation::Lost { node, .. }] if node == "bravo"),
        "{found:?}"
    );
}

#[test]
fn read_when_it_cannot_be_then_it_is_named() {
    let read = |seen: &[Element]| {
        let transactions = vec![
            at_once(1, Repeatable).append(1, 10).append(1, 11).ok(),
            at_once(2, Single).append(1, 20).ok(),
            at_once(3, Single).append(1, 30).ended(Failed),
            at_once(4, Single).append(1, 40).ended(Unknown),
            at_once(5, Single).read(1, seen).ok(),
        ];
        found(transactions, &[image("alpha", &[(1, &[10, 11, 20])])])
    };
    assert_eq!(read(&[10, 11]), [""; 0]);
    assert_eq!(read(&[10]), ["intermediate read (G1b)"]);
    assert_eq!(read(&[10, 20]), ["incompatible order"]);
    assert_eq!(read(&[20]), ["incompatible order"]);
    assert_eq!(read(&[10, 11, 20, 30]), ["aborted read (G1a)"]);
    assert_eq!(read(&[10, 11, 20, 40]), ["vanished read"]);
    assert_eq!(read(&[10, 11, 20, 50]), ["phantom read"]);
    assert_eq!(read(&[10, 11, 11]), ["duplicate"]);
}

#[test]
fn read_when_there_is_no_image_then_the_longest_read_is_the_order() {
    let transactions = |last: &[Element]| {
        vec![
            at_once(1, Single).append(1, 10).ok(),
            at_once(2, Single).append(1, 20).ended(Failed),
            at_once(3, Single).read(1, &[10, 20]).ok(),
            at_once(4, Single).read(1, last).ok(),
        ]
    };
    assert_eq!(found(transactions(&[10]), &[]), ["aborted read (G1a)"]);
    assert_eq!(found(transactions(&[20]), &[]), ["aborted read (G1a)"]);
}

#[test]
fn own_appends_when_not_seen_or_turned_round_then_it_is_named() {
    let own = |seen: &[Element], end: &[Element]| {
        let one = at_once(1, Repeatable)
            .append(1, 10)
            .append(1, 11)
            .read(1, seen);
        found(vec![one.ok()], &[image("alpha", &[(1, end)])])
    };
    assert_eq!(own(&[10, 11], &[10, 11]), [""; 0]);
    assert_eq!(own(&[10], &[10, 11]), ["own write missed"]);
    assert_eq!(own(&[10, 11], &[11, 10]), ["reordered"]);
}

#[test]
fn clock_when_a_read_or_a_write_goes_against_it_then_it_is_named() {
    let end = [image("alpha", &[(1, &[10, 20])])];
    let first = made(1, Single, 0, 10).append(1, 10).ok();
    let second = |from| made(2, Single, from, 30).append(1, 20).ok();
    let reader = |class, from, seen: &[Element]| made(3, class, from, 40).read(1, seen).ok();
    for class in [Single, Repeatable, Locking, Serializable] {
        let asked = |from, seen: &[Element]| {
            found(
                vec![first.clone(), second(20), reader(class, from, seen)],
                &end,
            )
        };
        assert_eq!(asked(31, &[10, 20]), [""; 0]);
        assert_eq!(asked(25, &[10]), [""; 0]);
        assert_eq!(asked(31, &[10]), ["stale read"]);
        assert_eq!(asked(11, &[]), ["stale read"]);
    }
    let turned = [image("alpha", &[(1, &[20, 10])])];
    assert_eq!(found(vec![first.clone(), second(5)], &turned), [""; 0]);
    assert_eq!(found(vec![first, second(11)], &turned), ["reversed"]);
}

#[test]
fn clock_when_one_reader_saw_what_a_later_one_does_not_then_there_is_a_cycle() {
    let transactions = vec![
        made(1, Single, 0, 100).append(1, 10).ended(Unknown),
        made(2, Single, 10, 20).read(1, &[10]).ok(),
        made(3, Single, 30, 40).read(1, &[]).ok(),
    ];
    let end = [image("alpha", &[(1, &[10])])];
    let cycle = ["cycle (G-single, in real time)"];
    assert_eq!(found(transactions, &end), cycle);
}

/// Two that read the other's list and append to their own.
fn crossed(class: Class, one: &[Element], two: &[Element]) -> Vec<String> {
    let transactions = vec![
        at_once(1, class).read(2, one).append(1, 10).ok(),
        at_once(2, class).read(1, two).append(2, 20).ok(),
    ];
    found(transactions, &[image("alpha", &[(1, &[10]), (2, &[20])])])
}

#[test]
fn crossing_when_neither_saw_the_other_then_only_repeatable_read_may() {
    assert_eq!(crossed(Repeatable, &[], &[]), [""; 0]);
    assert_eq!(crossed(Locking, &[], &[]), ["cycle (G2, write skew)"]);
    assert_eq!(crossed(Serializable, &[], &[]), ["cycle (G2, write skew)"]);
    for class in [Repeatable, Locking, Serializable] {
        assert_eq!(crossed(class, &[], &[10]), [""; 0]);
    }
}

#[test]
fn crossing_when_each_saw_the_other_then_nobody_may() {
    let both = ["cycle of writes and reads (G1c)"];
    assert_eq!(crossed(Locking, &[20], &[10]), both);
    // The snapshots come before the acts, and each has the other's.
    assert_eq!(crossed(Repeatable, &[20], &[10]).len(), 1);
}

#[test]
fn update_when_it_is_lost_then_only_repeatable_read_may() {
    let lost = |class| {
        let transactions = vec![
            at_once(1, class).read(1, &[]).append(1, 10).ok(),
            at_once(2, class).read(1, &[]).append(1, 20).ok(),
        ];
        found(transactions, &[image("alpha", &[(1, &[10, 20])])])
    };
    assert_eq!(lost(Repeatable), [""; 0]);
    assert_eq!(lost(Locking), ["cycle (G-single, lost update)"]);
    assert_eq!(lost(Serializable), ["cycle (G-single, lost update)"]);
}

#[test]
fn writes_when_interleaved_then_nobody_may() {
    let transactions = vec![
        at_once(1, Repeatable).append(1, 10).append(2, 11).ok(),
        at_once(2, Repeatable).append(1, 20).append(2, 21).ok(),
    ];
    let end = |two: &[Element]| [image("alpha", &[(1, &[10, 20]), (2, two)])];
    assert_eq!(found(transactions.clone(), &end(&[11, 21])), [""; 0]);
    let cycle = ["cycle of writes (G0)"];
    assert_eq!(found(transactions, &end(&[21, 11])), cycle);
}

#[test]
fn reads_when_fractured_then_nobody_may_except_over_its_own_writes() {
    let end = [image("alpha", &[(1, &[10, 30]), (2, &[11])])];
    let writer = at_once(1, Repeatable).append(1, 10).append(2, 11).ok();
    let plain = at_once(2, Repeatable).read(1, &[10]).read(2, &[]).ok();
    let late = at_once(3, Single).append(1, 30).ok();
    let cycle = ["cycle (G-single, fractured read)"];
    assert_eq!(found(vec![writer.clone(), plain, late], &end), cycle);
    // A snapshot, then a write on top of what the snapshot has not: allowed by REPEATABLE READ.
    let over = at_once(3, Repeatable)
        .read(2, &[])
        .append(1, 30)
        .read(1, &[10, 30]);
    assert_eq!(found(vec![writer, over.ok()], &end), [""; 0]);
}

#[test]
fn reads_when_repeated_then_they_show_the_same_snapshot() {
    let twice = |class| {
        let transactions = vec![
            at_once(1, Single).append(1, 10).ok(),
            at_once(2, class).read(1, &[]).read(1, &[10]).ok(),
        ];
        found(transactions, &[image("alpha", &[(1, &[10])])])
    };
    for class in [Repeatable, Locking, Serializable] {
        assert_eq!(twice(class), ["cycle (G-single, fractured read)"]);
    }
}

#[test]
fn snapshot_when_a_gateway_ran_the_transaction_again_then_it_may_be_as_new_as_its_last_read() {
    let seen = |sent_ms, answered_ms| {
        let at = Duration::from_millis;
        let mut again = made(1, Repeatable, 0, 60).read(1, &[]).read(2, &[5]).ok();
        again.steps[0].answered = at(10);
        (again.steps[1].sent, again.steps[1].answered) = (at(sent_ms), at(answered_ms));
        let other = made(2, Single, 20, 30).append(2, 5).ok();
        found(vec![again, other], &[image("alpha", &[(2, &[5])])])
    };
    assert_eq!(seen(50, 60), [""; 0]);
    assert_ne!(seen(12, 15), [""; 0], "it shows what was not yet sent");
}

#[test]
fn snapshots_when_two_disagree_on_the_order_then_nobody_may() {
    let transactions = vec![
        at_once(1, Single).append(1, 10).ok(),
        at_once(2, Single).append(2, 20).ok(),
        at_once(3, Repeatable).read(1, &[10]).read(2, &[]).ok(),
        at_once(4, Repeatable).read(1, &[]).read(2, &[20]).ok(),
    ];
    let end = [image("alpha", &[(1, &[10]), (2, &[20])])];
    assert_eq!(found(transactions, &end), ["cycle (G2)"]);
}

#[test]
fn replica_reads_when_stale_then_it_depends_on_what_is_promised() {
    let with = |reads, connection| {
        let writer = made(1, Single, 0, 10).append(1, 10).ok();
        let mut reader = made(1, Single, 20, 30).read(1, &[]).ok();
        (reader.seq, reader.connection) = (2, connection);
        let end = [image("alpha", &[(1, &[10])])];
        kinds(&check_transactions(
            &history(vec![writer, reader]),
            &end,
            reads,
        ))
    };
    assert_eq!(with(Consistency::Primary, 2), ["stale read"]);
    assert_eq!(with(Consistency::None, 1), [""; 0]);
    assert_eq!(with(Consistency::Connection, 2), [""; 0]);
    let own = ["cycle (G-single, in real time)"];
    assert_eq!(with(Consistency::Connection, 1), own);
}

#[test]
fn cycle_when_told_then_it_names_transactions_nodes_times_and_reasons() {
    let transactions = vec![
        at_once(1, Locking).read(1, &[]).append(1, 10).ok(),
        at_once(2, Locking).read(1, &[]).append(1, 20).ok(),
    ];
    let end = [image("alpha", &[(1, &[10, 20])])];
    let found = check_transactions(&history(transactions), &end, Consistency::Primary);
    let text = found[0].to_string();
    for part in [
        "T1 has not T2's element 10 of list 1",
        "T2 wrote element 10 of list 1 right before 20 of T1",
        "T1 = transaction 2/1 (at alpha, 0.0000 s to 0.1000 s, FOR UPDATE, acknowledged)",
        "T2 = transaction 1/1 (at bravo,",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
