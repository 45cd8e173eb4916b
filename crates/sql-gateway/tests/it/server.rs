//! A small real MariaDB server in a directory of its own, ended by its process id.
//!
//! The server is the child of a shell that ends it when our end of a pipe closes: also when a test dies.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

// Why it removes the directory, too: nothing in a `static` is ever dropped.
const GUARD: &str = r#"
exec 2>/dev/null
directory=$1; shift
"$@" </dev/null >/dev/null 2>&1 &
pid=$!
echo $pid
cat >/dev/null
kill -9 $pid
wait $pid
rm -rf "$directory"
"#;
/// The same for a directory alone.
const SWEEPER: &str = r#"cat >/dev/null; rm -rf "$1""#;

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) socket: PathBuf,
    pid: u32,
    guard: Child,
    pipe: Option<ChildStdin>,
    _directory: tempfile::TempDir,
}

/// A port that was free a moment ago, below those that the kernel gives to outgoing connections: one
/// of these would otherwise take it before the server does, or while it is down.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (number % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits for a condition.
pub(crate) fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn user_option() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

/// A data directory made once and copied for each server.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<(tempfile::TempDir, Child)> = OnceLock::new();
    TEMPLATE
        .get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            let mut sweeper = Command::new("sh");
            sweeper
                .args(["-c", SWEEPER, "sweeper"])
                .arg(directory.path());
            let sweeper = sweeper.stdin(Stdio::piped()).spawn().unwrap();
            let mut install = Command::new("mariadb-install-db");
            install.arg("--no-defaults").arg(format!(
                "--datadir={}",
                directory.path().join("data").display()
            ));
            install
                .args(["--auth-root-authentication-method=socket", "--skip-test-db"])
                .args(user_option());
            // Why: a starting server removes what other servers keep in the same temporary directory.
            let output = install.env("TMPDIR", directory.path()).output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            (directory, sweeper)
        })
        .0
        .path()
}

const ACCOUNTS: &str = "
    CREATE USER app@localhost IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO app@localhost;
    REVOKE SUPER, READ ONLY ADMIN ON *.* FROM app@localhost;
    CREATE USER other@localhost IDENTIFIED BY 'other'; GRANT ALL ON shop.* TO other@localhost;
    CREATE USER empty@localhost; GRANT ALL ON shop.* TO empty@localhost;
    CREATE USER sock@localhost IDENTIFIED VIA unix_socket; GRANT ALL ON *.* TO sock@localhost;
    CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('pw'); GRANT ALL ON shop.* TO ed@localhost;
    CREATE DATABASE shop; USE shop;
    CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(200)) ENGINE=InnoDB;
    CREATE TABLE who (name VARCHAR(20)); INSERT INTO who VALUES (@@report_host);
";

impl Server {
    /// Starts a server that knows itself by `name` (table `shop.who`).
    pub(crate) fn start(name: &str) -> Self {
        Self::start_in(name, tempfile::tempdir().unwrap())
    }

    /// The same, in this directory.
    pub(crate) fn start_in(name: &str, directory: tempfile::TempDir) -> Self {
        let path = directory.path();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(template().join("data"))
            .arg(path)
            .status()
            .unwrap();
        assert!(copied.success());
        let (port, socket) = (free_port(), path.join("s"));
        let mut command = Command::new("sh");
        command
            .args(["-c", GUARD, "guard"])
            .arg(path)
            .args(["mariadbd", "--no-defaults"])
            .args(user_option());
        command.arg(format!("--datadir={}", path.join("data").display()));
        command.arg(format!("--tmpdir={}", path.display()));
        command.arg(format!("--socket={}", socket.display()));
        command.arg(format!("--pid-file={}", path.join("pid").display()));
        command.arg(format!("--log-error={}", path.join("error.log").display()));
        command.args([format!("--port={port}"), format!("--report-host={name}")]);
        command.args([
            "--bind-address=127.0.0.1",
            "--proxy-protocol-networks=127.0.0.1,localhost",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--max-allowed-packet=64M",
            "--max-connections=1200",
            "--plugin-load-add=auth_ed25519",
            "--local-infile=1",
            "--log-bin=bin",
            "--binlog-format=ROW",
        ]);
        let mut guard = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = guard.stdin.take();
        let mut line = String::new();
        BufReader::new(guard.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let pid = line.trim().parse().unwrap();
        let server = Self {
            port,
            socket,
            pid,
            guard,
            pipe,
            _directory: directory,
        };
        until(Duration::from_mins(1), "the server starts", || {
            std::os::unix::net::UnixStream::connect(&server.socket).is_ok()
        });
        server.sql(ACCOUNTS);
        server
    }

    /// Runs statements as the administrator, over the server's own socket; returns the rows' text.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let mut client = Command::new("mariadb")
            .args([
                "--no-defaults",
                "-N",
                "-u",
                if rustix::process::geteuid().is_root() {
                    "root"
                } else {
                    "mysql"
                },
            ])
            .arg(format!("--socket={}", self.socket.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        client
            .stdin
            .take()
            .unwrap()
            .write_all(sql.as_bytes())
            .unwrap();
        let output = client.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes this server a replica of another one, which has made no more than its accounts.
    pub(crate) fn replicate(&self, primary: &Self) {
        let position = primary.sql("SELECT @@gtid_binlog_pos");
        self.sql(&format!(
            "RESET MASTER; SET GLOBAL server_id=2; SET GLOBAL gtid_slave_pos='{position}'; \
             SET GLOBAL log_bin_trust_function_creators = 1; \
             CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='app', MASTER_PASSWORD='pw', \
             MASTER_USE_GTID=slave_pos; START SLAVE; SET GLOBAL read_only=1",
            primary.port
        ));
    }

    /// Waits until it has what the primary has.
    pub(crate) fn catches_up(&self, primary: &Self) {
        let position = primary.sql("SELECT @@gtid_binlog_pos");
        let ask = format!("SELECT MASTER_GTID_WAIT('{position}', 60)");
        assert_eq!(self.sql(&ask), "0", "the replica catches up");
    }

    /// Kills the server hard; its port refuses from then on.
    pub(crate) fn kill(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        until(Duration::from_secs(10), "the server dies", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_err()
        });
    }

    /// Freezes or thaws the server.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen {
            rustix::process::Signal::STOP
        } else {
            rustix::process::Signal::CONT
        };
        self.signal(signal);
        until(Duration::from_secs(10), "the signal arrives", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
            stat.rsplit(')')
                .next()
                .unwrap()
                .trim_start()
                .starts_with('T')
                == frozen
        });
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid.cast_signed()).unwrap();
        let _ = rustix::process::kill_process(pid, signal);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.guard.wait();
    }
}
