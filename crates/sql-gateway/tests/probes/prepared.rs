//! The binary protocol: what drivers do with prepared statements, packet by packet.

use wire::command::{Shape, code};

use crate::book::Coded;
use crate::conn::MODERN;
use crate::stage::Stage;
use crate::value::{Value, about, bulk, execute};

pub(crate) const PROBES: &[Coded] = &[
    (
        "prepared_parameters",
        "values of all types, NULLs, types sent once",
        parameters,
    ),
    (
        "prepared_types",
        "dates, times, decimals, bits as parameters and in rows",
        types,
    ),
    (
        "prepared_null_bitmaps",
        "nine and seventeen parameters, some of them NULL",
        null_bitmaps,
    ),
    (
        "prepared_alter_between",
        "a table changes between two executions: no stale metadata",
        alter_between,
    ),
    (
        "prepared_dropped_between",
        "a table goes and comes back between two executions",
        dropped_between,
    ),
    (
        "prepared_strings",
        "the character set and the mode change between two executions: strings keep what they were prepared as",
        strings,
    ),
    (
        "prepared_many",
        "a hundred at once, executed in another order, closed",
        many,
    ),
    (
        "prepared_same_text",
        "the same text twice: two statements",
        same_text,
    ),
    (
        "prepared_reset_and_close",
        "COM_STMT_RESET, closing, an id after it was closed",
        reset_and_close,
    ),
    (
        "prepared_unknown_ids",
        "ids that were never given, to every command that takes one",
        unknown_ids,
    ),
    (
        "prepared_long_data",
        "COM_STMT_SEND_LONG_DATA in pieces, and its reset",
        long_data,
    ),
    (
        "prepared_cursor",
        "a cursor, fetched in parts, closed, reset",
        cursor,
    ),
    (
        "prepared_two_cursors",
        "two cursors at once, another statement between",
        two_cursors,
    ),
    (
        "prepared_cursor_in_a_transaction",
        "COMMIT while it is open",
        cursor_and_commit,
    ),
    (
        "prepared_bulk",
        "COM_STMT_BULK_EXECUTE, with NULL and with an error",
        bulk_execute,
    ),
    (
        "prepared_direct",
        "executes the last prepared one by the id 0xffffffff",
        direct,
    ),
    (
        "prepared_pipelined",
        "PREPARE and EXECUTE sent together, answers in order",
        pipelined,
    ),
    (
        "prepared_write",
        "affected rows and insert ids of the binary protocol",
        write,
    ),
    (
        "prepared_returning",
        "INSERT ... RETURNING with parameters",
        returning,
    ),
    (
        "prepared_last_insert_id",
        "LAST_INSERT_ID() prepared before and after the insert",
        last_insert_id,
    ),
    (
        "prepared_call",
        "several results and OUT parameters of a procedure",
        call,
    ),
    (
        "prepared_transaction",
        "BEGIN, COMMIT and ROLLBACK prepared",
        transaction,
    ),
    (
        "prepared_set",
        "SET prepared: variables, autocommit, names",
        set,
    ),
    (
        "prepared_temporary",
        "a temporary table made and used by prepared statements",
        temporary,
    ),
    ("prepared_for_update", "a locking read prepared", for_update),
    (
        "prepared_errors",
        "refused at prepare and at execute, wrong numbers of parameters",
        errors,
    ),
    (
        "prepared_limits",
        "LIMIT ? and placeholders in odd places",
        limits,
    ),
    (
        "prepared_use",
        "a statement keeps the database it was prepared in",
        use_between,
    ),
    (
        "prepared_after_error",
        "an execution fails, the next one does not",
        after_error,
    ),
    ("prepared_warnings", "warnings counted and shown", warnings),
    (
        "prepared_user_variables",
        "assigned and read by prepared statements",
        user_variables,
    ),
];

fn simple(stage: &mut Stage, what: &str, payload: &[u8]) {
    stage.command(1, what, payload, Shape::Simple);
}

fn close(stage: &mut Stage, id: u32) {
    stage.ask(1, &about(code::STMT_CLOSE, id), Shape::Nothing);
    stage.say("1 closes");
}

fn strings(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a VARCHAR(9))");
    stage.query(1, "INSERT INTO t VALUES ('x'), ('X')");
    let sql =
        "SELECT COLLATION('a'), COLLATION(?), \"a\", 'p' || 'q', 'a' = 'A' FROM t WHERE a = 'x'";
    let statement = stage.prepare(1, sql);
    stage.execute(1, statement, &[Value::Text("b")]);
    for set in [
        "SET NAMES latin1",
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
        "SET collation_connection = utf8mb4_general_ci",
        "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'",
        "SET sql_mode = DEFAULT",
    ] {
        stage.query(1, set);
        stage.execute(1, statement, &[Value::Text("b")]);
        let other = stage.prepare(1, "SELECT COLLATION('a'), ? FROM t");
        stage.execute(1, other, &[Value::Text("c")]);
    }
}

fn parameters(stage: &mut Stage) {
    let statement = stage.prepare(1, "SELECT ?, ?, ?, ?, ?");
    let values = [
        Value::Int(-7),
        Value::Double(2.5),
        Value::Text("text é 😀"),
        Value::Blob(b"\0\xff'\\"),
        Value::Null,
    ];
    stage.execute(1, statement, &values);
    let again = execute(statement.id, 0, false, &values);
    stage.command(1, "executes with the types of before", &again, Shape::Query);
    let other = [Value::Text("a"); 5];
    stage.execute(1, statement, &other);
    stage.execute(1, statement, &[Value::Null; 5]);
}

fn types(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a DATE, b TIME(6), c DATETIME(6), d DECIMAL(20, 5), e TINYINT, f FLOAT, g BIT(9), h YEAR, i UUID, j JSON)");
    let statement = stage.prepare(1, "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let values = [
        Value::Raw(10, b"\x04\xe8\x07\x02\x1d"),
        Value::Raw(11, b"\x0c\x01\x01\x00\x00\x00\x02\x03\x04\x40\x42\x0f\x00"),
        Value::Raw(12, b"\x0b\xe8\x07\x02\x1d\x01\x02\x03\x40\x42\x0f\x00"),
        Value::Text("12345.67891"),
        Value::Raw(1, b"\xfe"),
        Value::Raw(4, b"\x00\x00\xc0\x3f"),
        Value::Raw(2, b"\x01\x01"),
        Value::Raw(2, b"\xe8\x07"),
        Value::Text("123e4567-e89b-12d3-a456-426655440000"),
        Value::Text("{\"a\": 1}"),
    ];
    stage.execute(1, statement, &values);
    stage.execute(1, statement, &[Value::Null; 10]);
    let read = stage.prepare(1, "SELECT * FROM t");
    stage.execute(1, read, &[]);
    stage.query(1, "SELECT * FROM t");
}

fn null_bitmaps(stage: &mut Stage) {
    for count in [7, 8, 9, 17] {
        let marks = vec!["?"; count].join(", ");
        let statement = stage.prepare(1, &format!("SELECT {marks}"));
        for null in [0, count / 2, count - 1] {
            let mut values = vec![Value::Int(1); count];
            values[null] = Value::Null;
            stage.execute(1, statement, &values);
        }
    }
}

fn alter_between(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "INSERT INTO t VALUES (1)");
    let all = stage.prepare(1, "SELECT * FROM t WHERE a = ?");
    stage.execute(1, all, &[Value::Int(1)]);
    stage.query(1, "ALTER TABLE t ADD COLUMN b VARCHAR(5) DEFAULT 'new'");
    stage.execute(1, all, &[Value::Int(1)]);
    stage.query(2, "ALTER TABLE t MODIFY a VARCHAR(20)");
    stage.execute(1, all, &[Value::Int(1)]);
    stage.query(2, "FLUSH TABLES");
    stage.execute(1, all, &[Value::Text("1")]);
    stage.query(1, "ALTER TABLE t DROP COLUMN b");
    stage.execute(1, all, &[Value::Int(1)]);
}

fn dropped_between(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let read = stage.prepare(1, "SELECT * FROM t");
    stage.query(1, "DROP TABLE t");
    stage.execute(1, read, &[]);
    stage.query(1, "CREATE TABLE t (x VARCHAR(3), y INT)");
    stage.query(1, "INSERT INTO t VALUES ('x', 1)");
    stage.execute(1, read, &[]);
    stage.query(1, "DROP TABLE t");
    stage.query(1, "CREATE VIEW t AS SELECT 5 AS five");
    stage.execute(1, read, &[]);
}

fn many(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let statements: Vec<_> = (0..100)
        .map(|n| stage.prepare(1, &format!("SELECT {n} + ? FROM DUAL")))
        .collect();
    for statement in statements.iter().rev() {
        stage.execute(1, *statement, &[Value::Int(1)]);
    }
    for statement in statements.iter().step_by(2) {
        close(stage, statement.id);
    }
    stage.execute(1, statements[51], &[Value::Int(2)]);
    stage.execute(1, statements[50], &[Value::Int(2)]);
}

fn same_text(stage: &mut Stage) {
    let one = stage.prepare(1, "SELECT ? AS v");
    let two = stage.prepare(1, "SELECT ? AS v");
    stage.say(&format!("two ids: {}", one.id != two.id));
    stage.execute(1, one, &[Value::Int(1)]);
    stage.execute(1, two, &[Value::Text("two")]);
    close(stage, one.id);
    stage.execute(1, two, &[Value::Int(3)]);
    stage.execute(1, one, &[Value::Int(1)]);
}

fn reset_and_close(stage: &mut Stage) {
    let statement = stage.prepare(1, "SELECT ?");
    simple(stage, "resets", &about(code::STMT_RESET, statement.id));
    stage.execute(1, statement, &[Value::Int(1)]);
    simple(stage, "resets", &about(code::STMT_RESET, statement.id));
    stage.execute(1, statement, &[Value::Int(2)]);
    close(stage, statement.id);
    close(stage, statement.id);
    simple(stage, "resets", &about(code::STMT_RESET, statement.id));
    stage.execute(1, statement, &[Value::Int(3)]);
    stage.query(1, "SELECT 'after'");
}

fn unknown_ids(stage: &mut Stage) {
    let id = 77_777;
    let payload = execute(id, 0, true, &[]);
    stage.command(1, "executes what is not", &payload, Shape::Query);
    simple(stage, "resets what is not", &about(code::STMT_RESET, id));
    close(stage, id);
    let mut fetch = about(code::STMT_FETCH, id);
    fetch.extend_from_slice(&5_u32.to_le_bytes());
    stage.command(1, "fetches from what is not", &fetch, Shape::Rows);
    stage.query(1, "SELECT 'after'");
}

fn long(stage: &mut Stage, id: u32, parameter: u16, data: &[u8]) {
    let mut payload = about(code::STMT_SEND_LONG_DATA, id);
    payload.extend_from_slice(&parameter.to_le_bytes());
    payload.extend_from_slice(data);
    stage.ask(1, &payload, Shape::Nothing);
    stage.say(&format!("1 sends {} bytes", data.len()));
}

fn long_data(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT, b LONGBLOB, c LONGTEXT)");
    let statement = stage.prepare(1, "INSERT INTO t VALUES (?, ?, ?)");
    long(stage, statement.id, 1, b"first ");
    long(stage, statement.id, 2, "wörds".as_bytes());
    long(stage, statement.id, 1, &vec![b'z'; 100_000]);
    stage.execute(1, statement, &[Value::Int(1), Value::Long, Value::Long]);
    let check = "SELECT a, LENGTH(b), MD5(b), c FROM t";
    stage.query(1, check);
    long(stage, statement.id, 1, b"forgotten");
    simple(stage, "resets", &about(code::STMT_RESET, statement.id));
    stage.execute(
        1,
        statement,
        &[Value::Int(2), Value::Null, Value::Text("c")],
    );
    long(stage, statement.id, 2, b"");
    stage.execute(1, statement, &[Value::Int(3), Value::Null, Value::Long]);
    long(stage, statement.id, 9, b"a parameter that is not");
    stage.execute(1, statement, &[Value::Int(4), Value::Null, Value::Null]);
    stage.query(1, check);
}

fn fetch(stage: &mut Stage, id: u32, rows: u32) {
    let mut payload = about(code::STMT_FETCH, id);
    payload.extend_from_slice(&rows.to_le_bytes());
    stage.command(1, &format!("fetches {rows}"), &payload, Shape::Rows);
}

fn cursor(stage: &mut Stage) {
    let statement = stage.prepare(
        1,
        "SELECT seq, REPEAT('x', seq) FROM seq_1_to_10 WHERE seq > ?",
    );
    let open = execute(statement.id, 1, true, &[Value::Int(2)]);
    stage.command(1, "opens a cursor", &open, Shape::Query);
    for rows in [3, 1, 100] {
        fetch(stage, statement.id, rows);
    }
    fetch(stage, statement.id, 1);
    stage.command(1, "opens a cursor", &open, Shape::Query);
    fetch(stage, statement.id, 2);
    simple(stage, "resets", &about(code::STMT_RESET, statement.id));
    fetch(stage, statement.id, 2);
    stage.command(1, "opens a cursor", &open, Shape::Query);
    close(stage, statement.id);
    fetch(stage, statement.id, 2);
    stage.query(1, "SELECT 'after'");
}

fn two_cursors(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let one = stage.prepare(1, "SELECT seq FROM seq_1_to_5");
    let two = stage.prepare(1, "SELECT seq * 10 FROM seq_1_to_5");
    for statement in [one, two] {
        let open = execute(statement.id, 1, true, &[]);
        stage.command(1, "opens a cursor", &open, Shape::Query);
    }
    fetch(stage, one.id, 2);
    stage.query(1, "INSERT INTO t VALUES (1)");
    fetch(stage, two.id, 2);
    stage.query(1, "SELECT a FROM t");
    fetch(stage, one.id, 10);
    fetch(stage, two.id, 10);
}

fn cursor_and_commit(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "INSERT INTO t VALUES (1), (2), (3)");
    stage.query(1, "BEGIN");
    let statement = stage.prepare(1, "SELECT a FROM t ORDER BY a");
    let open = execute(statement.id, 1, true, &[]);
    stage.command(1, "opens a cursor", &open, Shape::Query);
    fetch(stage, statement.id, 1);
    stage.query(1, "COMMIT");
    fetch(stage, statement.id, 1);
    stage.query(1, "DELETE FROM t");
    fetch(stage, statement.id, 5);
}

fn bulk_execute(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(20))");
    if stage.way.capabilities() != MODERN {
        return stage.query(1, "SELECT 'not asked for'").lines.clear();
    }
    let statement = stage.prepare(1, "INSERT INTO t VALUES (?, ?)");
    let rows: [&[Value<'_>]; 3] = [
        &[Value::Int(1), Value::Text("one")],
        &[Value::Int(2), Value::Null],
        &[Value::Int(3), Value::Text("thrée")],
    ];
    let payload = bulk(statement.id, &rows[..1]);
    stage.command(1, "executes one in bulk", &payload, Shape::Query);
    let mut typed = bulk(statement.id, &rows[1..]);
    // Why: the first row's NULL has no type of its own.
    typed[9] = 253;
    stage.command(1, "executes two in bulk", &typed, Shape::Query);
    stage.query(1, "SELECT * FROM t");
    stage.command(1, "executes one in bulk again", &payload, Shape::Query);
    stage.query(1, "SELECT COUNT(*) FROM t");
    let gone = stage.prepare(1, "DELETE FROM t WHERE a = ?");
    let rows: [&[Value<'_>]; 2] = [&[Value::Int(1)], &[Value::Int(3)]];
    let payload = bulk(gone.id, &rows);
    stage.command(1, "deletes in bulk", &payload, Shape::Query);
    stage.query(2, "SELECT COUNT(*) FROM t");
}

fn direct(stage: &mut Stage) {
    stage.prepare(1, "SELECT ? + 1");
    let payload = execute(u32::MAX, 0, true, &[Value::Int(5)]);
    stage.command(1, "executes the last", &payload, Shape::Query);
    stage.prepare(1, "SELECT 'other', ?");
    stage.command(1, "executes the last", &payload, Shape::Query);
    simple(stage, "resets the last", &about(code::STMT_RESET, u32::MAX));
    stage.query(1, "SELECT 'after'");
}

fn pipelined(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let mut prepare = vec![code::STMT_PREPARE];
    prepare.extend_from_slice(b"INSERT INTO t VALUES (?)");
    let run = execute(u32::MAX, 0, true, &[Value::Int(5)]);
    let conn = stage.conn(1);
    let mut both = wire::packet::packet(0, &prepare);
    both.extend_from_slice(&wire::packet::packet(0, &run));
    let sent = conn.send_raw(&both);
    stage.say(&format!("1 prepares and executes in one: {}", sent.is_ok()));
    let first = stage.receive(1, Shape::Prepare);
    stage.tell(&first);
    let second = stage.receive(1, Shape::Query);
    stage.tell(&second);
    stage.query(1, "SELECT a FROM t");
}

fn write(stage: &mut Stage) {
    stage.query(
        1,
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
    );
    let insert = stage.prepare(1, "INSERT INTO t (v) VALUES (?), (?)");
    stage.execute(1, insert, &[Value::Int(1), Value::Int(2)]);
    stage.execute(1, insert, &[Value::Int(3), Value::Int(4)]);
    let update = stage.prepare(1, "UPDATE t SET v = ? WHERE v > ?");
    stage.execute(1, update, &[Value::Int(9), Value::Int(2)]);
    stage.execute(1, update, &[Value::Int(9), Value::Int(2)]);
    let count = stage.prepare(1, "SELECT ROW_COUNT()");
    stage.execute(1, count, &[]);
    let delete = stage.prepare(1, "DELETE FROM t");
    stage.execute(1, delete, &[]);
    stage.execute(1, count, &[]);
    stage.query(1, "SELECT ROW_COUNT()");
    let found = stage.prepare(1, "SELECT FOUND_ROWS()");
    let some = stage.prepare(1, "SELECT SQL_CALC_FOUND_ROWS seq FROM seq_1_to_9 LIMIT 2");
    stage.execute(1, some, &[]);
    stage.execute(1, found, &[]);
}

fn returning(stage: &mut Stage) {
    stage.query(
        1,
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
    );
    let insert = stage.prepare(1, "INSERT INTO t (v) VALUES (?), (?) RETURNING id, v");
    stage.execute(1, insert, &[Value::Int(7), Value::Int(8)]);
    stage.query(1, "SELECT LAST_INSERT_ID()");
    let delete = stage.prepare(1, "DELETE FROM t WHERE v = ? RETURNING id");
    stage.execute(1, delete, &[Value::Int(7)]);
    stage.execute(1, delete, &[Value::Int(7)]);
    stage.query(2, "SELECT * FROM t");
}

fn last_insert_id(stage: &mut Stage) {
    stage.query(
        1,
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
    );
    let id = stage.prepare(1, "SELECT LAST_INSERT_ID() AS id");
    stage.execute(1, id, &[]);
    let insert = stage.prepare(1, "INSERT INTO t (v) VALUES (?)");
    stage.execute(1, insert, &[Value::Int(1)]);
    stage.execute(1, id, &[]);
    stage.query(1, "INSERT INTO t (v) VALUES (2)");
    stage.execute(1, id, &[]);
    stage.query(2, "INSERT INTO t (v) VALUES (3)");
    stage.execute(1, id, &[]);
    let row = stage.prepare(1, "SELECT * FROM t WHERE id = LAST_INSERT_ID()");
    stage.execute(1, row, &[]);
    let set = stage.prepare(1, "SELECT LAST_INSERT_ID(?)");
    stage.execute(1, set, &[Value::Int(500)]);
    stage.execute(1, id, &[]);
}

fn call(stage: &mut Stage) {
    stage.query(1, "CREATE PROCEDURE p(IN a INT, OUT b INT, INOUT c VARCHAR(9)) BEGIN SELECT a AS one; SELECT 'two', a + 1; SET b = a * 2, c = CONCAT(c, '!'); END");
    let call = stage.prepare(1, "CALL p(?, ?, ?)");
    stage.execute(1, call, &[Value::Int(4), Value::Null, Value::Text("hey")]);
    stage.execute(1, call, &[Value::Int(5), Value::Null, Value::Text("you")]);
    stage.query(1, "SELECT 'after'");
    let variables = stage.prepare(1, "CALL p(1, @b, @c)");
    stage.execute(1, variables, &[]);
    stage.query(1, "SELECT @b, @c");
}

fn transaction(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let begin = stage.prepare(1, "START TRANSACTION");
    let rollback = stage.prepare(1, "ROLLBACK");
    let commit = stage.prepare(1, "COMMIT");
    let insert = stage.prepare(1, "INSERT INTO t VALUES (?)");
    let count = stage.prepare(1, "SELECT COUNT(*) FROM t");
    for end in [rollback, commit] {
        stage.execute(1, begin, &[]);
        stage.execute(1, insert, &[Value::Int(1)]);
        stage.execute(1, count, &[]);
        stage.query(2, "SELECT COUNT(*) FROM t");
        stage.execute(1, end, &[]);
        stage.execute(1, count, &[]);
    }
    stage.query(2, "SELECT COUNT(*) FROM t");
}

fn set(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let set = stage.prepare(1, "SET @a = ?, @b = ? + 1");
    stage.execute(1, set, &[Value::Text("x"), Value::Int(1)]);
    stage.query(1, "SELECT @a, @b");
    let names = stage.prepare(1, "SET NAMES utf8mb4 COLLATE utf8mb4_bin");
    stage.execute(1, names, &[]);
    stage.query(1, "SELECT @@collation_connection");
    let off = stage.prepare(1, "SET autocommit = ?");
    stage.execute(1, off, &[Value::Int(0)]);
    stage.query(1, "INSERT INTO t VALUES (1)");
    stage.query(1, "SELECT COUNT(*) FROM t");
    stage.query(2, "SELECT COUNT(*) FROM t");
    stage.query(1, "ROLLBACK");
    stage.query(1, "SELECT COUNT(*) FROM t");
}

fn temporary(stage: &mut Stage) {
    let make = stage.prepare(1, "CREATE TEMPORARY TABLE tt (a INT)");
    stage.execute(1, make, &[]);
    let insert = stage.prepare(1, "INSERT INTO tt VALUES (?)");
    stage.execute(1, insert, &[Value::Int(3)]);
    let read = stage.prepare(1, "SELECT a FROM tt");
    stage.execute(1, read, &[]);
    stage.query(1, "SELECT a FROM tt");
    let refused = stage.try_prepare(2, "SELECT a FROM tt");
    stage.say(&format!("refused: {:?}", refused.error));
    let drop = stage.prepare(1, "DROP TEMPORARY TABLE tt");
    stage.execute(1, drop, &[]);
    stage.execute(1, read, &[]);
}

fn for_update(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT PRIMARY KEY)");
    stage.query(1, "INSERT INTO t VALUES (1)");
    stage.query(1, "BEGIN");
    let read = stage.prepare(1, "SELECT a FROM t WHERE a = ? FOR UPDATE");
    stage.execute(1, read, &[Value::Int(1)]);
    let other = stage.prepare(2, "SELECT a FROM t WHERE a = ? FOR UPDATE NOWAIT /* c */");
    stage.execute(2, other, &[Value::Int(1)]);
    let share = stage.prepare(2, "SELECT a FROM t LOCK IN SHARE MODE NOWAIT");
    stage.execute(2, share, &[]);
    stage.query(1, "COMMIT");
    stage.execute(2, other, &[Value::Int(1)]);
}

fn errors(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT PRIMARY KEY)");
    for text in [
        "SELECT * FROM nothing",
        "SELEC",
        "SELECT ?; SELECT ?",
        "",
        "SELECT 'open",
    ] {
        stage.try_prepare(1, text);
    }
    let insert = stage.prepare(1, "INSERT INTO t VALUES (?)");
    stage.execute(1, insert, &[Value::Int(1)]);
    stage.execute(1, insert, &[Value::Int(1)]);
    stage.execute(1, insert, &[Value::Text("no number")]);
    let short = execute(insert.id, 0, true, &[]);
    stage.command(1, "executes without parameters", &short, Shape::Query);
    stage.query(1, "SELECT * FROM t");
}

fn limits(stage: &mut Stage) {
    let limit = stage.prepare(1, "SELECT seq FROM seq_1_to_10 LIMIT ? OFFSET ?");
    stage.execute(1, limit, &[Value::Int(2), Value::Int(3)]);
    stage.execute(1, limit, &[Value::Int(0), Value::Int(0)]);
    stage.execute(1, limit, &[Value::Int(-1), Value::Int(0)]);
    let odd = stage.prepare(
        1,
        "SELECT '?', \"?\", `seq` /* ? */, ? -- ?\n FROM seq_1_to_1 WHERE seq IN (?, ?)",
    );
    stage.execute(1, odd, &[Value::Text("?"), Value::Int(1), Value::Int(2)]);
}

fn use_between(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let read = stage.prepare(1, "SELECT DATABASE(), COUNT(*) FROM t");
    stage.execute(1, read, &[]);
    stage.query(1, "USE information_schema");
    stage.execute(1, read, &[]);
    stage.query(1, "SELECT DATABASE()");
}

fn after_error(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT)");
    let divide = stage.prepare(
        1,
        "SELECT (SELECT seq FROM seq_1_to_3 WHERE seq < ?) AS one",
    );
    stage.execute(1, divide, &[Value::Int(3)]);
    stage.execute(1, divide, &[Value::Int(2)]);
    stage.query(1, "SELECT 'after'");
    stage.execute(1, divide, &[Value::Int(1)]);
}

fn warnings(stage: &mut Stage) {
    let divide = stage.prepare(1, "SELECT 1 / ?");
    stage.execute(1, divide, &[Value::Int(0)]);
    let show = stage.prepare(1, "SHOW WARNINGS");
    stage.execute(1, show, &[]);
    stage.query(1, "SHOW WARNINGS");
    stage.query(1, "SELECT @@warning_count");
}

fn user_variables(stage: &mut Stage) {
    let assign = stage.prepare(1, "SELECT @v := ?");
    stage.execute(1, assign, &[Value::Int(12)]);
    let read = stage.prepare(1, "SELECT @v, @w");
    stage.execute(1, read, &[]);
    let into = stage.prepare(1, "SELECT ? INTO @w");
    stage.execute(1, into, &[Value::Text("into")]);
    stage.execute(1, read, &[]);
    stage.query(1, "SELECT @v, @w");
}
