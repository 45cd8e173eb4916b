//! Writes in flight, lost and asked for, fed by hand.

use wire::gtid::Gtid;
use wire::outcome::{Effect, Outcome, Question};
use wire::packet::packet;
use wire::tag::Tag;

use super::by_hand::{AUTOCOMMIT, OPEN, World, committed, ok, row};
use super::*;

fn found(effect: Option<Effect>) -> Outcome {
    let id = Gtid {
        domain: 0,
        server: 1,
        sequence: 101,
    };
    Outcome::Committed { id, effect }
}

fn effect(inserted: u64, updated: u64, deleted: u64, insert_id: Option<u64>) -> Effect {
    Effect {
        inserted,
        updated,
        deleted,
        insert_id,
    }
}

/// Rows inserted, updated, deleted; the AUTO_INCREMENT value.
type Rows = (u64, u64, u64, Option<u64>);

/// Statement, capabilities of the client, what its rows tell, and the numbers of the OK.
type Lost = (&'static str, u64, Option<Rows>, Option<(u8, u8)>);

#[rustfmt::skip]
const LOST: [Lost; 13] = [
    ("INSERT INTO t VALUES (1)", 0, Some((1, 0, 0, Some(7))), Some((1, 7))),
    ("INSERT INTO t VALUES (1),(2)", 0, Some((2, 0, 0, Some(0))), Some((2, 0))),
    ("INSERT INTO t VALUES (1),(2)", 0, Some((2, 0, 0, None)), None),
    ("INSERT INTO t VALUES (1)", 0, None, None),
    ("INSERT INTO t VALUES (1) RETURNING a", 0, Some((1, 0, 0, Some(7))), None),
    ("INSERT IGNORE INTO t VALUES (1)", 0, Some((1, 0, 0, Some(7))), None),
    ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a=1", 0, Some((0, 1, 0, Some(0))), None),
    ("UPDATE t SET a=1", 0, Some((0, 5, 0, None)), Some((5, 0))),
    ("UPDATE t SET a=1", flags::FOUND_ROWS, Some((0, 5, 0, None)), None),
    ("UPDATE t SET a=1", 0, Some((1, 1, 0, Some(0))), None),
    ("/* x */ delete from t", flags::FOUND_ROWS, Some((0, 0, 2, Some(0))), Some((2, 0))),
    ("DELETE FROM t", 0, Some((0, 2, 0, Some(0))), None),
    ("REPLACE INTO t VALUES (1)", 0, Some((1, 0, 0, Some(7))), None),
];

#[test]
fn a_write_when_sent_carries_a_mark_of_its_own_and_other_statements_none() {
    let mut world = World::new(0);
    assert_eq!(
        world.send("INSERT INTO t VALUES (1)"),
        "INSERT/*m:feed-1*/ INTO t VALUES (1)"
    );
    world.answer(&committed(101, AUTOCOMMIT));
    assert_eq!(
        world.behind.sequence(),
        101,
        "the gateway learns how far history reaches"
    );
    assert_eq!(
        world.send("update t set a=2;"),
        "update/*m:feed-2*/ t set a=2;"
    );
    world.answer(&ok(1, 0, AUTOCOMMIT));
    for text in [
        "SELECT 1",
        "CALL p()",
        "INSERT INTO t VALUES (1); SELECT 2",
        "CREATE TABLE x (a INT)",
    ] {
        assert_eq!(world.send(text), text);
        world.answer(&ok(0, 0, AUTOCOMMIT));
    }
    let mut plain = World::new(0);
    plain.session.mark_writes(0);
    assert_eq!(plain.send("DELETE FROM t"), "DELETE FROM t");
}

#[test]
fn a_write_when_lost_in_flight_is_asked_for_behind_what_was_known() {
    let mut world = World::new(0);
    world.behind.advance(150);
    world.send("DELETE FROM t");
    world.behind.advance(200);
    assert!(!world.session.lost());
    assert_eq!(world.session.phase(), Phase::Doubt);
    let tag = Tag {
        session: 0xfeed,
        number: 1,
    };
    assert_eq!(world.question(), Question { tag, since: 150 });
    assert!(world.told().is_empty() && !world.session.takes_client_bytes());
    assert!(
        !world.session.lost(),
        "another change of route does no harm"
    );
    world
        .session
        .answered(&found(Some(effect(0, 0, 3, Some(0)))));
    assert_eq!(world.told(), ok(3, 0, AUTOCOMMIT));
    assert_eq!(world.session.phase(), Phase::Idle);
}

#[test]
fn a_write_when_it_is_not_there_runs_again_with_its_mark() {
    let mut world = World::new(0);
    let sent = world.send("INSERT INTO t VALUES (1)");
    world.session.lost();
    world.session.answered(&Outcome::NotThere);
    world.session.moved(AUTOCOMMIT);
    assert_eq!(String::from_utf8(world.launch()).unwrap(), sent);
    assert_eq!(world.answer(&ok(1, 9, AUTOCOMMIT)), ok(1, 9, AUTOCOMMIT));
}

#[test]
fn a_write_when_nobody_knows_is_an_error_and_the_end() {
    for outcome in [Some(Outcome::Unknown("purged".to_owned())), None] {
        let mut world = World::new(0);
        world.send("INSERT INTO t VALUES (1)");
        world.session.lost();
        match outcome {
            Some(outcome) => world.session.answered(&outcome),
            None => world.session.unanswered(),
        }
        let (code, text) = world.fault();
        assert!(code == 1927 && text.contains("unknown"), "{text}");
        assert_eq!(world.session.phase(), Phase::Closing);
    }
}

#[test]
fn an_ok_that_was_lost_when_its_numbers_are_known_is_told_and_otherwise_not_made_up() {
    for (text, capabilities, rows, expected) in LOST {
        let mut world = World::new(capabilities);
        world.send(text);
        world.session.lost();
        let effect = rows.map(|(inserted, updated, deleted, insert_id)| {
            effect(inserted, updated, deleted, insert_id)
        });
        world.session.answered(&found(effect));
        if let Some((affected, insert_id)) = expected {
            assert_eq!(world.told(), ok(affected, insert_id, AUTOCOMMIT), "{text}");
        } else {
            let (code, told) = world.fault();
            assert_eq!(code, 1927, "{text}");
            assert!(
                told.contains("committed") && told.contains("do not run it again"),
                "{text}: {told}"
            );
        }
    }
}

#[test]
fn a_write_when_it_uses_what_the_session_remembers_is_not_run_again() {
    for text in [
        "INSERT INTO t VALUES (LAST_INSERT_ID())",
        "UPDATE t SET a = @@Identity",
        "INSERT INTO t VALUES (lastval(s))",
        "INSERT INTO t VALUES (PREVIOUS VALUE FOR s)",
    ] {
        let mut world = World::new(0);
        world.send(text);
        world.session.lost();
        assert_eq!(world.fault().0, 1927, "{text}");
        let mut world = World::new(0);
        world.transaction();
        world.run(text, &ok(1, 0, OPEN));
        world.session.lost();
        world.begin(3, b"COMMIT");
        assert!(world.session.launch().is_err(), "{text}");
    }
}

#[test]
fn a_commit_when_lost_in_flight_is_asked_for_by_any_write_of_the_session() {
    let mut world = World::new(0);
    world.transaction();
    world.send("COMMIT");
    world.session.lost();
    let tag = Tag {
        session: 0xfeed,
        number: 0,
    };
    assert_eq!(world.question(), Question { tag, since: 100 });
    world.session.answered(&found(None));
    assert_eq!(world.told(), ok(0, 0, AUTOCOMMIT));
    assert!(!world.session.in_transaction());
    world.session.moved(AUTOCOMMIT);
    assert_eq!(
        world.send("SELECT 1"),
        "SELECT 1",
        "nothing of it is run again"
    );
}

#[test]
fn a_commit_when_it_is_not_there_runs_after_its_transaction_once_more() {
    let mut world = World::new(0);
    world.transaction();
    world.send("COMMIT");
    world.session.lost();
    world.session.answered(&Outcome::NotThere);
    world.replay(&[
        ("BEGIN", ok(0, 0, OPEN)),
        ("SELECT a FROM t", row("5", OPEN)),
        ("UPDATE t SET a = 6", ok(1, 0, OPEN)),
    ]);
    assert_eq!(world.launch(), b"COMMIT");
    assert_eq!(world.answer(&ok(0, 0, AUTOCOMMIT)), ok(0, 0, AUTOCOMMIT));
    assert!(!world.session.replay.can(), "and is forgotten");
}

#[test]
fn a_commit_when_something_unmarked_was_written_is_there_or_unknown() {
    for (outcome, expected) in [(found(None), None), (Outcome::NotThere, Some(1927))] {
        let mut world = World::new(0);
        world.transaction();
        world.run("CALL p()", &ok(0, 0, OPEN));
        world.send("COMMIT");
        world.session.lost();
        world.session.answered(&outcome);
        match expected {
            None => assert_eq!(world.told(), ok(0, 0, AUTOCOMMIT)),
            Some(code) => assert_eq!(world.fault().0, code),
        }
    }
    let mut world = World::new(0);
    world.run("BEGIN", &ok(0, 0, OPEN));
    world.run("CALL p()", &ok(0, 0, OPEN));
    world.send("COMMIT");
    world.session.lost();
    assert_eq!(world.fault().0, 1927, "nothing to ask for");
}

#[test]
fn the_end_of_a_transaction_that_wrote_nothing_when_lost_has_happened() {
    for (begin, end) in [
        ("BEGIN", "COMMIT"),
        ("START TRANSACTION", "commit work;"),
        ("BEGIN", "ROLLBACK"),
    ] {
        let mut world = World::new(0);
        world.run(begin, &ok(0, 0, OPEN));
        world.run("SELECT a FROM t", &row("5", OPEN));
        world.send(end);
        world.session.lost();
        assert_eq!(world.told(), ok(0, 0, AUTOCOMMIT));
    }
    let mut world = World::new(0);
    world.transaction();
    world.send("ROLLBACK");
    world.session.lost();
    assert_eq!(world.told(), ok(0, 0, AUTOCOMMIT));
}

#[test]
fn a_prepared_write_when_lost_is_asked_for_unless_an_earlier_one_was_not_seen() {
    let mut world = World::new(0);
    world.begin(22, b"INSERT INTO t VALUES (?)");
    assert_eq!(world.launch(), b"INSERT/*m:feed-1*/ INTO t VALUES (?)");
    let prepared = packet(1, &[0, 42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    world.answer(&prepared);
    let execute = [1, 0, 0, 0, 0, 1, 0, 0, 0];
    world.begin(23, &execute);
    world.launch();
    world.answer(&committed(130, AUTOCOMMIT));
    world.begin(23, &execute);
    world.launch();
    world.session.lost();
    let tag = Tag {
        session: 0xfeed,
        number: 1,
    };
    assert_eq!(world.question(), Question { tag, since: 130 });
    world.session.answered(&Outcome::NotThere);
    world.session.moved(AUTOCOMMIT);
    assert_eq!(
        world.launch(),
        b"INSERT/*m:feed-1*/ INTO t VALUES (?)",
        "it is prepared again"
    );
    world.answer(&prepared);
    assert_eq!(&world.launch()[..4], [42, 0, 0, 0]);
    // Answered with rows: where it was committed is not told on such a connection.
    world.answer(&row("1", AUTOCOMMIT));
    world.begin(23, &execute);
    world.launch();
    world.session.lost();
    assert_eq!(world.fault().0, 1927);
}
