//! One client connection to a gateway: it connects when needed, gives up on an answer after the
//! deadline, and tells whether a failed statement is certainly not done.
//! Text protocol only, as web applications of the plain kind use it.

use std::{io, time::Duration};

use mysql_async::{
    Conn, Error, IoError, Opts, OptsBuilder, Row,
    prelude::{FromValue, Queryable},
};

use super::{Outcome, Shared, schema::SCHEMA};

/// Why a statement did not succeed.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// If it was a whole write by itself: `Failed` or `Unknown`.
    pub(crate) outcome: Outcome,
    /// A short class.
    pub(crate) kind: String,
    /// What was said.
    pub(crate) text: String,
}

/// Server errors after which the statement is certainly not done. Anything else that a server or
/// a gateway says about a write leaves it open, which only makes the check weaker, never wrong.
const CERTAIN: [u16; 14] = [
    1020, // the row changed since the snapshot (innodb_snapshot_isolation): rolled back
    1040, // too many connections
    1044, 1045, // access denied
    1049, 1146, // no such database, table
    1064, // syntax
    1142, // command denied
    1203, 1226, // too many connections of this user
    1205, 1213, // lock wait timeout, deadlock: rolled back
    1290, // the server is read only
    1836, // the same, in other words
];

/// A client; it has a connection or will make one.
pub(crate) struct Client {
    opts: Opts,
    connection: Option<Conn>,
    connect: Duration,
    deadline: Duration,
    connections: u32,
}

impl Client {
    pub(crate) fn new(shared: &Shared) -> Self {
        let gateway = &shared.gateway;
        let opts = OptsBuilder::default()
            .ip_or_hostname(gateway.address.ip().to_string())
            .tcp_port(gateway.address.port())
            .user(Some(gateway.account.user.clone()))
            .pass(Some(gateway.account.password.clone()))
            .db_name(Some(SCHEMA))
            .prefer_socket(false)
            // Given, so that the driver asks the server no questions of its own.
            .max_allowed_packet(Some(16 << 20))
            .wait_timeout(Some(28_800));
        Self {
            opts: opts.into(),
            connection: None,
            connect: shared.plan.connect,
            deadline: shared.plan.deadline,
            connections: 0,
        }
    }

    /// Each connection begins with this statement.
    pub(crate) fn with_setup(mut self, sql: &str) -> Self {
        self.opts = OptsBuilder::from_opts(self.opts).setup(vec![sql]).into();
        self
    }

    /// How many connections it has made.
    pub(crate) fn connections(&self) -> u32 {
        self.connections
    }

    /// Runs a statement that returns no rows; how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: &str) -> Result<u64, Trouble> {
        self.connected().await?;
        let deadline = self.deadline;
        let Some(connection) = &mut self.connection else {
            return Err(never_sent("no connection"));
        };
        let answer = tokio::time::timeout(deadline, connection.query_drop(sql)).await;
        let changed = connection.affected_rows();
        self.settle(answer).map(|()| changed)
    }

    /// Runs a query; the first column of its first row. NULL counts as no row.
    pub(crate) async fn first<T: FromValue>(&mut self, sql: &str) -> Result<Option<T>, Trouble> {
        self.connected().await?;
        let deadline = self.deadline;
        let Some(connection) = &mut self.connection else {
            return Err(never_sent("no connection"));
        };
        let answer = tokio::time::timeout(deadline, connection.query_first::<Row, _>(sql)).await;
        match self
            .settle(answer)?
            .and_then(|mut row| row.take_opt::<Option<T>, _>(0))
        {
            None => Ok(None),
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(trouble(Outcome::Unknown, "strange row", &error)),
        }
    }

    /// Drops the connection; an open transaction ends with it.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }

    async fn connected(&mut self) -> Result<(), Trouble> {
        if self.connection.is_some() {
            return Ok(());
        }
        match tokio::time::timeout(self.connect, Conn::new(self.opts.clone())).await {
            Ok(Ok(connection)) => {
                self.connection = Some(connection);
                self.connections += 1;
            }
            Ok(Err(error)) => {
                let kind = format!("connect: {}", class(&error));
                return Err(trouble(Outcome::Failed, &kind, &error));
            }
            Err(_) => return Err(never_sent("connect: deadline")),
        }
        Ok(())
    }

    fn settle<T>(
        &mut self,
        answer: Result<mysql_async::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, Trouble> {
        let error = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => {
                self.hang_up();
                return Err(trouble(Outcome::Unknown, "deadline", &"no answer in time"));
            }
        };
        let is_certain = matches!(&error, Error::Server(said) if CERTAIN.contains(&said.code));
        if !is_certain {
            self.hang_up();
        }
        let outcome = if is_certain {
            Outcome::Failed
        } else {
            Outcome::Unknown
        };
        Err(trouble(outcome, &class(&error), &error))
    }
}

fn trouble(outcome: Outcome, kind: &str, text: &dyn std::fmt::Display) -> Trouble {
    Trouble {
        outcome,
        kind: kind.to_owned(),
        text: text.to_string(),
    }
}

fn never_sent(kind: &str) -> Trouble {
    trouble(Outcome::Failed, kind, &kind)
}

/// A class short enough to count by.
fn class(error: &Error) -> String {
    match error {
        Error::Server(said) => format!("error {}", said.code),
        Error::Io(IoError::Io(inner)) => match inner.kind() {
            io::ErrorKind::ConnectionRefused => "refused".into(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset".into(),
            io::ErrorKind::UnexpectedEof => "closed".into(),
            other => other.to_string(),
        },
        Error::Driver(mysql_async::DriverError::ConnectionClosed) => "closed".into(),
        Error::Driver(inner) => format!("driver: {inner}"),
        other => other.to_string(),
    }
}
