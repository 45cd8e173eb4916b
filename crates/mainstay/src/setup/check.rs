//! What must be true before a server is made a node. Nothing here touches anything.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Record, files};
use crate::config::Config;
use crate::output::{Failure, Result};

/// Its presence says that a setup began and did not end: that one may be repeated.
const UNFINISHED: &str = "setup.unfinished";

/// The mark of a setup under way.
pub(super) fn unfinished(data_dir: &Path) -> PathBuf {
    data_dir.join(UNFINISHED)
}

/// This server is no node yet, and nothing of value lies where our files will be.
pub(super) fn vacant(path: &Path, config: &Config) -> Result {
    let data_dir = config.data_dir();
    if Record::exists(data_dir) {
        return Err(Failure::refused(format!(
            "`{}` is a node's directory already",
            data_dir.display()
        ))
        .hint("`mainstay run` starts this node; another node needs another `--data-dir`"));
    }
    if unfinished(data_dir).exists() {
        return Ok(());
    }
    if path.exists() {
        return Err(Failure::refused(format!(
            "there is a configuration file `{}` already",
            path.display()
        ))
        .hint("move it away, or name another one with `--config`"));
    }
    if !files::is_vacant(data_dir)? {
        return Err(
            Failure::refused(format!("`{}` is not empty", data_dir.display()))
                .hint("name another directory with `--data-dir`"),
        );
    }
    Ok(())
}

/// Every address and port that this node will need is ours and free.
pub(super) fn ports(config: &Config) -> Result {
    free(
        "node.address",
        config.peer_address(),
        "`--address`, or `--set peer.port=PORT`",
    )?;
    if !config.file.node.witness {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let server = &config.file.mariadb;
        for (key, port) in [
            ("mariadb.port", server.port),
            ("mariadb.extra_port", server.extra_port),
            ("mariadb.tunnel_port", server.tunnel_port),
        ] {
            free(key, local(port), &format!("`--set {key}=PORT`"))?;
        }
    }
    if config.has_gateway() {
        for address in &config.listen {
            free("gateway.listen", *address, "`--sql-listen`")?;
        }
        for address in &config.reading.listen {
            let option = "`--set gateway.read_only_listen=ADDRESS:PORT`, or none: `--set gateway.read_only_listen=`";
            free("gateway.read_only_listen", *address, option)?;
        }
        let gateway = &config.file.gateway;
        for socket in gateway.sockets.iter().chain(&gateway.read_only_sockets) {
            if std::os::unix::net::UnixStream::connect(socket).is_ok() {
                return Err(Failure::refused(format!(
                    "another server answers on `{}`",
                    socket.display()
                ))
                .hint("stop it, or name another socket with `--sql-socket`"));
            }
        }
    }
    Ok(())
}

fn free(key: &str, address: SocketAddr, option: &str) -> Result {
    let Err(error) = TcpListener::bind(address) else {
        return Ok(());
    };
    Err(match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            let ip = address.ip();
            Failure::refused(format!("{ip} is not an address of this server (`{key}`)"))
                .hint(format!("see `ip address`; change it with {option}"))
        }
        io::ErrorKind::AddrInUse => {
            Failure::refused(format!("{address} is in use by another program (`{key}`)")).hint(format!(
                "see `ss -ltnp`; if it is MariaDB's own service: `systemctl disable --now mariadb`; else use {option}"
            ))
        }
        _ => Failure::doing(format!("open {address} (`{key}`)"))(error),
    })
}

/// Identity, ledger, saved tails.
pub(super) const OWN_ROOM: u64 = 64 << 20;
/// An empty database with its logs.
pub(super) const DATABASE_ROOM: u64 = 256 << 20;

/// What the database directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A MariaDB data directory.
    Data,
}

/// Looks into the database directory; refuses what is neither empty nor MariaDB's, and data that a
/// running server has open.
pub(super) fn database(config: &Config) -> Result<Found> {
    let dir = config.database_dir();
    if files::is_vacant(dir)? {
        return Ok(Found::Nothing);
    }
    if dir.join("mysql.ibd").exists() {
        return Err(Failure::refused(format!("`{}` holds data of MySQL, not of MariaDB", dir.display()))
            .cause("`mysql.ibd` is there: MariaDB does not read what MySQL 8 or later has written")
            .hint("dump them with MySQL's own `mysqldump`, found the cluster on an empty directory, and load the dump there"));
    }
    if !dir.join("mysql").is_dir() || !dir.join("ibdata1").is_file() {
        return Err(Failure::refused(format!("`{}` holds something that is not MariaDB's", dir.display()))
            .hint("name MariaDB's data directory with `--database-dir`; a new one is made where nothing is"));
    }
    if let Some(pid) = server_on(dir)? {
        return Err(
            Failure::refused(format!("a server (pid {pid}) has `{}` open", dir.display())).hint(
                "stop it first, `systemctl disable --now mariadb`; the agent will start it again",
            ),
        );
    }
    let tag = dir.join(keeper::TAG);
    if tag.exists() {
        return Err(Failure::refused(format!("`{}` holds the data of a node of a cluster", dir.display()))
            .cause(format!("`{}` is there", tag.display()))
            .hint("name another directory; if that node is given up for good, remove that file and repeat the command"));
    }
    owned(config, dir)?;
    Ok(Found::Data)
}

/// The process that holds InnoDB's lock on its system tablespace; 0 when it lives in another
/// container.
fn server_on(dir: &Path) -> Result<Option<i32>> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let path = dir.join("ibdata1");
    let failed = || {
        Failure::doing(format!(
            "see whether a server has `{}` open",
            path.display()
        ))
    };
    let file = File::open(&path).map_err(failed())?;
    let wanted = Flock::from(FlockType::WriteLock);
    let held = fcntl_getlk(&file, &wanted)
        .map_err(io::Error::from)
        .map_err(failed())?;
    Ok(held.map(|lock| lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get())))
}

fn owned(config: &Config, dir: &Path) -> Result {
    let mine = rustix::process::geteuid();
    let owner = std::fs::metadata(dir.join("ibdata1"))
        .map_err(Failure::doing(format!("look at `{}`", dir.display())))?
        .uid();
    let (wanted, name) = if mine.is_root() {
        let user = &config.file.mariadb.user;
        (system_user(user)?, user.clone())
    } else {
        (mine.as_raw(), "this user".to_owned())
    };
    if owner == wanted {
        return Ok(());
    }
    Err(
        Failure::refused(format!("`{}` does not belong to {name}", dir.display()))
            .cause(format!("its owner has the number {owner}"))
            .hint("name its owner with `--set mariadb.user=USER`, or change the owner"),
    )
}

/// The number of a system user.
fn system_user(name: &str) -> Result<u32> {
    let users =
        std::fs::read_to_string("/etc/passwd").map_err(Failure::doing("read /etc/passwd"))?;
    let mut fields = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let entry = fields.find(|fields| fields.first() == Some(&name));
    let number = entry.and_then(|fields| fields.get(2)?.parse().ok());
    number.ok_or_else(|| {
        Failure::new(format!("there is no system user `{name}` for the server"))
            .hint("install `mariadb-server`, or name another user with `--set mariadb.user=USER`")
    })
}

/// MariaDB is installed, new enough, and its settings are accepted.
pub(super) async fn server(server: &mariadb::Server, config: &Config) -> Result {
    if rustix::process::geteuid().is_root() {
        system_user(&config.file.mariadb.user)?;
    }
    for program in [
        "mariadbd",
        "mariadb-install-db",
        "mariadb-backup",
        "mbstream",
    ] {
        server.program(program).map_err(|error| {
            Failure::new(error.to_string()).hint("`apt install mariadb-server mariadb-backup`")
        })?;
    }
    let version = server.installed_version().await;
    let version = version.map_err(|error| {
        Failure::refused(error.to_string()).hint(
            "install MariaDB 10.11.9 or later of 10.11, or 11.4.3 or later, and repeat the command",
        )
    })?;
    version.check_data(config.database_dir()).map_err(|error| {
        Failure::refused(error.to_string())
            .hint("install that version of MariaDB or a later one, and repeat the command")
    })
}

/// There is room for what will be made here, so that a disk does not fill up half-way.
pub(super) fn room(dir: &Path, wanted: u64) -> Result {
    let mut ancestors = dir.ancestors();
    let Some(there) = ancestors.find(|dir| dir.exists()) else {
        return Ok(());
    };
    let Ok(disk) = rustix::fs::statvfs(there) else {
        // Whoever cannot look will be told why when it is made.
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= wanted {
        return Ok(());
    }
    let mib = |bytes: u64| bytes / (1 << 20);
    Err(Failure::refused(format!(
        "there is too little room for `{}`: {} MiB are free, {} MiB are needed",
        dir.display(),
        mib(free),
        mib(wanted)
    ))
    .hint("make room on that disk, or name another directory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Exit;

    fn config(dir: &Path) -> Config {
        let text = format!(
            "[node]\nname = \"alpha\"\naddress = \"127.0.0.1\"\ndata_dir = \"{0}/data\"\n[mariadb]\ndatabase_dir = \"{0}/db\"\n",
            dir.display()
        );
        Config::from_table(Path::new("x"), &text.parse().unwrap()).unwrap()
    }

    #[test]
    fn database_when_it_holds_foreign_files_then_refused() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        assert_eq!(database(&config).unwrap(), Found::Nothing);
        std::fs::create_dir(dir.path().join("db")).unwrap();
        assert_eq!(database(&config).unwrap(), Found::Nothing);
        std::fs::write(dir.path().join("db/letter.txt"), "x").unwrap();
        assert_eq!(database(&config).unwrap_err().exit, Exit::Refused);
    }

    #[test]
    fn port_when_taken_or_foreign_then_the_key_and_the_way_out_are_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let failure = free("peer.port", taken.local_addr().unwrap(), "`--set`").unwrap_err();
        assert!(failure.what.contains("in use") && failure.what.contains("peer.port"));
        let failure = free(
            "node.address",
            "192.0.2.1:7400".parse().unwrap(),
            "`--address`",
        )
        .unwrap_err();
        assert_eq!(
            failure.what,
            "192.0.2.1 is not an address of this server (`node.address`)"
        );
    }

    #[test]
    fn directory_when_a_setup_was_interrupted_there_then_it_may_be_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let path = dir.path().join("mainstay.toml");
        vacant(&path, &config).unwrap();
        std::fs::create_dir(config.data_dir()).unwrap();
        std::fs::write(config.data_dir().join("secrets.json"), "{}").unwrap();
        assert_eq!(vacant(&path, &config).unwrap_err().exit, Exit::Refused);
        std::fs::write(unfinished(config.data_dir()), "").unwrap();
        vacant(&path, &config).unwrap();
    }
}
