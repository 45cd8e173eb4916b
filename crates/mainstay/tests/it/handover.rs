//! A running agent follows another configuration, and gives way to a new process, with clients before its doors.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::life::{init, server_pid, serving};
use crate::program::{Agent, Place, is_alive, signal, wait};

const LIMIT: Duration = Duration::from_mins(1);

/// A server says something first: the length of its greeting.
fn is_greeted(mut stream: impl Read) -> bool {
    let mut head = [0; 4];
    stream.read_exact(&mut head).is_ok() && head[0] > 0
}

fn at(place: &Place, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((place.address(), port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// Sets the gateway's addresses in the configuration file and how long its connections linger, and adds what else is said.
fn configure(place: &Place, ports: &[u16], linger: &str, more: &str) {
    let text = std::fs::read_to_string(place.config()).unwrap();
    let mut file: toml::Table = text.parse().unwrap();
    let address = place.address();
    let listen = ports.iter().map(|port| format!("{address}:{port}").into());
    let gateway = file["gateway"].as_table_mut().unwrap();
    gateway.insert("listen".to_owned(), toml::Value::Array(listen.collect()));
    gateway.insert("linger".to_owned(), linger.into());
    std::fs::write(place.config(), format!("{file}\n{more}")).unwrap();
}

#[test]
fn agent_when_told_to_reload_then_follows_what_it_can_and_says_what_it_cannot() {
    let place = Place::new(71);
    init(&place, "alpha");
    let mut agent = Agent::start(&place);
    let status = serving(&place);
    agent.owns(server_pid(&status));
    let (old, new) = (place.sql_port(), place.port(5));
    let there = at(&place, old).unwrap();

    configure(
        &place,
        &[old, new],
        "60s",
        "[timing]\nlag_limit = \"77s\"\n",
    );
    let (code, out, err) = place.run(&["reload", "--json"]);
    assert_eq!(code, 0, "{err}");
    let change: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(change["live"], serde_json::json!(["gateway.listen"]));
    assert_eq!(change["waiting"], serde_json::json!(["timing.lag_limit"]));
    assert!(is_greeted(at(&place, new).unwrap()) && is_greeted(&there));

    // A file that is not in order, and an address that cannot be opened, change nothing.
    let good = std::fs::read_to_string(place.config()).unwrap();
    std::fs::write(place.config(), format!("{good}\n[gateway]\nlistne = []\n")).unwrap();
    assert_eq!(place.run(&["reload"]).0, 1);
    configure_text(&place, &good);
    let taken = TcpListener::bind((place.address(), 0)).unwrap();
    configure(&place, &[taken.local_addr().unwrap().port()], "60s", "");
    let (code, _, err) = place.run(&["reload"]);
    assert!(
        code == 1 && err.contains("cannot listen on"),
        "{code} {err}"
    );
    assert!(is_greeted(at(&place, new).unwrap()) && is_greeted(at(&place, old).unwrap()));

    // By signal: one address less; who is there stays.
    configure_text(&place, &good);
    let there = at(&place, old).unwrap();
    configure(&place, &[new], "60s", "");
    signal(i32::try_from(agent.pid()).unwrap(), Signal::HUP);
    wait("the old address is closed", LIMIT, || {
        at(&place, old).is_err()
    });
    assert!(is_greeted(&there) && is_greeted(at(&place, new).unwrap()));
    assert_eq!(agent.terminate(), 0);
}

fn configure_text(place: &Place, text: &str) {
    std::fs::write(place.config(), text).unwrap();
}

#[test]
fn agent_when_upgraded_then_nobody_is_refused_and_mariadb_goes_on() {
    let place = Place::new(72);
    init(&place, "alpha");
    let systemd = UnixDatagram::bind(place.path("notify.sock")).unwrap();
    systemd.set_read_timeout(Some(LIMIT)).unwrap();
    let mut command = place.program(&["run"]);
    command.env("NOTIFY_SOCKET", place.path("notify.sock"));
    let mut first = Agent::start_as(&place, command);
    let status = serving(&place);
    first.owns(server_pid(&status));

    assert_metrics(&place);
    // What cannot take over is left as it is.
    let (code, _, err) = place.run(&["upgrade", "--program", "/bin/false"]);
    assert!(
        code == 1 && err.contains("cannot take over"),
        "{code} {err}"
    );
    let (code, _, err) = place.run(&["upgrade", "--program", "/nowhere/mainstay"]);
    assert!(
        code == 1 && err.contains("/nowhere/mainstay"),
        "{code} {err}"
    );

    let socket = place.path("sql.sock");
    let (end, ended) = std::sync::mpsc::channel::<()>();
    configure(&place, &[place.sql_port()], "1h", "");
    let (refused, second) = std::thread::scope(|scope| {
        let (place, socket) = (&place, &socket);
        let knocking = scope.spawn(move || knock(place, socket, &ended));
        let second = upgrade_twice(place, &mut first);
        drop(end);
        (knocking.join().unwrap(), second)
    });
    assert_eq!(refused, 0);
    is_told(&systemd, "READY=1");
    is_told(&systemd, &format!("MAINPID={}", second.0));
    let last = upgrade_shortly(&place, &second);
    assert_eq!(server_pid(&serving(&place)), server_pid(&status));
    let (code, _, err) = place.run(&["run"]);
    assert!(code == 5 && err.contains("another agent"), "{code} {err}");
    signal(last.0, Signal::TERM);
    wait("the last agent ends", LIMIT, || !is_running(last.0));
    assert!(is_alive(server_pid(&status)), "MariaDB goes on");
    assert!(!socket.exists() && !place.path("data/control.sock").exists());
}

#[test]
fn agent_when_its_heir_fails_after_the_old_one_gave_way_then_its_own_program_is_the_agent_again() {
    let place = Place::new(73);
    init(&place, "alpha");
    let mut first = Agent::start(&place);
    let status = serving(&place);
    first.owns(server_pid(&status));
    let there = at(&place, place.sql_port()).unwrap();

    // A program that takes over with another configuration: its peer port is somebody else's.
    let taken = TcpListener::bind((place.address(), 0)).unwrap();
    let text = std::fs::read_to_string(place.config()).unwrap();
    let mut file: toml::Table = text.parse().unwrap();
    let peer = file["peer"].as_table_mut().unwrap();
    let port = i64::from(taken.local_addr().unwrap().port());
    peer.insert("port".to_owned(), port.into());
    std::fs::write(place.path("bad.toml"), file.to_string()).unwrap();
    let (bad, program) = (place.path("bad.toml"), place.path("program"));
    let script = format!(
        "#!/bin/sh\nexec {} --config {} run --take-over=launch\n",
        env!("CARGO_BIN_EXE_mainstay"),
        bad.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();

    let program = program.display().to_string();
    let (code, _, err) = place.run(&["upgrade", "--program", &program]);
    let again = heir(&place, &err);
    assert!(
        code == 1 && err.contains("the old program is again"),
        "{code} {err}"
    );
    assert!(is_greeted(&there) && is_greeted(at(&place, place.sql_port()).unwrap()));
    assert_eq!(server_pid(&serving(&place)), server_pid(&status));
    drop(there);
    wait("the old process ends", LIMIT, || first.has_ended());
    signal(again.0, Signal::TERM);
    wait("the agent ends", LIMIT, || !is_running(again.0));
}

/// The agent of which a failed upgrade speaks.
fn heir(place: &Place, err: &str) -> Taken {
    let log = || std::fs::read_to_string(place.path("agent.log")).unwrap();
    let pid = err.split_once("cause: process ").map(|(_, rest)| rest);
    let pid = pid.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    Taken(pid.unwrap_or_else(|| panic!("{err}\n{}", log())))
}

/// Reads on until systemd is told this.
fn is_told(systemd: &UnixDatagram, what: &str) {
    let mut message = [0; 4096];
    loop {
        let length = systemd.recv(&mut message).unwrap();
        let text = String::from_utf8_lossy(&message[..length]);
        if text.lines().any(|line| line == what) {
            return;
        }
    }
}

/// How many were refused until nobody listens any more.
fn knock(place: &Place, socket: &Path, ended: &Receiver<()>) -> usize {
    let mut refused = 0;
    while ended.try_recv() != Err(TryRecvError::Disconnected) {
        refused += usize::from(!at(place, place.sql_port()).is_ok_and(is_greeted));
        refused += usize::from(!UnixStream::connect(socket).is_ok_and(is_greeted));
    }
    refused
}

/// A connection goes on in the old process, which ends with it.
fn upgrade_twice(place: &Place, first: &mut Agent) -> Taken {
    let there = at(place, place.sql_port()).unwrap();
    upgrade(place).leave();
    let third = upgrade(place);
    wait("the agent serves the metrics", LIMIT, || {
        has_socket(third.0, listener(place, place.port(6)))
    });
    assert_metrics(place);
    assert!(is_greeted(&there) && !first.has_ended());
    drop(there);
    wait("its last connection has ended", LIMIT, || first.has_ended());
    third
}

/// The page of metrics comes, with the gateway's figures.
fn assert_metrics(place: &Place) {
    let mut page = String::new();
    wait("the gateway's figures are served", LIMIT, || {
        page.clear();
        let Ok(mut stream) = at(place, place.port(6)) else {
            return false;
        };
        let asked = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        asked.is_ok()
            && stream.read_to_string(&mut page).is_ok()
            && page.contains("\nmainstay_primary{node=\"alpha\"} 1\n")
            && page.contains("\nmainstay_gateway_clients_closed_total{")
    });
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
}

/// The inode of the socket that listens at this port of the place.
fn listener(place: &Place, port: u16) -> Option<u64> {
    let ip: std::net::Ipv4Addr = place.address().parse().unwrap();
    let here = format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip.octets()));
    let all = std::fs::read_to_string("/proc/net/tcp").unwrap();
    all.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_it = words.get(1) == Some(&here.as_str()) && words.get(3) == Some(&"0A");
        is_it.then(|| words.get(9)?.parse().ok()).flatten()
    })
}

/// The process has this socket.
fn has_socket(pid: i32, inode: Option<u64>) -> bool {
    let Some(inode) = inode else { return false };
    let wanted = format!("socket:[{inode}]");
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .any(|link| link.as_os_str() == wanted.as_str())
}

/// An old process ends when its time is over, whoever is connected.
fn upgrade_shortly(place: &Place, before: &Taken) -> Taken {
    configure(place, &[place.sql_port()], "100ms", "");
    let there = at(place, place.sql_port()).unwrap();
    assert!(is_greeted(&there));
    let now = upgrade(place);
    assert_ne!(now.0, before.0);
    wait("its connections' time is over", LIMIT, || {
        !is_running(before.0)
    });
    now
}

fn upgrade(place: &Place) -> Taken {
    let (code, out, err) = place.run(&["upgrade", "--json"]);
    let log = std::fs::read_to_string(place.path("agent.log")).unwrap();
    assert_eq!(code, 0, "{err}\n{log}");
    let process: Value = serde_json::from_str(&out).unwrap();
    Taken(i32::try_from(process["pid"].as_i64().unwrap()).unwrap())
}

/// Alive and not only waiting to be reaped: it is nobody's child here.
fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// An agent that took over; killed when the test ends before it.
struct Taken(i32);

impl Taken {
    /// It ends by itself.
    fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if is_running(self.0) {
            signal(self.0, Signal::KILL);
        }
    }
}
