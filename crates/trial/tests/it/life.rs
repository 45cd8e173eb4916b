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
    runs(&path).await;
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

const CHILD: &str = "TRIAL_TEST_CHILD_DIR";

/// Not a test by itself: what the two tests below start, and end from outside.
#[tokio::test(flavor = "multi_thread")]
async fn child_when_asked_by_another_test_then_it_starts_a_cluster_and_waits() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    trial::end_on_interrupt();
    let program = crate::program();
    let builder = trial::Builder::new(program, dir)
        .witness(false)
        .layout(Layout::best());
    let _cluster = builder.start().await.unwrap();
    println!("ready");
    std::future::pending::<()>().await;
}

/// Another process of this program with a running cluster in that directory.
fn child(dir: &tempfile::TempDir) -> std::process::Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("life::child_when_asked_by_another_test_then_it_starts_a_cluster_and_waits")
        .env(CHILD, dir.path().join("c"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.ends_with("ready"))
    );
    child
}

/// Waits until the two agents and two servers below this path run.
async fn runs(path: &str) {
    let until = std::time::Instant::now() + crate::LIMIT;
    while processes_with(path) < 4 {
        assert!(
            std::time::Instant::now() < until,
            "the cluster did not start"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn names_of(pid: u32) -> usize {
    let list = |args: &[&str]| Command::new("ip").args(args).output().unwrap().stdout;
    let text = [list(&["netns", "list"]), list(&["-br", "link"])].concat();
    String::from_utf8(text)
        .unwrap()
        .matches(&format!("m{pid}n"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn program_when_interrupted_then_its_cluster_is_ended_first() {
    let dir = tempfile::tempdir().unwrap();
    crate::open(&dir);
    let mut child = child(&dir);
    let path = dir.path().display().to_string();
    runs(&path).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!((processes_with(&path), names_of(child.id())), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn program_when_killed_then_the_next_one_sweeps_what_it_left() {
    let dir = tempfile::tempdir().unwrap();
    crate::open(&dir);
    let mut child = child(&dir);
    let path = dir.path().display().to_string();
    runs(&path).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let next = tempfile::tempdir().unwrap();
    let builder = trial::Builder::new(crate::program(), next.path()).layout(Layout::best());
    drop(builder.build().unwrap());
    let until = std::time::Instant::now() + crate::LIMIT;
    while processes_with(&path) > 0 {
        assert!(std::time::Instant::now() < until, "something was left");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(names_of(child.id()), 0);
}
