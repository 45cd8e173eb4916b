//! Clones of real servers under load: they follow without an error and hold the same rows.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mariadb::{Adopted, Apply, BackupStream, Error, Stage, StartAs};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::disk::Disk;
use crate::fixture::{LIMIT, Node, cluster, until};
use crate::load::{Load, checksum};

pub(crate) async fn clone(from: &Node, to: &Node) -> Adopted {
    let stream = from.server.backup().await.unwrap();
    let estimate = stream.estimated_bytes();
    let mut stages = Vec::new();
    let received = to
        .server
        .receive(stream, |p| stages.push(p.stage))
        .await
        .unwrap();
    stages.dedup();
    assert_eq!(stages, [Stage::Receiving, Stage::Preparing, Stage::Syncing]);
    assert!(
        received.bytes > estimate / 2 && received.bytes < estimate * 2,
        "{} of {estimate}",
        received.bytes
    );
    to.server.install_clone(received).await.unwrap();
    assert!(to.server.needs_adoption());
    to.server.adopt_clone(LIMIT).await.unwrap()
}

/// Lets the clone follow `primary` while `load` goes on, then compares.
async fn follow_and_compare(primary: &Node, replica: &Node, load: Load) {
    replica.tunnel.lead_to(primary.server.settings().extra_port);
    replica.server.follow(true, LIMIT).await.unwrap();
    load.more(200).await;
    load.end().await;
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    let status = replica.status().await;
    assert!(matches!(status.apply, Apply::Running), "{status:?}");
    assert!(
        status.binlog.same_as(&end) && status.applied.same_as(&end),
        "{status:?}"
    );
    for table in ["test.t", "test.u"] {
        assert_eq!(
            checksum(primary, table).await,
            checksum(replica, table).await,
            "{table}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clone_of_a_loaded_primary_follows_it_with_equal_tables() {
    let nodes = cluster(0, false).await;
    let primary = &nodes[0];
    primary.run("CREATE TABLE test.u (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO test.u VALUES (1), (2)").await;
    let target = Node::new(7).await;
    target.start().await;
    target.run("CREATE DATABASE only_here").await;
    target.server.stop(LIMIT).await.unwrap();
    let load = Load::on(primary, 4).await;
    let adopted = clone(primary, &target).await;
    assert!(!adopted.is_from_replica && !target.server.needs_adoption());
    let status = target.status().await;
    assert!(status.source.is_none() && status.is_read_only, "{status:?}");
    assert_eq!(
        (&status.binlog, &status.applied),
        (&adopted.position, &adopted.position)
    );
    // The position is on disk, not only in the server's memory.
    target.server.kill(LIMIT).await.unwrap();
    target.start().await;
    let status = target.status().await;
    assert_eq!(
        (&status.binlog, &status.applied),
        (&adopted.position, &adopted.position)
    );
    follow_and_compare(primary, &target, load).await;
    let old = target.server.old_copies().unwrap();
    assert!(
        old.len() == 1 && old[0].join("only_here").is_dir(),
        "{old:?}"
    );
    assert_eq!(target.server.forget_old_copies().await.unwrap(), 1);
    assert!(!old[0].exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn clones_of_a_parallel_replica_under_load_follow_with_equal_tables() {
    let nodes = cluster(1, true).await;
    let (primary, source) = (&nodes[0], &nodes[1]);
    primary.run("CREATE TABLE test.u (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO test.u VALUES (1), (2)").await;
    let mut rolled_back = 0;
    for round in 0..rounds() {
        let target = Node::new(10 + round).await;
        let load = Load::on(primary, 8).await;
        let adopted = clone(source, &target).await;
        assert!(adopted.is_from_replica);
        rolled_back += u32::from(adopted.rolled_back);
        follow_and_compare(primary, &target, load).await;
        assert!(
            !target
                .dir
                .path()
                .join("data/master.info")
                .metadata()
                .is_ok_and(|m| m.len() == 0)
        );
    }
    println!("{rolled_back} clones had prepared transactions to roll back");
}

fn rounds() -> u32 {
    std::env::var("CLONE_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3)
}

/// A stream that ends too early: silently, or with an error as its sender would give.
struct Cut {
    inner: BackupStream,
    left: usize,
    error: bool,
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(if self.error {
                Err(io::Error::other("sender failed"))
            } else {
                Ok(())
            });
        }
        let mut part = buf.take(self.left);
        let polled = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        let count = part.filled().len();
        // The bytes lie in the same memory; `buf` must be told of them.
        let filled = part.filled().to_vec();
        buf.put_slice(&filled);
        self.left -= count;
        polled
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clone_whose_stream_stops_early_is_never_installed() {
    let nodes = cluster(0, false).await;
    let target = Node::new(8).await;
    target.start().await;
    target.run("CREATE DATABASE only_here").await;
    target.server.stop(LIMIT).await.unwrap();
    let incoming = target.dir.path().join("data.incoming");
    for (left, error) in [
        (0, false),
        (1000, false),
        (400_000, true),
        (9_000_000, false),
        (9_000_000, true),
    ] {
        let inner = nodes[0].server.backup().await.unwrap();
        let failed = target
            .server
            .receive(Cut { inner, left, error }, |_| {})
            .await
            .unwrap_err();
        assert!(matches!(failed, Error::StreamBroken(_)), "{left}: {failed}");
        assert!(!target.server.needs_adoption() && !incoming.exists());
    }
    target.start().await;
    assert_eq!(
        target.value("SHOW DATABASES LIKE 'only_here'").await,
        "only_here"
    );
    target.server.stop(LIMIT).await.unwrap();
    // Whatever was left is no obstacle to the next one.
    std::fs::create_dir_all(incoming.join("mysql")).unwrap();
    std::fs::write(incoming.join("mysql/leftover"), "x").unwrap();
    clone(&nodes[0], &target).await;
    assert!(!target.dir.path().join("data/mysql/leftover").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_between_the_renames_is_recovered_to_the_old_data() {
    let target = Node::new(9).await;
    let data = target.dir.path().join("data");
    std::fs::rename(
        &data,
        target.dir.path().join("data.before-clone-000000000123"),
    )
    .unwrap();
    assert!(target.server.recover_install().await.unwrap());
    assert!(!target.server.recover_install().await.unwrap());
    target.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_of_a_server_that_dies_ends_with_an_error() {
    let nodes = cluster(0, false).await;
    let mut stream = nodes[0].server.backup().await.unwrap();
    let mut first = [0; 100];
    stream.read_exact(&mut first).await.unwrap();
    nodes[0].server.kill(LIMIT).await.unwrap();
    let mut rest = Vec::new();
    let error = stream.read_to_end(&mut rest).await.unwrap_err();
    assert!(error.to_string().contains("mariadb-backup"), "{error}");
    assert!(
        nodes[0]
            .server
            .backup()
            .await
            .unwrap()
            .read_to_end(&mut rest)
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_that_is_dropped_ends_its_program_and_leaves_nothing() {
    let nodes = cluster(0, false).await;
    let mut stream = nodes[0].server.backup().await.unwrap();
    let mut first = [0; 100];
    stream.read_exact(&mut first).await.unwrap();
    drop(stream);
    let sessions = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE (INFO LIKE 'BACKUP%' OR STATE LIKE '%backup%')";
    until("the backup's sessions have ended", || async {
        nodes[0]
            .value(&format!("{sessions} AND ID <> CONNECTION_ID()"))
            .await
            == "0"
    })
    .await;
    let left = std::fs::read_dir(nodes[0].dir.path().join("state")).unwrap();
    assert!(
        left.flatten()
            .all(|e| !e.file_name().to_string_lossy().starts_with("backup-"))
    );
    nodes[0]
        .run("CREATE TABLE test.after_it (a INT) ENGINE=InnoDB")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clone_is_not_installed_over_a_running_server() {
    let nodes = cluster(0, false).await;
    let target = Node::new(6).await;
    let received = target
        .server
        .receive(nodes[0].server.backup().await.unwrap(), |_| {})
        .await
        .unwrap();
    target.server.start(StartAs::Ordinary, LIMIT).await.unwrap();
    assert!(matches!(
        target.server.install_clone(received).await,
        Err(Error::AlreadyRunning(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn clone_that_would_fill_the_disk_is_given_up() {
    let Some(disk) = Disk::new(140) else { return };
    let nodes = cluster(0, false).await;
    let small = disk.root().join("data");
    let target = Node::with(5, |settings| settings.database_dir.clone_from(&small)).await;
    let stream = nodes[0].server.backup().await.unwrap();
    let refused = target.server.receive(stream, |_| {}).await.unwrap_err();
    assert!(matches!(refused, Error::NoRoom { .. }), "{refused}");
    assert!(!disk.root().join("data.incoming").exists());
}
