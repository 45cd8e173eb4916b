//! The machine, fed by hand: any bytes from both sides, and the memory it may keep.

use proptest::prelude::*;
use wire::packet::packet;

use super::*;

const OK: &[u8] = b"\0\0\0\x02\0\0\0";

fn session() -> Session {
    let mut session = Session::new(flags::PROTOCOL_41, b"shop", flags::AUTOCOMMIT);
    session.to_server.clear();
    let answer = packet(1, OK);
    session.server_bytes(&answer, false).unwrap();
    session
}

fn ask(session: &mut Session, text: &str) {
    let bytes = packet(0, &[b"\x03", text.as_bytes()].concat());
    assert_eq!(session.client_bytes(&bytes).used, bytes.len());
    assert_eq!(session.want(), Want::Send);
    assert_eq!(session.launch().unwrap(), bytes);
}

#[test]
fn an_answer_when_it_needs_no_change_is_passed_on_as_it_came() {
    let mut session = session();
    ask(&mut session, "INSERT INTO t VALUES (1)");
    let answer = packet(1, b"\0\x01\x05\x02\0\0\0");
    let given = session.server_bytes(&answer, false).unwrap();
    assert_eq!((given.used, given.pass), (answer.len(), answer.len()));
    assert_eq!(session.phase(), Phase::Idle);
}

#[test]
fn a_write_when_its_connection_breaks_is_never_sent_again() {
    for text in [
        "INSERT INTO t VALUES (1)",
        "COMMIT",
        "SELECT f(1)",
        "CALL p()",
        "SELECT 1; DELETE FROM t",
    ] {
        let mut session = session();
        ask(&mut session, text);
        assert!(!session.lost(), "{text}");
        assert_eq!(session.phase(), Phase::Closing, "{text}");
        assert!(
            session.to_client.windows(7).any(|part| part == b"unknown"),
            "{text}"
        );
    }
}

#[test]
fn a_read_when_its_connection_breaks_before_the_answer_runs_again_and_after_it_began_does_not() {
    let mut session = session();
    ask(&mut session, "SELECT 1");
    assert!(session.lost());
    session.moved(flags::AUTOCOMMIT);
    session.launch().unwrap();
    let begun = packet(1, b"\x01");
    session.server_bytes(&begun, false).unwrap();
    assert!(!session.lost());
    assert_eq!(session.phase(), Phase::Idle);
    assert_eq!(
        session.to_client[3], 2,
        "the error takes the place of the next packet"
    );
}

#[test]
fn an_ok_when_a_kill_came_between_is_not_passed_on() {
    let mut session = session();
    ask(&mut session, "INSERT INTO t VALUES (1)");
    let refusal = session.server_bytes(&packet(1, OK), true);
    assert_eq!(refusal, Err(Refusal::Tell(Fault::OutcomeUnknown)));
}

#[test]
fn a_big_command_when_it_streams_is_not_kept() {
    let mut session = session();
    let bytes = packet(
        0,
        &[b"\x03INSERT INTO t VALUES ('".to_vec(), vec![b'x'; 2 << 20]].concat(),
    );
    let mut at = session.client_bytes(&bytes).used;
    assert!(at < 20_000, "{at}");
    session.launch().unwrap();
    while at < bytes.len() {
        let end = bytes.len().min(at + 65_536);
        let taken = session.client_bytes(&bytes[at..end]);
        assert_eq!(taken.used, taken.pass);
        at += taken.used;
    }
    assert!(session.request.packet().len() < 20_000);
    assert!(session.request.is_whole());
}

proptest! {
    #[test]
    fn any_bytes_when_fed_from_both_sides_never_panic_and_stay_bounded(
        steps in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..200)), 1..20),
        framed: bool,
    ) {
        let mut session = session();
        for (from_client, bytes) in steps {
            let bytes = if framed { packet(u8::from(!from_client), &bytes) } else { bytes };
            let mut rest = bytes.as_slice();
            while from_client && !rest.is_empty() && session.takes_client_bytes() {
                let taken = session.client_bytes(rest);
                if taken.used == 0 {
                    break;
                }
                rest = &rest[taken.used..];
                if session.want() == Want::Send && session.launch().is_err() {
                    session.fail(&Fault::LooksBack);
                }
                session.unanswered_ends();
            }
            while !from_client && !rest.is_empty() {
                match session.server_bytes(rest, false) {
                    Ok(given) if given.used > 0 => rest = &rest[given.used..],
                    _ => {
                        session.lost();
                        break;
                    }
                }
            }
            prop_assert!(session.to_client.len() < 1 << 16);
            session.to_client.clear();
            session.to_server.clear();
        }
    }
}

#[path = "session/elsewhere_tests.rs"]
mod elsewhere;
