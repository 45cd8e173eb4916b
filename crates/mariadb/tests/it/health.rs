//! A prober tells apart what can be wrong with a real server. Cases that need root are skipped without it, with a word.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mariadb::{Health, Limits, SemiSync, Silence};
use rustix::process::{Pid, Signal, kill_process};

use crate::disk::{Disk, run};
use crate::fixture::{LIMIT, Node, cluster, until};

const QUICK: Limits = Limits {
    answer: Duration::from_millis(700),
    write: Duration::from_millis(700),
    disk: Duration::from_millis(700),
    min_free_bytes: 1 << 20,
};

/// One frozen disk at a time, so that the threads that hang on it can be counted.
static FREEZING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn closed() -> Node {
    let node = Node::new(1).await;
    node.start().await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_is_hung_and_a_killed_one_dead() {
    let node = Node::new(1).await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Dead);
    let pid = node.start().await;
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    let process = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(
            prober.probe(&QUICK).await,
            Health::Hung {
                what: Silence::Greeting
            }
        );
        assert!(begun.elapsed() < LIMIT);
    }
    kill_process(process, Signal::CONT).unwrap();
    wait_for(&mut prober, &Health::Ok).await;
    node.server.kill(LIMIT).await.unwrap();
    assert_eq!(prober.probe(&QUICK).await, Health::Dead);
    node.start().await;
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn used_up_connections_are_told_and_do_not_blind_the_prober() {
    let few = ("max_connections".to_owned(), "10".to_owned());
    let node = Node::with(1, |settings| settings.options.extend([few])).await;
    node.start().await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    let mut sessions = Vec::new();
    while sessions.len() < 12 {
        sessions.push(
            node.server
                .sql(LIMIT)
                .await
                .expect("the administrator is always let in"),
        );
    }
    assert_eq!(prober.probe(&QUICK).await, Health::OutOfConnections);
    // Also a prober that comes new.
    assert_eq!(
        node.server.prober().probe(&QUICK).await,
        Health::OutOfConnections
    );
    drop(sessions);
    until("they are free", || async {
        node.value("SELECT COUNT(*) < 6 FROM information_schema.PROCESSLIST")
            .await
            == "1"
    })
    .await;
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_for_an_acknowledgement_are_not_ill() {
    let nodes = cluster(1, true).await;
    let primary = &nodes[0];
    primary
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    let mut prober = primary.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    nodes[1].tunnel.cut();
    let waiting = primary.begin("INSERT INTO test.t (v) VALUES (1)").await;
    until("the commit waits", || async {
        primary.status().await.commits_waiting == 1
    })
    .await;
    for _ in 0..3 {
        assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    }
    // Somebody closes it meanwhile: all commits queue behind that, ours too, and it is still not ill.
    let closing = primary.begin("SET GLOBAL read_only=1").await;
    let pending = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for backup lock'";
    until("the closing waits", || async {
        primary.value(pending).await == "1"
    })
    .await;
    let answer = prober.probe(&QUICK).await;
    assert!(
        matches!(answer, Health::Busy { .. }) && !answer.is_ill(),
        "{answer:?}"
    );
    nodes[1]
        .tunnel
        .lead_to(primary.server.settings().extra_port);
    waiting.await.unwrap().unwrap();
    closing.await.unwrap().unwrap();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    assert_eq!(
        nodes[1].server.prober().probe(&QUICK).await,
        Health::Ok,
        "a replica, closed as it is"
    );
    let end = primary.status().await.binlog;
    assert!(nodes[1].server.wait_applied(&end, LIMIT).await.unwrap());
    assert_eq!(
        nodes[1].status().await.binlog,
        end,
        "probes leave no transaction"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dump_of_all_databases_restored_on_the_primary_does_not_meet_the_probes_table() {
    let nodes = cluster(1, false).await;
    let mut probers = [nodes[0].server.prober(), nodes[1].server.prober()];
    for prober in &mut probers {
        assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    }
    let create = "CREATE TABLE mainstay_local.heartbeat (id TINYINT PRIMARY KEY, beats BIGINT NOT NULL) ENGINE=InnoDB";
    let steps = [
        "DROP TABLE mainstay_local.heartbeat",
        create,
        "INSERT INTO mainstay_local.heartbeat VALUES (1, 77)",
    ];
    for step in steps {
        nodes[0].run(step).await;
        let end = nodes[0].status().await.binlog;
        assert!(
            nodes[1].server.wait_applied(&end, LIMIT).await.unwrap(),
            "{step}"
        );
        for prober in &mut probers {
            assert_eq!(prober.probe(&QUICK).await, Health::Ok, "{step}");
        }
    }
    assert_eq!(
        nodes[1]
            .value("SELECT COUNT(*) FROM mainstay_local.heartbeat")
            .await,
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn probing_a_well_server_is_cheap_and_quiet() {
    let node = closed().await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    let pid = node.server.find_running().await.unwrap();
    let log = || {
        std::fs::read_to_string(node.server.settings().error_log())
            .unwrap()
            .lines()
            .count()
    };
    let (lines, ours, theirs, begun) = (log(), cpu(std::process::id()), cpu(pid), Instant::now());
    let count = 200u32;
    for _ in 0..count {
        assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    }
    let (took, ours, theirs) = (
        begun.elapsed() / count,
        cpu(std::process::id()).saturating_sub(ours) / count,
        cpu(pid).saturating_sub(theirs) / count,
    );
    println!(
        "one probe: {took:?}; processor time here {ours:?} (other tests included), in the server {theirs:?}"
    );
    assert_eq!(log(), lines, "nothing in the error log");
    assert!(theirs < Duration::from_millis(20));
    assert_eq!(
        node.value("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")
            .await,
        "Aborted_connects"
    );
}

/// Processor time of a process; Linux counts it in hundredths of a second.
fn cpu(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text[text.rfind(')').unwrap()..]
        .split_whitespace()
        .collect();
    Duration::from_millis(
        10 * (fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap()),
    )
}

/// A node whose data directory lies on `disk`.
async fn on(disk: &Disk) -> Node {
    let node = Node::with(1, |settings| {
        settings.database_dir = disk.root().join("data");
    })
    .await;
    let from = node.dir.path().join("data");
    assert!(
        Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(disk.root())
            .status()
            .unwrap()
            .success()
    );
    node.start().await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn hung_disk_is_told_from_a_hung_server() {
    let _alone = FREEZING.lock().await;
    let Some(disk) = Disk::new(200) else { return };
    let node = on(&disk).await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    disk.freeze();
    let frozen = Thaw(&disk);
    let sessions = node
        .value("SELECT COUNT(*) FROM information_schema.PROCESSLIST")
        .await;
    for _ in 0..4 {
        let begun = Instant::now();
        assert_eq!(prober.probe(&QUICK).await, Health::DiskHung);
        assert!(begun.elapsed() < LIMIT);
    }
    until("one thread hangs, not four", || async {
        hanging_threads() == 1
    })
    .await;
    assert_eq!(
        node.value("SELECT COUNT(*) FROM information_schema.PROCESSLIST")
            .await,
        sessions,
        "one session hangs"
    );
    drop(frozen);
    wait_for(&mut prober, &Health::Ok).await;
}

/// Threads of this program that wait for a disk; those of other tests do so for moments only.
fn hanging_threads() -> usize {
    let state = |task: std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("stat")).unwrap_or_default()
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| task.path().exists())
        .map(state)
        .filter(|stat| stat.contains("(disk-probe) D"))
        .count()
}

/// Thaws on any way out, so that nothing of this test hangs for ever.
struct Thaw<'a>(&'a Disk);

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_killed_on_a_hung_disk_is_not_dead_yet() {
    let _alone = FREEZING.lock().await;
    let Some(disk) = Disk::new(200) else { return };
    let node = on(&disk).await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    disk.freeze();
    let frozen = Thaw(&disk);
    assert_eq!(prober.probe(&QUICK).await, Health::DiskHung);
    let killed = node.server.kill(Duration::from_secs(1)).await;
    assert!(
        matches!(killed, Err(mariadb::Error::StillThere { .. })),
        "{killed:?}"
    );
    assert_eq!(prober.probe(&QUICK).await, Health::DiskHung);
    drop(frozen);
    wait_for(&mut prober, &Health::Dead).await;
}

async fn wait_for(prober: &mut mariadb::Prober, wanted: &Health) {
    let begun = Instant::now();
    loop {
        let answer = prober.probe(&QUICK).await;
        if answer == *wanted {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "still {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_is_told_before_and_after_the_last_byte() {
    let Some(disk) = Disk::new(200) else { return };
    let node = on(&disk).await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    let far = Limits {
        min_free_bytes: 1 << 40,
        ..QUICK
    };
    assert!(
        matches!(prober.probe(&far).await, Health::DiskFull { free_bytes } if free_bytes > 1 << 20)
    );
    let ballast = fill(&disk.root());
    assert!(
        matches!(prober.probe(&QUICK).await, Health::DiskFull { free_bytes } if free_bytes < 1 << 20)
    );
    std::fs::remove_file(ballast).unwrap();
    wait_for(&mut prober, &Health::Ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_when_it_was_full_for_a_moment_and_the_binlog_met_it_then_it_is_told_though_there_is_room()
 {
    let Some(disk) = Disk::new(200) else { return };
    let node = on(&disk).await;
    node.open().await;
    node.run("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY)")
        .await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    let ballast = fill(&disk.root());
    // Its own words go to the binlog with its rows: more than the last block has room for.
    let long = format!("INSERT INTO a.t VALUES (1) /*{}*/", "x".repeat(100_000));
    let mut session = node.sql().await;
    let write = tokio::spawn(async move { session.run("write", &long, 4 * LIMIT).await });
    let log = node.server.settings().error_log();
    until("the server has met the full disk", || async {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        said.contains("Disk is full writing './binlog.")
    })
    .await;
    std::fs::remove_file(ballast).unwrap();
    for _ in 0..3 {
        let found = prober.probe(&QUICK).await;
        assert!(
            matches!(found, Health::DiskFull { free_bytes } if free_bytes > 1 << 20),
            "{found:?}"
        );
    }
    assert!(!write.is_finished());
    node.server.kill(LIMIT).await.unwrap();
    assert_eq!(prober.probe(&QUICK).await, Health::Dead);
    node.start().await;
    wait_for(&mut prober, &Health::Ok).await;
}

fn fill(root: &Path) -> PathBuf {
    let path = root.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_that_turned_read_only_is_told() {
    let Some(disk) = Disk::new(200) else { return };
    let node = on(&disk).await;
    let mut prober = node.server.prober();
    assert_eq!(prober.probe(&QUICK).await, Health::Ok);
    // What the kernel does after an error of an ext4 that was mounted with errors=remount-ro.
    let root = disk.root();
    if !run("mount", &["-o", "remount,abort", root.to_str().unwrap()]).0 {
        println!("skipped: this kernel does not abort a mounted file system");
        return;
    }
    wait_for(&mut prober, &Health::ReadOnlyDisk).await;
}
