//! Transactions over lists on real servers: a healthy one shows no anomaly however hard it is
//! driven, and each thing planted in real tables or put between client and server is named.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use trial::{
    Action, Anomaly, Class, Cluster, History, Key, Layout, Load, Outcome, Plan, Step, Transaction,
    Verdict, Violation, examine,
};

use crate::{LIMIT, cluster, damage::database, limits};

/// As fast as they can, on a few lists, so that they meet all the time.
const CROWD: Plan = Plan {
    writers: 1,
    readers: 0,
    lists: 12,
    rate: 2_000,
    deadline: LIMIT,
    connect: LIMIT,
};

async fn begin(cluster: &Cluster) -> Load {
    let account = cluster.prepare_load(10).await.unwrap();
    Load::start(cluster.gateways(&["alpha"], &account).unwrap(), CROWD).unwrap()
}

/// Until that many transactions have ended well.
async fn wait(load: &Load, transactions: u64) {
    let until = Instant::now() + LIMIT * 4;
    while load.live()[0].transactions < transactions {
        assert!(Instant::now() < until, "{:?}", load.live());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn crowd(cluster: &Cluster, transactions: u64) -> History {
    let load = begin(cluster).await;
    wait(&load, transactions).await;
    load.finish().await.unwrap()
}

async fn judged(cluster: &Cluster, history: &History) -> Verdict {
    examine(history, &[database(cluster, "alpha")], limits())
        .await
        .unwrap()
}

/// Waits until a node is there and has something in the lists of this load.
async fn has_lists(cluster: &Cluster, node: &str) {
    let until = Instant::now() + LIMIT * 2;
    loop {
        if let Ok(mut connection) = database(cluster, node).connect().await {
            let count = "SELECT COUNT(*) FROM mainstay_trial.list";
            let count = connection.query_first::<u64, _>(count).await;
            if count.is_ok_and(|count| count.unwrap_or(0) >= 5) {
                return;
            }
        }
        assert!(Instant::now() < until, "nothing reaches {node}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn run(cluster: &Cluster, node: &str, sql: &str) {
    let mut connection = database(cluster, node).connect().await.unwrap();
    connection.query_drop(sql).await.unwrap();
    connection.disconnect().await.unwrap();
}

fn has(verdict: &Verdict, wished: Anomaly) -> bool {
    let is_it = |found: &Violation| matches!(found, Violation::Anomaly { anomaly, .. } if *anomaly == wished);
    verdict.violations().iter().any(is_it)
}

/// One by hand, after everything else.
fn afterwards(history: &History, actions: Vec<Action>, outcome: Outcome) -> Transaction {
    let (sent, answered) = (history.length, history.length + Duration::from_millis(1));
    let step = |action| Step {
        sent,
        answered,
        action,
    };
    Transaction {
        client: 255,
        seq: 1,
        gateway: 0,
        connection: 1,
        class: Class::Repeatable,
        steps: actions.into_iter().map(step).collect(),
        invoked: sent,
        committing: Some(sent),
        returned: answered,
        outcome,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_healthy_and_crowded_then_its_history_shows_no_anomaly() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let history = crowd(&cluster, 3_000).await;
    let with = |class: Class, outcome: Outcome| {
        let all = history.transactions.iter();
        all.filter(|done| done.class == class && done.outcome == outcome)
            .count()
    };
    for class in [
        Class::Single,
        Class::Repeatable,
        Class::Locking,
        Class::Serializable,
    ] {
        assert!(with(class, Outcome::Ok) > 100, "{class:?}");
    }
    assert!(with(Class::Repeatable, Outcome::Failed) > 20);
    assert!(meets(&history) > 100, "the clients did not meet");
    let verdict = judged(&cluster, &history).await;
    assert!(verdict.is_good(), "{verdict}");
    assert!(
        verdict
            .to_string()
            .contains("transactions checked, no anomaly")
    );
}

/// Transactions that began before another one at the same list had ended.
fn meets(history: &History) -> usize {
    let mut spans: Vec<_> = history
        .transactions
        .iter()
        .flat_map(|done| {
            let keys = done.steps.iter().map(|step| step.action.key());
            keys.map(|key| (key, done.invoked, done.returned, done.client))
        })
        .collect();
    spans.sort_unstable();
    let meet = |pair: &[(u32, Duration, Duration, u32)]| {
        pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2 && pair[0].3 != pair[1].3
    };
    spans.windows(2).filter(|pair| meet(pair)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn append_when_deleted_from_the_table_then_it_is_lost_and_its_transaction_torn() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let history = crowd(&cluster, 500).await;
    let two_lists = |done: &&Transaction| {
        let keys: Vec<Key> = done.appends().map(|(key, _)| key).collect();
        done.outcome == Outcome::Ok && keys.len() == 2 && keys[0] != keys[1]
    };
    let torn = history.transactions.iter().find(two_lists).unwrap();
    let (key, element) = torn.appends().next().unwrap();
    let delete = format!(
        "UPDATE mainstay_trial.list SET value = \
         TRIM(BOTH ',' FROM REPLACE(CONCAT(',', value, ','), ',{element},', ',')) WHERE id = {key}"
    );
    run(&cluster, "alpha", &delete).await;
    let verdict = judged(&cluster, &history).await;
    assert_eq!(verdict.lost(), 1, "{verdict}");
    assert!(has(&verdict, Anomaly::Torn), "{verdict}");
    let name = format!("element {element} of list {key}");
    assert!(verdict.to_string().contains(&name), "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_when_done_in_part_then_it_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let mut history = crowd(&cluster, 100).await;
    let append = |key| Action::Append {
        key,
        element: 1_000_000_000 + key,
    };
    let actions = vec![append(900_001), append(900_002)];
    let halved = afterwards(&history, actions, Outcome::Unknown);
    history.transactions.push(halved);
    assert!(judged(&cluster, &history).await.is_good());
    let half = "INSERT INTO mainstay_trial.list VALUES (900001, '1000900001')";
    run(&cluster, "alpha", half).await;
    let verdict = judged(&cluster, &history).await;
    assert!(has(&verdict, Anomaly::Torn), "{verdict}");
    assert_eq!(verdict.violations().len(), 1, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_when_it_reads_a_stale_copy_then_its_reads_are_stale() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let load = begin(&cluster).await;
    has_lists(&cluster, "bravo").await;
    run(&cluster, "bravo", "STOP SLAVE").await;
    let so_far = load.live()[0].transactions;
    wait(&load, so_far + 400).await;
    let mut history = load.finish().await.unwrap();
    assert!(judged(&cluster, &history).await.is_good());
    let mut copy = database(&cluster, "bravo").connect().await.unwrap();
    let lists: Vec<(Key, String)> = copy
        .query("SELECT id, value FROM mainstay_trial.list ORDER BY id DESC LIMIT 5")
        .await
        .unwrap();
    copy.disconnect().await.unwrap();
    let read = |(key, value): (Key, String)| Action::Read {
        key,
        locks: false,
        seen: value.split(',').map(|part| part.parse().unwrap()).collect(),
    };
    let reads = lists.into_iter().map(read).collect();
    let reader = afterwards(&history, reads, Outcome::Ok);
    history.transactions.push(reader);
    let verdict = judged(&cluster, &history).await;
    assert!(has(&verdict, Anomaly::StaleRead), "{verdict}");
    assert_eq!(verdict.lost(), 0, "{verdict}");
    let text = verdict.to_string();
    assert!(text.contains("transaction 255/1"), "{verdict}");
}
