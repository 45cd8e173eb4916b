//! Property tests of what reads untrusted bytes: tokens and the replica's login.

use peer::tunnel::{Finding, LoginWatch};
use peer::{Authority, Error, Kind, Token, TokenStore};
use proptest::prelude::*;

fn some_token() -> Token {
    let dir = tempfile::tempdir().unwrap();
    let identity = Authority::create("c").unwrap().enroll("alpha").unwrap();
    let addresses = [
        "10.0.0.1:7400".parse().unwrap(),
        "[2001:db8::1]:7400".parse().unwrap(),
    ];
    let now = jiff::Timestamp::from_second(1_780_000_000).unwrap();
    let hour = std::time::Duration::from_hours(1);
    let store = TokenStore::open(dir.path()).unwrap();
    store
        .issue(&identity, Kind::Witness, &addresses, now, hour)
        .unwrap()
}

#[test]
fn token_when_printed_and_read_then_the_same() {
    let token = some_token();
    let text = token.to_string();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(text.parse::<Token>().unwrap(), token);
    assert_eq!(format!("  {text}\n").parse::<Token>().unwrap(), token);
    assert!(matches!(
        "mainstay2-AAAA".parse::<Token>(),
        Err(Error::TokenVersion)
    ));
    assert!(matches!(
        "hello".parse::<Token>(),
        Err(Error::MistypedToken(_))
    ));
}

#[test]
fn token_when_any_one_character_is_changed_then_mistyped() {
    let text = some_token().to_string();
    for at in "mainstay1-".len()..text.len() {
        let mut typed = text.clone().into_bytes();
        typed[at] = if typed[at] == b'x' { b'y' } else { b'x' };
        let typed = String::from_utf8(typed).unwrap();
        assert!(
            matches!(typed.parse::<Token>(), Err(Error::MistypedToken(_))),
            "{at}"
        );
        let mut short = text.clone();
        short.remove(at);
        // Why not every removal changes the text: a doubled character may be the same.
        assert!(short.parse::<Token>().is_err(), "{at}");
    }
}

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = (body.len() as u32).to_le_bytes()[..3].to_vec();
    packet.push(sequence);
    packet.extend(body);
    packet
}

/// A login as MariaDB 10.11 makes it, with these statements, up to the request for the binlog.
fn login(statements: &[&[u8]]) -> Vec<u8> {
    let mut bytes = packet(1, b"\x85\xa6\x7f\x00\0\0\0\x01\x2d repl\0auth");
    bytes.extend(packet(3, b"more auth"));
    for statement in statements {
        bytes.extend(packet(0, &[b"\x03", *statement].concat()));
    }
    bytes.extend(packet(0, b"\x12\x04\0\0\0\0\0\x02\0\0\0"));
    bytes
}

/// What 10.11.19 says, in part.
const PLAIN: [&[u8]; 3] = [
    b"SELECT UNIX_TIMESTAMP()",
    b"SET @master_heartbeat_period= 1000000000",
    b"SHOW VARIABLES LIKE 'rpl_semi_sync_master_enabled'",
];

fn feed(bytes: &[u8], cuts: &[usize]) -> (Finding, LoginWatch) {
    let mut watch = LoginWatch::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let at = cuts
            .next()
            .map_or(rest.len(), |cut| (*cut).clamp(1, rest.len()));
        let (part, others) = rest.split_at(at);
        rest = others;
        let finding = watch.feed(part);
        if finding != Finding::Nothing {
            return (finding, watch);
        }
    }
    (Finding::Nothing, watch)
}

proptest! {
    #[test]
    fn login_when_plain_then_nothing_and_dumping(cuts in prop::collection::vec(1_usize..40, 0..8)) {
        let (finding, watch) = feed(&login(&PLAIN), &cuts);
        prop_assert_eq!(finding, Finding::Nothing);
        prop_assert!(watch.is_dumping());
    }

    #[test]
    fn login_when_it_announces_then_found_in_any_pieces(
        cuts in prop::collection::vec(1_usize..40, 0..8),
        before in 0_usize..4,
        upper in any::<bool>(),
    ) {
        let announcement: &[u8] =
            if upper { b"SET @RPL_SEMI_SYNC_SLAVE= 1" } else { b"SET @rpl_semi_sync_slave= 1" };
        let mut statements = PLAIN.to_vec();
        statements.insert(before, announcement);
        let (finding, watch) = feed(&login(&statements), &cuts);
        prop_assert_eq!(finding, Finding::Announces);
        prop_assert!(watch.has_announced());
    }

    #[test]
    fn login_when_it_announces_then_the_rest_is_still_followed(whole in any::<bool>()) {
        let bytes = login(&[b"SET @rpl_semi_sync_slave= 1"]);
        let size = if whole { bytes.len() } else { 3 };
        let mut watch = LoginWatch::new();
        let findings: Vec<_> = bytes.chunks(size).map(|part| watch.feed(part)).collect();
        let told = findings.iter().filter(|finding| **finding == Finding::Announces).count();
        prop_assert_eq!(told, 1);
        prop_assert!(watch.is_dumping() && watch.has_announced());
    }

    #[test]
    fn login_when_it_acknowledges_after_the_dump_then_found(
        cuts in prop::collection::vec(1_usize..40, 0..8),
    ) {
        let mut bytes = login(&PLAIN);
        bytes.extend(packet(1, b"\xef\x04\0\0\0\0\0\0\0binlog.000001"));
        prop_assert_eq!(feed(&bytes, &cuts).0, Finding::Acknowledges);
        let mut quits = login(&PLAIN);
        quits.extend(packet(0, b"\x01"));
        prop_assert_eq!(feed(&quits, &cuts).0, Finding::Nothing);
    }

    #[test]
    fn login_when_unreadable_then_said_so(cuts in prop::collection::vec(1_usize..40, 0..8)) {
        for body in [&b"\x85\xae\x7f\x00rest of it"[..], b"\xa5\xa6\x7f\x00rest of it", b"ab", b""] {
            let mut bytes = packet(1, body);
            bytes.extend(packet(0, b"\x03SELECT 1"));
            prop_assert!(matches!(feed(&bytes, &cuts).0, Finding::Unreadable(_)));
        }
        let wrong_start = packet(0, b"\x85\xa6\x7f\x00 a client begins with 1");
        prop_assert!(matches!(feed(&wrong_start, &cuts).0, Finding::Unreadable(_)));
    }

    #[test]
    fn login_when_of_any_bytes_then_never_panics_and_pieces_do_not_matter(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        cuts in prop::collection::vec(1_usize..40, 1..8),
    ) {
        prop_assert_eq!(feed(&bytes, &[]).0, feed(&bytes, &cuts).0);
    }

    #[test]
    fn token_when_of_any_text_then_never_panics(text in "(mainstay1-)?[A-Za-z0-9_-]{0,300}") {
        prop_assert!(text.parse::<Token>().is_err());
    }
}
