//! What a session is after statements whose effect the server does not report, or reports wrong; fed by hand.

use wire::command::code;
use wire::packet::{HEADER, packet};

use super::*;

const OK: &[u8] = b"\0\0\0\x02\0\0\0";
/// Another result follows.
const MORE: &[u8] = b"\0\0\0\x0a\0\0\0";

fn session() -> Session {
    let mut session = Session::new(flags::PROTOCOL_41, b"shop", flags::AUTOCOMMIT);
    session.to_server.clear();
    session.server_bytes(&packet(1, OK), false).unwrap();
    session.spread(45);
    session.know(1, Some(Arc::default()));
    session
}

/// An OK that reports variables, and that something changed.
fn reported(variables: &[(&str, &str)]) -> Vec<u8> {
    let counted = |text: &[u8]| [&[text.len() as u8], text].concat();
    let mut changes = vec![2, 1, b'1'];
    for (name, value) in variables {
        let pair = [counted(name.as_bytes()), counted(value.as_bytes())].concat();
        changes.push(0);
        changes.extend_from_slice(&counted(&pair));
    }
    [&b"\0\0\0\x02\x40\0\0\0"[..], &counted(&changes)].concat()
}

fn run(session: &mut Session, text: &str, answers: &[&[u8]]) {
    let bytes = packet(0, &[b"\x03", text.as_bytes()].concat());
    assert_eq!(session.client_bytes(&bytes).used, bytes.len(), "{text}");
    session.launch().unwrap();
    for (number, answer) in (1..).zip(answers) {
        let answer = packet(number, answer);
        let used = session.server_bytes(&answer, false).unwrap().used;
        assert_eq!(used, answer.len(), "{text}");
    }
    session.to_client.clear();
    assert_eq!(session.phase(), Phase::Idle, "{text}");
}

fn obstacle_after(text: &str, answers: &[&[u8]]) -> Option<&'static str> {
    let mut session = session();
    run(&mut session, text, answers);
    session.state.pins.obstacle()
}

#[test]
fn session_when_one_of_several_statements_sets_what_is_not_reported_is_tied_to_its_connection() {
    for text in [
        "SELECT 1; SET TRANSACTION READ ONLY",
        "SET TRANSACTION READ ONLY; INSERT INTO t VALUES (1)",
        "SET x=1; SET @@tx_isolation='SERIALIZABLE'",
        "DO 1; SET STATEMENT sql_select_limit=1 FOR SELECT a FROM t",
        "SET STATEMENT sql_select_limit=1 FOR SELECT a FROM t; SELECT 1",
        "SET x=1; SET NAMES utf8mb4 COLLATE utf8mb4_bin",
        "SET x=1; SET CHARACTER SET utf8mb4",
        "DO 1; SET /* c */ ROLE a",
        "DO 1; LOCK TABLES t READ",
        "DO 1; HANDLER t OPEN",
        "SET TRANSACTION READ ONLY; DELETE FROM nowhere",
    ] {
        assert!(obstacle_after(text, &[MORE, OK]).is_some(), "{text}");
        let failed: &[u8] = b"\xff\x7a\x04#42S02no";
        assert!(obstacle_after(text, &[MORE, failed]).is_some(), "{text}");
    }
    for text in [
        "SET x=1; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET NAMES utf8mb4; SET sql_mode=''",
        "INSERT INTO t VALUES ('; SET TRANSACTION READ ONLY'); UPDATE t SET a=1",
        "START TRANSACTION; INSERT INTO t VALUES (1)",
    ] {
        assert_eq!(obstacle_after(text, &[MORE, OK]), None, "{text}");
    }
    let routine = "CREATE PROCEDURE p() BEGIN SET TRANSACTION READ ONLY; DO 1; END";
    assert_eq!(obstacle_after(routine, &[OK]), None);
}

#[test]
fn several_statements_when_they_begin_with_set_transaction_are_not_run_again_on_another_primary() {
    let mut session = session();
    let text = "SET TRANSACTION READ WRITE; INSERT INTO t VALUES (1)";
    run(&mut session, text, &[MORE, OK]);
    assert_eq!(session.state.next_transaction, None);
    assert_eq!(session.script().len(), 1);
}

#[test]
fn settings_when_they_are_for_the_next_transaction_only_are_kept_for_it() {
    let mut session = session();
    run(&mut session, "SET @@tx_isolation = 'SERIALIZABLE'", &[OK]);
    assert!(session.state.next_transaction.is_some());
    assert_eq!(session.script().len(), 2);
    run(&mut session, "SELECT 1", &[b"\xff\x7a\x04#42S02no"]);
    run(&mut session, "SELECT FROM_DAYS(1)", &[OK]);
    assert!(session.state.next_transaction.is_some());
    run(&mut session, "SELECT a FROM t", &[OK]);
    assert_eq!(session.state.next_transaction, None);
    assert!(obstacle_after("SET @@tx_read_only = 1, sql_mode = ''", &[OK]).is_some());
    assert_eq!(
        obstacle_after("SET @@session.tx_read_only = 1", &[OK]),
        None
    );
}

#[test]
fn set_statement_when_what_follows_may_set_something_ties_the_session() {
    let answer = reported(&[("sql_mode", "ANSI_QUOTES"), ("max_statement_time", "5")]);
    for text in [
        "SET STATEMENT max_statement_time=5 FOR CALL p()",
        "SET STATEMENT max_statement_time=5 FOR SET sql_mode='ANSI_QUOTES'",
        "SET STATEMENT max_statement_time=5 FOR SELECT f(1)",
    ] {
        assert!(obstacle_after(text, &[&answer]).is_some(), "{text}");
    }
    let text = "SET STATEMENT max_statement_time=5 FOR INSERT INTO t VALUES (1)";
    assert_eq!(obstacle_after(text, &[&answer]), None);
}

#[test]
fn function_when_it_sets_variables_and_more_ties_the_session() {
    let answer = reported(&[("sql_select_limit", "8")]);
    assert!(obstacle_after("INSERT INTO t VALUES (f(1))", &[&answer]).is_some());
    // What was set for the statement before is told with its old value now.
    assert_eq!(obstacle_after("INSERT INTO t VALUES (1)", &[&answer]), None);
    let wrote = reported(&[("last_gtid", "0-1-5")]);
    assert!(obstacle_after("INSERT INTO t VALUES (1)", &[&wrote]).is_some());
}

#[test]
fn collation_when_it_came_with_a_character_set_is_told_to_other_servers() {
    let charset = [
        ("character_set_client", "utf8mb4"),
        ("character_set_results", "utf8mb4"),
        ("character_set_connection", "utf8mb4"),
    ];
    for text in ["SET CHARACTER SET utf8mb4", "set charset 'utf8mb4'"] {
        let mut session = session();
        run(&mut session, text, &[&reported(&charset)]);
        let settings = session.state.settings().unwrap();
        let collation = "collation_connection=(SELECT DEFAULT_COLLATION_NAME FROM \
             information_schema.SCHEMATA WHERE SCHEMA_NAME=CONVERT(x'73686f70' USING utf8mb4))";
        assert!(settings.ends_with(collation), "{settings}");
        run(&mut session, "SET NAMES utf8mb4", &[&reported(&charset)]);
        assert!(!session.state.settings().unwrap().contains("collation"));
    }
    let listed = "SET sql_mode='', NAMES utf8mb4 COLLATE utf8mb4_bin";
    assert!(obstacle_after(listed, &[&reported(&charset)]).is_some());
}

#[test]
fn reads_when_null_may_mean_the_last_insert_id_run_on_the_primary() {
    let mut session = session();
    let read = packet(0, b"\x03SELECT a FROM t WHERE a IS NULL");
    let place = |session: &mut Session| {
        assert_eq!(session.client_bytes(&read).used, read.len());
        let place = session.place(&Surprises::default());
        session.fail(&Fault::LooksBack);
        place
    };
    assert_eq!(place(&mut session), Place::Either);
    let set = reported(&[("sql_auto_is_null", "ON")]);
    run(&mut session, "SET sql_auto_is_null=1", &[&set]);
    assert!(matches!(place(&mut session), Place::Primary(_)));
    let set = reported(&[("sql_auto_is_null", "OFF")]);
    run(&mut session, "SET sql_auto_is_null=0", &[&set]);
    assert_eq!(place(&mut session), Place::Either);
}

#[test]
fn insert_returning_when_the_server_tells_later_that_it_was_only_a_write_leaves_nothing() {
    let changed = b"\xfe\0\0\x02\x40";
    let column = b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0";
    let rows: [&[u8]; 5] = [b"\x01", column, b"\xfe\0\0\x02\0", b"\x011", changed];
    let variable = [&b"\x09last_gtid\x050-1-7"[..]].concat();
    let gtid = [&[0, variable.len() as u8][..], &variable].concat();
    let told = |changes: &[u8]| {
        let mut session = session();
        run(&mut session, "INSERT INTO t VALUES (1) RETURNING a", &rows);
        assert!(session.state.pins.obstacle().is_some(), "not told yet");
        run(&mut session, "COMMIT", &[OK]);
        assert!(
            session.state.pins.obstacle().is_some(),
            "an OK without the flag tells nothing"
        );
        let ok = [
            &b"\0\x01\0\x02\x40\0\0\0"[..],
            &[changes.len() as u8],
            changes,
        ]
        .concat();
        run(&mut session, "UPDATE t SET a = 2", &[&ok]);
        session.state.pins.obstacle()
    };
    assert_eq!(told(&gtid), None);
    let more = [&gtid[..], b"\x02\x011"].concat();
    assert_eq!(told(&more), Some("a session with state of its own"));
}

#[test]
fn choice_when_what_it_set_beside_is_unknown_then_another_after_a_reset_does_not_wait() {
    const UNKNOWN: &[u8] = b"\xff\xa9\x04#HY000Unknown system variable";
    let mut session = Session::new(
        flags::PROTOCOL_41 | flags::SESSION_TRACK,
        b"shop",
        flags::AUTOCOMMIT,
    );
    let answers = |session: &mut Session, payload: &[u8]| {
        let answer = packet(1, payload);
        let used = session.server_bytes(&answer, false).unwrap().used;
        assert_eq!(used, answer.len());
    };
    let begins = |session: &mut Session, payload: &[u8]| {
        let bytes = packet(0, payload);
        assert_eq!(session.client_bytes(&bytes).used, bytes.len());
    };
    answers(&mut session, OK);
    begins(
        &mut session,
        b"\x03SET session_track_schema=1, no_such_thing=1",
    );
    answers(&mut session, OK);
    session.launch().unwrap();
    answers(&mut session, UNKNOWN);
    // What was chosen is asked for, and then `no_such_thing` again.
    answers(&mut session, OK);
    answers(&mut session, UNKNOWN);
    begins(&mut session, b"\x1f");
    session.launch().unwrap();
    answers(&mut session, OK);
    answers(&mut session, OK);
    session.to_server.clear();
    begins(&mut session, b"\x03SET session_track_schema=1");
    let waits_for_nothing = session.phase() == Phase::Preparing && session.to_server.is_empty();
    assert!(!waits_for_nothing);
}

#[test]
fn assignments_without_a_scope_when_sent_are_said_to_be_the_sessions() {
    let sent = |command: u8, text: &str| {
        let mut session = session();
        session.client_bytes(&packet(0, &[&[command], text.as_bytes()].concat()));
        String::from_utf8(session.launch().unwrap()[HEADER + 1..].to_vec()).unwrap()
    };
    for command in [code::QUERY, code::STMT_PREPARE] {
        let text = "SET @@time_zone = 'SYSTEM', @@tx_isolation = 'SERIALIZABLE'";
        let wanted = "SET @@session.time_zone = 'SYSTEM', @@tx_isolation = 'SERIALIZABLE'";
        assert_eq!(sent(command, text), wanted);
        assert_eq!(sent(command, "SELECT @@a = 1"), "SELECT @@a = 1");
    }
    let several = "SET @@a = 1; SET @@b = 2";
    assert_eq!(sent(code::QUERY, several), several);
}

#[test]
fn assignments_without_a_scope_when_none_can_be_given_tie_the_session() {
    for text in [
        "SET @@`sql_mode` = ''",
        "SET NAMES utf8mb4, @@`sql_mode` = ''",
        "SET /*! @@sql_mode = '' */",
    ] {
        assert!(obstacle_after(text, &[OK]).is_some(), "{text}");
    }
    for text in [
        "DO 1; SET @@sql_mode = ''",
        "SET NAMES utf8mb4, @@sql_mode = ''; DO 1",
        "BEGIN NOT ATOMIC SET @@sql_mode = ''; END",
    ] {
        assert!(obstacle_after(text, &[MORE, OK]).is_some(), "{text}");
    }
    assert_eq!(
        obstacle_after("SELECT @@sql_mode = ''; DO 1", &[MORE, OK]),
        None
    );
    assert_eq!(obstacle_after("SET @@sql_mode = ''", &[OK]), None);
}
