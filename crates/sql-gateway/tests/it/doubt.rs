//! Writes in flight when the primary is lost: answered, run again, or said to be unknown.

use std::time::Duration;

use sql_gateway::Config;
use wire::gtid::Gtid;
use wire::outcome::{Effect, Outcome};
use wire::reply::{ErrPacket, OkPacket};

use crate::raw::Raw;
use crate::server::Server;
use crate::world::{World, eventually, pair};

/// A gateway before a server of its own (`z`, primary) and `b`.
fn world_with(server: &Server, config: Config) -> World {
    let world = World::with(config);
    world.knows("z", server);
    world.knows("b", &pair()[1]);
    world.route(1, Some("z"));
    world
}

fn found(inserted: u64, insert_id: Option<u64>) -> Outcome {
    let id = Gtid {
        domain: 0,
        server: 1,
        sequence: 5,
    };
    let effect = Some(Effect {
        inserted,
        updated: 0,
        deleted: 0,
        insert_id,
    });
    Outcome::Committed { id, effect }
}

/// What a client hears of `statement`, in flight on `z` when `b` takes over and says `answers`.
async fn heard(
    world: &World,
    server: &Server,
    before: &[&str],
    statement: &'static str,
    answers: Vec<Option<Outcome>>,
) -> (Vec<u8>, Raw) {
    let mut raw = Raw::ready(world.address);
    for statement in before {
        raw.query(statement);
    }
    *world.answers.given.lock().unwrap() = answers;
    let sent = world.handle.stats().statements + 1;
    server.freeze(true);
    let answer = tokio::task::spawn_blocking(move || {
        (raw.command(&[b"\x03", statement.as_bytes()].concat()), raw)
    });
    eventually("it is in flight", || {
        world.handle.stats().statements == sent
    })
    .await;
    world.switch(Some("b")).await;
    let answer = answer.await.unwrap();
    server.freeze(false);
    answer
}

fn count(server: &Server, value: &str) -> String {
    server.sql(&format!("SELECT COUNT(*) FROM shop.t WHERE v = '{value}'"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_flight_when_the_next_primary_has_it_is_answered_and_not_run_again() {
    let server = Server::start("z");
    let world = world_with(&server, Config::default());
    let statement = "INSERT INTO t (v) VALUES ('had')";
    // At first nobody answers.
    let answers = vec![None, None, Some(found(1, Some(41)))];
    let (answer, mut raw) = heard(&world, &server, &[], statement, answers).await;
    let ok = OkPacket::parse(&answer).unwrap();
    assert_eq!((ok.affected, ok.insert_id), (1, 41));
    assert_eq!(raw.value("SELECT name FROM who"), "b");
    assert_eq!(raw.value("SELECT LAST_INSERT_ID()"), "41");
    assert_eq!(count(&pair()[1], "had"), "0");
    let asked = world.answers.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3);
    let (epoch, sent, question) = &asked[2];
    assert_eq!((*epoch, *sent), (2, 1));
    let mark = format!("INSERT/*m:{}*/ INTO", question.tag);
    eventually("the former primary logs it with its mark", || {
        server.sql("SHOW BINLOG EVENTS").contains(&mark)
    })
    .await;
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_flight_when_it_is_not_there_runs_on_the_next_primary_once() {
    let server = Server::start("z");
    let world = world_with(&server, Config::default());
    let statement = "INSERT INTO t (v) VALUES ('not there')";
    let answers = vec![Some(Outcome::NotThere)];
    let (answer, _raw) = heard(&world, &server, &[], statement, answers).await;
    assert_eq!(OkPacket::parse(&answer).unwrap().affected, 1);
    assert_eq!(count(&pair()[1], "not there"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_in_flight_when_asked_for_is_an_ok_or_its_transaction_runs_again() {
    for (answer, rows) in [(found(0, None), "0"), (Outcome::NotThere, "1")] {
        let server = Server::start("z");
        let world = world_with(&server, Config::default());
        let value = format!("commit {rows}");
        let insert = format!("INSERT INTO t (id, v) VALUES (-7{rows}, '{value}')");
        let before = ["SELECT 1", "BEGIN", &insert];
        let (answer, mut raw) = heard(&world, &server, &before, "COMMIT", vec![Some(answer)]).await;
        assert_eq!(OkPacket::parse(&answer).unwrap().affected, 0);
        assert_eq!(count(&pair()[1], &value), rows);
        assert_eq!(raw.value("SELECT name FROM who"), "b");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_flight_when_its_result_cannot_be_known_is_said_to_be_committed() {
    let server = Server::start("z");
    let world = world_with(&server, Config::default());
    let statement = "INSERT INTO t (v) VALUES ('x'), ('y')";
    let (answer, mut raw) =
        heard(&world, &server, &[], statement, vec![Some(found(2, None))]).await;
    let err = ErrPacket::parse(&answer).unwrap();
    let text = String::from_utf8_lossy(err.message).into_owned();
    assert!(err.code == 1927 && text.contains("committed"), "{text}");
    assert!(raw.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_flight_when_only_its_connection_breaks_is_unknown_at_once() {
    let server = Server::start("z");
    let world = world_with(&server, Config::default());
    let mut blocker = Raw::ready(world.address);
    blocker.query("BEGIN");
    blocker.query("INSERT INTO t (id, v) VALUES (-9, 'locked')");
    let mut raw = Raw::ready(world.address);
    let id = raw.value("SELECT CONNECTION_ID()");
    let answer = tokio::task::spawn_blocking(move || {
        raw.command(b"\x03INSERT INTO t (id, v) VALUES (-9, 'waits')")
    });
    let waits =
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT%waits%'";
    eventually("it waits", || server.sql(waits) == "1").await;
    server.sql(&format!("KILL {id}"));
    let answer = answer.await.unwrap();
    let err = ErrPacket::parse(&answer).unwrap();
    assert_eq!(err.code, 1927);
    assert!(world.answers.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_flight_when_no_primary_comes_is_unknown_and_not_called_unexecuted() {
    let mut server = Server::start("z");
    let config = Config {
        hold_max: Duration::from_millis(300),
        ..Config::default()
    };
    let world = world_with(&server, config);
    let mut raw = Raw::ready(world.address);
    server.freeze(true);
    let sent = world.handle.stats().statements + 1;
    let answer = tokio::task::spawn_blocking(move || {
        (
            raw.command(b"\x03INSERT INTO t (v) VALUES ('nobody')"),
            raw.is_closed(),
        )
    });
    eventually("it is in flight", || {
        world.handle.stats().statements == sent
    })
    .await;
    server.kill();
    let (answer, closed) = answer.await.unwrap();
    let err = ErrPacket::parse(&answer).unwrap();
    let text = String::from_utf8_lossy(err.message).into_owned();
    assert!(
        closed && err.code == 1927 && text.contains("unknown"),
        "{text}"
    );
}
