//! Real clients through the gateway, across a change of primary.

use std::process::Output;

use tokio::process::Command;

use crate::world::{World, eventually};

fn text(output: &Output) -> String {
    let all = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{all}");
    all.trim().to_owned()
}

/// True when this machine has the tool; says so when it has not.
pub(crate) fn has(program: &str, arguments: &[&str]) -> bool {
    let found = std::process::Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: no {program} {arguments:?}");
    }
    found
}

/// Runs a client that says `waiting` by creating a table and then sleeps, and switches meanwhile.
async fn across(program: &str, arguments: &[&str]) -> String {
    let world = World::before_pair();
    let port = world.address.port().to_string();
    let flag = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).arg(&port).arg(flag.path());
    let run = tokio::spawn(async move { command.output().await.unwrap() });
    eventually("the client waits", || {
        run.is_finished() || std::fs::read_to_string(flag.path()).unwrap() == "waiting"
    })
    .await;
    world.switch(Some("b")).await;
    std::fs::write(flag.path(), "go on").unwrap();
    text(&run.await.unwrap())
}

const PYMYSQL: &str = r#"
import sys, time, pymysql
port, flag = int(sys.argv[1]), sys.argv[2]
c = pymysql.connect(host='127.0.0.1', port=port, user='app', password='pw', database='shop', charset='utf8mb4')
k = c.cursor()
k.execute("SET SESSION sql_mode='ANSI'")
k.execute("SELECT name FROM who"); first = k.fetchone()[0]
k.execute("INSERT INTO t (v) VALUES (%s)", ("é€",)); c.commit(); assert k.lastrowid > 0
open(flag, 'w').write('waiting')
while open(flag).read() != 'go on': time.sleep(0.01)
k.execute("SELECT name, @@sql_mode FROM who"); second, mode = k.fetchone()
assert 'ANSI' in mode, mode
k.execute("SELECT 1"); c.commit()
print(first, second)
"#;

const MYSQLI: &str = r#"<?php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[$_, $port, $flag] = $argv;
$c = new mysqli('127.0.0.1', 'app', 'pw', 'shop', (int)$port);
$c->set_charset('utf8mb4');
$c->query("SET SESSION sql_mode='ERROR_FOR_DIVISION_BY_ZERO'");
$s = $c->prepare('SELECT CONCAT(name, ?) FROM who');
$x = '1'; $s->bind_param('s', $x); $s->execute(); $first = $s->get_result()->fetch_row()[0];
$c->multi_query('SELECT 1; SELECT 2; DO 1');
do { if ($r = $c->store_result()) $r->free(); } while ($c->next_result());
file_put_contents($flag, 'waiting');
while (file_get_contents($flag) !== 'go on') usleep(10000);
$x = '2'; $s->execute(); $second = $s->get_result()->fetch_row()[0];
$mode = $c->query('SELECT @@sql_mode')->fetch_row()[0];
if ($mode !== 'ERROR_FOR_DIVISION_BY_ZERO') { fwrite(STDERR, $mode); exit(1); }
$p = new PDO("mysql:host=127.0.0.1;port=$port;dbname=shop", 'app', 'pw', [PDO::ATTR_EMULATE_PREPARES => false]);
$q = $p->prepare('SELECT name FROM who WHERE name = ?'); $q->execute(['b']);
$c->change_user('app', 'pw', 'mysql');
echo $first, ' ', $second, ' ', $q->fetchColumn(), ' ', $c->query('SELECT DATABASE()')->fetch_row()[0];
"#;

const COMPRESSED: &str = r#"<?php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[$_, $port, $flag] = $argv;
$c = mysqli_init();
$c->real_connect('127.0.0.1', 'app', 'pw', 'shop', (int)$port, null, MYSQLI_CLIENT_COMPRESS);
$name = fn() => $c->query('SELECT name FROM who')->fetch_row()[0];
$first = $name();
foreach ([str_repeat('a', 17 << 20), bin2hex(random_bytes(1 << 20)), '', 'b'] as $big) {
    $q = $c->prepare('SELECT ?');
    $q->bind_param('s', $big); $q->execute();
    if ($q->get_result()->fetch_row()[0] !== $big) { fwrite(STDERR, 'not the same'); exit(1); }
}
$c->multi_query('SELECT 1; SELECT REPEAT("x", 100000); DO 1');
do { if ($r = $c->store_result()) $r->free(); } while ($c->next_result());
$c->change_user('app', 'pw', 'shop');
file_put_contents($flag, 'waiting');
while (file_get_contents($flag) !== 'go on') usleep(10000);
echo $first, ' ', $name();
"#;

#[tokio::test(flavor = "multi_thread")]
async fn pymysql_when_the_primary_changes_goes_on() {
    if has("/usr/bin/python3", &["-c", "import pymysql"]) {
        assert_eq!(across("/usr/bin/python3", &["-c", PYMYSQL]).await, "a b");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn php_when_the_primary_changes_goes_on() {
    if has(
        "php",
        &[
            "-r",
            "new mysqli; exit((int)!extension_loaded('pdo_mysql'));",
        ],
    ) {
        let script = tempfile::Builder::new().suffix(".php").tempfile().unwrap();
        std::fs::write(script.path(), MYSQLI).unwrap();
        let path = script.path().to_str().unwrap();
        assert_eq!(across("php", &[path]).await, "a1 b2 b mysql");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn php_when_it_compresses_is_understood() {
    if has(
        "php",
        &["-r", "exit(function_exists('mysqli_connect') ? 0 : 1);"],
    ) {
        let script = tempfile::Builder::new().suffix(".php").tempfile().unwrap();
        std::fs::write(script.path(), COMPRESSED).unwrap();
        let path = script.path().to_str().unwrap();
        assert_eq!(across("php", &[path]).await, "a b");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_client_when_it_uses_everything_gets_it() {
    let world = World::before_pair();
    let script = "SET @a = 1; SELECT @a;
        DELIMITER //
        CREATE OR REPLACE PROCEDURE two(OUT x INT) BEGIN SELECT 1; SELECT 2; SET x = 3; END //
        DELIMITER ;
        CALL two(@x); SELECT @x; DROP PROCEDURE two; SHOW WARNINGS; USE mysql;
        SELECT DATABASE();";
    let output = Command::new("mariadb")
        .args([
            "--no-defaults",
            "-h127.0.0.1",
            &format!("-P{}", world.address.port()),
            "-uapp",
            "-ppw",
            "shop",
            "-N",
            "-e",
            script,
        ])
        .output()
        .await
        .unwrap();
    assert_eq!(
        text(&output).split_whitespace().collect::<Vec<_>>(),
        ["1", "1", "2", "3", "mysql"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sysbench_when_the_primary_is_switched_under_it_has_no_error() {
    if !has("sysbench", &["--version"]) {
        return;
    }
    let world = World::before_pair();
    for server in crate::world::pair() {
        server.sql("CREATE DATABASE IF NOT EXISTS bench");
        let common = bench_options(server.port);
        let prepared = Command::new("sysbench")
            .args(&common)
            .arg("prepare")
            .output()
            .await
            .unwrap();
        text(&prepared);
    }
    let mut options = bench_options(world.address.port());
    options.extend([
        "--threads=4".to_owned(),
        "--time=6".to_owned(),
        // The database's own deadlocks; the gateway's errors are counted below.
        "--mysql-ignore-errors=1213".to_owned(),
    ]);
    let run = tokio::spawn(async move {
        Command::new("sysbench")
            .args(&options)
            .arg("run")
            .output()
            .await
            .unwrap()
    });
    for node in ["b", "a", "b"] {
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        assert_eq!(
            world
                .handle
                .hold(std::time::Duration::from_secs(5))
                .await
                .open_transactions,
            0
        );
        world.switch(Some(node)).await;
    }
    let report = text(&run.await.unwrap());
    assert!(report.contains("transactions:"), "{report}");
    assert!(
        world.handle.stats().moved >= 12,
        "{:?}",
        world.handle.stats()
    );
    assert_eq!(world.handle.stats().errors, 0);
}

fn bench_options(port: u16) -> Vec<String> {
    [
        "oltp_read_write",
        "--mysql-host=127.0.0.1",
        "--mysql-user=app",
        "--mysql-password=pw",
        "--mysql-db=bench",
        "--tables=1",
        "--table-size=10000",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([format!("--mysql-port={port}")])
    .collect()
}
