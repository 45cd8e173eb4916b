//! Starting, loading, judging and ending.

use std::process::Command;

use trial::Layout;

use crate::{cluster, limits, load, namespaces};

fn processes_with(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(word))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_when_loaded_in_peace_then_the_verdict_is_good_and_dropping_ends_everything() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let path = dir.path().display().to_string();
    assert!(processes_with(&path) >= 4, "two agents and two servers");
    let load = load(&cluster).await;
    let live = load.live();
    assert!(
        live[0].acknowledged >= 30 && live[0].failed == 0,
        "{live:?}"
    );
    let history = load.finish().await.unwrap();
    let verdict = cluster.judge(&history, limits()).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");
    assert!(verdict.acknowledged >= 30 && verdict.reads > 0, "{verdict}");
    assert_eq!(verdict.nodes, ["alpha", "bravo"]);
    assert_eq!(history.errors_line(), "none");
    drop(cluster);
    assert_eq!(processes_with(&path), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_when_stopped_in_order_then_the_servers_have_shut_down_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let log = cluster.node("alpha").unwrap().log();
    cluster.stop().await;
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("Shutdown complete"), "{said}");
    assert_eq!(processes_with(&dir.path().display().to_string()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_when_the_cluster_is_dropped_then_they_and_their_links_are_gone() {
    let Some((layout, _alone)) = namespaces().await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, layout).await;
    let names = || {
        let shown = Command::new("ip").args(["netns", "list"]).output().unwrap();
        let links = Command::new("ip").args(["-br", "link"]).output().unwrap();
        let text = [shown.stdout, links.stdout].concat();
        let ours = format!("m{}n", std::process::id());
        String::from_utf8(text).unwrap().matches(&ours).count()
    };
    let history = load(&cluster).await.finish().await.unwrap();
    let verdict = cluster.judge(&history, limits()).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");
    let before = names();
    assert!(
        before >= 5,
        "two namespaces, two cables, one bridge: {before}"
    );
    drop(cluster);
    assert_eq!(names(), 0);
}
