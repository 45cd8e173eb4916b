//! Load balancers that announce their clients by the PROXY protocol.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sql_gateway::Config;

use crate::raw::{PLAIN, Raw};
use crate::world::{World, eventually, pair};

fn world(from: &str) -> World {
    let balanced: SocketAddr = "127.0.0.3:0".parse().unwrap();
    let world = World::with(Config {
        listen: vec![balanced],
        accept_proxy: vec![balanced],
        proxy_from: vec![from.parse().unwrap()],
        handshake_timeout: Duration::from_secs(2),
        ..Config::default()
    });
    world.knows("a", &pair()[0]);
    world.route(1, Some("a"));
    world
}

fn log_in(address: SocketAddr, header: &[u8], user: &str) -> (Raw, Vec<u8>) {
    let mut raw = Raw::behind(TcpStream::connect(address).unwrap(), header);
    let answer = raw.log_in(PLAIN, "mysql_native_password", user);
    (raw, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_when_announced_are_accounts_of_the_announced_host() {
    let world = world("127.0.0.0/8");
    let balanced = world.addresses[1];
    pair()[0].sql(
        "CREATE OR REPLACE USER far@'10.9.8.7' IDENTIFIED BY 'pw';
         GRANT ALL ON shop.* TO far@'10.9.8.7'",
    );
    let text = b"PROXY TCP4 10.9.8.7 10.0.0.1 4000 3306\r\n".to_vec();
    for header in [
        text.clone(),
        wire::proxy::header("10.9.8.7:4000".parse().ok()),
    ] {
        let (mut raw, answer) = log_in(balanced, &header, "far");
        assert_eq!(answer[0], 0, "{}", String::from_utf8_lossy(&answer));
        assert_eq!(raw.value("SELECT CURRENT_USER()"), "far@10.9.8.7");
        assert_eq!(raw.value("SELECT USER()"), "far@10.9.8.7");
    }
    // Another host is not that account, nor is one that comes without an announcement of it.
    let other = b"PROXY TCP4 10.9.8.6 10.0.0.1 4000 3306\r\n";
    assert_eq!(log_in(balanced, other, "far").1[0], 0xff);
    assert_eq!(log_in(world.address, b"", "far").1[0], 0xff);
    // A health check, and a client of the load balancer's own machine: they come from where it is.
    for header in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"PROXY TCP4 127.0.0.1 127.0.0.1 5 6\r\n",
    ] {
        let (mut raw, answer) = log_in(balanced, header, "app");
        assert_eq!(answer[0], 0);
        assert_eq!(raw.value("SELECT CURRENT_USER()"), "app@localhost");
    }
    world.end().await;
}

/// What is said to a client that begins like this, until the connection ends.
fn said(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    stream.write_all(bytes).unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_that_are_wrong_endless_or_missing_end_alone() {
    let world = world("127.0.0.0/8");
    let balanced = world.addresses[1];
    let mut good = Raw::ready(world.address);
    let mut endless = b"PROXY TCP4 1".to_vec();
    endless.resize(108, b'1');
    let mut claim = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec();
    claim.resize(16 + 0x2000, 0);
    for wrong in [endless, claim, b"hello, is there anybody?".to_vec()] {
        let said = said(balanced, &wrong);
        assert_eq!(said.get(4..7), Some(&[0xff, 0x84, 0x04][..]), "{said:?}");
    }
    // Nothing at all, or only half of it, is waited for no longer than for a login.
    for half in [&b""[..], b"PROXY TCP4 10.", b"\r\n\r\n\0\r\nQUIT\n\x21"] {
        let said = said(balanced, half);
        assert_eq!(said.get(4..7), Some(&[0xff, 0x87, 0x04][..]), "{said:?}");
    }
    let counted = || {
        let left = world.handle.figures().clients_closed;
        (left["login-refused"], left["login-timeout"]) == (3, 3)
    };
    eventually("all are counted", counted).await;
    assert_eq!(good.value("SELECT 42"), "42");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_of_strangers_are_not_believed() {
    let world = world("10.0.0.0/8");
    let header = b"PROXY TCP4 10.9.8.7 10.0.0.1 4000 3306\r\n";
    let said = said(world.addresses[1], header);
    assert_eq!(said.get(4..7), Some(&[0xff, 0x6a, 0x04][..]), "{said:?}");
    // Where none is expected it is no login.
    let mut raw = Raw::behind(TcpStream::connect(world.address).unwrap(), header);
    assert!(raw.read().is_ok_and(|error| error[0] == 0xff) || raw.is_closed());
    world.end().await;
}
