//! One run of one probe: its connections, and the transcript of what was asked and answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sql_gateway::Lexicon;

use wire::command::{Shape, code};

use crate::answer::{Answer, Statement, show};
use crate::conn::{Conn, MODERN, PLAIN, Who};
use crate::value::{Value, execute};

/// How a probe's statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As text, by an old client.
    Plain,
    /// As text, by a client that asks for everything.
    Modern,
    /// Prepared, executed and closed, each of them, by a client that asks for everything.
    Prepared,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Modern, Self::Prepared];

    pub(crate) fn capabilities(self) -> u64 {
        if self == Self::Plain { PLAIN } else { MODERN }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Modern => "modern",
            Self::Prepared => "prepared",
        }
    }
}

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) way: Way,
    /// Directly at the server: what goes wrong here is the probe's own fault.
    pub(crate) is_direct: bool,
    /// How long something that must happen is waited for.
    pub(crate) patience: Duration,
    /// What is filled into statements: `{id1}` and the like.
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) transcript: Vec<String>,
    pub(crate) directory: PathBuf,
    /// Through the gateway: statements wait until it knows what names mean, so that reads can go to the replica.
    pub(crate) lexicon: Option<Arc<Lexicon>>,
    /// That was waited for in vain.
    is_unsettled: bool,
    conns: BTreeMap<u8, Conn>,
    /// Connections whose server id is wanted.
    pub(crate) wants_ids: bool,
    /// Compares what OK packets say of the session's changes, too. Why not always: the gateway tells clients
    /// more than they asked for, and one probe is enough to say so.
    pub(crate) shows_changes: bool,
    /// What the server itself did not do as the probe says: the probe is wrong.
    pub(crate) broken: Vec<String>,
}

impl Stage {
    pub(crate) fn new(address: SocketAddr, way: Way, is_direct: bool, directory: PathBuf) -> Self {
        let columns: Vec<String> = (0..1000).map(|n| format!("{n} AS column_{n}")).collect();
        let facts = BTreeMap::from([
            ("tmp".to_owned(), directory.display().to_string()),
            ("columns".to_owned(), columns.join(", ")),
            ("x100000".to_owned(), "x".repeat(100_000)),
        ]);
        Self {
            address,
            way,
            is_direct,
            patience: Duration::from_mins(1),
            facts,
            transcript: Vec::new(),
            directory,
            lexicon: None,
            is_unsettled: false,
            conns: BTreeMap::new(),
            wants_ids: false,
            shows_changes: false,
            broken: Vec::new(),
        }
    }

    /// Adds a line; what differs from run to run by its nature is replaced.
    pub(crate) fn say(&mut self, line: &str) {
        let own = self.directory.display().to_string();
        let mut line = line.replace(&own, "{tmp}");
        if line.contains(" error 1243 ") || line.contains(" error 1421 ") {
            // Why: the ids of prepared statements are given as each side likes.
            line.retain(|c| !c.is_ascii_digit());
        }
        self.transcript.push(line);
    }

    /// Says so when the server itself does not do what the probe wants of it.
    pub(crate) fn expect(&mut self, is_good: bool, sql: &str, answer: &Answer) {
        if self.is_direct && !is_good {
            self.broken.push(format!("`{sql}`: {:?}", answer.lines));
        }
    }

    /// Adds an answer's lines.
    pub(crate) fn tell(&mut self, answer: &Answer) {
        for line in &answer.lines {
            self.say(&format!("    {line}"));
        }
    }

    /// The connection of this number, made when it is first asked for.
    pub(crate) fn conn(&mut self, number: u8) -> &mut Conn {
        if !self.conns.contains_key(&number) {
            let mut conn = Conn::open(self.address).unwrap();
            let answer = conn.log_in(&Who::app(self.way.capabilities())).unwrap();
            assert_eq!(answer[0], 0, "the login: {}", show(&answer));
            let greeted = conn.greeting.thread.to_string();
            self.facts.insert(format!("greet{number}"), greeted);
            self.conns.insert(number, conn);
            if self.wants_ids {
                let id = self.text(number, "SELECT CONNECTION_ID()").value.unwrap();
                self.facts.insert(format!("id{number}"), id);
            }
        }
        self.conns.get_mut(&number).unwrap()
    }

    /// Puts a connection of its own kind at this number.
    pub(crate) fn put(&mut self, number: u8, conn: Conn) {
        self.conns.insert(number, conn);
    }

    /// Takes a connection away, without a word to the server.
    pub(crate) fn take(&mut self, number: u8) -> Conn {
        self.conn(number);
        self.conns.remove(&number).unwrap()
    }

    /// Says goodbye.
    pub(crate) fn quit(&mut self, number: u8) {
        let mut conn = self.take(number);
        let _ = conn.send(&[code::QUIT]);
        let ended = conn.is_ended(self.patience);
        self.say(&format!("{number} quits: ended {ended}"));
    }

    /// The server has ended this connection.
    pub(crate) fn ends(&mut self, number: u8) {
        let ended = self.take(number).is_ended(self.patience);
        self.say(&format!("{number} ends: {ended}"));
    }

    /// Waits until it is known what names mean; once for as long as it is not: nobody learns it under locks.
    fn settle(&mut self) {
        let Some(lexicon) = &self.lexicon else {
            return;
        };
        let limit = if self.is_unsettled { 0 } else { 300 };
        let end = Instant::now() + Duration::from_millis(limit);
        while !lexicon.is_known() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.is_unsettled = !lexicon.is_known();
    }

    /// Sends a command and reads its answer, both unrecorded.
    pub(crate) fn ask(&mut self, number: u8, payload: &[u8], shape: Shape) -> Answer {
        self.settle();
        let conn = self.conn(number);
        if conn.send(payload).is_err() {
            return Answer {
                lines: vec!["the connection ended".to_owned()],
                is_ended: true,
                ..Answer::default()
            };
        }
        Answer::read(conn, shape).and_hide_changes(!self.shows_changes)
    }

    /// Reads the answer to a command that was sent by hand.
    pub(crate) fn receive(&mut self, number: u8, shape: Shape) -> Answer {
        let conn = self.conn(number);
        conn.begin_answer();
        Answer::read(conn, shape).and_hide_changes(!self.shows_changes)
    }

    /// Sends a command and records its answer.
    pub(crate) fn command(
        &mut self,
        number: u8,
        what: &str,
        payload: &[u8],
        shape: Shape,
    ) -> Answer {
        self.say(&format!("{number} {what}"));
        let answer = self.ask(number, payload, shape);
        self.tell(&answer);
        answer
    }

    /// A statement as text, unrecorded.
    pub(crate) fn text(&mut self, number: u8, sql: &str) -> Answer {
        let mut payload = vec![code::QUERY];
        payload.extend_from_slice(sql.as_bytes());
        self.ask(number, &payload, Shape::Query)
    }

    /// A statement as text that must succeed, recorded.
    pub(crate) fn query(&mut self, number: u8, sql: &str) -> Answer {
        self.say(&format!("{number}> {}", show(sql.as_bytes())));
        let answer = self.text(number, sql);
        self.tell(&answer);
        let is_good = answer.error.is_none() && !answer.is_ended;
        self.expect(is_good, sql, &answer);
        answer
    }

    /// Prepares, recorded.
    pub(crate) fn prepare(&mut self, number: u8, sql: &str) -> Statement {
        let answer = self.try_prepare(number, sql);
        self.expect(answer.statement.is_some(), sql, &answer);
        answer.statement.unwrap_or(Statement { id: 0 })
    }

    /// Prepares what may be refused, recorded.
    pub(crate) fn try_prepare(&mut self, number: u8, sql: &str) -> Answer {
        let mut payload = vec![code::STMT_PREPARE];
        payload.extend_from_slice(sql.as_bytes());
        let what = format!("prepares {}", show(sql.as_bytes()));
        self.command(number, &what, &payload, Shape::Prepare)
    }

    /// Executes, recorded.
    pub(crate) fn execute(
        &mut self,
        number: u8,
        statement: Statement,
        values: &[Value<'_>],
    ) -> Answer {
        let what = format!("executes with {}", show(format!("{values:?}").as_bytes()));
        let payload = execute(statement.id, 0, true, values);
        self.command(number, &what, &payload, Shape::Query)
    }
}
