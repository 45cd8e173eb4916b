//! Large things: packets over 16 MiB both ways, many rows, slow readers.

use std::time::Duration;

use wire::command::{Shape, code};

use crate::answer::Answer;
use crate::book::Coded;
use crate::stage::Stage;
use crate::value::Value;

pub(crate) const PROBES: &[Coded] = &[
    ("large_statement", "a statement of 17 MB", statement),
    (
        "large_statement_of_one_packet",
        "statements of exactly 16 MiB, and a byte around it",
        boundary,
    ),
    (
        "large_blob",
        "17 MB written and read back, as text and prepared",
        blob,
    ),
    (
        "large_row_boundary",
        "rows of exactly 16 MiB, and a byte around it",
        row_boundary,
    ),
    ("large_result", "thirty thousand rows", result),
    (
        "large_result_slow_reader",
        "a client that reads after a while",
        slow,
    ),
    (
        "too_large_statement",
        "more than max_allowed_packet: the server's error",
        too_large,
    ),
];

fn statement(stage: &mut Stage) {
    stage.query(
        1,
        &format!("SELECT LENGTH('{}'), 'end'", "x".repeat(17_000_000)),
    );
    stage.query(1, "SELECT 'after'");
}

fn boundary(stage: &mut Stage) {
    // The packet's payload is a byte longer than the text: the command.
    for length in [0xff_fffd, 0xff_fffe, 0xff_ffff] {
        let frame = "SELECT LENGTH('')".len();
        stage.query(
            1,
            &format!("SELECT LENGTH('{}')", "y".repeat(length - frame)),
        );
    }
    stage.query(1, "SELECT 'after'");
}

fn blob(stage: &mut Stage) {
    stage.query(1, "CREATE TABLE t (a INT, b LONGBLOB)");
    let data: Vec<u8> = (0..17_000_000_u32).map(|n| (n % 251) as u8).collect();
    let insert = stage.prepare(1, "INSERT INTO t VALUES (?, ?)");
    stage.execute(1, insert, &[Value::Int(1), Value::Blob(&data)]);
    stage.query(1, "SELECT a, LENGTH(b), MD5(b) FROM t");
    stage.query(1, "SELECT b FROM t");
    let read = stage.prepare(1, "SELECT b, a FROM t");
    stage.execute(1, read, &[]);
}

fn row_boundary(stage: &mut Stage) {
    // A row of one long value: four bytes of length, then the value.
    for length in [0xff_ffff - 5, 0xff_ffff - 4, 0xff_ffff - 3] {
        stage.query(1, &format!("SELECT REPEAT('z', {length})"));
    }
    stage.query(1, "SELECT 'after'");
}

fn result(stage: &mut Stage) {
    stage.query(
        1,
        "SELECT seq, REPEAT('r', seq % 50), NULL FROM seq_1_to_30000",
    );
    let read = stage.prepare(1, "SELECT seq, REPEAT('r', seq % 50) FROM seq_1_to_30000");
    stage.execute(1, read, &[]);
}

fn slow(stage: &mut Stage) {
    let mut payload = vec![code::QUERY];
    payload.extend_from_slice(b"SELECT REPEAT('s', 1000) FROM seq_1_to_10000");
    stage.conn(1).send(&payload).unwrap();
    // Why: long enough for every buffer on the way to fill; the answer does not depend on it.
    std::thread::sleep(Duration::from_millis(200));
    let answer = Answer::read(stage.conn(1), Shape::Query);
    stage.tell(&answer);
    stage.query(1, "SELECT 'after'");
}

fn too_large(stage: &mut Stage) {
    stage.query(1, "SELECT @@max_allowed_packet");
    let answer = stage.text(1, "SELECT LENGTH(REPEAT('x', 100000000))");
    stage.tell(&answer);
    stage.query(1, "SHOW WARNINGS");
}
