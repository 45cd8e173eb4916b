//! What the server says of itself, with and without trouble.

use std::time::{Duration, Instant};

use mariadb::{Error, Status};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{LIMIT, Node, cluster, until};

fn cpu_of(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text[text.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

#[tokio::test]
async fn status_when_polled_then_it_is_cheap() {
    let nodes = cluster(1, true).await;
    for (what, node) in [("primary", &nodes[0]), ("replica", &nodes[1])] {
        let pid = node.server.find_running().await.unwrap();
        let mut fastest = Duration::MAX;
        let rounds = 1000;
        let (ours, theirs, begun) = (cpu_of(std::process::id()), cpu_of(pid), Instant::now());
        for _ in 0..rounds {
            let start = Instant::now();
            node.server.status(LIMIT).await.unwrap();
            fastest = fastest.min(start.elapsed());
        }
        let per_call = |seconds: f64| seconds * 1e6 / f64::from(rounds);
        println!(
            "status of a {what}: {:.0} us each, fastest {fastest:?}; CPU {:.0} us ours, {:.0} us the server's",
            per_call(begun.elapsed().as_secs_f64()),
            per_call(cpu_of(std::process::id()) - ours),
            per_call(cpu_of(pid) - theirs)
        );
    }
}

#[tokio::test]
async fn status_when_the_server_hangs_then_the_limit_holds_and_it_recovers() {
    let node = Node::new(1).await;
    let pid = Pid::from_raw(node.start().await.cast_signed()).unwrap();
    node.status().await;
    kill_process(pid, Signal::STOP).unwrap();
    let state = format!("/proc/{}/stat", pid.as_raw_nonzero());
    until("it stands still", || async {
        std::fs::read_to_string(&state).unwrap().contains(") T ")
    })
    .await;
    let limit = Duration::from_millis(200);
    for _ in 0..2 {
        let start = Instant::now();
        assert!(matches!(
            node.server.status(limit).await,
            Err(Error::Timeout { .. })
        ));
        assert!(start.elapsed() < LIMIT);
    }
    kill_process(pid, Signal::CONT).unwrap();
    node.status().await;
}

#[tokio::test]
async fn status_when_the_server_was_restarted_then_it_speaks_of_the_new_one() {
    let node = Node::new(1).await;
    node.start().await;
    node.status().await;
    node.server.kill(LIMIT).await.unwrap();
    assert!(node.server.status(LIMIT).await.is_err());
    let pid = node.start().await;
    assert_eq!(node.status().await.pid, Some(pid));
}

#[tokio::test]
async fn status_when_apply_is_held_then_it_tells_how_many_bytes_are_left() {
    let nodes = cluster(1, true).await;
    let left = async |node: &Node| node.status().await.advance.map(|advance| advance.left);
    nodes[1].run("STOP SLAVE SQL_THREAD").await;
    nodes[0].run("INSERT INTO test.t (v) VALUES (1)").await;
    until("it is received", || async {
        left(&nodes[1]).await.is_some_and(|left| left > 0)
    })
    .await;
    nodes[1].run("START SLAVE SQL_THREAD").await;
    until("it is applied", || async {
        left(&nodes[1]).await == Some(0)
    })
    .await;
}

#[tokio::test]
async fn sessions_when_all_connections_are_used_then_ours_still_come() {
    let node = Node::with(1, |s| {
        s.options.insert("max_connections".into(), "12".into());
    })
    .await;
    node.start().await;
    node.run("CREATE USER app@'127.0.0.1' IDENTIFIED BY 'app-password'")
        .await;
    let app = || {
        mysql_async::OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(node.server.settings().port)
            .user(Some("app"))
            .pass(Some("app-password"))
    };
    let mut held = Vec::new();
    let refused = loop {
        match mysql_async::Conn::new(app()).await {
            Ok(conn) => held.push(conn),
            Err(error) => break error.to_string(),
        }
        assert!(held.len() < 20, "there must be a limit");
    };
    assert!(refused.contains("1040"), "{refused}");
    let mut more = Vec::new();
    for _ in 0..4 {
        more.push(node.sql().await);
    }
    for sql in &mut more {
        sql.run("test", "DO 1", LIMIT).await.unwrap();
    }
    // An agent that starts now has no session open yet.
    let fresh = node.fresh();
    fresh.find_running().await.unwrap();
    let status: Status = fresh.status(LIMIT).await.unwrap();
    assert!(status.is_read_only);
    fresh.drift().await.unwrap();
}
