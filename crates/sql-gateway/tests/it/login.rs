//! Who gets in, who does not, and what they are told.

use std::io::{Read, Write};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use sql_gateway::Config;
use wire::native;
use wire::reply::ErrPacket;

use crate::raw::{PLAIN, Raw};
use crate::server::Server;
use crate::world::{PW, World, error_of, eventually, pair, proof, who};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_when_its_password_is_right_is_localhost_on_the_server() {
    let world = World::before_pair();
    let mut conn = world.connect().await;
    let user: Option<(String, String)> = conn
        .query_first("SELECT USER(), CURRENT_USER()")
        .await
        .unwrap();
    assert_eq!(
        user.unwrap(),
        ("app@localhost".to_owned(), "app@localhost".to_owned())
    );
    assert_eq!(who(&mut conn).await.unwrap(), "a");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_when_its_password_is_wrong_hears_the_servers_words() {
    let world = World::before_pair();
    let (code, text) = error_of(world.connect_as("app", "wrong").await);
    assert_eq!(
        (code, text.as_str()),
        (
            1045,
            "Access denied for user 'app'@'localhost' (using password: YES)"
        )
    );
    let (code, text) = error_of(world.connect_as("app", "").await);
    assert_eq!(
        (code, text.as_str()),
        (
            1045,
            "Access denied for user 'app'@'localhost' (using password: NO)"
        )
    );
    let (code, _) = error_of(world.connect_as("nobody", "x").await);
    assert!(code == 1045 || code == 1698, "{code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_unix_socket_when_used_through_the_gateway_is_refused() {
    // Why: the gateway runs as root beside the server; a unix_socket login through it would be root for all.
    let world = World::before_pair();
    for user in ["root", "sock"] {
        for password in ["", "x", "invalid"] {
            let (code, text) = error_of(world.connect_as(user, password).await);
            assert_eq!(code, 1698, "{user}: {text}");
            assert!(
                text.contains("unix_socket") && text.contains("own socket"),
                "{text}"
            );
        }
        let mut raw = Raw::open(world.address);
        let answer = raw.log_in(PLAIN, "auth_socket", user);
        assert_eq!(ErrPacket::parse(&answer).unwrap().code, 1698, "{user}");
    }
}

#[test]
fn a_client_from_another_machine_when_its_header_says_so_is_not_localhost() {
    for (client, expected) in [("10.1.2.3:1000", 1045), ("127.0.0.1:1000", 0)] {
        let stream = std::net::TcpStream::connect(("127.0.0.1", pair()[0].port)).unwrap();
        let header = wire::proxy::header(Some(client.parse().unwrap()));
        let mut raw = Raw::behind(stream, &header);
        let answer = raw.log_in(PLAIN, native::PLUGIN, "app");
        let code = ErrPacket::parse(&answer).map_or(0, |err| err.code);
        // Hosts without any account are turned away before they can try one.
        assert!(
            code == expected || (expected != 0 && code == 1130),
            "{client}: {code}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_another_default_plugin_when_it_logs_in_is_switched_to_the_native_one() {
    let world = World::before_pair();
    for plugin in ["caching_sha2_password", "client_ed25519", "nonsense"] {
        let mut raw = Raw::open(world.address);
        assert_eq!(raw.log_in(PLAIN, plugin, "app")[0], 0, "{plugin}");
        assert_eq!(raw.value("SELECT name FROM who"), "a");
        world.switch(Some("b")).await;
        assert_eq!(raw.value("SELECT name FROM who"), "b", "{plugin} moves");
        world.switch(Some("a")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_password_when_it_logs_in_gets_in_and_moves() {
    let world = World::before_pair();
    let mut conn = world.connect_as("empty", "").await.unwrap();
    assert_eq!(who(&mut conn).await.unwrap(), "a");
    world.switch(Some("b")).await;
    assert_eq!(who(&mut conn).await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_when_the_table_does_not_know_it_yet_gets_in_and_moves_once_it_does() {
    let world = World::before_pair();
    // The table still has another hash (as if the password had just been changed).
    let old = "*0000000000000000000000000000000000000000";
    world
        .table
        .users
        .lock()
        .unwrap()
        .insert("app".to_owned(), proof("mysql_native_password", Some(old)));
    let mut first = world.connect().await;
    let mut second = world.connect().await;
    assert_eq!(who(&mut first).await.unwrap(), "a");
    assert_eq!(
        world
            .table
            .stale
            .lock()
            .unwrap()
            .first()
            .map(String::as_str),
        Some("app")
    );
    world.switch(Some("b")).await;
    let (code, text) = error_of(who(&mut first).await);
    assert_eq!(code, 1927, "{text}");
    world
        .table
        .users
        .lock()
        .unwrap()
        .insert("app".to_owned(), proof("mysql_native_password", Some(PW)));
    assert_eq!(who(&mut second).await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ed25519_account_when_the_primary_changes_gets_one_clear_error() {
    let world = World::before_pair();
    let port = world.address.port().to_string();
    let (route, output) = tokio::join!(
        async {
            let sleeps = "SELECT COUNT(*) FROM information_schema.processlist WHERE user='ed' AND info LIKE 'SELECT SLEEP%'";
            eventually("the client runs", || pair()[0].sql(sleeps) == "1").await;
            world.switch(Some("b")).await;
        },
        tokio::process::Command::new("mariadb")
            .args([
                "--no-defaults",
                "-h127.0.0.1",
                "-P",
                &port,
                "-ued",
                "-ppw",
                "shop",
                "-N",
                "--force",
                "-e"
            ])
            .arg("SELECT name FROM who; SELECT SLEEP(5); SELECT name FROM who")
            .output()
    );
    let () = route;
    let output = output.unwrap();
    let errors = format!("{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).starts_with('a'),
        "{errors}"
    );
    assert!(
        errors.contains("ERROR 1927") && errors.contains("outcome is unknown"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_when_there_is_no_primary_comes_and_the_login_waits() {
    let world = World::new();
    world.knows("b", &pair()[1]);
    let raw = Raw::open(world.address);
    assert!(raw.greeting.version.starts_with(b"5.5.5-10.11"));
    let waiting = tokio::task::spawn_blocking(move || {
        let mut raw = raw;
        assert_eq!(raw.log_in(PLAIN, native::PLUGIN, "app")[0], 0);
        raw.value("SELECT name FROM who")
    });
    eventually("it is held", || world.handle.stats().held == 1).await;
    world.route(7, Some("b"));
    assert_eq!(waiting.await.unwrap(), "b");
    assert!(world.handle.stats().longest_hold > Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_when_no_primary_comes_gets_one_clear_error() {
    let world = World::with(Config {
        hold_max: Duration::from_millis(300),
        ..Config::default()
    });
    let (code, text) = error_of(world.connect_as("app", "pw").await);
    assert_eq!(code, 1053);
    assert!(
        text.contains("no primary") && text.contains("try again"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_when_a_client_sends_it_ends_only_its_connection() {
    let world = World::before_pair();
    let mut good = world.connect().await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 300],
        &[1, 0, 0, 1, 0],
        &[0, 0, 0, 1],
    ] {
        let mut raw = Raw::open(world.address);
        raw.stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        let _ = raw.stream.read_to_end(&mut answer);
        assert!(answer.len() > 9, "a clear error for {garbage:?}");
    }
    let mut raw = Raw::ready(world.address);
    raw.stream.write_all(&[5, 0, 0, 9, 3, 1, 2, 3, 4]).unwrap();
    let mut answer = Vec::new();
    let _ = raw.stream.read_to_end(&mut answer);
    assert!(String::from_utf8_lossy(&answer).contains("out of order"));
    assert_eq!(who(&mut good).await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_when_it_says_nothing_is_sent_away() {
    let limit = Duration::from_millis(200);
    let world = World::with(Config {
        handshake_timeout: limit,
        ..Config::default()
    });
    let mut raw = Raw::open(world.address);
    let mut answer = Vec::new();
    raw.stream.read_to_end(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("login took longer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_too_many_when_it_connects_gets_1040() {
    let world = World::with(Config {
        max_connections: 2,
        ..Config::default()
    });
    world.knows("a", &pair()[0]);
    world.route(1, Some("a"));
    let _kept = [Raw::ready(world.address), Raw::ready(world.address)];
    let mut third = std::net::TcpStream::connect(world.address).unwrap();
    let mut answer = Vec::new();
    third.read_to_end(&mut answer).unwrap();
    assert_eq!(ErrPacket::parse(&answer[4..]).unwrap().code, 1040);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_when_it_is_full_then_a_newcomer_reads_1040() {
    let server = Server::start("full");
    server.sql("SET GLOBAL max_connections = 10");
    let world = World::new();
    world.knows("a", &server);
    world.route(1, Some("a"));
    let mut crowd = Vec::new();
    let refused = loop {
        match world.connect_as("app", "pw").await {
            Ok(conn) => crowd.push(conn),
            Err(error) => break error_of(Err::<(), _>(error)),
        }
        assert!(crowd.len() < 20);
    };
    assert_eq!(refused.0, 1040, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_when_it_could_write_on_a_replica_then_it_is_refused_and_told_why() {
    let world = World::before_pair();
    let strong = |names: &[&str]| {
        *world.table.strong.lock().unwrap() = names.iter().map(ToString::to_string).collect();
    };
    strong(&["app@%", "app@localhost"]);
    let refused = error_of(world.connect_as("app", "pw").await);
    assert_eq!(refused.0, 1045);
    assert!(refused.1.contains("READ ONLY ADMIN"), "{refused:?}");
    // Another account of the same name is another account.
    strong(&["app@%"]);
    let mut conn = world.connect().await;
    assert_eq!(who(&mut conn).await.unwrap(), "a");
    // So are those of clients that want the end of the columns marked.
    let mut raw = Raw::ready(world.address);
    assert_eq!(raw.value("SELECT name FROM who"), "a");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_when_changed_or_reset_has_a_fresh_session() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    raw.query("SET @x = 1");
    raw.query("SET SESSION sql_mode = 'ANSI'");
    assert_eq!(raw.command(b"\x1f")[0], 0);
    assert_ne!(raw.value("SELECT @@sql_mode"), "ANSI");
    assert_eq!(raw.value("SELECT DATABASE()"), "shop");
    // The session's user variable is gone, so nothing pins it.
    world.switch(Some("b")).await;
    assert_eq!(raw.value("SELECT name FROM who"), "b");
    let proof = native::prove(&raw.greeting.salt, &{
        use sha1::Digest;
        sha1::Sha1::digest(b"pw").into()
    });
    let mut change = b"\x11app\0\x14".to_vec();
    change.extend_from_slice(&proof);
    change.extend_from_slice(b"mysql\0\x2d\0mysql_native_password\0");
    assert_eq!(raw.command(&change)[0], 0);
    assert_eq!(raw.value("SELECT DATABASE()"), "mysql");
    let mut wrong = b"\x11nobody\0\0shop\0\x2d\0mysql_native_password\0".to_vec();
    let answer = raw.command(&wrong);
    assert!(answer[0] == 0xff || answer[0] == 0xfe);
    wrong.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_path_when_nobody_answers_is_taken_over_and_when_somebody_does_is_left() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mysqld.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let config = Config {
        sockets: vec![path.clone()],
        ..Config::default()
    };
    let world = World::with(config.clone());
    world.knows("a", &pair()[0]);
    world.route(1, Some("a"));
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o777
    );
    let text = tokio::process::Command::new("mariadb")
        .args([
            "--no-defaults",
            "-uapp",
            "-ppw",
            "shop",
            "-N",
            "-e",
            "SELECT name FROM who",
        ])
        .arg(format!("--socket={}", path.display()))
        .output()
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&text.stdout).trim(),
        "a",
        "{text:?}"
    );
    let taken = std::panic::catch_unwind(|| World::with(config));
    assert!(taken.is_err(), "a second gateway must not take the socket");
    world.end().await;
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_when_it_is_dead_at_the_first_dial_is_waited_for() {
    let world = World::new();
    let mut server = Server::start("z");
    world.knows("z", &server);
    server.kill();
    world.route(1, Some("z"));
    let address = world.address;
    let waiting =
        tokio::task::spawn_blocking(move || Raw::ready(address).value("SELECT name FROM who"));
    eventually("it is held", || world.handle.stats().held == 1).await;
    world.knows("b", &pair()[1]);
    world.route(2, Some("b"));
    assert_eq!(waiting.await.unwrap(), "b");
}
