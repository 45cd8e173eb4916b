//! The protocol's other commands, and what they do to a session.

use wire::command::{Shape, code};
use wire::packet::packet;

use crate::answer::show;
use crate::book::Coded;
use crate::conn::Who;
use crate::stage::{Stage, Way};
use crate::value::Value;

pub(crate) const PROBES: &[Coded] = &[
    ("com_ping", "PING, inside and outside a transaction", ping),
    (
        "com_init_db",
        "INIT_DB, also for a database that is not",
        init_db,
    ),
    (
        "com_field_list",
        "FIELD_LIST of a table, with a pattern, of no table",
        field_list,
    ),
    (
        "com_statistics",
        "STATISTICS answers with a text",
        statistics,
    ),
    (
        "com_set_option",
        "multi-statements switched off and on",
        set_option,
    ),
    (
        "com_reset_connection",
        "RESET_CONNECTION: everything of the session is gone",
        reset_connection,
    ),
    (
        "com_change_user",
        "CHANGE_USER: another account, another database, nothing left over",
        change_user,
    ),
    (
        "com_change_user_refused",
        "CHANGE_USER with a wrong password, to no database, without half of it; and once too often",
        change_user_refused,
    ),
    (
        "com_change_user_open_transaction",
        "CHANGE_USER rolls back and unlocks",
        change_user_open,
    ),
    (
        "com_process_kill",
        "PROCESS_KILL, the old form of KILL",
        process_kill,
    ),
    (
        "com_process_info",
        "PROCESS_INFO, the old form of SHOW PROCESSLIST",
        process_info,
    ),
    (
        "com_create_and_drop_db",
        "the old forms of CREATE and DROP DATABASE",
        create_db,
    ),
    ("com_refresh", "REFRESH, the old form of FLUSH", refresh),
    ("com_debug", "DEBUG", debug),
    (
        "com_unknown",
        "a command's number that nobody knows",
        unknown,
    ),
    (
        "com_replication",
        "BINLOG_DUMP and REGISTER of a replica",
        replication,
    ),
    ("com_empty", "a packet without a command", empty),
    (
        "release_among_several",
        "COMMIT RELEASE among several statements: those behind it do not run",
        release_among_several,
    ),
    ("com_quit", "QUIT inside a transaction rolls back", quit),
    (
        "pipelined_queries",
        "three statements in one packet's time, answers in order",
        pipelined,
    ),
    (
        "transaction_of_a_lost_client",
        "a client that vanishes leaves nothing",
        vanished,
    ),
    (
        "local_infile",
        "LOAD DATA LOCAL INFILE reads the client's file",
        local_infile,
    ),
    (
        "local_infile_empty",
        "an empty file, and one that the client will not send",
        local_infile_empty,
    ),
    (
        "local_infile_error",
        "the table is not there: no file is asked for",
        local_infile_error,
    ),
    (
        "local_infile_in_multi_statements",
        "a file between two results",
        local_infile_multi,
    ),
    (
        "status_flags",
        "the flags of a transaction, of reads without index, of no-backslash-escapes",
        status,
    ),
];

fn simple(stage: &mut Stage, what: &str, payload: &[u8]) {
    stage.command(1, what, payload, Shape::Simple);
}

fn ping(stage: &mut Stage) {
    simple(stage, "pings", &[code::PING]);
    stage.query(1, "BEGIN");
    simple(stage, "pings", &[code::PING]);
    stage.query(1, "SELECT @@in_transaction");
    stage.query(1, "SELECT 1/0");
    simple(stage, "pings", &[code::PING]);
    stage.query(1, "SHOW WARNINGS");
}

fn init_db(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    simple(stage, "uses mysql", b"\x02mysql");
    stage.query(1, "SELECT DATABASE()");
    simple(stage, "uses nothing", b"\x02no_such_database");
    simple(stage, "uses an empty name", b"\x02");
    stage.query(1, "SELECT DATABASE()");
    simple(stage, "uses probe", b"\x02probe");
    stage.query(1, "SELECT * FROM t");
}

fn field_list(stage: &mut Stage) {
    stage.query(
        1,
        "CREATE TABLE t (one INT DEFAULT 5, two VARCHAR(9), other DATE)",
    );
    for payload in [
        &b"\x04t\0"[..],
        b"\x04t\0o%",
        b"\x04t\0nothing",
        b"\x04nothing\0",
    ] {
        let what = format!("lists {}", show(&payload[1..]));
        stage.command(1, &what, payload, Shape::Rows);
    }
    stage.query(1, "SELECT 'after'");
}

fn statistics(stage: &mut Stage) {
    // Why: uptime and counters differ by nature; the words around them do not.
    let answer = stage.ask(1, &[code::STATISTICS], Shape::Text);
    let words: String = answer
        .lines
        .concat()
        .chars()
        .filter(|c| !c.is_ascii_digit())
        .collect();
    stage.say(&words);
    stage.query(1, "SELECT 'after'");
}

fn set_option(stage: &mut Stage) {
    for (what, payload) in [
        ("off", b"\x1b\x01\0"),
        ("on", b"\x1b\0\0"),
        ("odd", b"\x1b\x09\0"),
    ] {
        simple(stage, what, payload);
        stage.say("two at once");
        let answer = stage.text(1, "SELECT 1; SELECT 2");
        stage.tell(&answer);
    }
}

/// Everything a session can hold.
fn fill(stage: &mut Stage) {
    stage.query(
        1,
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
    );
    for sql in [
        "SET @a = 1, sql_mode = '', time_zone = '+05:00', group_concat_max_len = 7",
        "SET NAMES latin1",
        "CREATE TEMPORARY TABLE tt (a INT)",
        "SELECT GET_LOCK('probe', 0)",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "PREPARE s FROM 'SELECT 1'",
        "INSERT INTO t (v) VALUES (1)",
        "USE information_schema",
        "SET autocommit = 0",
        "INSERT INTO probe.t (v) VALUES (2)",
    ] {
        stage.query(1, sql);
    }
}

/// What is left of it.
fn look(stage: &mut Stage) {
    for sql in [
        "SELECT @a, @@sql_mode, @@time_zone, @@group_concat_max_len, @@autocommit, @@tx_isolation",
        "SELECT @@character_set_client, @@collation_connection, DATABASE(), LAST_INSERT_ID()",
        "SELECT IS_FREE_LOCK('probe'), @@in_transaction, USER(), CURRENT_USER()",
        "SELECT COUNT(*) FROM probe.t",
    ] {
        stage.query(1, sql);
    }
    for sql in ["SELECT * FROM probe.tt", "EXECUTE s"] {
        let answer = stage.text(1, sql);
        stage.say(sql);
        stage.tell(&answer);
    }
}

fn reset_connection(stage: &mut Stage) {
    fill(stage);
    let statement = stage.prepare(1, "SELECT ?");
    simple(stage, "resets the connection", &[code::RESET_CONNECTION]);
    look(stage);
    stage.execute(1, statement, &[Value::Int(1)]);
    simple(stage, "resets again", &[code::RESET_CONNECTION]);
    stage.query(1, "SELECT 'after'");
    // What the default database collates as, the server has forgotten until the next USE.
    stage.query(1, "CREATE TABLE probe.c (a INT)");
    stage.query(1, "ALTER DATABASE probe COLLATE utf8mb4_bin");
    for use_first in [false, true] {
        if use_first {
            stage.query(1, "USE probe");
        }
        stage.query(1, "SET CHARACTER SET utf8mb4");
        stage.query(1, "SELECT 'a' = 'A', COLLATION('a'), COUNT(*) FROM probe.c");
        stage.query(1, "SELECT @@collation_connection, @@collation_database");
        simple(stage, "uses probe", b"\x02probe");
        simple(stage, "resets the connection", &[code::RESET_CONNECTION]);
    }
}

fn change_user(stage: &mut Stage) {
    fill(stage);
    let statement = stage.prepare(1, "SELECT ?");
    let who = Who {
        database: "shop",
        user: "empty",
        password: "",
        ..Who::app(stage.way.capabilities())
    };
    change(stage, &who);
    stage.query(1, "SELECT USER(), DATABASE(), @a, @@character_set_client");
    stage.execute(1, statement, &[Value::Int(1)]);
    let refused = stage.text(1, "SELECT * FROM probe.t");
    stage.tell(&refused);
    change(stage, &Who::app(stage.way.capabilities()));
    look(stage);
    let nowhere = Who {
        database: "",
        ..Who::app(stage.way.capabilities())
    };
    change(stage, &nowhere);
    stage.query(1, "SELECT DATABASE()");
}

fn change(stage: &mut Stage, who: &Who<'_>) {
    let answer = stage.conn(1).change_user(who);
    let line = answer.map_or_else(|error| error.kind().to_string(), |packet| show(&packet));
    stage.say(&format!("1 becomes {}: {line}", who.user));
}

fn change_user_refused(stage: &mut Stage) {
    fill(stage);
    let statement = stage.prepare(1, "SELECT ?");
    let app = Who::app(stage.way.capabilities());
    let wrong = Who {
        password: "wrong",
        ..app.clone()
    };
    change(stage, &wrong);
    look(stage);
    stage.execute(1, statement, &[Value::Int(1)]);
    stage.query(
        1,
        "SELECT @@collation_connection, @@character_set_results, FOUND_ROWS()",
    );
    stage.query(1, "INSERT INTO probe.t (v) VALUES (3)");
    stage.query(2, "SELECT GET_LOCK('probe', 0), COUNT(*) FROM probe.t");
    if stage.way == Way::Modern {
        // Why: the server takes a second for each refusal.
        return;
    }
    change(
        stage,
        &Who {
            user: "empty",
            password: "",
            database: "shop",
            ..app.clone()
        },
    );
    stage.query(1, "SELECT USER(), DATABASE()");
    let nowhere = Who {
        database: "no_such_database",
        ..app.clone()
    };
    change(stage, &nowhere);
    stage.query(1, "SELECT USER(), DATABASE()");
    simple(stage, "becomes half a name", b"\x11nobody");
    stage.query(1, "SET @a = 1");
    // Three were refused: the server knows the command no more, right or wrong.
    change(stage, &app);
    stage.query(1, "SELECT USER(), DATABASE(), @a");
}

fn change_user_open(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "LOCK TABLES t WRITE");
    change(stage, &Who::app(stage.way.capabilities()));
    stage.query(2, "INSERT INTO t VALUES (1)");
    stage.query(1, "BEGIN");
    stage.query(1, "INSERT INTO t VALUES (2)");
    change(stage, &Who::app(stage.way.capabilities()));
    stage.query(1, "SELECT COUNT(*), @@in_transaction FROM t");
}

fn process_kill(stage: &mut Stage) {
    for by_greeting in [true, false] {
        let id = if by_greeting {
            stage.conn(1).greeting.thread
        } else {
            stage
                .text(1, "SELECT CONNECTION_ID()")
                .value
                .unwrap()
                .parse()
                .unwrap()
        };
        let mut payload = vec![code::PROCESS_KILL];
        payload.extend_from_slice(&id.to_le_bytes());
        stage.command(2, "kills 1", &payload, Shape::Simple);
        stage.ends(1);
    }
    let answer = stage.ask(2, b"\x0c\xff\xff\xff\x7f", Shape::Simple);
    stage.tell(&answer);
}

fn process_info(stage: &mut Stage) {
    let answer = stage.ask(1, &[code::PROCESS_INFO], Shape::Query);
    let columns = answer
        .lines
        .iter()
        .filter(|line| line.starts_with("column"));
    let columns = columns.count();
    stage.say(&format!(
        "{columns} columns, rows {}, {:?}",
        answer.rows > 0,
        answer.error
    ));
}

fn create_db(stage: &mut Stage) {
    for payload in [
        &b"\x05probe_made"[..],
        b"\x05probe_made",
        b"\x06probe_made",
        b"\x06probe_made",
    ] {
        simple(stage, &show(payload), payload);
    }
    stage.query(1, "SELECT 'after'");
}

fn refresh(stage: &mut Stage) {
    simple(stage, "flushes tables", b"\x07\x04");
    simple(stage, "flushes status", b"\x07\x10");
    stage.query(1, "SELECT 'after'");
}

fn debug(stage: &mut Stage) {
    simple(stage, "debugs", &[code::DEBUG]);
    stage.query(1, "SELECT 'after'");
}

fn unknown(stage: &mut Stage) {
    // Those of the old protocol among them; all but what a server knows, and replication.
    let obsolete = [0, 5, 6, 0x0b, 0x0f, 0x10, 0x13, 0x14, 0x1d, 0x1e];
    for command in obsolete.into_iter().chain(0x20..=0xf9).chain(0xfb..=0xff) {
        simple(stage, &format!("command {command:02x}"), &[command]);
    }
    simple(stage, "with more behind it", b"\x99 and more");
    let long = [&[0x99][..], &vec![b'x'; 100_000]].concat();
    simple(stage, "with much behind it", &long);
    stage.query(1, "SELECT 'after'");
}

fn replication(stage: &mut Stage) {
    simple(
        stage,
        "registers",
        b"\x15\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    );
    stage.query(1, "SELECT 'after'");
}

fn empty(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "BEGIN");
    stage.query(1, "INSERT INTO t VALUES (1)");
    simple(stage, "sends nothing", &[]);
    simple(stage, "sends nothing again", &[]);
    stage.query(1, "SELECT a, @@in_transaction FROM t");
}

fn release_among_several(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    for (conn, sql) in [
        (
            1,
            "BEGIN; INSERT INTO t VALUES (1); COMMIT RELEASE; INSERT INTO t VALUES (2)",
        ),
        (2, "ROLLBACK RELEASE; INSERT INTO t VALUES (3)"),
        (3, "SELECT a FROM t; COMMIT RELEASE; SELECT 2"),
        (
            4,
            "SET completion_type = 2; COMMIT NO RELEASE; COMMIT; INSERT INTO t VALUES (4)",
        ),
        (
            5,
            "SELECT 'COMMIT RELEASE'; EXECUTE IMMEDIATE 'COMMIT RELEASE'; SELECT 2",
        ),
    ] {
        stage.say(sql);
        let answer = stage.text(conn, sql);
        stage.tell(&answer);
        stage.ends(conn);
    }
    stage.query(6, "SELECT a FROM t");
}

fn quit(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "BEGIN");
    stage.query(1, "INSERT INTO t VALUES (1)");
    stage.quit(1);
    stage.query(2, "LOCK TABLES t WRITE");
    stage.query(2, "SELECT COUNT(*) FROM t");
}

fn pipelined(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let mut all = Vec::new();
    for sql in [
        "INSERT INTO t VALUES (1)",
        "SELECT COUNT(*) FROM t",
        "SELECT * FROM nothing",
    ] {
        let mut payload = vec![code::QUERY];
        payload.extend_from_slice(sql.as_bytes());
        all.extend_from_slice(&packet(0, &payload));
    }
    let sent = stage.conn(1).send_raw(&all).is_ok();
    stage.say(&format!("three at once: {sent}"));
    for _ in 0..3 {
        let answer = stage.receive(1, Shape::Query);
        stage.tell(&answer);
    }
    stage.query(1, "SELECT 'after'");
}

fn vanished(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "LOCK TABLES t WRITE");
    drop(stage.take(1));
    stage.query(2, "INSERT INTO t VALUES (1)");
    stage.query(1, "BEGIN");
    stage.query(1, "UPDATE t SET a = 2");
    drop(stage.take(1));
    stage.query(2, "UPDATE t SET a = 3");
    stage.query(2, "SELECT a FROM t");
}

fn local_infile(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT, b VARCHAR(20))");
    stage.conn(1).file = Some(b"1\tone\n2\t\\N\n3\tthree\n".to_vec());
    // Why: a file of that name is on no machine; only the client can have it.
    stage.query(
        1,
        "LOAD DATA LOCAL INFILE '/only/the/client/has/this' INTO TABLE t",
    );
    stage.query(1, "SELECT * FROM t");
    stage.query(
        1,
        "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE t (a, @b) SET b = 'set'",
    );
    stage.query(1, "SHOW WARNINGS");
    stage.query(2, "SELECT COUNT(*) FROM t");
}

fn local_infile_empty(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "LOAD DATA LOCAL INFILE 'refused' INTO TABLE t");
    stage.query(1, "SELECT COUNT(*) FROM t");
    stage.conn(1).file = Some(b"1\n".to_vec());
    stage.query(1, "BEGIN");
    stage.query(1, "LOAD /* c */ DATA LOCAL INFILE 'x' INTO TABLE t");
    stage.query(1, "ROLLBACK");
    stage.query(1, "SELECT COUNT(*) FROM t");
}

fn local_infile_error(stage: &mut Stage) {
    stage.conn(1).file = Some(b"1\n".to_vec());
    let answer = stage.text(1, "LOAD DATA LOCAL INFILE 'x' INTO TABLE nothing");
    stage.tell(&answer);
    stage.query(1, "CREATE TABLE t (a INT PRIMARY KEY)");
    stage.conn(1).file = Some(b"1\n1\nx\n".to_vec());
    stage.query(1, "LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
    stage.query(1, "SHOW WARNINGS");
    let answer = stage.text(1, "LOAD XML LOCAL INFILE 'x' INTO TABLE t");
    stage.tell(&answer);
    stage.query(1, "SELECT 'after'");
}

fn local_infile_multi(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.conn(1).file = Some(b"5\n6\n".to_vec());
    stage.query(
        1,
        "SELECT 1; LOAD DATA LOCAL INFILE 'x' INTO TABLE t; SELECT COUNT(*) FROM t",
    );
    stage.query(1, "SELECT 'after'");
}

fn status(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT, b INT, KEY (b))");
    for sql in [
        "SELECT * FROM t",
        "SELECT * FROM t WHERE a = 1",
        "START TRANSACTION READ ONLY",
        "SELECT * FROM t",
        "COMMIT",
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
        "SELECT 1",
        "SET sql_mode = 'ANSI_QUOTES'",
        "DO 1",
        "BEGIN",
        "INSERT INTO t VALUES (1, 1)",
        "SELECT a FROM t",
        "ROLLBACK",
        "DROP TABLE t",
    ] {
        stage.query(1, sql);
    }
}
