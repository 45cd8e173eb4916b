//! Transactions, lost and run again, fed by hand.

use super::by_hand::{AUTOCOMMIT, OPEN, World, committed, error, ok, row, without_mark};
use super::*;

#[test]
fn a_transaction_when_lost_between_its_statements_goes_on_after_the_same_answers() {
    for text in ["DELETE FROM t", "SELECT a FROM u", "COMMIT"] {
        let mut world = World::new(0);
        world.transaction();
        world.session.lost();
        assert!(world.told().is_empty());
        world.begin(3, text.as_bytes());
        world.replay(&[
            ("BEGIN", ok(0, 0, OPEN)),
            ("SELECT a FROM t", row("5", OPEN)),
            ("UPDATE t SET a = 6", ok(1, 0, OPEN)),
        ]);
        assert_eq!(
            without_mark(&String::from_utf8(world.launch()).unwrap()),
            text
        );
        assert_eq!(world.answer(&ok(2, 0, OPEN)), ok(2, 0, OPEN), "{text}");
    }
}

#[test]
fn a_statement_in_a_transaction_when_lost_in_flight_runs_after_the_others() {
    let mut world = World::new(0);
    world.transaction();
    world.send("DELETE FROM t");
    assert!(world.session.lost());
    world.replay(
        &[
            ("BEGIN", ok(0, 0, OPEN)),
            ("SELECT a FROM t", row("5", OPEN)),
            ("UPDATE t SET a = 6", ok(1, 0, OPEN)),
            ("DELETE FROM t", ok(4, 0, OPEN)),
        ][..3],
    );
    assert_eq!(
        without_mark(&String::from_utf8(world.launch()).unwrap()),
        "DELETE FROM t"
    );
    assert_eq!(world.answer(&ok(4, 0, OPEN)), ok(4, 0, OPEN));
    world.session.lost();
    world.begin(3, b"COMMIT");
    world.session.moved(AUTOCOMMIT);
    world.launch();
    assert_eq!(
        world.session.replay.entries_kept(),
        4,
        "it is part of the transaction now"
    );
}

#[test]
fn a_transaction_when_its_client_is_killed_never_runs_again() {
    let mut world = World::new(0);
    world.transaction();
    world.send("DELETE FROM t");
    world.session.killed();
    let told = String::from_utf8_lossy(&world.told()).into_owned();
    assert!(told.contains("Connection was killed"), "{told}");
    assert_eq!(world.session.phase(), Phase::Closing);
    let mut world = World::new(0);
    world.transaction();
    world.send("COMMIT");
    world.session.killed();
    let told = String::from_utf8_lossy(&world.told()).into_owned();
    assert!(told.contains("outcome is unknown"), "{told}");
    assert_eq!(world.session.phase(), Phase::Closing);
}

#[test]
fn a_transaction_when_any_answer_differs_is_rolled_back_and_the_client_told() {
    let good = [ok(0, 0, OPEN), row("5", OPEN), ok(1, 0, OPEN)];
    for (at, other) in [
        (1, row("6", OPEN)),
        (1, row("55", OPEN)),
        (1, ok(0, 0, OPEN)),
        (2, ok(0, 0, OPEN)),
        (2, ok(1, 3, OPEN)),
        (2, ok(1, 0, AUTOCOMMIT)),
        (2, error(1062, "Duplicate entry")),
    ] {
        let mut world = World::new(0);
        world.transaction();
        world.session.lost();
        world.begin(3, b"COMMIT");
        world.session.moved(AUTOCOMMIT);
        for (nth, answer) in good.iter().enumerate().take(at + 1) {
            world.launch();
            let answer = if nth == at { &other } else { answer };
            let got = world.answer(answer);
            world.session.to_client.extend(got);
        }
        assert_eq!(world.fault().0, 1213, "{at}");
        assert_eq!(&world.session.to_server[5..], b"ROLLBACK");
        assert_eq!(world.session.phase(), Phase::Idle);
        world.session.to_server.clear();
        assert!(world.answer(&ok(0, 0, AUTOCOMMIT)).is_empty());
        assert_eq!(world.send("SELECT 1"), "SELECT 1", "the session goes on");
    }
}

#[test]
fn a_replay_when_its_connection_breaks_begins_again_and_not_for_ever() {
    let mut world = World::new(0);
    world.transaction();
    world.session.lost();
    world.begin(3, b"COMMIT");
    for attempt in 0..3 {
        world.session.moved(AUTOCOMMIT);
        assert_eq!(world.launch(), b"BEGIN", "{attempt}");
        world.answer(&ok(0, 0, OPEN));
        world.launch();
        world.session.lost();
    }
    assert_eq!(world.fault().0, 1213);
    assert_eq!(world.session.phase(), Phase::Idle);
}

#[test]
fn what_cannot_be_run_again_when_it_is_in_a_transaction_makes_it_the_clients() {
    for text in [
        "SET @a = 1",
        "SET NAMES latin1",
        "USE other",
        "SELECT @a",
        "CALL p()",
        "SELECT 1; SELECT 2",
        "SELECT GET_LOCK('a', 1)",
        "BEGIN",
    ] {
        let mut world = World::new(0);
        world.transaction();
        world.run(text, &ok(0, 0, OPEN));
        world.session.lost();
        world.begin(3, b"COMMIT");
        let outcome = world.session.launch().map(<[u8]>::to_vec);
        assert_eq!(outcome, Err(Fault::TransactionLost), "{text}");
    }
    let mut world = World::new(0);
    world.run("SELECT 1; BEGIN", &ok(0, 0, OPEN));
    world.run("UPDATE t SET a = 6", &ok(1, 0, OPEN));
    world.session.lost();
    world.begin(3, b"COMMIT");
    assert!(
        world.session.launch().is_err(),
        "its beginning was not seen"
    );
}

#[test]
fn a_commit_inside_a_transaction_when_told_of_is_never_run_again() {
    let mut world = World::new(0);
    world.transaction();
    world.run("UPDATE m SET a = 1", &committed(120, OPEN));
    world.session.lost();
    world.begin(3, b"COMMIT");
    assert!(world.session.launch().is_err());
    let mut world = World::new(0);
    world.transaction();
    world.run("UPDATE m SET a = 1", &committed(120, OPEN));
    world.send("COMMIT");
    world.session.lost();
    assert_eq!(
        world.question().since,
        120,
        "what is behind that is another transaction"
    );
}

#[test]
fn savepoints_and_errors_when_in_a_transaction_are_run_again() {
    let mut world = World::new(0);
    world.transaction();
    let duplicate = error(1062, "Duplicate entry '1' for key 'PRIMARY'");
    let list = [
        ("SAVEPOINT s1", ok(0, 0, OPEN)),
        ("INSERT INTO t VALUES (1)", duplicate),
        ("ROLLBACK TO SAVEPOINT s1", ok(0, 0, OPEN)),
        ("RELEASE SAVEPOINT s1", ok(0, 0, OPEN)),
    ];
    for (text, answer) in &list {
        world.run(text, answer);
    }
    world.session.lost();
    world.begin(3, b"COMMIT");
    world.replay(&[
        ("BEGIN", ok(0, 0, OPEN)),
        ("SELECT a FROM t", row("5", OPEN)),
        ("UPDATE t SET a = 6", ok(1, 0, OPEN)),
    ]);
    world.replay(&list);
    assert_eq!(world.launch(), b"COMMIT");
}

#[test]
fn a_transaction_when_it_is_long_is_not_kept() {
    let mut world = World::new(0);
    world.run("BEGIN", &ok(0, 0, OPEN));
    for _ in 0..120 {
        world.run("UPDATE t SET a = 6", &ok(1, 0, OPEN));
    }
    assert!(!world.session.replay.can());
    assert_eq!(world.session.replay.entries_kept(), 0);
    world.run("COMMIT", &ok(0, 0, AUTOCOMMIT));
    world.transaction();
    assert!(world.session.replay.can(), "the next one is");
}

#[test]
fn a_session_without_transactions_when_it_runs_keeps_nothing() {
    let mut world = World::new(0);
    for _ in 0..10 {
        world.run("SELECT a FROM t", &row("5", AUTOCOMMIT));
        world.run("INSERT INTO t VALUES (1)", &ok(1, 0, AUTOCOMMIT));
    }
    assert_eq!(world.session.replay.entries_kept(), 0);
    assert!(world.session.replay.bytes_kept() == 0);
}

const TEXTS: [&str; 9] = [
    "BEGIN",
    "SELECT a FROM t",
    "UPDATE t SET a = 6",
    "INSERT INTO t VALUES (1)",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "CALL p()",
    "SET autocommit=0",
];

proptest::proptest! {
    #[test]
    fn any_turn_of_events_when_it_comes_never_panics_nor_hangs(
        steps in proptest::collection::vec((0u8..9, 0usize..9, 0u8..12), 1..60),
    ) {
        let mut world = World::new(0);
        for (event, text, choice) in steps {
            match world.session.phase() {
                Phase::Closing => break,
                Phase::Idle if event != 8 => world.begin(3, TEXTS[text].as_bytes()),
                Phase::Doubt if event > 4 => world.session.answered(&wire::outcome::Outcome::NotThere),
                Phase::Doubt if event > 2 => world.session.unanswered(),
                _ => {}
            }
            if world.session.phase() == Phase::Ready
                && let Err(fault) = world.session.launch()
            {
                world.session.fail(&fault);
            }
            if event > 6 {
                world.session.lost();
                world.session.moved(AUTOCOMMIT);
            }
            if world.session.phase() == Phase::Flight {
                let status = if choice == 0 { AUTOCOMMIT } else { OPEN };
                world.answer(&match choice {
                    1..=3 => row("5", status),
                    4 => committed(120, status),
                    5 => error(1062, "Duplicate entry"),
                    _ => ok(0, 0, status),
                });
            }
            let session = &mut world.session;
            proptest::prop_assert!(session.replay.entries_kept() <= 100);
            proptest::prop_assert_eq!(session.phase() == Phase::Doubt, matches!(session.want(), Want::Ask(_)));
            proptest::prop_assert!(!session.replay.runs() || session.phase() == Phase::Ready);
            session.to_client.clear();
        }
    }
}
