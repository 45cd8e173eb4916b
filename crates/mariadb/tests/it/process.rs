//! Start, end and identity of the server's process.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mariadb::{Error, Exit, Server, StartAs};

use crate::fixture::{LIMIT, Node, options, until};

#[tokio::test]
async fn start_when_data_is_new_then_it_is_closed_and_clean() {
    let node = Node::empty(1, |_| {}, None).await;
    node.server.create_data().await.unwrap();
    assert!(matches!(
        node.server.create_data().await,
        Err(Error::DataPresent(_))
    ));
    assert!(!node.dir.path().join("data.new").exists());
    let pid = node.server.start(StartAs::Ordinary, LIMIT).await.unwrap();
    let status = node.status().await;
    assert_eq!(status.pid, Some(pid));
    assert!(status.is_read_only && !status.semi_sync_primary && !status.semi_sync_replica);
    assert!(!status.event_scheduler && status.source.is_none());
    assert!(
        status.binlog.is_empty(),
        "creation stands in no binlog: {}",
        status.binlog
    );
    assert!(
        !node.server.ensure_accounts().await.unwrap(),
        "the accounts were made with the data"
    );
    assert!(node.status().await.binlog.is_empty());
    let users = node
        .value("SELECT GROUP_CONCAT(User ORDER BY User) FROM mysql.global_priv")
        .await;
    assert!(!users.starts_with(',') && users.contains("root"), "{users}");
    assert_eq!(
        node.value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='test'")
            .await,
        "0"
    );
    assert_eq!(node.server.stop(LIMIT).await.unwrap(), Exit::Code(0));
    assert_eq!(node.server.find_running().await, None);
}

#[tokio::test]
async fn start_when_it_runs_already_then_it_is_refused() {
    let node = Node::new(1).await;
    let pid = node.start().await;
    assert!(
        matches!(node.server.start(StartAs::Ordinary, LIMIT).await, Err(Error::AlreadyRunning(p)) if p == pid)
    );
}

#[tokio::test]
async fn kill_when_it_runs_then_exited_resolves_with_the_signal() {
    let node = Node::new(1).await;
    node.start().await;
    let watching = {
        let server = node.server.clone();
        tokio::spawn(async move { server.exited().await })
    };
    tokio::task::yield_now().await;
    assert!(matches!(
        node.server.kill(LIMIT).await.unwrap(),
        Exit::Signal(9) | Exit::Unknown
    ));
    watching.await.unwrap();
    assert_eq!(
        node.server.exited().await,
        Exit::Unknown,
        "at once when nothing is there"
    );
    assert_eq!(
        node.server.kill(LIMIT).await.unwrap(),
        Exit::Unknown,
        "again is no error"
    );
}

#[tokio::test]
async fn stop_when_the_process_does_not_go_then_the_error_says_it_is_still_there() {
    let node = Node::new(1).await;
    let pid = node.start().await;
    let number = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(number, rustix::process::Signal::STOP).unwrap();
    match node.server.stop(Duration::from_millis(200)).await {
        Err(Error::StillThere {
            pid: told, signal, ..
        }) => assert_eq!((told, signal), (pid, "SIGTERM")),
        other => panic!("{other:?}"),
    }
    assert_eq!(node.server.find_running().await, Some(pid));
    node.server.kill(LIMIT).await.unwrap();
    assert_eq!(node.server.find_running().await, None);
}

#[tokio::test]
async fn start_when_the_server_refuses_then_the_error_tells_its_log() {
    let node = Node::with(1, |s| s.options = options(&[("no_such_option", "1")])).await;
    match node.server.start(StartAs::Ordinary, LIMIT).await {
        Err(Error::StartFailed { exit, log }) => {
            assert!(
                log.contains("no-such-option") || log.contains("no_such_option"),
                "{exit}: {log}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(node.server.find_running().await, None);
}

#[tokio::test]
async fn start_when_it_takes_longer_than_the_limit_then_it_is_left_starting() {
    let node = Node::new(1).await;
    match node
        .server
        .start(StartAs::Ordinary, Duration::from_millis(1))
        .await
    {
        Err(Error::StillStarting { pid, .. }) => {
            assert_eq!(node.server.find_running().await, Some(pid));
            until("it answers", || async {
                node.server.status(LIMIT).await.is_ok()
            })
            .await;
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn start_when_there_is_no_data_then_it_is_refused() {
    let node = Node::empty(1, |_| {}, None).await;
    assert!(matches!(
        node.server.start(StartAs::Ordinary, LIMIT).await,
        Err(Error::DataMissing(_))
    ));
}

#[tokio::test]
async fn start_when_the_version_is_too_old_then_it_is_refused() {
    let node = Node::new(1).await;
    let programs = node.dir.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let fake = programs.join("mariadbd");
    std::fs::write(
        &fake,
        "#!/bin/sh\necho 'mariadbd  Ver 10.11.8-MariaDB for Linux on x86_64'\n",
    )
    .unwrap();
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::with_programs(node.server.settings().clone(), Some(programs)).unwrap();
    match server.start(StartAs::Ordinary, LIMIT).await {
        Err(Error::VersionRefused { found, .. }) => assert_eq!(found, "10.11.8"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.find_running().await, None);
}

#[tokio::test]
async fn server_when_an_option_overrides_an_enforced_one_then_it_is_refused() {
    let node = Node::empty(1, |_| {}, None).await;
    let mut settings = node.server.settings().clone();
    settings.options = options(&[("loose-sync-binlog", "0")]);
    assert!(matches!(
        Server::new(settings),
        Err(Error::OptionRefused { .. })
    ));
}

/// Not a test of its own: the agent of `server_when_its_agent_is_gone_…`, in a process that ends at once.
#[tokio::test]
async fn agent_that_starts_a_server_and_ends() {
    let Ok(dir) = std::env::var("MARIADB_TEST_AGENT") else {
        return;
    };
    let dir = std::path::Path::new(&dir);
    let text = std::fs::read_to_string(dir.join("ports")).unwrap();
    let ports: Vec<u16> = text
        .split_whitespace()
        .map(|p| p.parse().unwrap())
        .collect();
    let mut settings = crate::fixture::settings(dir, 1, ports[0]);
    (settings.port, settings.extra_port) = (ports[1], ports[2]);
    Server::new(settings)
        .unwrap()
        .start(StartAs::Ordinary, LIMIT)
        .await
        .unwrap();
}

#[tokio::test]
async fn server_when_its_agent_is_gone_then_the_next_agent_finds_watches_and_ends_it() {
    let node = Node::new(1).await;
    let settings = node.server.settings();
    let ports = format!(
        "{} {} {}",
        settings.tunnel_port, settings.port, settings.extra_port
    );
    std::fs::write(node.dir.path().join("ports"), ports).unwrap();
    let agent = Command::new("/proc/self/exe")
        .args(["--exact", "process::agent_that_starts_a_server_and_ends"])
        .env("MARIADB_TEST_AGENT", node.dir.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(agent.success());

    let pid = node
        .server
        .find_running()
        .await
        .expect("it outlives its agent");
    assert_eq!(node.status().await.pid, Some(pid));
    // Also without our record of it, by command line alone.
    std::fs::remove_file(settings.state_dir.join("server.process")).unwrap();
    assert_eq!(node.fresh().find_running().await, Some(pid));
    std::fs::remove_file(settings.state_dir.join("server.process")).unwrap();
    std::fs::remove_file(settings.pid_file()).unwrap();
    assert_eq!(node.fresh().find_running().await, Some(pid));

    let watching = {
        let server = node.fresh();
        tokio::spawn(async move {
            let exit = server.exited().await;
            (exit, Instant::now())
        })
    };
    until("the watcher waits", || async { !watching.is_finished() }).await;
    let killed = Instant::now();
    node.server.kill(LIMIT).await.unwrap();
    let (_, seen) = watching.await.unwrap();
    println!(
        "exit seen {:?} after the order to kill",
        seen.saturating_duration_since(killed)
    );
    assert_eq!(node.fresh().find_running().await, None);
}

/// A process that is none of the server's business.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        let mut sleep = Command::new("sleep");
        Self(
            sleep
                .arg("100")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn find_running_when_the_pid_file_names_another_process_then_that_is_left_alone() {
    let node = Node::new(1).await;
    let mut other = Bystander::new();
    let settings = node.server.settings();
    std::fs::create_dir_all(settings.pid_file().parent().unwrap()).unwrap();
    std::fs::write(settings.pid_file(), format!("{}\n", other.0.id())).unwrap();
    // A record whose number was taken over by another process since.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let record = settings.state_dir.join("server.process");
    std::fs::write(&record, format!("{} 1 {}\n", other.0.id(), boot.trim())).unwrap();
    assert_eq!(node.server.find_running().await, None);
    node.server.kill(LIMIT).await.unwrap();
    assert!(
        other.0.try_wait().unwrap().is_none(),
        "the other process must live"
    );
    let pid = node.start().await;
    assert_ne!(pid, other.0.id());
}

#[tokio::test]
async fn server_when_started_then_it_is_out_of_our_process_group_and_its_file_is_private() {
    let node = Node::new(1).await;
    let pid = node.start().await;
    let group = |pid: u32| {
        rustix::process::getpgid(rustix::process::Pid::from_raw(pid.cast_signed())).unwrap()
    };
    assert_ne!(group(pid), group(std::process::id()));
    let mode = std::fs::metadata(node.server.settings().config_file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(!command.contains("only-for-tests"));
}
