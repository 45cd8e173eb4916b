//! Bytes of SQL clients and servers, of replicas, and of people: packets, statements, GTIDs, tokens.

use wire::command::{self, Shape};
use wire::greeting::Greeting;
use wire::gtid::Position;
use wire::kill::Kill;
use wire::login::{AuthSwitch, Login};
use wire::packet::Header;
use wire::reply::{ErrPacket, OkPacket, changes, eof_status};
use wire::walk::{MAX_HELD, Step, Walker};
use wire::{codec, flags, native, statement};

/// Payloads of either side; what is read and written again stays the same.
pub(crate) fn packet(bytes: &[u8]) {
    let _ = Header::read(bytes).map(Header::to_bytes);
    if let Ok(greeting) = Greeting::parse(bytes) {
        assert!(Greeting::parse(&greeting.encode()).is_ok(), "greeting");
    }
    if let Ok(mut login) = Login::parse(bytes) {
        // As the gateway sends it on: always with these, and with a proof of its own.
        login.capabilities |= flags::SECURE_CONNECTION | flags::PLUGIN_AUTH;
        login.proof.truncate(20);
        let again = Login::parse(&login.encode());
        assert!(again.is_ok_and(|again| again.user == login.user), "login");
    }
    let full = flags::PLUGIN_AUTH | flags::CONNECT_ATTRS;
    for capabilities in [0, full] {
        let _ = Login::parse_change_user(bytes, capabilities);
    }
    if let Some(switch) = AuthSwitch::parse(bytes) {
        let _ = switch.salt();
    }
    if let Ok(ok) = OkPacket::parse(bytes) {
        let _ = changes(ok.changes).count();
        let bare = ok.without_changes();
        let again = OkPacket::parse(&bare);
        assert!(again.is_ok_and(|again| again.affected == ok.affected), "ok");
    }
    let _ = changes(bytes).count();
    let _ = eof_status(bytes);
    if let Some(err) = ErrPacket::parse(bytes) {
        assert!(
            ErrPacket::parse(&err.encode()).as_ref() == Some(&err),
            "err"
        );
    }
    let mut reader = codec::Reader::new(bytes);
    while reader.counted().is_some_and(|text| !text.is_empty()) {}
    let _ = native::parse_stored(&String::from_utf8_lossy(bytes));
}

/// A statement's text, with and without escapes.
pub(crate) fn statement(bytes: &[u8]) {
    for backslash in [false, true] {
        let seen = statement::scan(bytes, backslash);
        let _ = seen.is_plain_read();
        let _ = seen.dies_with_its_transaction();
        let _ = seen.is_refused_whole();
    }
    let _ = statement::names_collation(bytes);
    if let Some(kill) = Kill::parse(bytes) {
        let _ = kill.text(7);
    }
}

/// An answer, whole and byte by byte: what the client gets is the same, and it is what came.
pub(crate) fn walk(bytes: &[u8]) {
    let Some((&first, answer)) = bytes.split_first() else {
        return;
    };
    let shape = command::shape(first & 0x1f).unwrap_or(Shape::Query);
    let new = || Walker::new(shape, first & 0x80 != 0);
    let whole = walked(new(), &[answer]);
    let single: Vec<&[u8]> = answer.chunks(1).collect();
    let pieces = walked(new(), &single);
    if let (Some((whole, done)), Some((pieces, done_too))) = (whole, pieces) {
        assert!(answer.starts_with(&whole), "something else was passed on");
        assert!(
            (&whole, done) == (&pieces, done_too),
            "it depends on the pieces"
        );
    }
}

/// What a client would get, and whether the answer has ended; none when it makes no sense.
fn walked(mut walker: Walker, pieces: &[&[u8]]) -> Option<(Vec<u8>, bool)> {
    let mut out = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !walker.done() {
            let used = match walker.step(rest).ok()? {
                Step::Pass { pass, used } => {
                    out.extend_from_slice(&rest[..pass]);
                    assert!(used > 0, "no progress");
                    used
                }
                Step::Kept { bytes, used } | Step::KeptPacket { bytes, used, .. } => {
                    assert!(bytes.len() <= MAX_HELD + 4, "too much is kept");
                    out.extend_from_slice(&bytes);
                    used
                }
                Step::Packet { length, .. } => {
                    out.extend_from_slice(&rest[..length]);
                    length
                }
            };
            rest = &rest[used..];
        }
    }
    Some((out, walker.done()))
}

/// A position, which is the same when printed and read again.
pub(crate) fn gtid(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(position) = text.parse::<Position>() {
        let again = position.to_string().parse::<Position>();
        assert!(again.as_ref() == Ok(&position), "{text} is {position}");
        assert!(
            position.covers(&position) && position.joined(&position) == position,
            "{text}"
        );
    }
}

/// A join token, which is the same when printed and read again.
pub(crate) fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(token) = text.parse::<peer::Token>() {
        let again = token.to_string().parse::<peer::Token>();
        assert!(again.is_ok_and(|again| again == token), "it changed");
    }
}

/// A replica's login, whole and byte by byte: the same finding.
pub(crate) fn replica_login(bytes: &[u8]) {
    use peer::tunnel::{Finding, LoginWatch};
    let finding = |size: usize| {
        let mut watch = LoginWatch::new();
        let mut all = bytes.chunks(size).map(|part| watch.feed(part));
        let end = all.find(|finding| !matches!(finding, Finding::Nothing | Finding::Announces));
        drop(all);
        // After an end the watch is of no more use.
        let rest = end
            .is_none()
            .then(|| (watch.has_announced(), watch.is_dumping()));
        (end, rest)
    };
    assert_eq!(
        finding(bytes.len().max(1)),
        finding(1),
        "it depends on the pieces"
    );
}
