//! Writes in flight and transactions, lost at each packet, fed by hand.

use wire::gtid::Gtid;
use wire::outcome::{Effect, Outcome, Question};
use wire::packet::packet;
use wire::tag::Tag;

use super::*;
use crate::behind::Behind;

const AUTOCOMMIT: u16 = flags::AUTOCOMMIT;
const OPEN: u16 = flags::AUTOCOMMIT | flags::IN_TRANSACTION;

fn ok(affected: u8, insert_id: u8, status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    packet(1, &[0, affected, insert_id, low, high, 0, 0])
}

/// An OK with the GTID of its commit.
fn committed(sequence: u64, status: u16) -> Vec<u8> {
    let gtid = format!("0-1-{sequence}");
    let mut variable = vec![9];
    variable.extend_from_slice(b"last_gtid");
    variable.push(gtid.len() as u8);
    variable.extend_from_slice(gtid.as_bytes());
    let changes = [&[0, variable.len() as u8][..], &variable].concat();
    let [low, high] = (status | flags::STATE_CHANGED).to_le_bytes();
    let head = [0, 1, 0, low, high, 0, 0, 0, changes.len() as u8];
    packet(1, &[&head[..], &changes].concat())
}

fn error(code: u16, text: &str) -> Vec<u8> {
    let [low, high] = code.to_le_bytes();
    packet(
        1,
        &[&[0xff, low, high][..], b"#23000", text.as_bytes()].concat(),
    )
}

/// A result of one column and one row.
fn row(value: &str, status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    let mut all = packet(1, &[1]);
    all.extend(packet(
        2,
        b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0",
    ));
    all.extend(packet(3, &[0xfe, 0, 0, low, high]));
    all.extend(packet(
        4,
        &[&[value.len() as u8][..], value.as_bytes()].concat(),
    ));
    all.extend(packet(5, &[0xfe, 0, 0, low, high]));
    all
}

struct World {
    session: Session,
    behind: Behind,
}

impl World {
    fn new(capabilities: u64) -> Self {
        let mut session = Session::new(flags::PROTOCOL_41 | capabilities, b"shop", AUTOCOMMIT);
        session.to_server.clear();
        let behind = Behind::from(100);
        session.mark_writes(0xfeed);
        session.follow_history(behind.clone());
        session
            .server_bytes(&packet(1, &[0, 0, 0, 2, 0, 0, 0]), false)
            .unwrap();
        Self { session, behind }
    }

    /// Gives a command to the session and takes what it sends.
    fn begin(&mut self, command: u8, text: &[u8]) {
        let bytes = packet(0, &[&[command][..], text].concat());
        assert_eq!(self.session.client_bytes(&bytes).used, bytes.len());
    }

    fn launch(&mut self) -> Vec<u8> {
        assert_eq!(self.session.want(), Want::Send);
        let mut sent = self.session.launch().unwrap().to_vec();
        sent.extend(std::mem::take(&mut self.session.to_server));
        sent[5..].to_vec()
    }

    fn send(&mut self, text: &str) -> String {
        self.begin(3, text.as_bytes());
        String::from_utf8(self.launch()).unwrap()
    }

    /// The server's bytes; returns what the client got.
    fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut got = std::mem::take(&mut self.session.to_client);
        let mut at = 0;
        while at < bytes.len() {
            let given = self.session.server_bytes(&bytes[at..], false).unwrap();
            got.extend_from_slice(&bytes[at..at + given.pass]);
            got.append(&mut self.session.to_client);
            at += given.used;
        }
        got
    }

    fn run(&mut self, text: &str, answer: &[u8]) {
        self.send(text);
        self.answer(answer);
        assert_eq!(self.session.phase(), Phase::Idle, "{text}");
    }

    fn told(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.session.to_client)
    }

    fn question(&self) -> Question {
        match self.session.want() {
            Want::Ask(question) => question,
            other => panic!("{other:?}"),
        }
    }

    /// The error that the client got.
    fn fault(&mut self) -> (u16, String) {
        let told = self.told();
        let err = wire::reply::ErrPacket::parse(&told[4..]).expect("an error");
        (err.code, String::from_utf8_lossy(err.message).into_owned())
    }

    /// A transaction with a read and a write.
    fn transaction(&mut self) {
        self.run("BEGIN", &ok(0, 0, OPEN));
        self.run("SELECT a FROM t", &row("5", OPEN));
        self.run("UPDATE t SET a = 6", &ok(1, 0, OPEN));
    }

    /// On the next primary: the statements of the transaction are sent again and answered so.
    fn replay(&mut self, answers: &[(&str, Vec<u8>)]) {
        self.session.moved(AUTOCOMMIT);
        for (text, answer) in answers {
            let sent = String::from_utf8(self.launch()).unwrap();
            assert!(without_mark(&sent).starts_with(text), "{sent}");
            assert!(self.answer(answer).is_empty() || self.session.phase() == Phase::Idle);
        }
    }
}

fn without_mark(text: &str) -> String {
    match (text.find("/*m:"), text.find("*/")) {
        (Some(from), Some(to)) => format!("{}{}", &text[..from], &text[to + 2..]),
        _ => text.to_owned(),
    }
}

fn found(effect: Option<Effect>) -> Outcome {
    let id = Gtid {
        domain: 0,
        server: 1,
        sequence: 101,
    };
    Outcome::Committed { id, effect }
}

fn effect(inserted: u64, updated: u64, deleted: u64, insert_id: Option<u64>) -> Option<Effect> {
    Some(Effect {
        inserted,
        updated,
        deleted,
        insert_id,
    })
}

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
    world.session.answered(&found(effect(0, 0, 3, Some(0))));
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
    let (found_rows, none) = (flags::FOUND_ROWS, 0);
    for (text, capabilities, effect, expected) in [
        (
            "INSERT INTO t VALUES (1)",
            none,
            effect(1, 0, 0, Some(7)),
            Some((1, 7)),
        ),
        (
            "INSERT INTO t VALUES (1),(2)",
            none,
            effect(2, 0, 0, Some(0)),
            Some((2, 0)),
        ),
        (
            "INSERT INTO t VALUES (1),(2)",
            none,
            effect(2, 0, 0, None),
            None,
        ),
        ("INSERT INTO t VALUES (1)", none, None, None),
        (
            "INSERT INTO t VALUES (1) RETURNING a",
            none,
            effect(1, 0, 0, Some(7)),
            None,
        ),
        (
            "INSERT IGNORE INTO t VALUES (1)",
            none,
            effect(1, 0, 0, Some(7)),
            None,
        ),
        (
            "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a=1",
            none,
            effect(0, 1, 0, Some(0)),
            None,
        ),
        (
            "UPDATE t SET a=1",
            none,
            effect(0, 5, 0, None),
            Some((5, 0)),
        ),
        ("UPDATE t SET a=1", found_rows, effect(0, 5, 0, None), None),
        (
            "UPDATE t SET a=LAST_INSERT_ID(a+1)",
            none,
            effect(0, 1, 0, Some(0)),
            None,
        ),
        ("UPDATE t SET a=1", none, effect(1, 1, 0, Some(0)), None),
        (
            "/* x */ delete from t",
            found_rows,
            effect(0, 0, 2, Some(0)),
            Some((2, 0)),
        ),
        ("DELETE FROM t", none, effect(0, 2, 0, Some(0)), None),
        (
            "REPLACE INTO t VALUES (1)",
            none,
            effect(1, 0, 0, Some(7)),
            None,
        ),
    ] {
        let mut world = World::new(capabilities);
        world.send(text);
        world.session.lost();
        world.session.answered(&found(effect));
        if let Some((affected, insert_id)) = expected {
            assert_eq!(world.told(), ok(affected, insert_id, AUTOCOMMIT), "{text}");
        } else {
            let (code, told) = world.fault();
            assert!(
                code == 1927 && told.contains("committed") && told.contains("do not run it again"),
                "{text}: {told}"
            );
        }
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
