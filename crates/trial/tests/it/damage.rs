//! Damage planted in real databases after a good load: each kind must be found.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use trial::{Cluster, Database, History, Layout, Limits, Verdict, Violation, examine};

use crate::{cluster, limits, load};

pub(crate) fn database(cluster: &Cluster, node: &str) -> Database {
    let socket = cluster
        .node(node)
        .unwrap()
        .dir()
        .join("data/run/mariadb.sock");
    Database {
        node: node.to_owned(),
        socket,
    }
}

/// Runs statements at one node only, not replicated.
async fn damage(cluster: &Cluster, node: &str, statements: &[&str]) {
    let mut connection = database(cluster, node).connect().await.unwrap();
    connection
        .query_drop("SET sql_log_bin = 0; USE mainstay_trial")
        .await
        .unwrap();
    for statement in statements {
        connection.query_drop(*statement).await.unwrap();
        assert!(
            connection.affected_rows() > 0,
            "{statement} changed nothing"
        );
    }
    connection.disconnect().await.unwrap();
}

async fn judged(cluster: &Cluster, history: &History, nodes: &[&str]) -> Verdict {
    let databases: Vec<_> = nodes.iter().map(|node| database(cluster, node)).collect();
    let limits = Limits {
        equal: Duration::from_millis(300),
        ..limits()
    };
    examine(history, &databases, limits).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_when_damage_is_planted_then_each_kind_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let history = load(&cluster).await.finish().await.unwrap();
    let verdict = cluster.judge(&history, limits()).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");

    let differs = |found: &Violation| matches!(found, Violation::Differs { table: "entry", .. });
    damage(
        &cluster,
        "bravo",
        &["INSERT INTO entry VALUES (99, 1, 'alpha')"],
    )
    .await;
    let verdict = judged(&cluster, &history, &["alpha", "bravo"]).await;
    assert!(verdict.violations().iter().any(differs), "{verdict}");
    let phantom = Violation::Phantom {
        node: "bravo".into(),
        what: "entry 99/1".into(),
    };
    assert!(verdict.violations().contains(&phantom), "{verdict}");
    assert_eq!(
        (verdict.violations().len(), verdict.lost()),
        (2, 0),
        "{verdict}"
    );

    let first = history
        .operations
        .iter()
        .find(|done| done.kind == trial::Kind::Insert)
        .unwrap();
    let (writer, seq) = (first.writer, first.seq);
    let delete = format!("DELETE FROM entry WHERE writer = {writer} AND seq = {seq}");
    damage(&cluster, "alpha", &[&delete]).await;
    let verdict = judged(&cluster, &history, &["alpha"]).await;
    let what = format!("entry {writer}/{seq}");
    assert_eq!(
        verdict.violations(),
        [Violation::Lost {
            node: "alpha".into(),
            what
        }]
    );

    damage(
        &cluster,
        "bravo",
        &[
            "DELETE FROM entry WHERE writer = 99",
            "UPDATE account SET balance = balance - 7 WHERE id = 3",
        ],
    )
    .await;
    let verdict = judged(&cluster, &history, &["bravo"]).await;
    let is_torn = |found: &Violation| matches!(found, Violation::Torn { account: 3, .. });
    assert!(is_torn(&verdict.violations()[0]), "{verdict}");
    assert!(
        matches!(&verdict.violations()[1], Violation::Total { .. }),
        "{verdict}"
    );
    assert_eq!(verdict.violations().len(), 2, "{verdict}");
}
