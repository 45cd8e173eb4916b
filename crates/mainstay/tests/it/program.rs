//! Runs the program the way a shell does, on a place of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, with this configuration file.
pub(crate) fn mainstay(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    command
        .arg("--config")
        .arg(config)
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Exit code, standard output, standard error.
pub(crate) fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A server's place on loopback: directories and ports of its own.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    ports: Vec<u16>,
    address: String,
}

impl Place {
    /// A place at 127.0.`net`.1; tests that run at the same time take different ones.
    pub(crate) fn new(net: u8) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("mainstay-it-")
            .tempdir()
            .unwrap();
        // MariaDB runs as a user of its own below it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let address = format!("127.0.{net}.1");
        let listeners: Vec<_> = (0..7).map(|_| free(&address)).collect();
        let ports = listeners.iter().map(|(port, _)| *port).collect();
        Self {
            dir,
            ports,
            address,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("mainstay.toml")
    }

    /// The program with this place's configuration file.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = mainstay(&self.config());
        command.args(arguments);
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        said(&self.program(arguments).output().unwrap())
    }

    /// The options of `join --witness` for a witness here.
    pub(crate) fn witness_options(&self, name: &str) -> Vec<String> {
        let (data, port) = (self.path("data"), self.ports[0]);
        let options = [
            "--witness",
            "--name",
            name,
            "--address",
            &self.address,
            "--data-dir",
            &data.display().to_string(),
            "--set",
            &format!("peer.port={port}"),
        ];
        options.map(str::to_owned).into()
    }

    /// The options of `init` or `join` for a node here.
    pub(crate) fn options(&self, name: &str) -> Vec<String> {
        let ports = &self.ports;
        let path = |name: &str| self.path(name).display().to_string();
        let mut options: Vec<String> = ["--name", name, "--address", &self.address]
            .map(str::to_owned)
            .into();
        let mut add = |key: &str, value: String| options.extend([key.to_owned(), value]);
        add("--data-dir", path("data"));
        add("--database-dir", path("db"));
        add("--sql-listen", format!("{}:{}", self.address, ports[1]));
        add("--sql-socket", path("sql.sock"));
        add("--set", format!("peer.port={}", ports[0]));
        add(
            "--set",
            format!("monitor.listen={}:{}", self.address, ports[6]),
        );
        add("--set", format!("mariadb.port={}", ports[2]));
        add("--set", format!("mariadb.extra_port={}", ports[3]));
        add("--set", format!("mariadb.tunnel_port={}", ports[4]));
        for option in [
            "innodb_buffer_pool_size=32M",
            "innodb_log_file_size=8M",
            "performance_schema=OFF",
        ] {
            add("--set", format!("mariadb.options.{option}"));
        }
        options
    }

    /// 0: peers, 1: applications, 2 to 4: the server's port, extra port and tunnel port, 5: nobody's,
    /// 6: metrics.
    pub(crate) fn port(&self, at: usize) -> u16 {
        self.ports[at]
    }

    /// Where applications connect.
    pub(crate) fn sql_port(&self) -> u16 {
        self.ports[1]
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// A port that is free on the address and on 127.0.0.1, below the range of outgoing connections.
fn free(address: &str) -> (u16, [TcpListener; 2]) {
    for _ in 0..1_000 {
        let mut random = [0; 2];
        getrandom::fill(&mut random).unwrap();
        let port = 10_000 + u16::from_le_bytes(random) % 20_000;
        let bind = |ip: &str| TcpListener::bind((ip, port));
        if let (Ok(one), Ok(other)) = (bind(address), bind("127.0.0.1")) {
            return (port, [one, other]);
        }
    }
    panic!("no free port");
}

/// A running agent; killed with its MariaDB when the test ends.
pub(crate) struct Agent {
    child: Child,
    server: Option<i32>,
}

impl Agent {
    pub(crate) fn start(place: &Place) -> Self {
        Self::start_as(place, place.program(&["run"]))
    }

    /// One with an environment of its own.
    pub(crate) fn start_as(place: &Place, mut command: Command) -> Self {
        let log = std::fs::File::create(place.path("agent.log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self {
            child,
            server: None,
        }
    }

    /// One that was started in another way.
    pub(crate) fn of(child: Child) -> Self {
        Self {
            child,
            server: None,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and the server with it.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Its process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The server that has to go with it.
    pub(crate) fn owns(&mut self, server: i32) {
        self.server = Some(server);
    }

    /// SIGTERM; its exit code.
    pub(crate) fn terminate(&mut self) -> i32 {
        signal(
            i32::try_from(self.child.id()).unwrap(),
            rustix::process::Signal::TERM,
        );
        let child = &mut self.child;
        let mut code = None;
        wait("the agent ends", Duration::from_secs(30), || {
            code = child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code()).unwrap_or(-1)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(server) = self.server {
            signal(server, rustix::process::Signal::KILL);
        }
    }
}

pub(crate) fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Waits for a condition, with a limit.
pub(crate) fn wait(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !condition() {
        assert!(
            Instant::now() < until,
            "waited {limit:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
