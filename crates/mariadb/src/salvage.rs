//! Brings back what a replica had received and not applied when its server ended.
//!
//! Such transactions stand in the relay log files alone, may be acknowledged, and are deleted by the first START SLAVE
//! (MDEV-4698). The files survive a start with `skip_slave_start`, also with `relay_log_recovery=ON` (seen on
//! 10.11.19), so the server executes them through `replay.rs`: in order, one by one, with their original GTIDs.

use std::future::Future;
use std::time::Duration;

use wire::gtid::{Gtid, Position};

use crate::backup::{blocking, read_position};
use crate::binlog::{self, Group};
use crate::error::{Error, Result};
use crate::replay::Replay;
use crate::server::Server;
use crate::sql::{Sql, column, named};

const DOING: &str = "salvage the relay log";
const LIMIT: Duration = Duration::from_secs(20);
const PROGRESS_PAUSE: Duration = Duration::from_millis(200);
/// Why `foreign_key_checks` and the like are not set here: each event carries its own.
const SESSION: &str = "SET SESSION max_statement_time=0, lock_wait_timeout=31536000, sql_log_bin=1";

/// What the relay log holds beyond the server's position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// What the server has.
    pub applied: Position,
    /// What it can have after a salvage.
    pub received: Position,
    /// How many transactions lie between.
    pub transactions: u64,
    /// Where and why the files cannot be read to their end: a torn last event after loss of power, say.
    /// What stood behind it is not known.
    pub damage: Option<String>,
}

/// What a salvage did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// Transactions put back.
    pub transactions: u64,
    /// Position of the server now.
    pub position: Position,
    /// As in `Backlog`.
    pub damage: Option<String>,
}

impl Server {
    /// What a salvage would put back; `None` when the relay log holds nothing beyond the server's position.
    /// Reads all relay log files. The server must run and not replicate.
    pub async fn needs_salvage(&self) -> Result<Option<Backlog>> {
        let backlog = self.backlog(None).await?;
        Ok((backlog.transactions > 0).then_some(backlog))
    }

    /// Applies what the relay log holds beyond the server's position, up to `limit` if one is given, then clears the
    /// mark that keeps replication from starting. `progress` hears how many of how many transactions are
    /// done. Interrupted at any point it may be repeated: a transaction is there as a whole or not at all.
    ///
    /// Limit: it runs serially and with every commit durable, some hundred to some thousand transactions a second.
    pub async fn salvage(
        &self,
        limit: Option<&Position>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Salvaged> {
        let backlog = self.backlog(limit).await?;
        if backlog.transactions > 0 {
            let mut arguments = vec![format!("--stop-position={}", backlog.received)];
            if !backlog.applied.is_empty() {
                arguments.push(format!("--start-position={}", backlog.applied));
            }
            let files = self.relay_log_files().await?;
            let replay = Replay {
                arguments,
                files,
                session: SESSION,
            };
            self.follow_progress(self.replay(&replay), &backlog, &mut progress)
                .await?;
        }
        let mut sql = self.sql(LIMIT).await?;
        let (_, logged) = positions(&mut sql).await?;
        if !logged.covers(&backlog.received) {
            return Err(Error::unexpected(
                DOING,
                format!("at `{logged}` instead of `{}`", backlog.received),
            ));
        }
        // Why: a client's session does not write this table as the SQL thread does.
        let literal = crate::sql::quote(&backlog.received.to_string());
        sql.run(
            DOING,
            &format!("SET GLOBAL gtid_slave_pos={literal}"),
            LIMIT,
        )
        .await?;
        sql.close().await;
        self.relay_log_examined()?;
        Ok(Salvaged {
            transactions: backlog.transactions,
            position: backlog.received,
            damage: backlog.damage,
        })
    }

    async fn backlog(&self, limit: Option<&Position>) -> Result<Backlog> {
        let mut sql = self.sql(LIMIT).await?;
        for row in sql.rows(DOING, "SHOW ALL SLAVES STATUS", LIMIT).await? {
            let runs = |name: &str| named::<String>(&row, name).is_some_and(|state| state != "No");
            if runs("Slave_IO_Running") || runs("Slave_SQL_Running") {
                return Err(Error::IsReplica);
            }
        }
        let (replicated, logged) = positions(&mut sql).await?;
        sql.close().await;
        let files = self.relay_log_files().await?;
        let limit = limit.cloned();
        // Why joined: a salvage that was interrupted has logged more than the table of the SQL thread says.
        blocking(move || count(&files, replicated.joined(&logged), limit.as_ref())).await
    }

    async fn relay_log_files(&self) -> Result<Vec<std::path::PathBuf>> {
        let (index, database_dir) = (self.relay_log_index(), self.settings().database_dir.clone());
        blocking(move || binlog::files_of(&index, &database_dir)).await
    }

    async fn follow_progress(
        &self,
        work: impl Future<Output = Result<()>>,
        backlog: &Backlog,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<()> {
        let mut sql = self.sql(LIMIT).await?;
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => {
                    outcome?;
                    progress(backlog.transactions, backlog.transactions);
                    return Ok(());
                }
                () = tokio::time::sleep(PROGRESS_PAUSE) => {
                    if let Ok((_, logged)) = positions(&mut sql).await {
                        let left = logged.missing_from(&backlog.received).min(backlog.transactions);
                        progress(backlog.transactions - left, backlog.transactions);
                    }
                }
            }
        }
    }
}

/// `gtid_slave_pos` and `gtid_binlog_pos`.
pub(crate) async fn positions(sql: &mut Sql) -> Result<(Position, Position)> {
    let rows = sql
        .rows(
            DOING,
            "SELECT @@global.gtid_slave_pos, @@global.gtid_binlog_pos",
            LIMIT,
        )
        .await?;
    let text = |at| {
        rows.first()
            .and_then(|row| column::<String>(row, at))
            .unwrap_or_default()
    };
    Ok((read_position(&text(0))?, read_position(&text(1))?))
}

/// Goes through the relay log; blocks.
fn count(
    files: &[std::path::PathBuf],
    applied: Position,
    limit: Option<&Position>,
) -> Result<Backlog> {
    let mut backlog = Backlog {
        received: applied.clone(),
        applied,
        transactions: 0,
        damage: None,
    };
    let mut gap: Option<(Position, Gtid)> = None;
    let mut is_over = false;
    let end = binlog::scan(files, &mut |group: Group| {
        let (id, reached) = (group.id, backlog.received.sequence(group.id.domain));
        let is_beyond_limit = limit.is_some_and(|limit| limit.sequence(id.domain) < id.sequence);
        if is_over || id.sequence <= reached || is_beyond_limit {
            return;
        }
        if group.follows_torn {
            is_over = true;
            backlog.damage = Some(format!("a transaction before {id} is not whole"));
        } else if id.sequence == reached + 1 || reached == 0 && backlog.received.is_empty() {
            backlog.received.advance(id);
            backlog.transactions += 1;
        } else {
            is_over = true;
            gap.get_or_insert_with(|| (backlog.received.clone(), id));
        }
    })?;
    if let Some((after, next)) = gap {
        return Err(Error::RelayLogGap { after, next });
    }
    if let Some(damage) = end.damage {
        let place = format!(
            "`{}` at {}: {}",
            damage.file.display(),
            damage.offset,
            damage.why
        );
        backlog.damage.get_or_insert(place);
    }
    Ok(backlog)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::sample::Sample;

    fn count_in(ids: &[&str], applied: &str, limit: Option<&str>) -> Result<Backlog> {
        let dir = tempfile::tempdir().unwrap();
        let files = [Sample::begin(true)
            .groups(ids)
            .write(dir.path(), "relay.000001")];
        let limit = limit.map(|text| text.parse().unwrap());
        count(&files, applied.parse().unwrap(), limit.as_ref())
    }

    #[test]
    fn backlog_is_what_lies_beyond_the_position_and_within_the_limit() {
        let ids = ["0-1-4", "0-1-5", "0-1-6", "1-1-1", "0-2-7"];
        for (applied, limit, transactions, received) in [
            ("0-1-7,1-1-1", None, 0, "0-1-7,1-1-1"),
            ("0-1-5,1-1-1", None, 2, "0-2-7,1-1-1"),
            ("0-1-3,1-1-0", None, 5, "0-2-7,1-1-1"),
            ("0-1-3,1-1-0", Some("0-1-5,1-1-0"), 2, "0-1-5,1-1-0"),
            ("0-1-5,1-1-0", Some("0-1-3"), 0, "0-1-5,1-1-0"),
        ] {
            let found = count_in(&ids, applied, limit).unwrap();
            assert_eq!(
                (found.transactions, found.received.to_string().as_str()),
                (transactions, received)
            );
        }
        assert_eq!(
            count_in(&["0-1-1", "0-1-2"], "", None)
                .unwrap()
                .transactions,
            2
        );
    }

    #[test]
    fn gap_before_or_within_the_backlog_is_refused() {
        for ids in [&["0-1-6", "0-1-7"][..], &["0-1-5", "0-1-7"]] {
            assert!(
                matches!(count_in(ids, "0-1-4", None), Err(Error::RelayLogGap { .. })),
                "{ids:?}"
            );
        }
    }
}
