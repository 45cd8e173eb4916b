//! A session between a client and a server that a test plays, packet by packet.

use wire::outcome::Question;
use wire::packet::packet;

use super::*;
use crate::behind::Behind;

pub(super) const AUTOCOMMIT: u16 = flags::AUTOCOMMIT;
pub(super) const OPEN: u16 = flags::AUTOCOMMIT | flags::IN_TRANSACTION;

pub(super) fn ok(affected: u8, insert_id: u8, status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    packet(1, &[0, affected, insert_id, low, high, 0, 0])
}

/// An OK with the GTID of its commit.
pub(super) fn committed(sequence: u64, status: u16) -> Vec<u8> {
    let gtid = format!("0-1-{sequence}");
    let mut variable = vec![9];
    variable.extend_from_slice(b"last_gtid");
    variable.push(gtid.len() as u8);
    variable.extend_from_slice(gtid.as_bytes());
    let changes = [&[0, variable.len() as u8][..], &variable].concat();
    let [low, high] = (status | flags::STATE_CHANGED).to_le_bytes();
    let head = [0, 1, 0, low, high, 0, 0, 0, changes.len() as u8];
    packet(1, &[&head[..], &changes].concat())
}

pub(super) fn error(code: u16, text: &str) -> Vec<u8> {
    let [low, high] = code.to_le_bytes();
    packet(
        1,
        &[&[0xff, low, high][..], b"#23000", text.as_bytes()].concat(),
    )
}

/// A result of one column and one row.
pub(super) fn row(value: &str, status: u16) -> Vec<u8> {
    let [low, high] = status.to_le_bytes();
    let mut all = packet(1, &[1]);
    all.extend(packet(
        2,
        b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0",
    ));
    all.extend(packet(3, &[0xfe, 0, 0, low, high]));
    all.extend(packet(
        4,
        &[&[value.len() as u8][..], value.as_bytes()].concat(),
    ));
    all.extend(packet(5, &[0xfe, 0, 0, low, high]));
    all
}

pub(super) struct World {
    pub(super) session: Session,
    pub(super) behind: Behind,
}

impl World {
    pub(super) fn new(capabilities: u64) -> Self {
        let mut session = Session::new(flags::PROTOCOL_41 | capabilities, b"shop", AUTOCOMMIT);
        session.to_server.clear();
        let behind = Behind::from(100);
        session.mark_writes(0xfeed);
        session.follow_history(behind.clone());
        session
            .server_bytes(&packet(1, &[0, 0, 0, 2, 0, 0, 0]), false)
            .unwrap();
        Self { session, behind }
    }

    /// Gives a command to the session and takes what it sends.
    pub(super) fn begin(&mut self, command: u8, text: &[u8]) {
        let bytes = packet(0, &[&[command][..], text].concat());
        assert_eq!(self.session.client_bytes(&bytes).used, bytes.len());
    }

    pub(super) fn launch(&mut self) -> Vec<u8> {
        assert_eq!(self.session.want(), Want::Send);
        let mut sent = self.session.launch().unwrap().to_vec();
        sent.extend(std::mem::take(&mut self.session.to_server));
        sent[5..].to_vec()
    }

    pub(super) fn send(&mut self, text: &str) -> String {
        self.begin(3, text.as_bytes());
        String::from_utf8(self.launch()).unwrap()
    }

    /// The server's bytes; returns what the client got.
    pub(super) fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut got = std::mem::take(&mut self.session.to_client);
        let mut at = 0;
        while at < bytes.len() {
            let given = self.session.server_bytes(&bytes[at..], false).unwrap();
            got.extend_from_slice(&bytes[at..at + given.pass]);
            got.append(&mut self.session.to_client);
            at += given.used;
        }
        got
    }

    pub(super) fn run(&mut self, text: &str, answer: &[u8]) {
        self.send(text);
        self.answer(answer);
        assert_eq!(self.session.phase(), Phase::Idle, "{text}");
    }

    pub(super) fn told(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.session.to_client)
    }

    pub(super) fn question(&self) -> Question {
        match self.session.want() {
            Want::Ask(question) => question,
            other => panic!("{other:?}"),
        }
    }

    /// The error that the client got.
    pub(super) fn fault(&mut self) -> (u16, String) {
        let told = self.told();
        let err = wire::reply::ErrPacket::parse(&told[4..]).expect("an error");
        (err.code, String::from_utf8_lossy(err.message).into_owned())
    }

    /// A transaction with a read and a write.
    pub(super) fn transaction(&mut self) {
        self.run("BEGIN", &ok(0, 0, OPEN));
        self.run("SELECT a FROM t", &row("5", OPEN));
        self.run("UPDATE t SET a = 6", &ok(1, 0, OPEN));
    }

    /// On the next primary: the statements of the transaction are sent again and answered so.
    pub(super) fn replay(&mut self, answers: &[(&str, Vec<u8>)]) {
        self.session.moved(AUTOCOMMIT);
        for (text, answer) in answers {
            let sent = String::from_utf8(self.launch()).unwrap();
            assert!(without_mark(&sent).starts_with(text), "{sent}");
            assert!(self.answer(answer).is_empty() || self.session.phase() == Phase::Idle);
        }
    }
}

pub(super) fn without_mark(text: &str) -> String {
    match (text.find("/*m:"), text.find("*/")) {
        (Some(from), Some(to)) => format!("{}{}", &text[..from], &text[to + 2..]),
        _ => text.to_owned(),
    }
}
