//! The switches of a role: promote, demote, `read_only`, the primary's semi-sync.
//!
//! Nothing here kills a session of an application, resets the binlog, or switches semi-sync off under a waiting
//! commit without the ledger's word: each of these tells a client OK for a write that nobody else has.

use std::time::Duration;

use wire::gtid::Position;

use crate::error::{Error, Result};
use crate::replication::not_drained;
use crate::server::Server;
use crate::sql::column;

/// What to do with the primary's semi-sync switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SemiSync {
    /// Commits wait for an acknowledgement.
    On,
    /// Only when the server is closed for writes and no commit waits.
    Off,
    /// The ledger, seen at this revision, says that nobody is in sync: commits that wait are
    /// acknowledged by the primary alone.
    OffByLedger {
        /// Revision of the ledger with the empty set.
        revision: u64,
    },
}

impl Server {
    /// Replica to primary, still closed: everything received must be applied. Then it stops replicating, forgets
    /// its source and stops acknowledging. Returns its position. `NotDrained` leaves receiving stopped, applying as it was.
    pub async fn promote(&self, limit: Duration) -> Result<Position> {
        let status = self.status(limit).await?;
        if !status.is_read_only {
            return if status.source.is_none() {
                Ok(status.current)
            } else {
                Err(Error::NotReadOnly)
            };
        }
        self.refuse_unexamined()?;
        if status.source.is_some() {
            self.stop_receiving(limit).await?;
            let status = self.status(limit).await?;
            if !status.is_drained() {
                return Err(not_drained(status));
            }
            self.act("stop replication", "STOP SLAVE", limit).await?;
            self.act("forget the source of replication", "RESET SLAVE ALL", limit)
                .await?;
        }
        self.act(
            "stop acknowledging",
            "SET GLOBAL rpl_semi_sync_slave_enabled=OFF",
            limit,
        )
        .await?;
        Ok(self.status(limit).await?.current)
    }

    /// Primary to a server that can follow: closed for writes, semi-sync and events off, its replication position
    /// at the end of its binlog. Fails, and changes no more than `read_only`, while commits wait. Returns the position.
    pub async fn demote(&self, limit: Duration) -> Result<Position> {
        let status = self.status(limit).await?;
        if status.source.is_some() {
            return Ok(status.current);
        }
        self.set_read_only(true, limit).await?;
        self.set_semi_sync_primary(SemiSync::Off, limit).await?;
        self.set_event_scheduler(false, limit).await?;
        let status = self.status(limit).await?;
        // Why: joined, as a restored copy has a replication position and an empty binlog.
        let position = status.binlog.joined(&status.applied);
        if !status.applied.same_as(&position) {
            let set = format!("SET GLOBAL gtid_slave_pos='{position}'");
            self.act("set the replication position", &set, limit)
                .await?;
        }
        Ok(position)
    }

    /// Sets the primary's semi-sync switch. `On` is refused on a replica (it stalls apply for good); `Off`
    /// while the server takes writes or a commit waits.
    pub async fn set_semi_sync_primary(&self, to: SemiSync, limit: Duration) -> Result<()> {
        let status = self.status(limit).await?;
        let on = to == SemiSync::On;
        if status.semi_sync_primary == on {
            return if on && !status.semi_sync_primary_active {
                self.wake_semi_sync(limit).await
            } else {
                Ok(())
            };
        }
        match to {
            SemiSync::On if status.source.is_some() => return Err(Error::IsReplica),
            SemiSync::Off if status.commits_waiting > 0 => {
                return Err(Error::CommitsWaiting(status.commits_waiting));
            }
            // Why: on an open server a commit could begin to wait after the look.
            SemiSync::Off if !status.is_read_only => return Err(Error::NotReadOnly),
            SemiSync::On | SemiSync::Off => {}
            SemiSync::OffByLedger { revision } => {
                tracing::info!(
                    revision,
                    waiting = status.commits_waiting,
                    "semi-sync off: nobody is in sync"
                );
            }
        }
        let value = if on { "ON" } else { "OFF" };
        let set = format!("SET GLOBAL rpl_semi_sync_master_enabled={value}");
        self.act("switch semi-sync", &set, limit).await
    }

    /// A switch that is on and does nothing: with a timeout or without `wait_no_slave`, set by hand, the server has given
    /// up waiting. It stays so when they are set back, and setting it to ON again does nothing (seen on 10.11.19). No
    /// commit waits then, so that switching it off tells nobody OK.
    async fn wake_semi_sync(&self, limit: Duration) -> Result<()> {
        let wake = "SET GLOBAL rpl_semi_sync_master_enabled=OFF; SET GLOBAL rpl_semi_sync_master_enabled=ON";
        self.enforce().await?;
        self.act("switch semi-sync on again", wake, limit).await
    }

    /// Opens or closes the server for applications. Closing waits for the commits under way, so it blocks on
    /// an isolated or disk-hung primary: after `limit` the attempt is withdrawn, since it would hold up all
    /// other writers for as long as it waits, and `Timeout` is returned.
    pub async fn set_read_only(&self, on: bool, limit: Duration) -> Result<()> {
        let doing = if on {
            "close for writes"
        } else {
            "open for writes"
        };
        if self.status(limit).await?.is_read_only == on {
            return Ok(());
        }
        let mut sql = self.sql(limit).await?;
        let id = sql.id();
        let outcome = sql
            .run(
                doing,
                &format!("SET GLOBAL read_only={}", u8::from(on)),
                limit,
            )
            .await;
        if matches!(
            outcome,
            Err(Error::Timeout { .. } | Error::ConnectionLost { .. })
        ) {
            self.withdraw_read_only(id).await?;
            // Why: it may have got through at the last moment.
            if self
                .status(limit.max(Duration::from_secs(1)))
                .await?
                .is_read_only
                == on
            {
                return Ok(());
            }
        }
        outcome?;
        sql.close().await;
        Ok(())
    }

    /// Ends our own session that still waits in SET GLOBAL read_only. It is not in a commit, so
    /// ending it releases no waiting client.
    async fn withdraw_read_only(&self, id: u32) -> Result<()> {
        let doing = "withdraw the closing for writes";
        let limit = Duration::from_secs(5);
        let ask = format!("SELECT INFO FROM information_schema.PROCESSLIST WHERE ID={id}");
        let sets = self.inner.acting.sets(self, doing, &ask, limit).await?;
        let info = sets
            .first()
            .and_then(|rows| rows.first())
            .and_then(|row| column::<String>(row, 0));
        if !info.is_some_and(|info| info.starts_with("SET GLOBAL read_only")) {
            return Ok(());
        }
        match self
            .act(doing, &format!("KILL HARD CONNECTION {id}"), limit)
            .await
        {
            // 1094: it has ended meanwhile.
            Err(Error::Sql { code: 1094, .. }) => Ok(()),
            other => other,
        }
    }
}
