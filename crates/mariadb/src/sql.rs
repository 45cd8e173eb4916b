//! SQL with deadlines. A session whose statement missed its deadline is given up, never reused:
//! what the server does with the statement is then unknown. Text protocol only.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, from_value_opt, prelude::FromValue};

use crate::error::{Error, Result, TEXT_LIMIT, cut};
use crate::process::Process;
use crate::server::Server;

/// Longest wait for a new session, unless the statement's own limit is shorter.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// What every session of ours begins with. Why: a user's global defaults must not end or reinterpret our statements.
const SESSION: &str = "SET SESSION max_statement_time=0, wait_timeout=31536000, sql_mode='', autocommit=1, \
     lock_wait_timeout=31536000, innodb_lock_wait_timeout=50, session_track_schema=OFF, session_track_system_variables=''";

/// A session of the server's administrator.
pub struct Sql {
    conn: Option<Conn>,
    id: u32,
}

/// Rows of one statement, all columns as text.
pub type Rows = Vec<Row>;

impl Sql {
    /// Number of the session, as in the process list.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// True until a deadline has passed or the connection broke.
    pub fn is_usable(&self) -> bool {
        self.conn.is_some()
    }

    /// Runs one or several statements and returns the rows of each, in order. An error ends it there.
    pub async fn sets(
        &mut self,
        doing: &str,
        statements: &str,
        limit: Duration,
    ) -> Result<Vec<Rows>> {
        let lost = || Error::ConnectionLost {
            doing: doing.to_owned(),
            why: "given up before".to_owned(),
        };
        let mut conn = self.conn.take().ok_or_else(lost)?;
        let work = async {
            let mut all = Vec::new();
            let mut result = conn.query_iter(statements).await?;
            while !result.is_empty() {
                all.push(result.collect::<Row>().await?);
            }
            // Why: `is_empty` holds too when a second or later statement has failed; only this tells of it, and it would
            // otherwise be told in place of the next statement's result (mysql_async 0.37).
            result.drop_result().await?;
            Ok(all)
        };
        let outcome = within(doing, limit, work).await;
        // Why: after a refusal by the server the session is in order, after anything else it is not.
        if matches!(outcome, Ok(_) | Err(Error::Sql { .. })) {
            self.conn = Some(conn);
        }
        outcome
    }

    /// Rows of one statement.
    pub async fn rows(&mut self, doing: &str, statement: &str, limit: Duration) -> Result<Rows> {
        Ok(self
            .sets(doing, statement, limit)
            .await?
            .into_iter()
            .next()
            .unwrap_or_default())
    }

    /// Runs statements whose rows do not matter.
    pub async fn run(&mut self, doing: &str, statements: &str, limit: Duration) -> Result<()> {
        self.sets(doing, statements, limit).await.map(drop)
    }

    /// First column of the first row; `None` for NULL or no row.
    pub async fn value(
        &mut self,
        doing: &str,
        statement: &str,
        limit: Duration,
    ) -> Result<Option<String>> {
        let rows = self.rows(doing, statement, limit).await?;
        Ok(rows.first().and_then(|row| column(row, 0)))
    }

    /// Ends the session politely.
    pub async fn close(mut self) {
        if let Some(conn) = self.conn.take() {
            let _ = tokio::time::timeout(Duration::from_secs(1), conn.disconnect()).await;
        }
    }
}

/// A column by position; `None` when it is NULL, missing or of another type.
pub fn column<T: FromValue>(row: &Row, at: usize) -> Option<T> {
    row.as_ref(at)
        .and_then(|value| from_value_opt(value.clone()).ok())
}

/// A column by name, in any case.
pub fn named<T: FromValue>(row: &Row, name: &str) -> Option<T> {
    let at = row
        .columns_ref()
        .iter()
        .position(|c| c.name_str().eq_ignore_ascii_case(name))?;
    column(row, at)
}

/// A text as an SQL literal. Sessions of ours have backslash escapes on.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A name as an SQL identifier.
pub fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

async fn within<T>(
    doing: &str,
    limit: Duration,
    work: impl Future<Output = std::result::Result<T, mysql_async::Error>>,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(translate(doing, &error)),
        Err(_) => Err(Error::Timeout {
            doing: doing.to_owned(),
            limit,
        }),
    }
}

fn translate(doing: &str, error: &mysql_async::Error) -> Error {
    let doing = doing.to_owned();
    match error {
        mysql_async::Error::Server(e) => Error::Sql {
            doing,
            code: e.code,
            message: cut(&e.message, TEXT_LIMIT),
        },
        other => Error::ConnectionLost {
            doing,
            why: cut(&other.to_string(), TEXT_LIMIT),
        },
    }
}

async fn open(opts: OptsBuilder, limit: Duration) -> Result<Sql> {
    // Why: with these given, the driver asks the server nothing at login.
    let opts = opts
        .prefer_socket(false)
        .max_allowed_packet(Some(16 << 20))
        .wait_timeout(Some(31_536_000))
        .stmt_cache_size(0);
    let work = async {
        let mut conn = Conn::new(opts).await?;
        conn.query_drop(SESSION).await?;
        Ok(conn)
    };
    match within("connect", limit.min(CONNECT_LIMIT), work).await {
        Ok(conn) => Ok(Sql {
            id: conn.id(),
            conn: Some(conn),
        }),
        Err(Error::Sql {
            code: 1040 | 1203, ..
        }) => Err(Error::TooManyConnections),
        Err(Error::Sql { code, message, .. }) => Err(Error::Connect(format!("{message} ({code})"))),
        Err(Error::ConnectionLost { why, .. }) => Err(Error::Connect(why)),
        Err(other) => Err(other),
    }
}

impl Server {
    /// Opens a session of the administrator over the server's socket. When all connections are in use,
    /// over the extra port, with the account that `ensure_accounts` keeps for it.
    pub async fn sql(&self, limit: Duration) -> Result<Sql> {
        let socket = self.settings().socket();
        let user = crate::grants::system_user();
        let opts = OptsBuilder::default()
            .socket(socket.to_str())
            .user(Some(user));
        match open(opts, limit).await {
            Err(Error::TooManyConnections) => self.sql_extra(limit).await,
            other => other,
        }
    }

    /// Opens a session of the administrator over the extra port.
    pub async fn sql_extra(&self, limit: Duration) -> Result<Sql> {
        let password = self
            .administrator_password()?
            .ok_or(Error::TooManyConnections)?;
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.settings().extra_port)
            .user(Some(crate::grants::ADMINISTRATOR))
            .pass(Some(password));
        open(opts, limit).await
    }
}

/// A session that is opened when first needed and kept; one statement at a time.
#[derive(Default)]
pub(crate) struct Kept {
    session: tokio::sync::Mutex<Option<(Sql, Option<Process>)>>,
}

impl Kept {
    /// Runs statements in the kept session. One that broke earlier or belongs to a former process of
    /// the server is replaced first; the statements themselves are never sent twice.
    pub(crate) async fn sets(
        &self,
        server: &Server,
        doing: &str,
        statements: &str,
        limit: Duration,
    ) -> Result<Vec<Rows>> {
        let work = async {
            let mut kept = self.session.lock().await;
            // Why: taken out, so that a caller who gives up in between leaves no half-used session.
            let process = server.known_process();
            let mut session = match kept.take().filter(|(_, of)| *of == process) {
                Some((session, _)) => session,
                None => server.sql(limit).await?,
            };
            let outcome = session.sets(doing, statements, limit).await;
            if session.is_usable() {
                *kept = Some((session, process));
            }
            outcome
        };
        let late = |_| {
            Err(Error::Timeout {
                doing: doing.to_owned(),
                limit,
            })
        };
        tokio::time::timeout(limit, work).await.unwrap_or_else(late)
    }

    /// Opens the session if there is none.
    pub(crate) async fn open(&self, server: &Server, limit: Duration) -> Result<()> {
        self.sets(server, "connect", "DO 0", limit).await.map(drop)
    }
}
