//! Data directories that are the root of a file system of their own, as `/var/lib/mysql` often is: made, backed
//! up, and replaced by clones there, with `lost+found` beside the data.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use mariadb::{Error, StartAs};

use crate::clone::clone;
use crate::disk::{Disk, run};
use crate::fixture::{LIMIT, Node};

async fn on(disk: &Disk, server_id: u32) -> Node {
    at(disk.root(), server_id).await
}

async fn at(database_dir: PathBuf, server_id: u32) -> Node {
    let node = Node::empty(
        server_id,
        |settings| settings.database_dir = database_dir,
        None,
    )
    .await;
    node.server.create_data().await.unwrap();
    node.start().await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn data_directory_that_is_a_mount_point_is_made_cloned_from_and_replaced() {
    let (Some(one), Some(other)) = (Disk::new(400), Disk::new(400)) else {
        return;
    };
    let source = on(&one, 1).await;
    assert!(one.root().join("lost+found").is_dir());
    let databases = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '#%'";
    assert_eq!(source.value(databases).await, "0");
    assert!(matches!(
        source.server.create_data().await,
        Err(Error::DataPresent(_))
    ));
    source.run("SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE TABLE shop.t (a INT) ENGINE=InnoDB; INSERT INTO shop.t VALUES (7)").await;

    let target = on(&other, 2).await;
    target.run("CREATE DATABASE only_here").await;
    for round in 1..=2 {
        target.server.stop(LIMIT).await.unwrap();
        clone(&source, &target).await;
        assert_eq!(target.value("SELECT a FROM shop.t").await, "7");
        assert_eq!(target.value(databases).await, "0");
        assert!(!target.server.recover_install().await.unwrap());
        let old = target.server.old_copies().unwrap();
        assert_eq!(old.len(), round, "{old:?}");
        assert!(old.iter().all(|copy| copy.starts_with(other.root())));
        assert!(old[0].join("only_here").is_dir());
        assert!(!other.root().join("only_here").exists());
    }
    // Nor does a copy of a server that keeps old copies hold these.
    clone_back(&target, &source).await;
    assert_eq!(target.server.forget_old_copies().await.unwrap(), 2);
    assert!(target.server.old_copies().unwrap().is_empty());
}

async fn clone_back(from: &Node, to: &Node) {
    to.server.stop(LIMIT).await.unwrap();
    clone(from, to).await;
    assert_eq!(to.value("SELECT a FROM shop.t").await, "7");
    let databases =
        "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'only_here'";
    assert_eq!(to.value(databases).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_on_a_full_disk_is_not_started_until_there_is_room() {
    let Some(disk) = Disk::new(300) else { return };
    let node = Node::empty(1, |settings| settings.database_dir = disk.root(), None).await;
    node.server.create_data().await.unwrap();
    let ballast = disk.root().join("ballast");
    let free = rustix::fs::statvfs(disk.root()).unwrap();
    let all = (free.f_bavail - 2_000) * free.f_frsize;
    let file = std::fs::File::create(&ballast).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, all).unwrap();
    let refused = node.server.start(StartAs::Ordinary, LIMIT).await;
    assert!(
        matches!(refused, Err(Error::NoRoomToStart { .. })),
        "{refused:?}"
    );
    assert!(node.server.find_running().await.is_none());
    drop(file);
    std::fs::remove_file(&ballast).unwrap();
    node.start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_in_a_mount_point_are_put_aside_within_it_and_no_clone_takes_them_away() {
    let Some(disk) = Disk::new(400) else { return };
    let node = on(&disk, 1).await;
    node.run("CREATE DATABASE only_here").await;
    node.server.stop(LIMIT).await.unwrap();
    let aside = mariadb::aside_of(&disk.root());
    mariadb::put_aside(&disk.root()).unwrap();
    assert!(aside.starts_with(disk.root()) && aside.join("only_here").is_dir());
    assert!(!node.server.has_data() && disk.root().join("lost+found").is_dir());
    node.server.create_data().await.unwrap();
    node.start().await;
    assert_eq!(node.server.forget_old_copies().await.unwrap(), 0);
    assert!(aside.join("only_here").is_dir());
}

/// An empty directory that is mounted on itself, until this goes.
struct Bound(tempfile::TempDir);

impl Bound {
    /// `None`, with a word, when this machine does not let us.
    fn new() -> Option<Self> {
        let bound = Self(tempfile::tempdir().unwrap());
        std::fs::set_permissions(bound.0.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(bound.root()).unwrap();
        let root = bound.root();
        let root = root.to_str().unwrap();
        if run("mount", &["--bind", root, root]).0 {
            return Some(bound);
        }
        println!("skipped: no directory can be mounted here");
        None
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("mysql")
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        run("umount", &["--lazy", self.root().to_str().unwrap()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_directory_that_is_mounted_from_the_same_file_system_is_made_and_replaced() {
    let (Some(one), Some(other)) = (Bound::new(), Bound::new()) else {
        return;
    };
    let (source, target) = (at(one.root(), 1).await, at(other.root(), 2).await);
    source.run("SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE TABLE shop.t (a INT) ENGINE=InnoDB; INSERT INTO shop.t VALUES (7)").await;
    target.server.stop(LIMIT).await.unwrap();
    clone(&source, &target).await;
    assert_eq!(target.value("SELECT a FROM shop.t").await, "7");
    let old = target.server.old_copies().unwrap();
    assert!(
        old.len() == 1 && old[0].starts_with(other.root()),
        "{old:?}"
    );
}
