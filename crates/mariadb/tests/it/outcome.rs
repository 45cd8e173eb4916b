//! Writes in flight when the primary died, looked up on the next one.

use wire::gtid::Position;
use wire::outcome::{Effect, Outcome, Question};
use wire::tag::Tag;

use crate::fixture::{LIMIT, Node, cluster, until};

fn tag(number: u32) -> Tag {
    Tag {
        session: 0xabc,
        number,
    }
}

/// The statement with the mark of this number.
fn marked(number: u32, statement: &str) -> String {
    let place = Tag::place(statement.as_bytes()).unwrap();
    String::from_utf8(tag(number).put(statement.as_bytes(), place)).unwrap()
}

fn ask(number: u32, since: &Position) -> Question {
    Question {
        tag: tag(number),
        since: since.sequence(0),
    }
}

async fn outcome(node: &Node, number: u32, since: &Position, end: &Position) -> Outcome {
    let asked = [ask(number, since)];
    let outcomes = node.server.outcomes(&asked, end, LIMIT).await;
    outcomes.unwrap().pop().unwrap()
}

async fn end_of(node: &Node) -> Position {
    node.status().await.binlog
}

/// The effect of one marked statement, run now, found on `reader`.
async fn effect_of(writer: &Node, reader: &Node, statement: &str) -> Option<Option<Effect>> {
    let since = end_of(writer).await;
    writer.run(&marked(7, statement)).await;
    let end = end_of(writer).await;
    assert!(reader.server.wait_applied(&end, LIMIT).await.unwrap());
    match outcome(reader, 7, &since, &end).await {
        Outcome::Committed { effect, .. } => Some(effect),
        Outcome::NotThere => None,
        Outcome::Unknown(why) => panic!("{statement}: {why}"),
    }
}

/// Rows inserted, updated, deleted; the AUTO_INCREMENT value.
type Told = (u64, u64, u64, Option<u64>);

const TABLES: &str = "CREATE TABLE test.w (a BIT(10), b DECIMAL(20,3), c CHAR(200), d VARCHAR(300), e ENUM('a','b'), f SET('x'), \
     g DATETIME(3), h TIMESTAMP NULL, i TIME(6), j BLOB, k JSON, l YEAR, m DATE, n DOUBLE, o FLOAT, p TINYINT, q MEDIUMINT, \
     r SMALLINT, s BINARY(7), u VARBINARY(20), id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY) CHARSET utf8mb4; \
     CREATE TABLE test.k (a INT PRIMARY KEY, b VARCHAR(20)); \
     CREATE TABLE test.v (a INT PRIMARY KEY, b INT) WITH SYSTEM VERSIONING";

#[rustfmt::skip]
const STATEMENTS: [(&str, Option<Told>); 13] = [
    ("INSERT INTO test.t (v) VALUES (1)", Some((1, 0, 0, Some(1)))),
    ("INSERT INTO test.t (v) VALUES (1), (2)", Some((2, 0, 0, None))),
    ("INSERT INTO test.t (id, v) VALUES (900, 1)", Some((1, 0, 0, Some(900)))),
    ("UPDATE test.t SET v = v + 1 WHERE id < 900", Some((0, 3, 0, None))),
    ("DELETE FROM test.t WHERE id = 900", Some((0, 0, 1, Some(0)))),
    (
        "INSERT INTO test.w VALUES (3, -12345.678, 'ä', REPEAT('é', 299), 'b', 'x', NOW(3), NOW(), '12:00:01.5', 'blob', \
         '{}', 2024, '2024-01-01', 1.5, 2.5, -1, -2, -3, 'bin', 'vb', 77)",
        Some((1, 0, 0, Some(77))),
    ),
    ("INSERT INTO test.w (a) VALUES (NULL)", Some((1, 0, 0, Some(78)))),
    ("UPDATE test.w SET d = 'short', j = REPEAT('x', 70000)", Some((0, 2, 0, None))),
    ("INSERT INTO test.k VALUES (1, 'x'), (2, 'y')", Some((2, 0, 0, Some(0)))),
    ("INSERT INTO test.k VALUES (2, 'z'), (3, 'n') ON DUPLICATE KEY UPDATE b = 'dup'", Some((1, 1, 0, Some(0)))),
    ("REPLACE INTO test.k VALUES (1, 'r')", Some((0, 1, 0, Some(0)))),
    ("INSERT INTO test.k SELECT id + 100, 's' FROM test.t", Some((3, 0, 0, Some(0)))),
    ("INSERT INTO test.v VALUES (1, 1)", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_write_when_its_primary_is_killed_is_found_on_the_next_or_is_not_there() {
    let mut nodes = cluster(1, true).await;
    let (new, old) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    old.server
        .set_semi_sync_primary(mariadb::SemiSync::On, LIMIT)
        .await
        .unwrap();
    until("the replica acknowledges", || async {
        old.value("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='Rpl_semi_sync_master_clients'").await == "1"
    })
    .await;
    let since = end_of(&old).await;
    old.run(&marked(1, "INSERT INTO test.t (v) VALUES (41), (42)"))
        .await;
    old.run(&format!(
        "BEGIN; {}; {}; COMMIT",
        marked(2, "UPDATE test.t SET v = v + 1 WHERE id = 1"),
        marked(2, "DELETE FROM test.t WHERE v = 0")
    ))
    .await;
    let between = end_of(&old).await;
    assert!(new.server.wait_applied(&between, LIMIT).await.unwrap());
    // This one waits for an acknowledgement that never comes: it is in the old primary's log only.
    new.tunnel.cut();
    let begun = old
        .begin("INSERT/*m:abc-3*/ INTO test.t (v) VALUES (99)")
        .await;
    let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync%'";
    until("it waits", || async { old.value(waits).await == "1" }).await;
    assert!(matches!(
        outcome(&old, 3, &since, &end_of(&old).await).await,
        Outcome::Committed { .. }
    ));
    old.server.kill(LIMIT).await.unwrap();
    assert!(begun.await.unwrap().is_err());
    let cut = new.server.promote(LIMIT).await.unwrap();
    new.open().await;
    // Run again, it is the next epoch's: the answer stays the same.
    new.run(&marked(3, "INSERT INTO test.t (v) VALUES (99)"))
        .await;
    let asked = [1, 2, 0, 3, 4].map(|number| ask(number, &since));
    let outcomes = new.server.outcomes(&asked, &cut, LIMIT).await.unwrap();
    let found = |outcome: &Outcome| match outcome {
        Outcome::Committed { id, .. } => id.sequence - since.sequence(0),
        Outcome::NotThere => 0,
        Outcome::Unknown(why) => panic!("{why}"),
    };
    assert!(
        matches!(&outcomes[2], Outcome::Unknown(why) if why.contains("two")),
        "{outcomes:?}"
    );
    let seen: Vec<u64> = [0, 1, 3, 4]
        .iter()
        .map(|&at| found(&outcomes[at]))
        .collect();
    assert_eq!(seen, [1, 2, 0, 0], "{outcomes:?}");
    // By session alone, behind what it knows to be committed.
    let first: Position = format!("0-1-{}", since.sequence(0) + 1).parse().unwrap();
    assert_eq!(found(&outcome(&new, 0, &first, &cut).await), 2);
    assert_eq!(outcome(&new, 0, &between, &cut).await, Outcome::NotThere);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_write_did_when_looked_up_is_what_its_ok_would_have_told() {
    let nodes = cluster(1, false).await;
    let (old, new) = (&nodes[0], &nodes[1]);
    old.run(TABLES).await;
    for (statement, expected) in STATEMENTS {
        let told = effect_of(old, new, statement).await.expect(statement);
        let told = told.map(|effect| {
            let Effect {
                inserted,
                updated,
                deleted,
                insert_id,
            } = effect;
            (inserted, updated, deleted, insert_id)
        });
        assert_eq!(told, expected, "{statement}");
    }
    for statement in [
        "UPDATE test.t SET v = v",
        "DELETE FROM test.t WHERE id = 12345",
    ] {
        assert_eq!(
            effect_of(old, new, statement).await,
            None,
            "{statement}: nothing changed, nothing is logged"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_when_the_server_may_have_dropped_it_is_unknown_and_never_absent() {
    let nodes = cluster(1, false).await;
    let (old, new) = (&nodes[0], &nodes[1]);
    old.run("CREATE TABLE test.log (a INT); CREATE TABLE test.b (id INT PRIMARY KEY AUTO_INCREMENT, v INT); \
         CREATE TRIGGER test.bi BEFORE INSERT ON test.b FOR EACH ROW INSERT INTO test.log VALUES (NEW.v); \
         CREATE TRIGGER test.ad AFTER DELETE ON test.b FOR EACH ROW INSERT INTO test.log VALUES (OLD.v); \
         CREATE SEQUENCE test.s; CREATE TABLE test.q (id INT DEFAULT NEXTVAL(test.s), v INT); \
         INSERT INTO test.q (v) VALUES (0); CREATE TABLE test.m (a INT PRIMARY KEY) ENGINE=MyISAM; \
         CREATE FUNCTION test.f(x INT) RETURNS INT MODIFIES SQL DATA DETERMINISTIC BEGIN INSERT INTO test.log VALUES (x); RETURN 1; END; \
         CREATE VIEW test.fv AS SELECT id, v FROM test.t WHERE test.f(id) = 1; INSERT INTO test.t (v) VALUES (1)").await;
    for (statement, word) in [
        ("INSERT INTO test.b (v) VALUES (1)", "without a mark"),
        (
            "INSERT INTO test.q (v) VALUES (1), (2), (3)",
            "without a mark",
        ),
        ("UPDATE test.fv SET v = v + 1", "without a mark"),
        ("INSERT INTO test.m VALUES (1)", "rolled back"),
    ] {
        let since = end_of(old).await;
        old.run(&marked(9, statement)).await;
        let end = end_of(old).await;
        assert!(new.server.wait_applied(&end, LIMIT).await.unwrap());
        for node in [old, new] {
            match outcome(node, 9, &since, &end).await {
                Outcome::Unknown(why) => assert!(why.contains(word), "{statement}: {why}"),
                Outcome::Committed { effect: None, .. } if statement.contains("test.q") => {}
                other => panic!("{statement}: {other:?}"),
            }
        }
    }
    // A trigger that fires after the row leaves the mark; what it did is more than one table.
    assert_eq!(effect_of(old, new, "DELETE FROM test.b").await, Some(None));
    // Nobody's writes to one table, with their text, cannot be a marked one.
    let since = end_of(old).await;
    old.run("INSERT INTO test.t (v) VALUES (5); BEGIN; UPDATE test.t SET v=8; DELETE FROM test.log; COMMIT; CREATE TABLE test.x (a INT)").await;
    assert_eq!(
        outcome(old, 9, &since, &end_of(old).await).await,
        Outcome::NotThere
    );
    old.run("SET SESSION binlog_annotate_row_events=0; INSERT INTO test.t (v) VALUES (5)")
        .await;
    assert!(matches!(
        outcome(old, 9, &since, &end_of(old).await).await,
        Outcome::Unknown(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_when_the_binlog_does_not_reach_it_is_unknown() {
    let nodes = cluster(1, false).await;
    let old = &nodes[0];
    let since = end_of(old).await;
    old.run("INSERT INTO test.t (v) VALUES (1)").await;
    let end = end_of(old).await;
    let beyond: Position = format!("0-1-{}", end.sequence(0) + 5).parse().unwrap();
    assert!(
        matches!(outcome(old, 1, &since, &beyond).await, Outcome::Unknown(why) if why.contains("reach that far"))
    );
    assert_eq!(
        outcome(old, 1, &beyond, &end).await,
        Outcome::NotThere,
        "nothing lies between"
    );
    old.run("FLUSH BINARY LOGS; INSERT INTO test.t (v) VALUES (2); FLUSH BINARY LOGS; PURGE BINARY LOGS TO 'binlog.000003'").await;
    let end = end_of(old).await;
    assert!(
        matches!(outcome(old, 1, &since, &end).await, Outcome::Unknown(why) if why.contains("reach back"))
    );
    // A copy: its binlog begins empty, far behind the beginning of history.
    old.run("SET GLOBAL read_only=1; RESET MASTER; SET GLOBAL gtid_binlog_state='0-1-1000'; SET GLOBAL read_only=0").await;
    old.run("RESET MASTER; SET SESSION gtid_seq_no=1001; INSERT INTO test.t (v) VALUES (3)")
        .await;
    let end = end_of(old).await;
    assert_eq!(end.sequence(0), 1001);
    for (since, known) in [("0-1-900", false), ("0-1-1000", true)] {
        let found = outcome(old, 1, &since.parse().unwrap(), &end).await;
        assert_eq!(found == Outcome::NotThere, known, "{since}: {found:?}");
    }
}
