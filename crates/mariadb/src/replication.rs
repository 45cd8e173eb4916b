//! Receiving and applying: stop, start, follow, wait. Each can be repeated, has a limit, and says what it saw.
//!
//! The trap they are built round (MDEV-4698): in GTID mode a START SLAVE while both threads are stopped
//! deletes the relay log, and with it acknowledged transactions that were not applied yet.

use std::time::Duration;

use tokio::time::Instant;
use wire::gtid::Position;

use crate::error::{Error, Result};
use crate::server::Server;
use crate::sql::quote;
use crate::status::{Apply, Receiving, Status};

/// Longest single wait inside the server, so that a stopped apply is noticed.
const SLICE: Duration = Duration::from_millis(500);
/// ER_MASTER_INFO.
const UNREADABLE_NOTES: u16 = 1201;

impl Server {
    /// Runs statements in the session for acting.
    pub(crate) async fn act(&self, doing: &str, statements: &str, limit: Duration) -> Result<()> {
        self.inner
            .acting
            .sets(self, doing, statements, limit)
            .await
            .map(drop)
    }

    /// Stops receiving and returns the end of what was received; applying goes on. Against a silent primary this
    /// takes 2 s unless its tunnel is cut first. When the relay log is unexamined after a restart it has stopped all the
    /// same, and the error says that no position can be vouched for.
    pub async fn stop_receiving(&self, limit: Duration) -> Result<Position> {
        let status = self.halt_receiving(limit).await?;
        self.refuse_unexamined()?;
        Ok(status.received)
    }

    async fn halt_receiving(&self, limit: Duration) -> Result<Status> {
        let doing = "stop receiving";
        self.act(doing, "STOP SLAVE IO_THREAD", limit).await?;
        let status = self.status(limit).await?;
        if status.receiving == Receiving::Stopped {
            return Ok(status);
        }
        Err(Error::unexpected(doing, "it was started again at once"))
    }

    /// Starts receiving from the configured source again, as a member whose acknowledgements count or not.
    /// The switch is set while receiving is stopped. Starts applying too when everything received is applied.
    ///
    /// Limit: if apply fails by itself between the look and the start, the relay log is fetched again from the source.
    pub async fn start_receiving(&self, semi_sync: bool, limit: Duration) -> Result<Status> {
        let mut status = self.ready_to_receive(limit).await?;
        if status.source.is_none() {
            return Err(Error::NotAReplica);
        }
        if status.receiving != Receiving::Stopped {
            if status.semi_sync_replica == semi_sync && status.is_applying() {
                return Ok(status);
            }
            status = self.halt_receiving(limit).await?;
        }
        let threads = match (status.is_applying(), status.is_drained()) {
            (true, _) => "START SLAVE IO_THREAD",
            (false, true) => "START SLAVE",
            (false, false) => return Err(not_drained(status)),
        };
        self.act(
            "start receiving",
            &format!("{}; {threads}", replica_switch(semi_sync)),
            limit,
        )
        .await?;
        self.status(limit).await
    }

    /// What must hold before a server receives: relay log examined, closed for writes, and the primary's
    /// semi-sync switch off (left on, it stalls apply for good while all states say it is well).
    async fn ready_to_receive(&self, limit: Duration) -> Result<Status> {
        self.refuse_unexamined()?;
        let status = self.status(limit).await?;
        if status.semi_sync_primary {
            return Err(Error::SemiSyncPrimaryOn);
        }
        if !status.is_read_only {
            return Err(Error::NotReadOnly);
        }
        Ok(status)
    }

    /// Makes the server a replica of whatever the agent's tunnel leads to, from its `gtid_slave_pos` on. What
    /// was received before is applied first, within `limit`, else `NotDrained` and nothing is lost. Returns at once when it
    /// already follows like that; otherwise the receiving thread may still be connecting when it returns.
    pub async fn follow(&self, semi_sync: bool, limit: Duration) -> Result<Status> {
        let deadline = Instant::now() + limit;
        let status = self.ready_to_receive(limit).await?;
        let is_ours = |s: &Status| {
            s.source
                .as_ref()
                .is_some_and(|from| self.is_own_source(from))
        };
        let is_running = status.receiving != Receiving::Stopped && status.is_applying();
        if is_ours(&status) && is_running && status.semi_sync_replica == semi_sync {
            return Ok(status);
        }
        if status.source.is_some() {
            let status = self.halt_receiving(limit).await?;
            self.drain(status, deadline).await?;
            self.act("stop applying", "STOP SLAVE", limit).await?;
        }
        let account = &self.settings().replication;
        let change = format!(
            "CHANGE MASTER TO master_host='127.0.0.1', master_port={}, master_user={}, master_password={}, \
             master_use_gtid=slave_pos, master_connect_retry=1, master_heartbeat_period=0.5",
            self.settings().tunnel_port,
            quote(&account.user),
            quote(&account.password),
        );
        self.set_source(&change, limit)
            .await
            .map_err(|error| error.without(&account.password))?;
        let start = format!("{}; START SLAVE", replica_switch(semi_sync));
        self.act("start replication", &start, limit).await?;
        self.status(limit).await
    }

    /// Power that was lost while the server noted whom it follows, or where its relay log is, leaves notes that it
    /// cannot read (10.11.19 writes them unsynced): it refuses every source until they are gone. Nothing is
    /// lost with them, nor with the relay log they are about: a salvage has looked at it, and the position is in a table.
    async fn set_source(&self, change: &str, limit: Duration) -> Result<()> {
        let doing = "set the source of replication";
        match self.act(doing, change, limit).await {
            Err(Error::Sql {
                code: UNREADABLE_NOTES,
                ..
            }) => {
                self.act("forget the source of replication", "RESET SLAVE ALL", limit)
                    .await?;
                self.act(doing, change, limit).await
            }
            done => done,
        }
    }

    /// Sets the id under which this server writes and replicates from now on. To be called before `follow`, with
    /// an id that this server has never written under.
    ///
    /// Why: a replica that does not acknowledge passes over events with its own id, silently, also those that its
    /// crash recovery had taken back (only a semi-sync replica takes them: MDEV-27760, MDEV-28609; seen on 10.11.19), and
    /// `replicate_same_server_id` cannot be had together with `log_slave_updates`.
    pub async fn take_server_id(&self, id: u32, limit: Duration) -> Result<()> {
        let set = format!("SET GLOBAL server_id={id}");
        self.act("take another server id", &set, limit).await
    }

    fn is_own_source(&self, source: &crate::status::Source) -> bool {
        let settings = self.settings();
        source.host == "127.0.0.1"
            && source.port == settings.tunnel_port
            && source.user == settings.replication.user
            && source.uses_gtid
    }

    /// Waits until all that was received is applied. Receiving is stopped.
    async fn drain(&self, status: Status, deadline: Instant) -> Result<()> {
        if status.is_drained() {
            return Ok(());
        }
        if !status.is_applying() {
            return Err(not_drained(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if self.wait_applied(&status.received, left).await? {
            return Ok(());
        }
        Err(not_drained(self.status(SLICE).await?))
    }

    /// Waits until `position` is applied; false when the limit passes before. Fails as soon as apply is
    /// stopped short of it, since waiting longer would be in vain.
    pub async fn wait_applied(&self, position: &Position, limit: Duration) -> Result<bool> {
        let doing = "wait for apply";
        let deadline = Instant::now() + limit;
        let mut session = None;
        loop {
            let status = self.status(SLICE.max(limit)).await?;
            if status.applied.covers(position) {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            match status.apply {
                Apply::Running => {}
                Apply::Stopped => return Err(stopped(status.applied, 0, String::new())),
                Apply::Failed(failure) => {
                    return Err(stopped(status.applied, failure.code, failure.text));
                }
            }
            let slice = left.min(SLICE);
            let wait = format!(
                "SELECT MASTER_GTID_WAIT({}, {:.3})",
                quote(&position.to_string()),
                slice.as_secs_f64()
            );
            let mut sql = match session.take() {
                Some(sql) => sql,
                None => self.sql(left.max(SLICE)).await?,
            };
            sql.value(doing, &wait, slice + Duration::from_secs(5))
                .await?;
            session = Some(sql);
        }
    }
}

fn replica_switch(semi_sync: bool) -> String {
    format!(
        "SET GLOBAL rpl_semi_sync_slave_enabled={}",
        if semi_sync { "ON" } else { "OFF" }
    )
}

fn stopped(applied: Position, code: u32, text: String) -> Error {
    Error::ApplyStopped {
        applied,
        code,
        text,
    }
}

pub(crate) fn not_drained(status: Status) -> Error {
    Error::NotDrained {
        received: status.received,
        applied: status.applied,
    }
}
