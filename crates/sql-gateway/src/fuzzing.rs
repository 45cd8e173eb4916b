//! Doors for the fuzzer: a whole session and both logins, fed from both sides. Only with the feature
//! `fuzzing`; nothing else uses them.

use wire::flags;
use wire::login::Login;
use wire::packet::packet;

use crate::account::{Accounts, Proof};
use crate::backend::{ServerLogin, Step, ok_for_client};
use crate::fault::Fault;
use crate::frontend::{Arrival, Encryption, Greeter};
use crate::session::{Place, Session, Side, Surprises, Want};

/// More than this is never made up for one side.
const OUTBOX_LIMIT: usize = 1 << 21;

/// A session between a client and a server that both say anything. Each piece begins with a byte: its
/// lowest bit is the side, the next one whether it is framed, the rest (times four) its length.
pub fn session(bytes: &[u8]) {
    let Some((&first, mut rest)) = bytes.split_first() else {
        return;
    };
    let deprecate = if first & 1 == 0 {
        0
    } else {
        flags::DEPRECATE_EOF
    };
    let tracks = if first & 2 == 0 {
        0
    } else {
        flags::SESSION_TRACK
    };
    let mut session = Session::new(
        flags::PROTOCOL_41 | deprecate | tracks,
        b"shop",
        flags::AUTOCOMMIT,
    );
    if first & 4 != 0 {
        session.spread(45);
        session.know(1, Some(std::sync::Arc::default()));
        session.replica_attached(b"shop");
    }
    while let Some((&head, more)) = rest.split_first() {
        let (piece, after) = more.split_at(more.len().min(usize::from(head >> 2) * 4));
        rest = after;
        let is_server = head & 1 == 1;
        let piece = if head & 2 == 0 {
            piece.to_vec()
        } else {
            packet(u8::from(is_server), piece)
        };
        if is_server {
            from_server(&mut session, &piece);
        } else {
            from_client(&mut session, &piece);
        }
        assert!(
            session.to_client.len() < OUTBOX_LIMIT,
            "too much for the client"
        );
        assert!(
            session.to_server.len() < OUTBOX_LIMIT,
            "too much for the server"
        );
        assert!(
            session.take_to_replica().len() < OUTBOX_LIMIT,
            "too much for the replica"
        );
        session.to_client.clear();
        session.to_server.clear();
    }
    let _ = session.script();
    session.lost();
    session.replica_lost();
}

fn from_client(session: &mut Session, mut bytes: &[u8]) {
    while !bytes.is_empty() && session.takes_client_bytes() {
        let taken = session.client_bytes(bytes);
        assert!(
            taken.pass <= taken.used && taken.used <= bytes.len(),
            "counts"
        );
        if taken.used == 0 {
            return;
        }
        bytes = &bytes[taken.used..];
        match session.want() {
            Want::Send
                if session.has_replica()
                    && session.place(&Surprises::default()) == Place::Ask
                    && session.ask_elsewhere() => {}
            Want::Send
                if session.has_replica()
                    && matches!(
                        session.place(&Surprises::default()),
                        Place::Either | Place::Replica
                    )
                    && session
                        .launch_elsewhere(Some("SELECT MASTER_GTID_WAIT('0-1-7', 1)"))
                        .is_some() => {}
            Want::Send if session.launch().is_err() => session.fail(&Fault::LooksBack),
            Want::SendIfConnected => session.skip(),
            Want::Resolve(_) => session.resolved(None),
            Want::ChangeUser(payload) => {
                let _ = Login::parse_change_user(&payload, flags::PLUGIN_AUTH);
                session.fail(&Fault::LooksBack);
            }
            _ => {}
        }
        session.unanswered_ends();
    }
}

fn from_server(session: &mut Session, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let there = session.side() == Side::Replica || session.replica_is_busy();
        let given = if there {
            session.replica_bytes(bytes, false)
        } else {
            session.server_bytes(bytes, false)
        };
        match given {
            Ok(given) if given.used > 0 => {
                assert!(
                    given.pass <= given.used && given.used <= bytes.len(),
                    "counts"
                );
                bytes = &bytes[given.used..];
            }
            _ if there => {
                session.replica_lost();
                session.know(1, Some(std::sync::Arc::default()));
                session.replica_attached(b"shop");
                return;
            }
            _ => {
                session.lost();
                return;
            }
        }
    }
}

/// A client that logs in with anything, twice.
pub fn arrival(bytes: &[u8]) {
    let mut greeter = Greeter::new([7; 20], Encryption::Offered);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for payload in [bytes, first, second] {
        if let Ok(Arrival::Known(who)) = greeter.packet(payload, &Nobody) {
            server_login(&who.login, bytes);
        }
    }
}

/// A server that answers a login with anything: packets of a length byte and so many bytes.
pub fn server(bytes: &[u8]) {
    let login = Login {
        capabilities: flags::PROTOCOL_41 | flags::PLUGIN_AUTH,
        user: b"app".to_vec(),
        ..Login::default()
    };
    server_login(&login, bytes);
}

fn server_login(login: &Login, mut bytes: &[u8]) {
    for may_ask in [false, true] {
        let mut at_server = ServerLogin::new(login, b"shop", None, may_ask);
        while let Some((&length, more)) = bytes.split_first() {
            let (payload, after) = more.split_at(more.len().min(usize::from(length)));
            bytes = after;
            match at_server.packet(payload) {
                Step::AskClient(asked) => {
                    let _ = at_server.client_answer(&asked);
                }
                Step::Done(payload) => {
                    let _ = ok_for_client(&payload, length % 2 == 0);
                    break;
                }
                Step::Send(_) => {}
                Step::Refused(_) | Step::Broken(_) => break,
            }
        }
    }
}

/// A client's compressed stream of anything.
pub fn zipped(bytes: &[u8]) {
    crate::reactor::unzip(bytes);
}

/// No account is known.
struct Nobody;

impl Accounts for Nobody {
    fn proofs(&self, _: &str) -> Vec<Proof> {
        Vec::new()
    }
}
