//! Garbage and floods on the ports of a running node: each ends its own connection, the node goes on, answers
//! its operator and its applications, and stays small.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::life::{init, resident_kib, server_pid, serving};
use crate::program::{Agent, Place, wait};

/// A refusal comes at once; the machine may be busy.
const LIMIT: Duration = Duration::from_mins(1);
/// Of the agent, in KiB.
const MEMORY: u64 = 100 * 1024;
/// At the same time, each.
const HALF_OPEN: usize = 2_500;

/// What a stranger may send first.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let noise = |length: usize| (0..length).map(|at| (at * 167 % 251) as u8).collect();
    vec![
        ("nothing", Vec::new()),
        ("one byte", vec![0x16]),
        ("zeros", vec![0; 4_096]),
        ("noise", noise(65_536)),
        ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        (
            "a hello that ends early",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        ),
        (
            "a hello that lies",
            [
                b"\x16\x03\x01\xff\xff\x01\xff\xff\xff".to_vec(),
                noise(9_000),
            ]
            .concat(),
        ),
        ("a huge packet", b"\xff\xff\xff\0".to_vec()),
        ("many small packets", [1, 0, 0, 1, 0].repeat(10_000)),
        (
            "a login of another time",
            b"\x0a\0\0\x01\x85\x24\0\0\0app\0".to_vec(),
        ),
    ]
}

/// Sends it, ends its own half, and waits until the other side has ended too.
fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    // Whoever is refused in the middle of it cannot send the rest.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let is_late = read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!is_late, "the connection is kept open");
    answer
}

fn ask(socket: &std::path::Path, line: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let _ = stream.write_all(line);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// An application gets its answer through the gateway.
fn sql(place: &Place, socket: bool, account: &[&str], statement: &str) -> String {
    let mut command = Command::new("mariadb");
    command.args(["--no-defaults", "-N", "-B"]).args(account);
    if socket {
        command.arg("-S").arg(place.path("data/run/mariadb.sock"));
    } else {
        command.args(["-h", place.address(), "--protocol=TCP", "--ssl=0"]);
        command.args(["-P", &place.sql_port().to_string()]);
    }
    let output = command
        .args(["-e", statement])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn ports_when_garbage_and_floods_arrive_then_the_node_goes_on_and_stays_small() {
    let place = Place::new(98);
    init(&place, "alpha");
    let mut agent = Agent::start(&place);
    agent.owns(server_pid(&serving(&place)));
    let make = "CREATE USER app@localhost IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO app@localhost; REVOKE SUPER, READ ONLY ADMIN ON *.* FROM app@localhost";
    sql(&place, true, &[], make);
    let works = || {
        let told = sql(&place, false, &["-u", "app", "-ppw"], "SELECT 1 + 1");
        assert_eq!(told, "2");
        let (code, _, err) = place.run(&["status"]);
        assert_eq!(code, 3, "{err}");
    };
    works();
    let at = |port: u16| -> SocketAddr { format!("{}:{port}", place.address()).parse().unwrap() };
    let (peers, clients) = (at(place.port(0)), at(place.sql_port()));
    for (case, bytes) in nonsense() {
        let told = say(peers, &bytes);
        assert!(
            told.len() < 4_096,
            "{case}: {} bytes from the peer port",
            told.len()
        );
        let told = say(clients, &bytes);
        assert!(
            told.len() < 4_096,
            "{case}: {} bytes from the gateway",
            told.len()
        );
    }
    works();
    check_control(&place);
    let flood = |address: SocketAddr| -> Vec<TcpStream> {
        let open = |_| TcpStream::connect_timeout(&address, LIMIT).ok();
        (0..HALF_OPEN).filter_map(open).collect()
    };
    for address in [peers, clients] {
        let held = flood(address);
        assert!(held.len() > HALF_OPEN / 2, "{}", held.len());
        works();
        drop(held);
    }
    works();
    let resident = resident_kib(agent.pid());
    assert!(resident < MEMORY, "{resident} KiB");
    assert_eq!(agent.terminate(), 0);
    let log = std::fs::read_to_string(place.path("agent.log")).unwrap();
    assert!(!log.contains("panicked") && !log.contains("a bug"), "{log}");
    assert!(log.lines().count() < 200, "the log is flooded:\n{log}");
}

/// Garbage, a line too long, too many callers.
fn check_control(place: &Place) {
    let socket = place.path("data/control.sock");
    for (line, told) in [
        (b"nonsense\n".to_vec(), "cannot read the request"),
        (b"\xff\xfe\0\n".to_vec(), "cannot read the request"),
        (
            b"{\"version\":9,\"request\":{\"ask\":\"status\"}}\n".to_vec(),
            "has version 9",
        ),
        (
            ["[".repeat(10_000), "\n".to_owned()].concat().into_bytes(),
            "cannot read the request",
        ),
        (vec![b'x'; 1 << 20], "16 KiB"),
    ] {
        let answer = ask(&socket, &line);
        assert!(answer.contains(told), "{answer}");
    }
    let idle: Vec<UnixStream> = (0..20)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    assert_eq!(place.run(&["status"]).0, 3);
    drop(idle);
    let many: Vec<_> = (0..200)
        .filter_map(|_| UnixStream::connect(&socket).ok())
        .collect();
    drop(many);
    wait("callers are heard again", LIMIT, || {
        place.run(&["status"]).0 == 3
    });
}
