//! A client that is refused to become somebody else stays who it was: by KILL, by a change of primary, by its own doing.

use wire::login::AuthSwitch;
use wire::native;
use wire::reply::ErrPacket;

use crate::raw::Raw;
use crate::world::{World, proof};

/// COM_CHANGE_USER with a wrong password; the last packet of the answer.
fn becomes(raw: &mut Raw, user: &str) -> Vec<u8> {
    let mut payload = vec![0x11];
    payload.extend_from_slice(user.as_bytes());
    payload.extend_from_slice(&[0, 20]);
    payload.extend_from_slice(&[7; 20]);
    payload.extend_from_slice(b"shop\0\x2d\0");
    payload.extend_from_slice(native::PLUGIN.as_bytes());
    payload.push(0);
    let answer = raw.command(&payload);
    if AuthSwitch::parse(&answer).is_none() {
        return answer;
    }
    raw.write(&[7; 20]);
    raw.read().unwrap()
}

fn code(answer: &[u8]) -> u16 {
    ErrPacket::parse(answer).unwrap().code
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_when_the_primary_changes_or_is_killed_is_a_client_like_others() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    raw.query("USE mysql");
    raw.query("SET @a = 1");
    for user in ["app", "empty"] {
        assert_eq!(code(&becomes(&mut raw, user)), 1045);
        world.switch(Some("b")).await;
        let who = "SELECT CONCAT_WS('|', USER(), DATABASE(), @a, (SELECT name FROM shop.who))";
        assert_eq!(raw.value(who), "app@localhost|mysql|b");
        world.switch(Some("a")).await;
    }
    assert_eq!(code(&becomes(&mut raw, "app")), 1045);
    assert_eq!(code(&becomes(&mut raw, "app")), 1047, "three are enough");
    let id = raw.greeting.thread;
    let mut killer = Raw::ready(world.address);
    assert_eq!(killer.query(&format!("KILL QUERY {id}"))[0][0], 0);
    assert_eq!(raw.value("SELECT 5"), "5");
    assert_eq!(code(&becomes(&mut raw, "app")), 1047);
    assert_eq!(killer.query(&format!("KILL {id}"))[0][0], 0);
    assert!(raw.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_log_in_again_without_being_asked_when_refused_is_ended() {
    let world = World::before_pair();
    // The table has another hash, as if the password had just been changed.
    let old = "*0000000000000000000000000000000000000000";
    let unknown = proof("mysql_native_password", Some(old));
    let mut users = world.table.users.lock().unwrap();
    users.insert("app".to_owned(), unknown);
    drop(users);
    let mut raw = Raw::ready(world.address);
    assert_eq!(code(&becomes(&mut raw, "app")), 1045);
    assert!(raw.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_password_when_refused_stays() {
    let world = World::before_pair();
    let mut raw = Raw::open(world.address);
    assert_eq!(raw.log_in_empty("empty")[0], 0);
    assert_eq!(code(&becomes(&mut raw, "app")), 1045);
    assert_eq!(raw.value("SELECT USER()"), "empty@localhost");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_see_of_a_session_when_its_client_is_refused_has_ended() {
    let world = World::before_pair();
    let mut other = Raw::ready(world.address);
    other.query("CREATE OR REPLACE TABLE shop.refused (a INT PRIMARY KEY)");
    let mut raw = Raw::ready(world.address);
    assert_eq!(raw.value("SELECT GET_LOCK('refused', 60)"), "1");
    raw.query("BEGIN");
    // So much that taking it back takes the server a while.
    raw.query("INSERT INTO shop.refused SELECT seq FROM shop.seq_1_to_200000");
    assert_eq!(code(&becomes(&mut raw, "app")), 1045);
    assert_eq!(other.value("SELECT GET_LOCK('refused', 0)"), "1");
    assert_eq!(other.value("SELECT COUNT(*) FROM shop.refused"), "0");
    other.query("DROP TABLE shop.refused");
}
