//! Big things: files, packets over 16 MiB, slow readers; memory stays bounded.

use std::io::Write;
use std::time::Duration;

use crate::raw::Raw;
use crate::world::{World, alone, eventually};

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn mariadb(port: u16, options: &[&str], sql: &str) -> String {
    let output = tokio::process::Command::new("mariadb")
        .args([
            "--no-defaults",
            "-h127.0.0.1",
            &format!("-P{port}"),
            "-uapp",
            "-ppw",
            "shop",
            "-N",
        ])
        .args(options)
        .args(["-e", sql])
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_file_when_loaded_arrives_whole_and_the_session_goes_on() {
    let world = World::before_pair();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for row in 0..100_000 {
        writeln!(file, "{row}\tline {row}").unwrap();
    }
    file.flush().unwrap();
    let sql = format!(
        "CREATE OR REPLACE TABLE loaded (a INT, b VARCHAR(50)); LOAD DATA LOCAL INFILE '{}' INTO TABLE loaded; \
         SELECT COUNT(*), SUM(a) FROM loaded; DROP TABLE loaded",
        file.path().display()
    );
    let answer = mariadb(world.address.port(), &["--local-infile=1"], &sql).await;
    assert_eq!(answer, "100000\t4999950000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_file_when_compressed_behind_other_answers_arrives_whole() {
    let world = World::before_pair();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for row in 0..100_000 {
        writeln!(file, "{row}\tline {row}").unwrap();
    }
    file.flush().unwrap();
    // One command: the numbers of the packets before the file are not those of their frames.
    let sql = format!(
        "DELIMITER //\nCREATE OR REPLACE TABLE zipped (a INT, b VARCHAR(50)); SELECT 1; SELECT 2; \
         LOAD DATA LOCAL INFILE '{}' INTO TABLE zipped; \
         SELECT COUNT(*), SUM(a) FROM zipped; DROP TABLE zipped //",
        file.path().display()
    );
    let options = ["--local-infile=1", "--compress"];
    let answer = mariadb(world.address.port(), &options, &sql).await;
    assert_eq!(answer, "1\n2\n100000\t4999950000");
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_over_16_mib_when_sent_and_answered_go_through_in_little_memory() {
    if !alone("bulk::packets_over_16_mib_when_sent_and_answered_go_through_in_little_memory") {
        return;
    }
    let world = World::before_pair();
    let port = world.address.port();
    let mut script = tempfile::NamedTempFile::new().unwrap();
    script.write_all(b"SELECT LENGTH('").unwrap();
    for _ in 0..50 {
        script.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    script
        .write_all(b"');\nSELECT LENGTH('after');\nSELECT REPEAT('y', 50000000);\n")
        .unwrap();
    script.flush().unwrap();
    let before = resident_kib();
    let output = tokio::process::Command::new("sh")
        .args([
            "-c",
            "\"$@\" | wc -c",
            "sh",
            "mariadb",
            "--no-defaults",
            "-h127.0.0.1",
        ])
        .args([
            &format!("-P{port}"),
            "-uapp",
            "-ppw",
            "shop",
            "-N",
            "--max-allowed-packet=64M",
        ])
        .stdin(script.reopen().unwrap())
        .output()
        .await
        .unwrap();
    // The three answers with their line ends: "52428800", "5", and the long one.
    let length = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse::<usize>()
        .unwrap();
    assert_eq!(
        length,
        9 + 2 + 50_000_001,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 8_000, "{grown} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_when_its_result_is_big_does_not_fill_the_gateway() {
    if !alone("bulk::a_slow_reader_when_its_result_is_big_does_not_fill_the_gateway") {
        return;
    }
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    let before = resident_kib();
    raw.stream_command(b"\x03SELECT REPEAT('z', 10000) FROM seq_1_to_20000");
    eventually("it runs", || world.handle.stats().open_transactions == 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 8_000, "{grown} KiB");
    let rows = tokio::task::spawn_blocking(move || {
        let mut rows = 0;
        let mut ends = 0;
        while ends < 2 {
            let packet = raw.read().unwrap();
            let end = packet[0] == 0xfe && packet.len() < 9;
            ends += usize::from(end);
            rows += usize::from(packet.len() > 9000);
        }
        rows
    });
    assert_eq!(rows.await.unwrap(), 20_000);
}
