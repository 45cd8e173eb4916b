//! A former primary with transactions nobody else has: named, saved, rewound where that is certain.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use mariadb::{Error, Verdict};
use wire::gtid::Position;

use crate::fixture::{LIMIT, Node, cluster};
use crate::load::checksum;

const SCHEMA: &str = "CREATE TABLE test.u (a VARCHAR(20), b DECIMAL(10,2), c JSON, d TIMESTAMP NULL, g INT AS (LENGTH(a)) VIRTUAL) \
     ENGINE=InnoDB; INSERT INTO test.u (a, b, c, d) VALUES ('x', 1.5, '{\"k\":1}', NOW()), ('y', NULL, NULL, NULL), ('x', 1.5, NULL, NULL); \
     CREATE TABLE test.parent (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO test.parent VALUES (1), (2); \
     CREATE TABLE test.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES test.parent (id) ON DELETE CASCADE) ENGINE=InnoDB; \
     INSERT INTO test.child VALUES (1, 1), (2, 1); CREATE TABLE test.plain (a INT PRIMARY KEY) ENGINE=MyISAM; \
     CREATE SEQUENCE test.s ENGINE=InnoDB; INSERT INTO test.t (v) VALUES (1), (2), (3)";
const TABLES: [&str; 3] = ["test.t", "test.u", "test.parent"];

/// The old primary, closed, with `tail` beyond the position that the new one knows; the new one open, with more.
async fn parted(tail: &[&str]) -> (Node, Node, Position) {
    let mut nodes = cluster(1, false).await;
    let (new, old) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    old.run(SCHEMA).await;
    let cut = old.status().await.binlog;
    assert!(new.server.wait_applied(&cut, LIMIT).await.unwrap());
    new.tunnel.cut();
    new.server.promote(LIMIT).await.unwrap();
    for statement in tail {
        old.run(statement).await;
    }
    old.server.demote(LIMIT).await.unwrap();
    new.open().await;
    new.run("INSERT INTO test.t (v) VALUES (900); UPDATE test.t SET v = v + 1 WHERE id = 1")
        .await;
    (old, new, cut)
}

const ROWS: [&str; 8] = [
    "INSERT INTO test.t (v) VALUES (100), (101), (102)",
    "BEGIN; UPDATE test.t SET v = v * 10; DELETE FROM test.t WHERE id = 2; INSERT INTO test.t VALUES (2, 7); COMMIT",
    "DELETE FROM test.u WHERE a = 'x'",
    "FLUSH BINARY LOGS",
    "UPDATE test.u SET b = 9, a = 'zzz', c = '[]', d = NOW()",
    "FLUSH BINARY LOGS",
    "INSERT INTO test.u (a) VALUES ('new'), ('new')",
    "DELETE FROM test.t WHERE id = 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn tail_of_rows_is_saved_and_rewound_and_the_server_follows() {
    let (old, new, cut) = parted(&ROWS).await;
    let errant = old.server.errant(&cut, &[2]).await.unwrap();
    assert_eq!(errant.len(), 6);
    assert!(new.server.errant(&cut, &[2]).await.unwrap().is_empty());
    let saved = old.server.save_tail(&cut, "epoch-3.sql").await.unwrap();
    assert_eq!((saved.gtids, saved.verdict), (errant, Verdict::Rewindable));
    assert_eq!(saved.tables, ["test.t", "test.u"]);
    assert_eq!(
        saved.file.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        saved
            .file
            .parent()
            .unwrap()
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    let text = std::fs::read_to_string(&saved.file).unwrap();
    assert!(
        text.contains("### INSERT INTO `test`.`t`")
            && text.contains("zzz")
            && !text.contains("SET @@session.gtid_seq_no")
    );
    let before = checksum(&old, "test.u").await;
    assert_eq!(old.server.rewind(&cut).await.unwrap(), 6);
    assert_ne!(checksum(&old, "test.u").await, before);
    let status = old.status().await;
    assert_eq!((&status.binlog, &status.applied), (&cut, &cut));
    assert!(old.server.errant(&cut, &[]).await.unwrap().is_empty());
    // A rewound server is right at the cut: again it changes nothing, and after a crash it is still there.
    assert_eq!(old.server.rewind(&cut).await.unwrap(), 0);
    old.server.kill(LIMIT).await.unwrap();
    old.start().await;
    assert_eq!(old.status().await.binlog, cut);
    follow_and_compare(&old, &new).await;
}

async fn follow_and_compare(old: &Node, new: &Node) {
    old.tunnel.lead_to(new.server.settings().extra_port);
    old.server.follow(false, LIMIT).await.unwrap();
    let end = new.status().await.binlog;
    assert!(old.server.wait_applied(&end, LIMIT).await.unwrap());
    assert_eq!(old.status().await.binlog, end);
    for table in TABLES {
        assert_eq!(
            checksum(old, table).await,
            checksum(new, table).await,
            "{table}"
        );
    }
}

/// As the head of the file says.
fn put_back(file: &Path, on: &Node) {
    let socket = on.server.settings().socket().display().to_string();
    let status = std::process::Command::new("mariadb")
        .args(["--no-defaults", "--binary-mode", "--socket", &socket])
        .stdin(Stdio::from(std::fs::File::open(file).unwrap()))
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_tail_can_be_put_back_on_the_new_primary() {
    let (old, new, cut) = parted(&[
        "INSERT INTO test.u (a) VALUES ('put'), ('back')",
        "CREATE TABLE test.w (a INT)",
        "INSERT INTO test.w VALUES (5)",
    ])
    .await;
    let saved = old.server.save_tail(&cut, "tail.sql").await.unwrap();
    assert!(matches!(saved.verdict, Verdict::NeedsClone(_)));
    assert_eq!((saved.transactions, saved.range.unwrap().0.server), (3, 1));
    put_back(&saved.file, &new);
    assert_eq!(
        new.value("SELECT GROUP_CONCAT(a ORDER BY a) FROM test.u WHERE a > 'a'")
            .await,
        "back,put,x,x,y"
    );
    assert_eq!(new.value("SELECT a FROM test.w").await, "5");
    assert!(
        new.server.errant(&cut, &[2]).await.unwrap().is_empty(),
        "they are the new primary's own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_that_rows_do_not_tell_is_refused_and_left_alone() {
    for (tail, word) in [
        ("CREATE TABLE test.extra (a INT) ENGINE=InnoDB", "DDL"),
        ("INSERT INTO test.plain VALUES (1)", "rolled back"),
        ("DELETE FROM test.parent WHERE id = 1", "foreign key"),
        ("DO NEXT VALUE FOR test.s", "rolled back"),
        (
            "SET SESSION binlog_row_image=MINIMAL; UPDATE test.t SET v = 5 WHERE id = 1",
            "columns",
        ),
        (
            "SET SESSION binlog_format=STATEMENT; UPDATE test.t SET v = 5 WHERE id = 1",
            "statement",
        ),
        (
            "GRANT SELECT ON test.* TO someone@localhost IDENTIFIED BY 'x'",
            "DDL",
        ),
    ] {
        let (old, _new, cut) = parted(&["INSERT INTO test.t (v) VALUES (55)", tail]).await;
        let end = old.status().await.binlog;
        match old.server.rewind(&cut).await {
            Err(Error::NeedsClone { why }) => assert!(why.contains(word), "{tail}: {why}"),
            other => panic!("{tail}: {other:?}"),
        }
        assert_eq!(old.status().await.binlog, end, "{tail}");
        assert_eq!(
            old.value("SELECT COUNT(*) FROM test.t WHERE v = 55").await,
            "1"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rewind_of_rows_that_are_not_as_expected_asks_for_a_clone() {
    let (old, _new, cut) = parted(&["INSERT INTO test.t (id, v) VALUES (50, 1)"]).await;
    old.run("SET sql_log_bin=0; DELETE FROM test.t WHERE id = 50")
        .await;
    match old.server.rewind(&cut).await {
        Err(Error::NeedsClone { why }) => assert!(why.contains("half-way"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rewind_is_refused_while_the_server_has_a_role() {
    let nodes = cluster(1, false).await;
    let cut = nodes[1].status().await.binlog;
    assert!(matches!(
        nodes[0].server.rewind(&cut).await,
        Err(Error::NotReadOnly)
    ));
    assert!(matches!(
        nodes[1].server.rewind(&cut).await,
        Err(Error::IsReplica)
    ));
    assert!(nodes[0].server.save_tail(&cut, "../escape").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn history_without_the_cut_is_never_rewound_to_it() {
    let (old, _new, cut) = parted(&["INSERT INTO test.t (v) VALUES (55), (56)"]).await;
    let elsewhere = format!("0-9-{}", cut.sequence(0)).parse().unwrap();
    match old.server.rewind(&elsewhere).await {
        Err(Error::NeedsClone { why }) => assert!(why.contains("does not contain"), "{why}"),
        other => panic!("{other:?}"),
    }
    // One that lies ahead says nothing about what this server has.
    let ahead = format!("0-2-{}", cut.sequence(0) + 50).parse().unwrap();
    let before = old.status().await.binlog;
    assert_eq!(old.server.rewind(&ahead).await.unwrap(), 0);
    assert_eq!(old.status().await.binlog, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_by_hand_among_what_was_applied_is_saved_alone() {
    let nodes = cluster(1, false).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    replica.server.take_server_id(258, LIMIT).await.unwrap();
    // As it comes about when what is received is applied by several threads.
    replica.run("SET GLOBAL gtid_strict_mode=0").await;
    for round in 0..2 {
        primary
            .run(&format!(
                "INSERT INTO test.t (v) VALUES ({}1111)",
                round + 1
            ))
            .await;
        let written = primary.status().await.binlog;
        assert!(replica.server.wait_applied(&written, LIMIT).await.unwrap());
        let by_hand = format!(
            "INSERT INTO test.t (id, v) VALUES ({}, 66{round})",
            900 + round
        );
        replica.run(&by_hand).await;
        replica.run("FLUSH BINARY LOGS").await;
    }
    for _ in 0..3 {
        primary.run("INSERT INTO test.t (v) VALUES (33333)").await;
    }
    let written = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&written, LIMIT).await.unwrap());
    let status = replica.status().await;
    assert!(
        status.applied.covers(&status.binlog),
        "its end tells nothing of it: {status:?}"
    );
    let own = status.written.iter().find(|id| id.server == 258);
    let saved = replica.server.save_written_under(258, "by-hand.sql");
    let saved = saved.await.unwrap();
    assert_eq!(
        (saved.transactions, saved.range.map(|(_, last)| last)),
        (2, own.copied())
    );
    let text = std::fs::read_to_string(&saved.file).unwrap();
    for (row, stands) in [
        ("660", true),
        ("661", true),
        ("21111", false),
        ("33333", false),
    ] {
        assert_eq!(
            text.contains(&format!("###   @2={row}")),
            stands,
            "{row}: {text}"
        );
    }
    put_back(&saved.file, primary);
    let found = primary.value("SELECT GROUP_CONCAT(v ORDER BY v) FROM test.t WHERE id >= 900");
    assert_eq!(found.await, "660,661");
    let nothing = replica.server.save_written_under(999, "none.sql").await;
    assert_eq!(nothing.unwrap().transactions, 0);
}
