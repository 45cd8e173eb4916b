//! Small real servers for the tunnel tests: a data directory made once per run and copied.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::free_port;

fn template() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let dir = TEMPLATE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut install = Command::new("mariadb-install-db");
        install
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .arg(format!("--datadir={}", dir.path().join("data").display()))
            .args(["--innodb-log-file-size=8M"])
            // Why: a server that starts deletes all `#sql` files in its `tmpdir`, those of others too.
            .env("TMPDIR", dir.path())
            .args(as_user())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(install.status().unwrap().success());
        dir
    });
    dir.path()
}

fn as_user() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    socket: PathBuf,
    child: Child,
    _dir: TempDir,
}

impl Server {
    pub(crate) fn start(server_id: u32, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = dir.path().join("data");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(template().join("data"))
            .arg(&data)
            .status();
        assert!(copied.unwrap().success());
        let (port, socket) = (free_port(), dir.path().join("s"));
        let child = Command::new("mariadbd")
            .arg("--no-defaults")
            .args(as_user())
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", dir.path().display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", dir.path().join("pid").display()))
            .arg(format!("--log-error={}", dir.path().join("err").display()))
            .args([format!("--port={port}"), format!("--server-id={server_id}")])
            .args([
                "--bind-address=127.0.0.1",
                "--log-bin=binlog",
                "--relay-log=relay",
            ])
            .args([
                "--gtid-strict-mode=1",
                "--log-slave-updates=1",
                "--skip-slave-start",
            ])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"])
            .args(["--rpl-semi-sync-master-timeout=18446744073709551615"])
            .args([
                "--binlog-format=ROW",
                "--skip-name-resolve",
                "--slave-net-timeout=10",
                "--performance-schema=OFF",
            ])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            port,
            socket,
            child,
            _dir: dir,
        };
        let start = Instant::now();
        while server.try_sql("SELECT 1").is_err() {
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "the server does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn client(&self, sql: &str) -> Command {
        let mut client = Command::new("mariadb");
        client
            .args(["--no-defaults", "-uroot", "-BN"])
            .arg(format!("--socket={}", self.socket.display()))
            .args(["-e", sql])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        client
    }

    fn try_sql(&self, sql: &str) -> Result<String, String> {
        let output = self.client(sql).output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The statement's result as text.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.try_sql(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// One status variable.
    pub(crate) fn status(&self, name: &str) -> String {
        let row = self.sql(&format!("SHOW GLOBAL STATUS LIKE '{name}'"));
        row.split_once('\t')
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
