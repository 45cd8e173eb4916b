//! Takes a tail out of the data by running its row images backwards (flashback), then begins the binlog at the cut.
//!
//! Interrupted, it may be repeated: rows are found by their key, and a row that is not as expected ends it with an
//! error. Whatever fails here leaves a server that must be cloned.

use wire::gtid::Position;

use super::judge::{self, Verdict};
use super::{LIMIT, Tail};
use crate::error::{Error, Result};
use crate::replay::Replay;
use crate::server::Server;
use crate::sql::{column, named};

const DOING: &str = "rewind";
/// Nothing of it goes to the binlog, which is given up afterwards.
const SESSION: &str =
    "SET SESSION sql_log_bin=0, max_statement_time=0, lock_wait_timeout=60, foreign_key_checks=1";

impl Server {
    /// Takes all transactions beyond `cut` out of the data. Afterwards `gtid_binlog_pos` and `gtid_slave_pos` are
    /// `cut`, and the binlog is empty and begins there. The server must run, closed, in no role.
    /// `save_tail` comes first: with the binlog the only record of those transactions goes.
    ///
    /// A server with nothing beyond `cut` is left as it is. `NeedsClone` says why a rewind is not certain,
    /// with nothing changed, or that it has failed half-way.
    pub async fn rewind(&self, cut: &Position) -> Result<u64> {
        self.must_be_idle().await?;
        let tail = self.tail(cut).await?;
        let verdict = match judge::judge(&tail.groups) {
            Verdict::Empty => return Ok(0),
            _ if !tail.has_cut => {
                Verdict::NeedsClone(format!("its history does not contain `{cut}`"))
            }
            Verdict::Rewindable => judge::judge_tables(self, &tail.groups).await?,
            refused @ Verdict::NeedsClone(_) => refused,
        };
        if let Verdict::NeedsClone(why) = verdict {
            return Err(Error::NeedsClone { why });
        }
        let failed = |e: Error| Error::NeedsClone {
            why: format!("the rewind failed half-way: {e}"),
        };
        self.flash_back(&tail).await.map_err(failed)?;
        // Why: a source that is set up keeps telling its old received position, now too great.
        self.act(DOING, "RESET SLAVE ALL", LIMIT).await?;
        self.begin_binlog_at(DOING, &cut.to_string()).await?;
        Ok(tail.groups.len() as u64)
    }

    /// The last file first: mariadb-binlog turns round the events of the files it is given together.
    async fn flash_back(&self, tail: &Tail) -> Result<()> {
        let first = tail.groups.first().map_or(4, |group| group.start.offset);
        for (number, file) in tail.files.iter().enumerate().rev() {
            let mut arguments = vec!["--flashback".to_owned()];
            if number == 0 {
                arguments.push(format!("--start-position={first}"));
            }
            let replay = Replay {
                arguments,
                files: vec![file.clone()],
                session: SESSION,
            };
            self.replay(&replay).await?;
        }
        Ok(())
    }

    /// Refuses while it takes writes, replicates or waits for acknowledgements.
    async fn must_be_idle(&self) -> Result<()> {
        let mut sql = self.sql(LIMIT).await?;
        for row in sql.rows(DOING, "SHOW ALL SLAVES STATUS", LIMIT).await? {
            let runs = |name: &str| named::<String>(&row, name).is_some_and(|state| state != "No");
            if runs("Slave_IO_Running") || runs("Slave_SQL_Running") {
                return Err(Error::IsReplica);
            }
        }
        let asked = "SELECT @@global.read_only, @@global.rpl_semi_sync_master_enabled";
        let rows = sql.rows(DOING, asked, LIMIT).await?;
        sql.close().await;
        let is = |at| rows.first().and_then(|row| column::<u64>(row, at)) == Some(1);
        if !is(0) {
            return Err(Error::NotReadOnly);
        }
        if is(1) {
            Err(Error::SemiSyncPrimaryOn)
        } else {
            Ok(())
        }
    }
}
