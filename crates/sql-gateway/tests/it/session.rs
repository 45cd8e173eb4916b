//! A session moves to another server and its client does not notice; or it cannot, and the client hears why.

use mysql_async::prelude::Queryable;
use wire::reply::ErrPacket;

use crate::raw::Raw;
use crate::world::{World, error_of, pair, who};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_when_the_primary_changes_goes_on_with_its_variables() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    for text in [
        "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_520_ci",
        "SET SESSION sql_mode='ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
        "SET SESSION max_statement_time=7.5, time_zone='+02:00', wait_timeout=321",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET STATEMENT max_statement_time=9 FOR SELECT 1",
        "SET autocommit=0",
        "USE mysql",
        "INSERT INTO shop.t (v) VALUES ('x')",
        "COMMIT",
    ] {
        let answer = raw.query(text);
        assert_ne!(
            answer[0][0],
            0xff,
            "{text}: {:?}",
            ErrPacket::parse(&answer[0])
        );
    }
    let state = "SELECT CONCAT_WS('|', @@character_set_client, @@collation_connection, @@sql_mode, @@max_statement_time, \
                 @@time_zone, @@wait_timeout, @@tx_isolation, @@autocommit, DATABASE(), @@character_set_results, LAST_INSERT_ID())";
    let before = raw.value(state);
    raw.query("COMMIT");
    world.switch(Some("b")).await;
    assert_eq!(raw.value(state), before);
    assert_eq!(raw.value("SELECT name FROM shop.who"), "b");
    assert_eq!(world.handle.stats().moved, 1);
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_says_what_it_wants_to_hear_when_the_primary_changes_goes_on() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    // As MariaDB's Java connector says it.
    let java = "set autocommit=1, sql_mode=CONCAT(@@sql_mode,',NO_ZERO_DATE'),\
        session_track_system_variables = CONCAT(@@global.session_track_system_variables,',tx_isolation'),\
        NAMES latin1, max_statement_time=6.5";
    assert_eq!(raw.query(java)[0][0], 0);
    raw.query("SET time_zone='+03:00'");
    let state = "SELECT CONCAT_WS('|', @@sql_mode, @@time_zone, @@character_set_client, @@max_statement_time, \
                 @@session_track_system_variables, @@session_track_state_change)";
    let before = raw.value(state);
    for part in ["NO_ZERO_DATE", "|+03:00|latin1|6.5", "tx_isolation"] {
        assert!(before.contains(part), "{before}");
    }
    // What it chose is asked for behind that; this is answered after it.
    raw.value("SELECT 1");
    world.switch(Some("b")).await;
    assert_eq!(raw.value("SELECT name FROM shop.who"), "b");
    assert_eq!(raw.value(state), before);
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_says_what_it_wants_to_hear_first_behind_a_move_is_tied_to_no_server() {
    let world = World::before_pair();
    let sql = "SET session_track_schema=0, sql_mode='ANSI'";
    for way in ["text", "prepared", "transaction"] {
        let mut client = world.connect().await;
        let statement = client.prep(sql).await.unwrap();
        if way == "transaction" {
            client.query_drop("BEGIN").await.unwrap();
            client.query_drop("SELECT 1").await.unwrap();
        }
        world.switch(Some("b")).await;
        if way == "prepared" {
            client.exec_drop(&statement, ()).await.unwrap();
        } else {
            client.query_drop(sql).await.unwrap();
        }
        client.query_drop("COMMIT").await.unwrap();
        // What it chose is asked for behind that; this is answered after it.
        assert_eq!(who(&mut client).await.unwrap(), "b");
        world.switch(Some("a")).await;
        let sql = "SELECT CONCAT(@@session_track_schema, @@sql_mode) FROM who";
        let set: Option<String> = client.query_first(sql).await.unwrap();
        let set = set.unwrap();
        assert!(
            set.starts_with("OFF") && set.contains("ANSI"),
            "{way}: {set}"
        );
        assert_eq!(who(&mut client).await.unwrap(), "a");
    }
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_had_a_write_return_rows_when_the_primary_changes_goes_on_after_its_next_write()
 {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    assert_eq!(raw.value("INSERT INTO t (v) VALUES ('x') RETURNING v"), "x");
    assert_eq!(raw.query("UPDATE t SET v = 'y'")[0][0], 0);
    world.switch(Some("b")).await;
    assert_eq!(raw.value("SELECT name FROM shop.who"), "b");
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_tracking_when_the_session_changes_sees_no_trace_of_it() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    assert_eq!(raw.query("SET NAMES utf8mb4")[0], b"\0\0\0\x02\0\0\0");
    assert_eq!(raw.query("USE mysql")[0], b"\0\0\0\x02\0\0\0");
    let info = b"&Records: 2  Duplicates: 0  Warnings: 0";
    assert!(raw.query("INSERT INTO shop.t (v) VALUES (1), (2)")[0].ends_with(info));
}

#[tokio::test(flavor = "multi_thread")]
async fn set_transaction_when_the_primary_changes_before_it_begins_holds_there() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    raw.query("SET TRANSACTION READ ONLY");
    world.switch(Some("b")).await;
    raw.query("BEGIN");
    assert_eq!(raw.error("INSERT INTO t (v) VALUES ('x')").0, 1792);
    raw.query("ROLLBACK");
    raw.query("BEGIN");
    assert_eq!(raw.query("INSERT INTO t (v) VALUES ('x')")[0][0], 0);
    raw.query("ROLLBACK");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_cannot_move_when_the_primary_changes_gives_one_clear_error() {
    let world = World::before_pair();
    for (make, word) in [
        ("SET @a = 1", "user variables"),
        ("SELECT @a := 5", "user variables"),
        ("SELECT 1 INTO @a", "user variables"),
        ("CREATE TEMPORARY TABLE tt (a INT)", "temporary tables"),
        ("SELECT GET_LOCK('x', 1)", "GET_LOCK"),
        ("LOCK TABLES t WRITE", "locked tables"),
        ("PREPARE s FROM 'SELECT 1'", "PREPARE"),
        ("HANDLER t OPEN", "HANDLER"),
        ("SET timestamp = 1234", "timestamp"),
        (
            "SET session_track_transaction_info = 'STATE'",
            "changed its session tracking",
        ),
    ] {
        let mut raw = Raw::ready(world.address);
        let answer = raw.query(make);
        assert_ne!(answer[0][0], 0xff, "{make}: {answer:?}");
        world.switch(Some("b")).await;
        let (code, text) = raw.error("SELECT 1");
        assert_eq!(code, 1927, "{make}: {text}");
        assert!(
            text.contains(word) && text.contains("reconnect"),
            "{make}: {text}"
        );
        assert!(raw.is_closed());
        world.switch(Some("a")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_and_tables_when_given_back_do_not_pin_the_session() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    for text in [
        "LOCK TABLES t WRITE",
        "UNLOCK TABLES",
        "DROP TEMPORARY TABLE IF EXISTS nothing",
        "SELECT @x",
        "FLUSH TABLES",
    ] {
        raw.query(text);
    }
    world.switch(Some("b")).await;
    assert_eq!(raw.value("SELECT name FROM who"), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_looks_back_when_the_session_moved_is_not_answered_wrongly() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    raw.query("SELECT SQL_CALC_FOUND_ROWS * FROM who LIMIT 1");
    world.switch(Some("b")).await;
    let (code, text) = raw.error("SELECT FOUND_ROWS()");
    assert_eq!(code, 1213, "{text}");
    raw.query("SELECT SQL_CALC_FOUND_ROWS * FROM who LIMIT 1");
    assert_eq!(raw.value("SELECT FOUND_ROWS()"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_when_the_primary_changes_are_prepared_again_when_used() {
    let world = World::before_pair();
    let mut conn = world.connect().await;
    let one = conn.prep("SELECT CONCAT(name, ?) FROM who").await.unwrap();
    let two = conn.prep("SELECT ? + ?").await.unwrap();
    let text: Option<String> = conn.exec_first(&one, ("x",)).await.unwrap();
    assert_eq!(text.as_deref(), Some("ax"));
    world.switch(Some("b")).await;
    let sum: Option<i64> = conn.exec_first(&two, (2, 3)).await.unwrap();
    assert_eq!(sum, Some(5));
    let text: Option<String> = conn.exec_first(&one, ("y",)).await.unwrap();
    assert_eq!(text.as_deref(), Some("by"));
    let three = conn.prep("SELECT name FROM who").await.unwrap();
    world.switch(Some("a")).await;
    conn.close(two).await.unwrap();
    let text: Option<String> = conn.exec_first(&three, ()).await.unwrap();
    assert_eq!(text.as_deref(), Some("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_when_another_database_is_the_default_since_is_not_prepared_there() {
    let world = World::before_pair();
    let mut conn = world.connect().await;
    let statement = conn.prep("SELECT CONCAT(name, ?) FROM who").await.unwrap();
    conn.query_drop("USE mysql").await.unwrap();
    let text: Option<String> = conn.exec_first(&statement, ("x",)).await.unwrap();
    assert_eq!(text.as_deref(), Some("ax"));
    world.switch(Some("b")).await;
    let (code, text) = error_of(conn.exec_drop(&statement, ("y",)).await);
    assert_eq!(code, 1615, "{text}");
    assert!(text.contains("default database"), "{text}");
    conn.query_drop("USE shop").await.unwrap();
    let text: Option<String> = conn.exec_first(&statement, ("y",)).await.unwrap();
    assert_eq!(text.as_deref(), Some("by"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_when_its_text_would_mean_something_else_is_not_prepared_there() {
    let world = World::before_pair();
    let mut conn = world.connect().await;
    conn.query_drop("SET sql_mode = 'ANSI_QUOTES'")
        .await
        .unwrap();
    let statement = conn.prep(r#"SELECT "name" FROM who"#).await.unwrap();
    conn.query_drop("SET sql_mode = ''").await.unwrap();
    let text: Option<String> = conn.exec_first(&statement, ()).await.unwrap();
    assert_eq!(text.as_deref(), Some("a"));
    world.switch(Some("b")).await;
    let (code, text) = error_of(conn.exec_drop(&statement, ()).await);
    assert_eq!(code, 1615, "{text}");
    conn.query_drop("SET sql_mode = 'ANSI_QUOTES'")
        .await
        .unwrap();
    let text: Option<String> = conn.exec_first(&statement, ()).await.unwrap();
    assert_eq!(text.as_deref(), Some("b"));
}

/// COM_STMT_PREPARE by hand; returns the id.
fn prepare(raw: &mut Raw, text: &str, packets: usize) -> u32 {
    let answer = raw.command(&[b"\x16", text.as_bytes()].concat());
    assert_eq!(answer[0], 0, "{answer:?}");
    for _ in 0..packets {
        raw.read().unwrap();
    }
    u32::from_le_bytes(*answer[1..].first_chunk().unwrap())
}

fn execute(raw: &mut Raw, id: u32, tail: &[u8]) -> Vec<Vec<u8>> {
    let payload = [b"\x17", &id.to_le_bytes()[..], b"\0\x01\0\0\0", tail].concat();
    let mut packets = vec![raw.command(&payload)];
    if packets[0][0] == 0 || packets[0][0] == 0xff {
        return packets;
    }
    let mut ends = 0;
    while ends < 2 {
        let packet = raw.read().unwrap();
        ends += usize::from(packet[0] == 0xfe && packet.len() < 9);
        packets.push(packet);
    }
    packets
}

#[tokio::test(flavor = "multi_thread")]
async fn parameter_types_when_bound_once_hold_on_the_next_server() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    let id = prepare(&mut raw, "SELECT CONCAT(?, '-', name) FROM who", 4);
    // One string parameter with its type (253), then without.
    let rows = execute(&mut raw, id, b"\0\x01\xfd\0\x01x");
    assert!(rows[3].ends_with(b"\x03x-a"), "{rows:?}");
    world.switch(Some("b")).await;
    let rows = execute(&mut raw, id, b"\0\0\x01y");
    assert!(rows[3].ends_with(b"\x03y-b"), "{rows:?}");
    let unknown = execute(&mut raw, 99, b"");
    assert_eq!(ErrPacket::parse(&unknown[0]).unwrap().code, 1243);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_data_when_the_primary_changes_before_their_use_give_an_error_not_a_wrong_row() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    let id = prepare(&mut raw, "SELECT CONCAT(?, '-', name) FROM who", 4);
    let long = |raw: &mut Raw| {
        raw.stream_command(&[b"\x18", &id.to_le_bytes()[..], b"\0\0long"].concat());
    };
    long(&mut raw);
    let rows = execute(&mut raw, id, b"\0\x01\xfd\0");
    assert!(rows[3].ends_with(b"long-a"), "{rows:?}");
    long(&mut raw);
    assert_eq!(raw.command(b"\x0e")[0], 0);
    world.switch(Some("b")).await;
    let lost = execute(&mut raw, id, b"\0\x01\xfd\0");
    assert_eq!(ErrPacket::parse(&lost[0]).unwrap().code, 1615);
    long(&mut raw);
    let rows = execute(&mut raw, id, b"\0\x01\xfd\0");
    assert!(rows[3].ends_with(b"long-b"), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_cursor_when_fetched_works_and_when_the_primary_changes_ends_the_session() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    let id = prepare(&mut raw, "SELECT 1 UNION SELECT 2 UNION SELECT 3", 2);
    let open = [b"\x17", &id.to_le_bytes()[..], b"\x01\x01\0\0\0"].concat();
    assert_eq!(raw.command(&open), [1]);
    raw.read().unwrap();
    assert_eq!(raw.read().unwrap()[0], 0xfe);
    let fetch = [b"\x1c", &id.to_le_bytes()[..], b"\x02\0\0\0"].concat();
    assert_eq!(raw.command(&fetch)[0], 0);
    assert_eq!(raw.read().unwrap()[0], 0);
    assert_eq!(raw.read().unwrap()[0], 0xfe);
    world.switch(Some("b")).await;
    assert_eq!(raw.error("SELECT 1").0, 1927);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_when_its_answers_are_the_same_on_the_next_primary_goes_on_there() {
    let world = World::before_pair();
    let mut conn = world.connect().await;
    let prepared = conn
        .prep("INSERT INTO t (id, v) VALUES (?, ?)")
        .await
        .unwrap();
    conn.query_drop("BEGIN").await.unwrap();
    conn.exec_drop(&prepared, (-1, "again")).await.unwrap();
    let seen = "SELECT v FROM t WHERE id = -1";
    let value: Option<String> = conn.query_first(seen).await.unwrap();
    assert_eq!(value.as_deref(), Some("again"));
    let err = error_of(conn.exec_drop(&prepared, (-1, "twice")).await);
    assert_eq!(err.0, 1062);
    world.switch(Some("b")).await;
    conn.exec_drop(&prepared, (-2, "after")).await.unwrap();
    world.switch(Some("a")).await;
    world.switch(Some("b")).await;
    conn.query_drop("COMMIT").await.unwrap();
    let count = "SELECT COUNT(*) FROM shop.t WHERE v IN ('again', 'after')";
    assert_eq!(pair()[0].sql(count), "0", "nothing of it is left there");
    assert_eq!(pair()[1].sql(count), "2");
    pair()[1].sql("DELETE FROM shop.t WHERE v IN ('again', 'after')");
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_when_an_answer_differs_on_the_next_primary_is_lost_and_the_session_goes_on()
{
    let world = World::before_pair();
    let mut conn = world.connect().await;
    conn.query_drop("BEGIN").await.unwrap();
    assert_eq!(who(&mut conn).await.unwrap(), "a");
    conn.query_drop("INSERT INTO t (v) VALUES ('lost')")
        .await
        .unwrap();
    world.switch(Some("b")).await;
    conn.ping().await.unwrap();
    let (code, text) = error_of(
        conn.query_drop("INSERT INTO t (v) VALUES ('lost too')")
            .await,
    );
    assert_eq!(code, 1213, "{text}");
    assert!(text.contains("rolled back"), "{text}");
    assert_eq!(who(&mut conn).await.unwrap(), "b");
    let lost: Option<i64> = conn
        .query_first("SELECT COUNT(*) FROM t WHERE v LIKE 'lost%'")
        .await
        .unwrap();
    assert_eq!(lost, Some(0));
    // A rollback of what is lost is no error.
    conn.query_drop("BEGIN").await.unwrap();
    world.switch(Some("a")).await;
    conn.query_drop("ROLLBACK").await.unwrap();
    conn.query_drop("BEGIN").await.unwrap();
    conn.query_drop("SET @a = 1").await.unwrap();
    world.switch(Some("b")).await;
    let (code, text) = error_of(conn.query_drop("COMMIT").await);
    assert!(
        code == 1927 && text.contains("user variables"),
        "{code} {text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replication_command_when_sent_is_refused_and_the_session_goes_on() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    for command in [0x12, 0x13, 0x14, 0x15, 0x1d, 0xfe, 0x00] {
        let err = raw.command(&[command, 0, 0]);
        assert_eq!(ErrPacket::parse(&err).unwrap().code, 1047, "{command:x}");
    }
    assert_eq!(raw.command(b"\x0e")[0], 0);
    assert_eq!(raw.command(b"\x02mysql")[0], 0);
    assert_eq!(raw.command(b"\x1b\x01\0")[0], 0xfe);
    assert_eq!(raw.error("SELECT 1; SELECT 2").0, 1064);
    assert!(raw.command(b"\x09").starts_with(b"Uptime"));
}
