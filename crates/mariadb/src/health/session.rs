//! A statement and a small commit in a session that is kept, outside the binlog and in a table of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use super::Limits;
use super::pending::Pending;
use crate::error::{Error, Result};
use crate::server::Server;
use crate::sql::Sql;

/// The pending work ends when the server does, not by a deadline of its own.
const NEVER: Duration = Duration::from_hours(24);
const DOING: &str = "probe";
/// Why `lock_wait_timeout=0`: behind a backup's last lock or a pending `read_only=1` the write is refused at once
/// instead of queueing there.
const SESSION: &str = "SET SESSION sql_log_bin=0, lock_wait_timeout=0, innodb_lock_wait_timeout=1";
const MAKE: &str = "CREATE DATABASE IF NOT EXISTS mainstay_local; \
     CREATE TABLE IF NOT EXISTS mainstay_local.heartbeat (id TINYINT PRIMARY KEY, beats BIGINT NOT NULL) ENGINE=InnoDB";
/// Why the row is gone when it commits: a dump of all databases, restored on a primary, would replicate it to
/// servers that have the same row of their own, and stop them.
const WRITE: &str = "BEGIN; REPLACE INTO mainstay_local.heartbeat VALUES (1, 1); \
     DELETE FROM mainstay_local.heartbeat; COMMIT";
/// Probes without the table before it is made again. Why not at once: a restored dump drops and creates it, and
/// on a replica ours would stand in the way of that CREATE TABLE.
const PATIENCE: u32 = 60;

/// What the session was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connect,
    Statement,
    Write,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Done,
    Locked(String),
    /// No room for the write.
    Full,
    Failed(String),
    Silent(Phase),
}

/// What the work in flight and its prober both know.
struct Shared {
    phase: AtomicU8,
    /// Probes for which the table was missing.
    missing: AtomicU32,
}

pub(super) struct SessionProbe {
    server: Server,
    session: Option<Sql>,
    shared: Arc<Shared>,
    pending: Pending<(Option<Sql>, Work)>,
}

impl SessionProbe {
    pub(super) fn new(server: &Server) -> Self {
        Self {
            server: server.clone(),
            session: None,
            shared: Arc::new(Shared {
                phase: AtomicU8::new(0),
                missing: AtomicU32::new(PATIENCE),
            }),
            pending: Pending::new(),
        }
    }

    /// The server is gone, and the session with it.
    pub(super) fn forget(&mut self) {
        self.session = None;
        self.pending.forget();
    }

    pub(super) async fn probe(&mut self, limits: &Limits) -> Work {
        let kept = self.session.take();
        let (server, shared) = (self.server.clone(), self.shared.clone());
        let work = self
            .pending
            .run(limits.write.max(limits.answer), || {
                work(server, kept, shared)
            })
            .await;
        match work {
            Some((session, outcome)) => {
                self.session = session;
                outcome
            }
            None => Work::Silent(match self.shared.phase.load(Ordering::Relaxed) {
                0 => Phase::Connect,
                1 => Phase::Statement,
                _ => Phase::Write,
            }),
        }
    }
}

async fn work(server: Server, kept: Option<Sql>, shared: Arc<Shared>) -> (Option<Sql>, Work) {
    shared.phase.store(0, Ordering::Relaxed);
    let mut sql = match kept {
        Some(sql) => sql,
        None => match connect(&server).await {
            Ok(sql) => sql,
            Err(Error::Timeout { .. }) => return (None, Work::Silent(Phase::Connect)),
            Err(error) => return (None, outcome_of(Err(error))),
        },
    };
    shared.phase.store(1, Ordering::Relaxed);
    let mut done = sql.run(DOING, "DO 0", NEVER).await;
    if done.is_ok() {
        shared.phase.store(2, Ordering::Relaxed);
        done = write(&mut sql, &shared.missing).await;
    }
    let kept = sql.is_usable().then_some(sql);
    (kept, outcome_of(done))
}

async fn connect(server: &Server) -> Result<Sql> {
    let mut sql = server.sql(NEVER).await?;
    sql.run(DOING, SESSION, NEVER).await?;
    Ok(sql)
}

async fn write(sql: &mut Sql, missing: &AtomicU32) -> Result<()> {
    let mut done = sql.run(DOING, WRITE, NEVER).await;
    // No such database or table.
    if matches!(
        done,
        Err(Error::Sql {
            code: 1049 | 1146,
            ..
        })
    ) {
        sql.run(DOING, "ROLLBACK", NEVER).await?;
        if missing.fetch_add(1, Ordering::Relaxed) < PATIENCE {
            return Ok(());
        }
        sql.run(DOING, MAKE, NEVER).await?;
        done = sql.run(DOING, WRITE, NEVER).await;
    }
    match &done {
        Ok(()) => missing.store(0, Ordering::Relaxed),
        Err(_) if sql.is_usable() => sql.run(DOING, "ROLLBACK", NEVER).await?,
        Err(_) => {}
    }
    done
}

fn outcome_of(done: Result<()>) -> Work {
    match done {
        Ok(()) => Work::Done,
        // Lock wait timeout, deadlock.
        Err(Error::Sql {
            code: 1205 | 1213,
            message,
            ..
        }) => Work::Locked(message),
        // Disk full, table full.
        Err(Error::Sql {
            code: 1021 | 1114, ..
        }) => Work::Full,
        Err(error) => Work::Failed(error.to_string()),
    }
}
