//! Reads on a replica, fed by hand: what goes to which side, and what the client sees of it.

use wire::catalog::Object;
use wire::command::code;
use wire::gtid::Gtid;
use wire::statement::Reason;

use super::*;

const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";
const WAIT: &str = "SELECT MASTER_GTID_WAIT('0-1-7', 0.1)";

fn session() -> Session {
    let mut session = Session::new(flags::PROTOCOL_41, b"shop", flags::AUTOCOMMIT);
    session.to_server.clear();
    session.server_bytes(&packet(1, OK), false).unwrap();
    session.spread(45);
    session.know(1, Some(Arc::default()));
    session.replica_attached(b"shop");
    session
}

fn say(session: &mut Session, payload: &[u8]) -> Vec<u8> {
    let bytes = packet(0, payload);
    assert_eq!(session.client_bytes(&bytes).used, bytes.len());
    bytes
}

fn query(text: &str) -> Vec<u8> {
    [b"\x03", text.as_bytes()].concat()
}

/// One column and one row, sequence numbers from 1.
fn result(value: &str) -> Vec<u8> {
    let row = [&[value.len() as u8], value.as_bytes()].concat();
    let parts: [&[u8]; 5] = [b"\x01", b"\x03def a column", EOF, &row, EOF];
    let numbered = (1..).zip(parts);
    numbered
        .flat_map(|(number, part)| packet(number, part))
        .collect()
}

fn error(number: u16) -> Vec<u8> {
    let fault = wire::reply::ErrPacket {
        code: number,
        sql_state: *b"HY000",
        message: b"no",
    };
    packet(1, &fault.encode())
}

fn place(session: &Session) -> Place {
    session.place(&Surprises::default())
}

/// Sends a read to the replica; returns the bytes for it.
fn read_there(session: &mut Session, text: &str, wait: Option<&str>) -> Vec<u8> {
    say(session, &query(text));
    assert_eq!(place(session), Place::Either, "{text}");
    let sent = launch_there(session, wait);
    assert_eq!(session.side(), Side::Replica);
    assert!(session.to_server.is_empty());
    sent
}

/// Sends the statement that is ready; returns all bytes for the replica.
fn launch_there(session: &mut Session, wait: Option<&str>) -> Vec<u8> {
    let sent = session.launch_elsewhere(wait).unwrap().to_vec();
    let ahead = session.take_to_replica();
    assert!(sent.is_empty() || ahead.is_empty(), "in one write");
    [sent, ahead].concat()
}

/// Feeds the replica's bytes in pieces; returns what the client gets.
fn hear_there(session: &mut Session, bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut kept = Vec::new();
    for chunk in bytes.chunks(piece) {
        let mut rest = [std::mem::take(&mut kept), chunk.to_vec()].concat();
        while !rest.is_empty() {
            let given = session.replica_bytes(&rest, false).unwrap();
            heard.extend_from_slice(&rest[..given.pass]);
            heard.append(&mut session.to_client);
            rest.drain(..given.used);
            if given.used == 0 {
                break;
            }
        }
        kept = rest;
    }
    assert!(kept.is_empty());
    heard
}

fn run_here(session: &mut Session, payload: &[u8], answer: &[u8]) {
    say(session, payload);
    assert!(matches!(place(session), Place::Primary(_)));
    session.launch().unwrap();
    let mut rest = answer;
    while !rest.is_empty() {
        let used = session.server_bytes(rest, false).unwrap().used;
        rest = &rest[used..];
    }
    session.to_client.clear();
    assert_eq!(session.phase(), Phase::Idle);
}

/// An OK that reports one variable.
fn reported(name: &str, value: &str) -> Vec<u8> {
    let counted = |text: &[u8]| [&[text.len() as u8], text].concat();
    let pair = [counted(name.as_bytes()), counted(value.as_bytes())].concat();
    let changes = counted(&[&[0], &*counted(&pair)].concat());
    let payload = [&b"\0\0\0\x02\x40\0\0\0"[..], &changes].concat();
    packet(1, &payload)
}

#[test]
fn a_read_when_it_runs_on_a_replica_is_preceded_by_what_that_has_not_heard() {
    let mut session = session();
    run_here(
        &mut session,
        &query("SET time_zone='+01:00'"),
        &reported("time_zone", "+01:00"),
    );
    let sent = read_there(&mut session, "SELECT a FROM t", Some(WAIT));
    let expected = [
        packet(0, &query("SET time_zone='+01:00'")),
        packet(0, &query(WAIT)),
        packet(0, &query("SELECT a FROM t")),
    ];
    assert_eq!(sent, expected.concat());
    for piece in [1, 3, 7, 1000] {
        let mut session = self::session();
        run_here(
            &mut session,
            &query("SET time_zone='+01:00'"),
            &reported("time_zone", "+01:00"),
        );
        read_there(&mut session, "SELECT a FROM t", Some(WAIT));
        let answers = [packet(1, OK), result("0"), result("here")].concat();
        assert_eq!(
            hear_there(&mut session, &answers, piece),
            result("here"),
            "{piece}"
        );
        assert_eq!(session.phase(), Phase::Idle);
        // What it has heard is not told again.
        let again = read_there(&mut session, "SELECT b FROM t", None);
        assert_eq!(again, packet(0, &query("SELECT b FROM t")));
    }
}

#[test]
fn a_read_when_the_replica_is_not_far_enough_in_time_runs_on_the_primary_only() {
    for value in ["-1", "", "00"] {
        let mut session = session();
        read_there(&mut session, "SELECT a FROM t", Some(WAIT));
        let answers = [result(value), result("stale")].concat();
        let half = result(value).len() + 3;
        assert!(hear_there(&mut session, &answers[..half], 1000).is_empty());
        assert_eq!(session.phase(), Phase::Ready);
        assert_eq!(place(&session), Place::Primary(Tie::Retried));
        assert_eq!(
            session.launch().unwrap(),
            packet(0, &query("SELECT a FROM t"))
        );
        // The rest of the stale answer comes while the primary is asked.
        assert!(session.replica_is_busy() || session.phase() == Phase::Flight);
        assert!(hear_there(&mut session, &answers[half..], 5).is_empty());
        let fresh = result("fresh");
        let given = session.server_bytes(&fresh, false).unwrap();
        assert_eq!(given.pass, fresh.len());
        assert!(!session.replica_is_busy());
        read_there(&mut session, "SELECT a FROM t", None);
        assert_eq!(hear_there(&mut session, &result("x"), 1000), result("x"));
    }
}

#[test]
fn a_read_when_a_replica_refuses_it_runs_on_the_primary_and_is_remembered() {
    for (number, remembered) in [(1290, true), (1792, true), (1146, false), (1053, false)] {
        let mut session = session();
        read_there(&mut session, "SELECT a FROM v", None);
        assert!(hear_there(&mut session, &error(number), 1000).is_empty());
        assert_eq!(session.phase(), Phase::Ready);
        session.launch().unwrap();
        session.server_bytes(&result("a"), false).unwrap();
        let mut surprises = Surprises::default();
        assert_eq!(session.surprise.is_some(), remembered, "{number}");
        if let Some(digest) = session.take_surprise() {
            surprises.add(digest);
        }
        say(&mut session, &query("SELECT a FROM `v`"));
        let seen = session.place(&surprises);
        let expected = if remembered {
            Place::Primary(Tie::Surprise)
        } else {
            Place::Either
        };
        assert_eq!(seen, expected, "{number}");
    }
}

#[test]
fn an_interrupted_read_when_it_ran_on_a_replica_is_not_run_again() {
    let mut session = session();
    read_there(&mut session, "SELECT a FROM t", None);
    assert_eq!(hear_there(&mut session, &error(1317), 1000), error(1317));
    assert_eq!(session.phase(), Phase::Idle);
}

#[test]
fn a_read_when_its_replica_is_lost_runs_on_the_primary_unless_its_result_had_begun() {
    let mut session = session();
    read_there(&mut session, "SELECT a FROM t", None);
    assert!(session.replica_lost());
    assert!(!session.has_replica());
    session.launch().unwrap();
    session.server_bytes(&result("a"), false).unwrap();
    session.replica_attached(b"shop");
    read_there(&mut session, "SELECT a FROM t", None);
    hear_there(&mut session, &packet(1, b"\x01"), 1000);
    assert!(!session.replica_lost());
    assert_eq!(session.phase(), Phase::Idle);
    assert!(session.to_client.windows(5).any(|part| part == b"70100"));
}

#[test]
fn a_read_on_a_replica_when_the_primary_is_lost_goes_on() {
    let mut session = session();
    read_there(&mut session, "SELECT a FROM t", None);
    session.lost();
    assert_eq!(session.phase(), Phase::Flight);
    assert_eq!(hear_there(&mut session, &result("a"), 1000), result("a"));
    assert_eq!(session.phase(), Phase::Idle);
}

#[test]
fn a_session_when_it_is_not_plain_reads_on_the_primary() {
    let read = query("SELECT a FROM t");
    let open = packet(1, b"\0\0\0\x03\0\0\0");
    let manual = packet(1, b"\0\0\0\0\0\0\0");
    let plain = packet(1, OK);
    let cases: [(&str, &[u8], Tie); 6] = [
        ("BEGIN", &open, Tie::Transaction),
        ("SET autocommit=0", &manual, Tie::Autocommit),
        ("SET TRANSACTION READ ONLY", &plain, Tie::Transaction),
        (
            "SET NAMES gbk",
            &reported("character_set_client", "gbk"),
            Tie::Dialect,
        ),
        (
            "SET tx_isolation='SERIALIZABLE'",
            &reported("tx_isolation", "SERIALIZABLE"),
            Tie::Isolation,
        ),
        (
            "SET sql_mode=ORACLE",
            &reported("sql_mode", "PIPES_AS_CONCAT,ORACLE"),
            Tie::Dialect,
        ),
    ];
    for (text, answer, tie) in cases {
        let mut session = session();
        run_here(&mut session, &query(text), answer);
        say(&mut session, &read);
        assert_eq!(place(&session), Place::Primary(tie), "{text}");
    }
    for text in [
        "SET @a = 1",
        "CREATE TEMPORARY TABLE x (a INT)",
        "LOCK TABLES t READ",
        "DO GET_LOCK('a', 1)",
    ] {
        let mut session = session();
        run_here(&mut session, &query(text), &plain);
        say(&mut session, &read);
        assert!(
            matches!(place(&session), Place::Primary(Tie::Pinned(_))),
            "{text}"
        );
    }
}

#[test]
fn a_session_when_nobody_spreads_its_reads_or_its_bytes_are_odd_reads_on_the_primary() {
    let mut session = session();
    session.spreads = None;
    say(&mut session, &query("SELECT a FROM t"));
    assert_eq!(place(&session), Place::Primary(Tie::NotSpread));
    for (collation, plain) in [
        (45, true),
        (8, true),
        (28, false),
        (1, false),
        (1112, false),
    ] {
        session.spread(collation);
        let expected = if plain {
            Place::Either
        } else {
            Place::Primary(Tie::Dialect)
        };
        assert_eq!(place(&session), expected, "{collation}");
    }
}

#[test]
fn a_question_about_the_statement_before_when_asked_goes_where_that_ran() {
    let mut session = session();
    read_there(
        &mut session,
        "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1",
        None,
    );
    hear_there(&mut session, &result("a"), 1000);
    run_here(&mut session, &query("UPDATE t SET a=1"), &packet(1, OK));
    say(&mut session, &query("SELECT ROW_COUNT()"));
    assert_eq!(place(&session), Place::Primary(Tie::Follows));
    session.launch().unwrap();
    session.server_bytes(&result("1"), false).unwrap();
    // FOUND_ROWS is about the last SELECT: the one just asked.
    say(&mut session, &query("SELECT FOUND_ROWS()"));
    assert_eq!(place(&session), Place::Primary(Tie::Follows));
    session.launch().unwrap();
    session.server_bytes(&result("1"), false).unwrap();
    read_there(&mut session, "SELECT a FROM t", None);
    hear_there(&mut session, &result("a"), 1000);
    for text in ["SELECT FOUND_ROWS()", "SHOW WARNINGS"] {
        say(&mut session, &query(text));
        assert_eq!(place(&session), Place::Replica);
        assert_eq!(launch_there(&mut session, None), packet(0, &query(text)));
        if text == "SELECT FOUND_ROWS()" {
            assert_eq!(hear_there(&mut session, &result("9"), 1000), result("9"));
        }
    }
    assert!(!session.replica_lost());
    assert!(session.to_client.windows(5).any(|part| part == b"40001"));
}

#[test]
fn an_answer_of_the_replica_when_a_transaction_is_open_on_the_primary_says_so() {
    let modern = |capabilities| {
        let mut session = Session::new(capabilities, b"shop", flags::AUTOCOMMIT);
        session.to_server.clear();
        session.server_bytes(&packet(1, OK), false).unwrap();
        session.spread(45);
        session.know(1, Some(Arc::default()));
        session.replica_attached(b"shop");
        session
    };
    let rows = |end: &'static [u8]| {
        let parts: [&[u8]; 4] = [b"\x01", b"\x03def a column", b"\x019", end];
        let numbered = (1..).zip(parts);
        let packets = numbered.map(|(number, part)| packet(number, part));
        packets.collect::<Vec<_>>().concat()
    };
    let eof = |status: u8| [&b"\xfe\0\0"[..], &[status, 0]].concat();
    for (begin, status) in [("BEGIN", 3_u8), ("SET autocommit=0", 0)] {
        let ok = packet(1, &[0, 0, 0, status, 0, 0, 0]);
        let mut session = self::session();
        read_there(&mut session, "SELECT a FROM t", None);
        hear_there(&mut session, &result("a"), 1000);
        run_here(&mut session, &query(begin), &ok);
        say(&mut session, &query("SELECT FOUND_ROWS()"));
        assert_eq!(place(&session), Place::Replica);
        assert!(session.launch_elsewhere(None).is_some());
        let heard = hear_there(&mut session, &result("9"), 5);
        assert!(heard.ends_with(&packet(5, &eof(status))), "{heard:?}");
        assert_eq!(session.phase(), Phase::Idle);

        let mut session = modern(flags::PROTOCOL_41 | flags::DEPRECATE_EOF);
        read_there(&mut session, "SELECT a FROM t", None);
        hear_there(&mut session, &rows(b"\xfe\0\0\x02\0\0\0"), 1000);
        run_here(&mut session, &query(begin), &ok);
        say(&mut session, &query("SELECT FOUND_ROWS()"));
        assert!(session.launch_elsewhere(None).is_some());
        let heard = hear_there(&mut session, &rows(b"\xfe\0\0\x02\0\0\0"), 1000);
        let end = packet(4, &[0xfe, 0, 0, status, 0, 0, 0]);
        assert!(heard.ends_with(&end), "{heard:?}");
    }
}

/// After a read on the replica the primary is about to run `text`, which looks back; the replica says what it found.
fn carries(text: &str, writes: bool, found: &[u8]) -> Session {
    let mut session = session();
    let read = "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1";
    read_there(&mut session, read, None);
    hear_there(&mut session, &result("a"), 1000);
    if writes {
        run_here(&mut session, &query("UPDATE t SET a=1"), &packet(1, OK));
    }
    say(&mut session, &query(text));
    assert_eq!(place(&session), Place::Ask, "{text}");
    assert!(session.ask_elsewhere());
    let asked = packet(0, &query("SELECT FOUND_ROWS()"));
    assert_eq!(session.take_to_replica(), asked);
    assert!(hear_there(&mut session, found, 3).is_empty());
    assert_eq!(session.phase(), Phase::Ready);
    assert!(matches!(place(&session), Place::Primary(_)));
    session
}

#[test]
fn what_a_read_on_a_replica_left_when_the_primary_is_asked_for_it_is_carried_there() {
    let cases = [
        (
            "INSERT INTO log SELECT FOUND_ROWS()",
            false,
            "SELECT SQL_CALC_FOUND_ROWS",
        ),
        (
            "SELECT FOUND_ROWS(), @@sql_mode",
            false,
            "SELECT SQL_CALC_FOUND_ROWS",
        ),
        ("SELECT FOUND_ROWS(), ROW_COUNT()", true, "BEGIN NOT ATOMIC"),
    ];
    for (text, writes, opening) in cases {
        let mut session = carries(text, writes, &result("9"));
        assert!(session.launch().unwrap().is_empty(), "{text}");
        let told = std::mem::take(&mut session.to_server);
        let sql = String::from_utf8_lossy(&told[5..]).into_owned();
        assert!(
            sql.starts_with(opening) && sql.contains("REPEAT('0,',9-1)"),
            "{sql}"
        );
        for byte in packet(1, OK) {
            let given = session.server_bytes(&[byte], false);
            assert!(given.is_err() || given.unwrap().pass == 0);
            if session.phase() == Phase::Ready {
                break;
            }
        }
        let mut session = carries(text, writes, &result("9"));
        session.launch().unwrap();
        session.server_bytes(&packet(1, OK), false).unwrap();
        assert_eq!(session.launch().unwrap(), packet(0, &query(text)));
        session.server_bytes(&packet(1, OK), false).unwrap();
        assert_eq!(session.phase(), Phase::Idle);
        // What the statement left is on the primary.
        say(&mut session, &query("SHOW WARNINGS"));
        assert_eq!(place(&session), Place::Primary(Tie::Follows));
    }
}

#[test]
fn what_a_read_on_a_replica_left_when_it_cannot_be_carried_is_refused_once() {
    let text = "INSERT INTO log SELECT FOUND_ROWS()";
    let unknown = carries(text, false, &error(1317));
    let many = carries(text, false, &result("1000001"));
    let mut refused = carries(text, false, &result("9"));
    refused.launch().unwrap();
    refused.server_bytes(&error(1064), false).unwrap();
    for mut session in [unknown, many, refused] {
        assert_eq!(session.launch().err(), Some(Fault::LooksBack));
        session.fail(&Fault::LooksBack);
        say(&mut session, &query("SELECT a FROM t"));
        assert_eq!(place(&session), Place::Primary(Tie::NotSpread));
    }
}

/// Prepares `text` on the primary as its statement 5 with one parameter; the client's id is 1.
fn prepare(session: &mut Session, text: &str) {
    let prepared = [
        packet(1, b"\0\x05\0\0\0\0\0\x01\0\0\0\0"),
        packet(2, b"\x03def ?"),
        packet(3, EOF),
    ];
    let payload = [&[code::STMT_PREPARE], text.as_bytes()].concat();
    run_here(session, &payload, &prepared.concat());
}

fn execution(id: u32, types: bool) -> Vec<u8> {
    let mut payload = vec![code::STMT_EXECUTE];
    payload.extend_from_slice(&id.to_le_bytes());
    payload.extend_from_slice(&[0, 1, 0, 0, 0, 0, u8::from(types)]);
    if types {
        payload.extend_from_slice(&[3, 0]);
    }
    payload.extend_from_slice(&7_u32.to_le_bytes());
    payload
}

#[test]
fn a_prepared_read_when_executed_on_a_replica_is_prepared_there_in_the_same_write() {
    let mut session = session();
    let text = "SELECT a FROM t WHERE b = ?";
    prepare(&mut session, text);
    say(&mut session, &execution(1, true));
    assert_eq!(place(&session), Place::Either);
    let preparation = packet(0, &[&[code::STMT_PREPARE], text.as_bytes()].concat());
    let expected = [preparation, packet(0, &execution(u32::MAX, true))];
    assert_eq!(launch_there(&mut session, None), expected.concat());
    let prepared = [
        packet(1, b"\0\x09\0\0\0\0\0\x01\0\0\0\0"),
        packet(2, b"\x03def ?"),
        packet(3, EOF),
    ];
    let answers = [prepared.concat(), result("a")].concat();
    assert_eq!(hear_there(&mut session, &answers, 4), result("a"));
    // The second time under its id there; the types are known.
    say(&mut session, &execution(1, false));
    assert_eq!(
        launch_there(&mut session, None),
        packet(0, &execution(9, false))
    );
    hear_there(&mut session, &result("a"), 1000);
    // The primary has not heard the types; after it has heard others, the replica must.
    say(&mut session, &execution(1, false));
    assert_eq!(session.launch().unwrap(), packet(0, &execution(5, true)));
    session.server_bytes(&result("a"), false).unwrap();
    say(&mut session, &execution(1, true));
    session.launch().unwrap();
    session.server_bytes(&result("a"), false).unwrap();
    say(&mut session, &execution(1, false));
    assert_eq!(
        launch_there(&mut session, None),
        packet(0, &execution(9, true))
    );
    hear_there(&mut session, &result("a"), 1000);
    // Closed by the client: also there.
    say(&mut session, b"\x19\x01\0\0\0");
    session.launch().unwrap();
    session.unanswered_ends();
    assert_eq!(session.take_to_replica(), packet(0, b"\x19\x09\0\0\0"));
}

#[test]
fn a_prepared_read_when_it_cannot_be_prepared_on_the_replica_runs_on_the_primary() {
    let mut session = session();
    prepare(&mut session, "SELECT a FROM t WHERE b = ?");
    say(&mut session, &execution(1, true));
    launch_there(&mut session, None);
    let answers = [error(1146), error(1243)].concat();
    assert!(hear_there(&mut session, &answers, 1000).is_empty());
    assert_eq!(session.phase(), Phase::Ready);
    assert_eq!(session.launch().unwrap(), packet(0, &execution(5, true)));
    assert!(!session.replica_is_unfit());
}

#[test]
fn a_prepared_read_when_the_database_is_another_runs_on_the_primary() {
    let mut session = session();
    prepare(&mut session, "SELECT a FROM t WHERE b = ?");
    run_here(
        &mut session,
        b"\x02blog",
        &packet(1, b"\0\0\0\x02\x40\0\0\0\x07\x01\x05\x04blog"),
    );
    say(&mut session, &execution(1, true));
    assert_eq!(place(&session), Place::Primary(Tie::Database));
}

#[test]
fn a_prepared_read_when_looked_at_again_elsewhere_means_the_names_it_was_prepared_with() {
    let mut session = session();
    prepare(&mut session, "SELECT a FROM v WHERE b = ?");
    let went = |name: &str| {
        let schema = [&[name.len() as u8], name.as_bytes()].concat();
        let change = [&[1, schema.len() as u8], &*schema].concat();
        let ok = [&b"\0\0\0\x02\x40\0\0\0"[..], &[change.len() as u8], &change].concat();
        packet(1, &ok)
    };
    run_here(&mut session, b"\x02blog", &went("blog"));
    let view = ("shop".to_owned(), "v".to_owned(), Object::View);
    session.know(2, Some(Arc::new(Catalog::new(&[view], &[]))));
    say(&mut session, &execution(1, true));
    let reason = Place::Primary(Tie::Text(Reason::View));
    assert_eq!(place(&session), reason);
    session.fail(&Fault::LooksBack);
    run_here(&mut session, b"\x02shop", &went("shop"));
    say(&mut session, &execution(1, true));
    assert_eq!(place(&session), reason);
}

#[test]
fn a_replica_when_it_cannot_be_set_up_is_of_no_more_use() {
    let mut session = session();
    run_here(
        &mut session,
        &query("SET time_zone='x'"),
        &reported("time_zone", "x"),
    );
    read_there(&mut session, "SELECT a FROM t", None);
    assert!(hear_there(&mut session, &error(1298), 1000).is_empty());
    assert!(session.replica_is_unfit() && session.phase() == Phase::Ready);
    assert!(session.replica_lost());
    session.launch().unwrap();
}

#[test]
fn a_session_when_reset_resets_the_replica_before_its_next_read() {
    let mut session = session();
    run_here(
        &mut session,
        &query("SET time_zone='+01:00'"),
        &reported("time_zone", "+01:00"),
    );
    read_there(&mut session, "SELECT a FROM t", None);
    hear_there(&mut session, &[packet(1, OK), result("a")].concat(), 1000);
    run_here(&mut session, &[code::RESET_CONNECTION], &packet(1, OK));
    session.to_server.clear();
    session.server_bytes(&packet(1, OK), false).unwrap();
    let sent = read_there(&mut session, "SELECT a FROM t", None);
    let expected = [
        packet(0, &[code::RESET_CONNECTION]),
        packet(0, &query("SELECT a FROM t")),
    ];
    assert_eq!(sent, expected.concat());
}

#[test]
fn a_write_when_the_server_does_not_tell_its_id_is_asked_for() {
    let mut session = session();
    let insert = query("INSERT INTO t VALUES (1)");
    assert!(session.knows_its_writes());
    run_here(
        &mut session,
        &query("SELECT a FROM t FOR UPDATE"),
        &error(1205),
    );
    assert!(!session.knows_its_writes(), "perhaps a procedure");
    run_here(&mut session, &insert, &reported("last_gtid", "0-1-5"));
    assert!(session.knows_its_writes());
    run_here(&mut session, &query("CALL p()"), &error(1062));
    assert!(!session.knows_its_writes());
    run_here(&mut session, &insert, &reported("last_gtid", "0-1-6"));
    assert!(session.knows_its_writes());
    read_there(&mut session, "SELECT a FROM t", None);
    hear_there(&mut session, &result("a"), 1000);
    run_here(&mut session, &insert, &reported("last_gtid", "5-1-1"));
    say(&mut session, &query("SELECT a FROM t"));
    assert_eq!(place(&session), Place::Primary(Tie::NotSpread));
}

#[test]
fn a_write_when_acknowledged_leaves_its_id() {
    let mut session = session();
    assert_eq!(session.wrote(), None);
    run_here(
        &mut session,
        &query("UPDATE t SET a=1"),
        &reported("last_gtid", "0-1-7"),
    );
    let seven = Gtid {
        domain: 0,
        server: 1,
        sequence: 7,
    };
    assert_eq!(session.wrote(), Some(seven));
}

proptest! {
    #[test]
    fn any_bytes_when_fed_from_three_sides_never_panic_and_stay_bounded(
        steps in prop::collection::vec((0_u8..3, prop::collection::vec(any::<u8>(), 1..100)), 1..30),
        reads: bool,
    ) {
        let mut session = session();
        for (side, bytes) in steps {
            let bytes = if reads && side == 0 { query("SELECT a FROM t") } else { bytes };
            let bytes = packet(u8::from(side > 0), &bytes);
            match side {
                0 if session.phase() == Phase::Idle => {
                    session.client_bytes(&bytes);
                    if session.want() == Want::Send {
                        let there = place(&session) != Place::Primary(Tie::Retried);
                        if !(there && session.launch_elsewhere(Some(WAIT)).is_some()) && session.launch().is_err() {
                            session.fail(&Fault::LooksBack);
                        }
                    }
                }
                1 if session.server_bytes(&bytes, false).is_err() => {
                    session.lost();
                }
                2 if session.replica_bytes(&bytes, false).is_err() => {
                    session.replica_lost();
                    session.replica_attached(b"shop");
                }
                _ => {}
            }
            prop_assert!(session.to_client.len() + session.take_to_replica().len() < 1 << 16);
            session.to_client.clear();
            session.to_server.clear();
        }
    }
}
