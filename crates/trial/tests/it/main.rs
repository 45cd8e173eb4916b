//! The trial on trial: real MariaDB servers behind a stand-in for the program (`stand_in.sh`),
//! real faults, and planted damage that the check must find.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: a failed unwrap is a failed test, and skipping is said aloud"
)]

mod damage;
mod faults;
mod liar;
mod life;
mod lists;

use std::{path::PathBuf, time::Duration};

use tokio::sync::{Mutex, MutexGuard};
use trial::{Builder, Cluster, Layout, Limits, Load, Plan};

/// Why so long: a replica that found no source tries again after a minute.
const LIMIT: Duration = Duration::from_mins(2);

fn limits() -> Limits {
    Limits {
        healed: LIMIT,
        equal: LIMIT,
    }
}

/// Two data nodes that replicate, in a directory of their own.
async fn cluster(dir: &tempfile::TempDir, layout: Layout) -> Cluster {
    let builder = Builder::new(program(), dir.path().join("c"))
        .data_nodes(2)
        .witness(false);
    open(dir);
    let cluster = builder.layout(layout).start().await.unwrap();
    cluster.wait_protected(LIMIT).await.unwrap();
    cluster
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/stand_in.sh")
}

/// A temporary directory is closed to other users, and a server may run as one.
fn open(dir: &tempfile::TempDir) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A load through the first node, already acknowledged a little.
async fn load(cluster: &Cluster) -> Load {
    let account = cluster.prepare_load(10).await.unwrap();
    let plan = Plan {
        writers: 3,
        readers: 1,
        lists: 2,
        rate: 40,
        deadline: LIMIT,
        connect: LIMIT,
    };
    let load = Load::start(cluster.gateways(&["alpha"], &account).unwrap(), plan).unwrap();
    load.wait_acknowledged(&["alpha"], 30, LIMIT).await.unwrap();
    load
}

/// One test at a time looks at the namespaces of this process.
static NAMESPACES: Mutex<()> = Mutex::const_new(());

/// Namespaces need root; says so when they cannot be had.
async fn namespaces() -> Option<(Layout, MutexGuard<'static, ()>)> {
    let best = Layout::best();
    if best == Layout::Loopback {
        eprintln!("skipped: network namespaces need root");
        return None;
    }
    Some((best, NAMESPACES.lock().await))
}
