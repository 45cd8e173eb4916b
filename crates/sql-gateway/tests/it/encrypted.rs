//! TLS between clients and the gateway.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sql_gateway::{Config, Tls};
use wire::flags;

use crate::clients::has;
use crate::raw::{PLAIN, Raw};
use crate::world::{World, eventually, pair};

/// A certificate of our own for 127.0.0.1 and `localhost`, and its key.
fn certificate() -> (String, String) {
    let names = ["localhost", "127.0.0.1", "127.0.0.2"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Before the pair; its second listener takes encrypted connections only.
fn world() -> (World, tempfile::NamedTempFile) {
    let (certificate, key) = certificate();
    let strict: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let config = Config {
        listen: vec![strict],
        require_tls: vec![strict],
        handshake_timeout: Duration::from_mins(1),
        ..Config::default()
    };
    let world = World::encrypting(config, Some(Tls::new(&certificate, &key).unwrap()));
    world.knows("a", &pair()[0]);
    world.knows("b", &pair()[1]);
    world.route(1, Some("a"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate).unwrap();
    (world, file)
}

fn text(output: &Output) -> String {
    let all = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    all.trim().to_owned()
}

/// The command line client, fed with statements.
async fn client(address: SocketAddr, options: &[&str], sql: String) -> Output {
    let mut command = Command::new("mariadb");
    command
        .args([
            "--no-defaults",
            "-uapp",
            "-ppw",
            "-N",
            "--max-allowed-packet=64M",
        ])
        .args([
            format!("-h{}", address.ip()),
            format!("-P{}", address.port()),
        ])
        .args(options)
        .arg("shop")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let run = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feed = std::thread::spawn(move || stdin.write_all(sql.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let _ = feed.join().unwrap();
        output
    });
    run.await.unwrap()
}

fn verified(file: &tempfile::NamedTempFile) -> [String; 2] {
    [
        format!("--ssl-ca={}", file.path().display()),
        "--ssl-verify-server-cert".to_owned(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_when_they_encrypt_get_the_same_and_know_whom_they_talk_to() {
    let (world, file) = world();
    let [ca, verify] = verified(&file);
    for address in &world.addresses {
        let sql = "SELECT name FROM who; \\s".to_owned();
        let output = client(*address, &[&ca, &verify], sql).await;
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        assert!(
            said.starts_with('a') && said.contains("Cipher in use is TLS"),
            "{said}"
        );
    }
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), certificate().0).unwrap();
    let [ca, verify] = verified(&other);
    let output = client(world.address, &[&ca, &verify], "SELECT 1".to_owned()).await;
    assert!(!output.status.success());
    let failed = || world.handle.figures().clients_closed["tls-failed"] == 1;
    eventually("the failed handshake is counted", failed).await;
    // Nobody must encrypt who does not want to.
    let output = client(world.address, &["--skip-ssl"], "SELECT 1".to_owned()).await;
    assert_eq!(text(&output), "1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_requires_encryption_lets_nobody_in_without() {
    let (world, _file) = world();
    let strict = world.addresses[1];
    let output = client(strict, &["--skip-ssl"], "SELECT 1".to_owned()).await;
    assert!(
        text(&output).contains("ERROR 3159 (08004)"),
        "{}",
        text(&output)
    );
    let mut raw = Raw::open(strict);
    assert_ne!(raw.greeting.capabilities & flags::SSL, 0);
    let refused = raw.log_in(PLAIN, "mysql_native_password", "app");
    assert_eq!(&refused[..3], [0xff, 0x57, 0x0c]);
    assert!(raw.is_closed());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_addresses_when_changed_hold_for_who_comes_next() {
    let (world, _file) = world();
    let (first, strict): (SocketAddr, SocketAddr) = (
        "127.0.0.1:0".parse().unwrap(),
        "127.0.0.2:0".parse().unwrap(),
    );
    let mut there = Raw::ready(world.address);
    let plain = async |address| text(&client(address, &["--skip-ssl"], "SELECT 1".into()).await);
    // The rule goes to the first address, and the second becomes a load balancer's, where this is none.
    let config = Config {
        listen: vec![first, strict],
        require_tls: vec![first],
        accept_proxy: vec![strict],
        proxy_from: vec!["10.0.0.0/8".parse().unwrap()],
        ..Config::default()
    };
    world.handle.reconfigure(&config).unwrap();
    let said = plain(world.address).await;
    assert!(said.contains("ERROR 3159 (08004)"), "{said}");
    let said = plain(world.addresses[1]).await;
    assert!(said.contains("ERROR"), "{said}");
    assert_eq!(there.value("SELECT 42"), "42");
    let config = Config {
        listen: vec![first, strict],
        ..Config::default()
    };
    world.handle.reconfigure(&config).unwrap();
    for address in [world.address, world.addresses[1]] {
        assert_eq!(plain(address).await, "1");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn great_packets_both_ways_when_encrypted_or_compressed_arrive_whole() {
    let (world, file) = world();
    let [ca, _] = verified(&file);
    let sent = "x".repeat(17 << 20);
    let sql = format!(
        "SELECT LENGTH('{sent}'), MD5(REPEAT('yz', 9000000)); SELECT REPEAT('yz', 9000000);"
    );
    for options in [
        [ca.as_str(), "--skip-compress"],
        [ca.as_str(), "--compress"],
        ["--skip-ssl", "--compress"],
    ] {
        let output = client(world.address, &options, sql.clone()).await;
        assert!(
            output.status.success(),
            "{options:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8(output.stdout).unwrap();
        let (lengths, answer) = said.split_once('\n').unwrap();
        assert!(lengths.starts_with(&(17 << 20).to_string()), "{lengths}");
        let answer = answer.trim_end();
        assert_eq!(answer.len(), 18_000_000);
        assert!(answer.as_bytes().chunks(2).all(|pair| pair == b"yz"));
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_when_encrypted_moves_to_the_next_primary() {
    let (world, file) = world();
    let [ca, _] = verified(&file);
    let flag = tempfile::tempdir().unwrap();
    let (here, go) = (flag.path().join("here"), flag.path().join("go"));
    let wait = format!(
        "system touch {}; while [ ! -e {} ]; do sleep 0.05; done",
        here.display(),
        go.display()
    );
    let wait = tempfile_with(flag.path(), &wait);
    let sql = format!("SELECT name FROM who;\nsystem sh {wait}\nSELECT name FROM who;\n");
    let address = world.address;
    let run = tokio::spawn(async move { client(address, &[&ca], sql).await });
    eventually("the client waits", || run.is_finished() || here.exists()).await;
    world.switch(Some("b")).await;
    std::fs::write(&go, "").unwrap();
    assert_eq!(text(&run.await.unwrap()), "a\nb");
    world.end().await;
}

fn tempfile_with(directory: &Path, command: &str) -> String {
    let path = directory.join("wait.sh");
    std::fs::write(&path, command.trim_start_matches("system ")).unwrap();
    path.display().to_string()
}

/// What a client sends before it encrypts.
fn ssl_request() -> Vec<u8> {
    let mut payload = (PLAIN | flags::SSL).to_le_bytes()[..4].to_vec();
    payload.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    payload.push(45);
    payload.resize(32, 0);
    payload
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_and_endless_handshakes_end_alone_and_in_bounds() {
    let (world, _file) = world();
    let mut good = Raw::ready(world.address);
    // No TLS at all; a record that claims more than there may be; a hello that is cut off.
    let broken: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\n\r\n-------------------------------",
        &[0x16, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xff],
        &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 9],
    ];
    for (at, bytes) in broken.iter().enumerate() {
        let mut raw = Raw::open(world.address);
        raw.write(&ssl_request());
        raw.stream.write_all(bytes).unwrap();
        let mut said = Vec::new();
        let _ = raw.stream.read_to_end(&mut said);
        // An alert, and no plain error behind it.
        assert_eq!(
            (said.first(), said.len()),
            (Some(&0x15), 7),
            "{at}: {said:?}"
        );
    }
    // One handshake message that never ends: 16 MB are announced, and sent.
    let mut raw = Raw::open(world.address);
    raw.write(&ssl_request());
    let mut record = vec![0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    record.resize(5 + 0x4000, 7);
    let endless = tokio::task::spawn_blocking(move || {
        let mut sent = 0;
        while sent < 64 << 20 && raw.stream.write_all(&record).is_ok() {
            sent += record.len();
            record[5..9].fill(7);
        }
        sent
    });
    assert!(endless.await.unwrap() < 16 << 20);
    // A request for encryption that is a login already, and one where there is no encryption.
    let mut raw = Raw::open(world.address);
    let mut both = ssl_request();
    both.extend_from_slice(b"app\0\0");
    raw.write(&both);
    assert_eq!(raw.read().unwrap()[..3], [0xff, 0x84, 0x04]);
    let failed = || world.handle.figures().clients_closed["tls-failed"] == 4;
    eventually("all are counted", failed).await;
    assert_eq!(good.value("SELECT 42"), "42");
    world.end().await;
}

const PYMYSQL: &str = r"
import sys, pymysql
c = pymysql.connect(host='127.0.0.1', port=int(sys.argv[1]), user='app', password='pw', database='shop', ssl_ca=sys.argv[2], ssl_verify_cert=True, ssl_verify_identity=False)
k = c.cursor(); k.execute('SELECT name FROM who'); print(k.fetchone()[0], c._secure)
";

const MYSQLI: &str = r"<?php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$c = mysqli_init(); $c->ssl_set(null, null, $argv[2], null, null);
$c->real_connect('127.0.0.1', 'app', 'pw', 'shop', (int)$argv[1], null, MYSQLI_CLIENT_SSL);
$s = $c->prepare('SELECT name FROM who'); $s->execute();
echo $s->get_result()->fetch_row()[0], ' ';
$p = new PDO('mysql:host=127.0.0.1;port=' . $argv[1] . ';dbname=shop', 'app', 'pw', [PDO::MYSQL_ATTR_SSL_CA => $argv[2]]);
echo $p->query('SELECT name FROM who')->fetchColumn();
";

#[tokio::test(flavor = "multi_thread")]
async fn drivers_when_they_encrypt_work_as_before() {
    let (world, file) = world();
    let (port, ca) = (world.address.port().to_string(), file.path().to_owned());
    let script = tempfile::Builder::new().suffix(".php").tempfile().unwrap();
    std::fs::write(script.path(), MYSQLI).unwrap();
    let php = script.path().to_str().unwrap().to_owned();
    for (program, check, arguments, wanted) in [
        (
            "/usr/bin/python3",
            ["-c", "import pymysql"],
            vec!["-c".to_owned(), PYMYSQL.to_owned()],
            "a True",
        ),
        (
            "php",
            ["-r", "new mysqli; exit((int)!extension_loaded('openssl'));"],
            vec![php],
            "a a",
        ),
    ] {
        if !has(program, &check) {
            continue;
        }
        let output = tokio::process::Command::new(program)
            .args(arguments)
            .arg(&port)
            .arg(&ca)
            .output();
        assert_eq!(text(&output.await.unwrap()), wanted, "{program}");
    }
    world.end().await;
}
