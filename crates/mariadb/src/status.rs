//! What the server says about itself and its replication, in one round trip of a session of its own.
//! It is asked many times a second, so it asks only for what the agent acts on.

use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mysql_async::Row;
use wire::gtid::{Gtid, Position};

use crate::error::{Error, Result, cut};
use crate::server::Server;
use crate::sql::{Rows, column, named};

const DOING: &str = "read the server's status";

/// Longest error text of the server that a status carries, in bytes.
const ERROR_LIMIT: usize = 500;

const VARIABLES: &str = "SELECT @@global.read_only, @@global.rpl_semi_sync_master_enabled, \
     @@global.rpl_semi_sync_slave_enabled, @@global.gtid_binlog_pos, @@global.gtid_slave_pos, \
     @@global.gtid_current_pos, @@global.event_scheduler, @@version, @@global.gtid_binlog_state; SHOW SLAVE STATUS";

/// Counters of a primary. They cost more than all the rest together (120 us of the server on 10.11.19).
const COUNTERS: &str = "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_%'";

/// The thread that receives from the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiving {
    /// It does not run.
    Stopped,
    /// It tries to connect, again and again.
    Connecting,
    /// It is connected.
    Running,
}

/// The threads that apply what was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apply {
    /// They do not run, on purpose.
    Stopped,
    /// They run.
    Running,
    /// They stopped by themselves.
    Failed(Failure),
}

/// An error of a replication thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// MariaDB's error number; 1236 says that this server has what the primary does not know.
    pub code: u32,
    /// MariaDB's text, cut.
    pub text: String,
}

/// Where the server replicates from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Host; ours is always 127.0.0.1.
    pub host: String,
    /// Port; ours is always the tunnel's.
    pub port: u16,
    /// Account.
    pub user: String,
    /// True when the position is `gtid_slave_pos`.
    pub uses_gtid: bool,
}

/// A replica's way through a file of the primary's log, in bytes: of a large transaction they are many, of a small
/// one few, so they measure work better than the number of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// So far it has applied the file.
    pub applied: u64,
    /// So much more of it is received.
    pub left: u64,
}

/// One look at a server.
#[derive(Clone, Debug)]
pub struct Status {
    /// `@@version`.
    pub version: String,
    /// Its process.
    pub pid: Option<u32>,
    /// `read_only`: closed for applications.
    pub is_read_only: bool,
    /// The primary's semi-sync switch.
    pub semi_sync_primary: bool,
    /// True when commits do wait for acknowledgements now.
    pub semi_sync_primary_active: bool,
    /// Connected replicas whose acknowledgements count.
    pub semi_sync_clients: u64,
    /// Commits that wait for an acknowledgement now.
    pub commits_waiting: u64,
    /// The replica's semi-sync switch; it works from the next start of receiving on.
    pub semi_sync_replica: bool,
    /// True when this replica does acknowledge now (as the switch is changed only while receiving is stopped).
    pub semi_sync_replica_active: bool,
    /// End of its own binlog (`gtid_binlog_pos`).
    pub binlog: Position,
    /// The last transaction in its binlog of each domain and server id (`gtid_binlog_state`).
    pub written: Vec<Gtid>,
    /// Last transaction applied by replication (`gtid_slave_pos`).
    pub applied: Position,
    /// Both together (`gtid_current_pos`).
    pub current: Position,
    /// End of what was received: the relay log's end (`Gtid_IO_Pos`) or what is applied, whichever is greater. **After a
    /// restart of the server it forgets what lies in the relay log**: see `is_relay_log_unexamined`.
    pub received: Position,
    /// Where it replicates from; `None` on a primary.
    pub source: Option<Source>,
    /// Receiving thread.
    pub receiving: Receiving,
    /// Applying threads.
    pub apply: Apply,
    /// MariaDB's own estimate of the lag in whole seconds; `None` while it has none.
    pub lag_seconds: Option<u64>,
    /// How far it has come in the primary's log, when what is received and what is applied end in the same file of it.
    pub advance: Option<Advance>,
    /// Last error of receiving, kept by the server until receiving works again.
    pub receiving_error: Option<Failure>,
    /// The event scheduler runs.
    pub event_scheduler: bool,
}

impl Status {
    /// True when everything received is applied.
    pub fn is_drained(&self) -> bool {
        self.applied.covers(&self.received)
    }

    /// True when the applying threads run.
    pub fn is_applying(&self) -> bool {
        self.apply == Apply::Running
    }

    /// It replicates, and no commit of its own can wait: the counters of a primary are not read.
    fn is_replica(&self) -> bool {
        self.source.is_some() && !self.semi_sync_primary
    }

    /// Transactions received and not applied.
    pub fn backlog(&self) -> u64 {
        self.applied.missing_from(&self.received)
    }
}

impl Server {
    /// One look at the server. Its session is kept, is used by nothing else, and is replaced after a
    /// missed deadline, so a hung server costs one `limit` per call.
    pub async fn status(&self, limit: Duration) -> Result<Status> {
        let pid = self.known_process().map(|p| p.pid);
        let ask = async |statements: &str| {
            self.inner
                .watching
                .sets(self, DOING, statements, limit)
                .await
        };
        if self.inner.was_replica.load(Ordering::Relaxed) {
            let status = parse(&ask(VARIABLES).await?, pid)?;
            if status.is_replica() {
                return Ok(status);
            }
        }
        let status = parse(&ask(&format!("{VARIABLES}; {COUNTERS}")).await?, pid)?;
        self.inner
            .was_replica
            .store(status.is_replica(), Ordering::Relaxed);
        Ok(status)
    }
}

fn parse(sets: &[Rows], pid: Option<u32>) -> Result<Status> {
    let first = |n: usize| sets.get(n).and_then(|rows| rows.first());
    let main = first(0).ok_or_else(|| Error::unexpected(DOING, "no row of variables"))?;
    let counters = sets.get(2).map(Vec::as_slice).unwrap_or_default();
    let counter = |name: &str| {
        let text = counters.iter().find(|row| {
            column::<String>(row, 0).is_some_and(|found| found.eq_ignore_ascii_case(name))
        });
        text.and_then(|row| column::<String>(row, 1))
            .unwrap_or_default()
    };
    let replica = first(1);
    let applied = position(column(main, 4))?;
    let io_position = position(replica.and_then(|row| named(row, "Gtid_IO_Pos")))?;
    let receives = replica.map_or(Receiving::Stopped, receiving);
    let acknowledges = flag(main, 2);
    Ok(Status {
        version: column(main, 7).unwrap_or_default(),
        pid,
        is_read_only: flag(main, 0),
        semi_sync_primary: flag(main, 1),
        semi_sync_primary_active: counter("Rpl_semi_sync_master_status") == "ON",
        semi_sync_clients: counter("Rpl_semi_sync_master_clients").parse().unwrap_or(0),
        commits_waiting: counter("Rpl_semi_sync_master_wait_sessions")
            .parse()
            .unwrap_or(0),
        semi_sync_replica: acknowledges,
        semi_sync_replica_active: acknowledges && receives == Receiving::Running,
        binlog: position(column(main, 3))?,
        written: ids(&column::<String>(main, 8).unwrap_or_default())?,
        received: applied.joined(&io_position),
        applied,
        current: position(column(main, 5))?,
        source: replica.map(source),
        receiving: receives,
        apply: replica.map_or(Apply::Stopped, apply),
        lag_seconds: replica.and_then(|row| named(row, "Seconds_Behind_Master")),
        advance: replica.and_then(advance),
        receiving_error: replica.and_then(|row| failure(row, "Last_IO_Errno", "Last_IO_Error")),
        event_scheduler: column::<String>(main, 6).as_deref() == Some("ON"),
    })
}

fn flag(row: &Row, at: usize) -> bool {
    column::<String>(row, at).is_some_and(|text| text == "1" || text == "ON")
}

fn position(text: Option<String>) -> Result<Position> {
    Position::from_str(&text.unwrap_or_default())
        .map_err(|e| Error::unexpected(DOING, e.to_string()))
}

fn ids(list: &str) -> Result<Vec<Gtid>> {
    let parts = list.split(',').map(str::trim).filter(|id| !id.is_empty());
    let ids: std::result::Result<_, _> = parts.map(Gtid::from_str).collect();
    ids.map_err(|e| Error::unexpected(DOING, e.to_string()))
}

fn advance(row: &Row) -> Option<Advance> {
    let file = |name| named::<String>(row, name).filter(|file| !file.is_empty());
    if file("Master_Log_File")? != file("Relay_Master_Log_File")? {
        return None;
    }
    let at = |name| named::<u64>(row, name);
    let applied = at("Exec_Master_Log_Pos")?;
    Some(Advance {
        applied,
        left: at("Read_Master_Log_Pos")?.checked_sub(applied)?,
    })
}

fn source(row: &Row) -> Source {
    let mode: String = named(row, "Using_Gtid").unwrap_or_default();
    Source {
        host: named(row, "Master_Host").unwrap_or_default(),
        port: named(row, "Master_Port").unwrap_or_default(),
        user: named(row, "Master_User").unwrap_or_default(),
        uses_gtid: mode.eq_ignore_ascii_case("Slave_Pos"),
    }
}

fn receiving(row: &Row) -> Receiving {
    match named::<String>(row, "Slave_IO_Running")
        .unwrap_or_default()
        .as_str()
    {
        "Yes" => Receiving::Running,
        "No" | "" => Receiving::Stopped,
        // `Connecting` and `Preparing`.
        _ => Receiving::Connecting,
    }
}

fn apply(row: &Row) -> Apply {
    if named::<String>(row, "Slave_SQL_Running").as_deref() == Some("Yes") {
        return Apply::Running;
    }
    failure(row, "Last_SQL_Errno", "Last_SQL_Error").map_or(Apply::Stopped, Apply::Failed)
}

fn failure(row: &Row, code: &str, text: &str) -> Option<Failure> {
    let code: u32 = named(row, code).unwrap_or(0);
    let text: String = named(row, text).unwrap_or_default();
    (code != 0).then(|| Failure {
        code,
        text: cut(&text, ERROR_LIMIT),
    })
}
