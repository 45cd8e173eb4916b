//! What a client is told of its session's changes: by default, and when it says itself what it wants to hear.

use wire::command::{Shape, code};

use crate::book::Coded;
use crate::stage::{Stage, Way};
use crate::value::Value;

pub(crate) const PROBES: &[Coded] = &[
    (
        "session_tracking",
        "what a client that tracks the session is told",
        tracking,
    ),
    (
        "session_tracking_chosen",
        "what it is told that says what to track",
        tracking_chosen,
    ),
    (
        "session_tracking_of_java",
        "what MariaDB's Java connector says when it connects, and what it is told then",
        tracking_of_java,
    ),
    (
        "session_tracking_in_disguise",
        "a choice that is refused, prepared, made in a procedure, among several statements, asked for",
        tracking_disguised,
    ),
    (
        "session_tracking_of_transactions",
        "a client that wants to hear of its transactions",
        tracking_of_transactions,
    ),
];

fn tracking(stage: &mut Stage) {
    stage.shows_changes = true;
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "INSERT INTO t VALUES (1) RETURNING a");
    for sql in [
        "INSERT INTO t VALUES (2), (3)",
        "SET NAMES latin1",
        "SET sql_mode = ''",
        "SET autocommit = 0",
        "SET autocommit = 1",
        "USE mysql",
        "SET @a = 1",
        "SELECT @a := 2",
        "SET time_zone = '+01:00'",
        "SET NAMES utf8mb4; INSERT INTO probe.t VALUES (4); SELECT 1",
        "CREATE TEMPORARY TABLE probe.u (a INT)",
        "BEGIN",
        "UPDATE probe.t SET a = a + 1",
        "COMMIT",
        "USE probe",
    ] {
        stage.query(1, sql);
    }
}

fn tracking_chosen(stage: &mut Stage) {
    stage.shows_changes = true;
    for sql in [
        "SET NAMES latin1",
        "SET sql_mode = ''",
        "SET autocommit = 0",
        "SET autocommit = 1",
        "USE mysql",
        "SET @a = 1",
        "SET time_zone = '+01:00'",
        "SET session_track_system_variables = 'sql_mode'",
        "SET sql_mode = 'ANSI'",
        "SET time_zone = '+02:00'",
        "SET session_track_state_change = 1",
        "SET @a = 2",
        "SET session_track_schema = 0",
        "USE probe",
        "SET session_track_system_variables = '*'",
        "SET sort_buffer_size = 65536",
        "SELECT @@session_track_system_variables, @@session_track_schema, @@session_track_state_change",
    ] {
        stage.query(1, sql);
    }
    stage.query(
        2,
        "SELECT @@session_track_schema, @@session_track_state_change",
    );
    stage.query(2, "SHOW VARIABLES LIKE 'session_track_s%'");
}

const JAVA: &str = "set autocommit=1, sql_mode=CONCAT(@@sql_mode,',NO_ZERO_DATE'),\
    session_track_system_variables = CONCAT(@@global.session_track_system_variables,',tx_isolation'),\
    time_zone='+03:00', NAMES latin1";
const SHOWN: &str = "SELECT @@session_track_system_variables, @@session_track_schema, \
    @@session_track_state_change, @@session_track_transaction_info";

fn tracking_of_java(stage: &mut Stage) {
    stage.shows_changes = true;
    stage.query(1, "CREATE TABLE t (a INT)");
    for sql in [
        JAVA,
        "INSERT INTO t VALUES (1)",
        "SELECT a FROM t",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET tx_isolation = 'REPEATABLE-READ', group_concat_max_len = 100",
        "SET sql_mode = '', time_zone = '+04:00'",
        "SET NAMES utf8mb4",
        "SET autocommit = 0",
        "SELECT a FROM t",
        "COMMIT",
        "SET autocommit = 1, @a = 1",
        "USE mysql",
        "SELECT COUNT(*) FROM probe.t",
        SHOWN,
        "SHOW SESSION VARIABLES LIKE 'session_track_s%'",
        "SET sql_mode = 'ANSI', session_track_schema = OFF",
        "USE probe",
        "SELECT @@sql_mode, @@time_zone, @@group_concat_max_len, @@character_set_client",
    ] {
        stage.query(1, sql);
    }
    let reset = &[code::RESET_CONNECTION];
    stage.command(1, "resets the connection", reset, Shape::Simple);
    stage.query(1, SHOWN);
    stage.query(
        1,
        "SET tx_isolation = 'READ-COMMITTED', time_zone = '+05:00'",
    );
    stage.query(1, JAVA);
    stage.query(1, "SET tx_isolation = 'REPEATABLE-READ', sql_mode = ''");
}

fn tracking_disguised(stage: &mut Stage) {
    stage.shows_changes = true;
    for sql in [
        "SET sql_mode = 'ANSI', session_track_system_variables = 'nothing_like_that'",
        "SET session_track_system_variables = NULL, time_zone = '+01:00'",
        "SET time_zone = 'nowhere', session_track_system_variables = ''",
    ] {
        let answer = stage.text(1, sql);
        stage.say(sql);
        stage.tell(&answer);
    }
    stage.query(1, "SELECT @@sql_mode, @@time_zone");
    stage.query(1, SHOWN);
    let statement = stage.prepare(1, "SET session_track_system_variables = ?, sql_mode = ''");
    stage.execute(1, statement, &[Value::Text("sql_mode,tx_isolation")]);
    stage.query(1, "SET sql_mode = 'ANSI', time_zone = '+01:00'");
    stage.execute(1, statement, &[Value::Text("")]);
    stage.query(1, "SET sql_mode = 'ANSI', time_zone = '+02:00'");
    stage.query(1, SHOWN);
    stage.query(
        1,
        "SET session_track_system_variables = 'autocommit'; SET autocommit = 0; SELECT 1",
    );
    stage.query(1, "SET autocommit = 1, sql_mode = ''");
    stage.query(1, SHOWN);
    stage.query(
        2,
        "CREATE PROCEDURE p() SET session_track_system_variables = 'sql_mode'",
    );
    stage.query(
        2,
        "SET SESSION session_track_state_change = 1, timestamp = 5",
    );
    stage.query(2, "SET @a = 1");
    stage.query(2, "SELECT NOW(), @a := 2");
    stage.query(2, "SET STATEMENT session_track_schema = 0 FOR USE mysql");
    stage.query(2, "USE probe");
    stage.query(2, SHOWN);
    stage.query(
        3,
        "SET session_track_system_variables = '*', session_track_schema = 0",
    );
    stage.query(3, "SET sql_mode = 'ANSI', group_concat_max_len = 5");
    stage.query(3, "USE mysql");
    stage.query(
        3,
        "SET session_track_system_variables = DEFAULT, session_track_schema = DEFAULT",
    );
    stage.query(3, "SET sql_mode = '', time_zone = '+01:00'");
    stage.query(3, "USE probe");
}

fn tracking_of_transactions(stage: &mut Stage) {
    stage.shows_changes = true;
    stage.query(1, "CREATE TABLE t (a INT)");
    // Why: a client that cannot hear of them has the flag for others that happened long before (10.11.19).
    let modes: &[&str] = match stage.way {
        Way::Plain => &[],
        _ => &["STATE", "CHARACTERISTICS", "OFF"],
    };
    for mode in modes {
        stage.query(
            1,
            &format!("SET session_track_transaction_info = '{mode}', sql_mode = ''"),
        );
        for sql in [
            "INSERT INTO t VALUES (1)",
            "SELECT a FROM t",
            "START TRANSACTION READ ONLY",
            "SELECT a FROM t",
            "COMMIT",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "BEGIN",
            "UPDATE t SET a = 2",
            "ROLLBACK",
            "SET time_zone = '+01:00', group_concat_max_len = 9",
            "USE mysql",
            "USE probe",
        ] {
            stage.query(1, sql);
        }
    }
    stage.query(1, SHOWN);
}
