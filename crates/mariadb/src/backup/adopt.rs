//! The first start of a clone: it forgets whose copy it is and takes up the position its data have.
//!
//! Which position that is (10.11.19, measured): of a copy of a primary, the one mariadb-backup noted; of a copy of a
//! replica, the restored server's own `gtid_slave_pos`, a table that changes in the very
//! transactions it describes. The note of a backup from a parallel replica is behind the data.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::Instant;
use wire::gtid::Position;

use super::receive::blocking;
use super::{BINLOG_INFO, NOTES, SLAVE_INFO, note_in};
use crate::disk;
use crate::error::{Error, Result};
use crate::lifecycle::StartAs;
use crate::server::Server;

const DOING: &str = "adopt the clone";
const LIMIT: Duration = Duration::from_mins(1);
/// Words of the server's refusal to start over transactions whose outcome only a binlog could tell.
const PREPARED: [&str; 2] = ["prepared transaction", "tc-heuristic-recover"];

/// What became of a clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Position of its data: `gtid_slave_pos` and `gtid_binlog_pos` of the running server.
    pub position: Position,
    /// The copy was taken at a replica.
    pub is_from_replica: bool,
    /// It refused to start until transactions that were prepared in the copy were rolled back.
    pub rolled_back: bool,
}

impl Server {
    /// True when the data directory holds a clone that was not adopted yet.
    pub fn needs_adoption(&self) -> bool {
        let dir = &self.settings().database_dir;
        [BINLOG_INFO, SLAVE_INFO]
            .iter()
            .any(|note| note_in(dir, note).is_some())
    }

    /// Starts an installed clone, sets its position, removes what it has of its source's replication and makes our
    /// accounts on it. Afterwards it runs, closed, ready for `follow`. May be repeated after a failure.
    pub async fn adopt_clone(&self, limit: Duration) -> Result<Adopted> {
        let dir = self.settings().database_dir.clone();
        if !self.needs_adoption() {
            return Err(Error::unexpected(
                DOING,
                "the data directory holds no clone that was not adopted",
            ));
        }
        // A relay log of the data before means nothing to the clone.
        self.relay_log_examined()?;
        let rolled_back = self.start_clone(limit).await?;
        let is_from_replica = note_in(&dir, SLAVE_INFO).is_some();
        let mut sql = self.sql(LIMIT).await?;
        let position = if is_from_replica {
            let own = sql
                .value(DOING, "SELECT @@global.gtid_slave_pos", LIMIT)
                .await?;
            read_position(&own.unwrap_or_default())?
        } else {
            noted_position(&dir)?
        };
        let text = position.to_string();
        sql.run(DOING, "STOP ALL SLAVES", LIMIT).await?;
        sql.run(DOING, "RESET SLAVE ALL", LIMIT).await?;
        sql.close().await;
        self.begin_binlog_at(DOING, &text).await?;
        self.ensure_accounts().await?;
        blocking(move || remove_notes(&dir)).await?;
        Ok(Adopted {
            position,
            is_from_replica,
            rolled_back,
        })
    }

    /// True when transactions had to be rolled back.
    async fn start_clone(&self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        match self.start(StartAs::Ordinary, limit).await {
            Ok(_) | Err(Error::AlreadyRunning(_)) => Ok(false),
            Err(Error::StartFailed { log, .. })
                if PREPARED.iter().any(|words| log.contains(words)) =>
            {
                self.roll_back_prepared(deadline).await?;
                let left = deadline.saturating_duration_since(Instant::now());
                self.start(StartAs::Ordinary, left).await?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets the server decide against what was prepared and not committed in the copy; it then exits with 1.
    /// Why rolling back: such a transaction is beyond the position of the copy and will be replicated.
    async fn roll_back_prepared(&self, deadline: Instant) -> Result<()> {
        let mut command = self.command("mariadbd")?;
        command.arg(format!(
            "--defaults-file={}",
            self.settings().config_file().display()
        ));
        if let Some(user) = &self.settings().user {
            command.arg(format!("--user={user}"));
        }
        command
            .arg("--tc-heuristic-recover=ROLLBACK")
            .stderr(Stdio::null());
        let failed = || Error::file("run `mariadbd --tc-heuristic-recover`");
        let mut child = command.spawn().map_err(failed())?;
        match tokio::time::timeout_at(deadline, child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(failed()),
            Err(_) => Err(Error::Timeout {
                doing: "roll back prepared transactions".to_owned(),
                limit: LIMIT,
            }),
        }
    }

    /// An empty binlog that begins at `position`, and `gtid_slave_pos` there too. Only while nothing replicates
    /// and no commit waits: RESET MASTER would answer it with OK.
    pub(crate) async fn begin_binlog_at(&self, doing: &str, position: &str) -> Result<()> {
        let mut sql = self.sql(LIMIT).await?;
        let literal = crate::sql::quote(position);
        // FLUSH: the state is in memory alone until the next binlog file begins with it.
        for statement in [
            "SET SESSION sql_log_bin=0",
            "RESET MASTER",
            &format!("SET GLOBAL gtid_slave_pos={literal}"),
            &format!("SET GLOBAL gtid_binlog_state={literal}"),
            "FLUSH NO_WRITE_TO_BINLOG BINARY LOGS",
        ] {
            sql.run(doing, statement, LIMIT).await?;
        }
        for variable in ["gtid_slave_pos", "gtid_binlog_pos"] {
            let shown = sql
                .value(doing, &format!("SELECT @@global.{variable}"), LIMIT)
                .await?
                .unwrap_or_default();
            if read_position(&shown)? != read_position(position)? {
                return Err(Error::unexpected(
                    doing,
                    format!("{variable} is `{shown}`, not `{position}`"),
                ));
            }
        }
        sql.close().await;
        Ok(())
    }
}

/// A position as the server or a tool printed it.
pub(crate) fn read_position(text: &str) -> Result<Position> {
    text.trim()
        .parse()
        .map_err(|e| Error::unexpected("read a position", format!("{e}")))
}

/// Third word of mariadb-backup's note: `binlog.000007 1234 0-1-99` with tabs; missing when nothing was ever logged.
fn noted_position(dir: &Path) -> Result<Position> {
    let Some(path) = note_in(dir, BINLOG_INFO) else {
        return Err(Error::unexpected(
            DOING,
            "the copy has no note of its position",
        ));
    };
    let text =
        fs::read_to_string(&path).map_err(Error::file(format!("read `{}`", path.display())))?;
    read_position(
        &text
            .split('\t')
            .nth(2)
            .unwrap_or_default()
            .replace('\n', ""),
    )
}

/// The notes go last: while they are there, adoption is not finished.
fn remove_notes(dir: &Path) -> Result<()> {
    let failed = || Error::file(format!("clean `{}`", dir.display()));
    for entry in fs::read_dir(dir).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_note = name == "backup-my.cnf" || NOTES.iter().any(|start| name.starts_with(start));
        if is_note && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            fs::remove_file(entry.path()).map_err(failed())?;
        }
    }
    disk::sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_of_a_primary_is_read_from_either_note() {
        for name in ["xtrabackup_binlog_info", "mariadb_backup_binlog_info"] {
            let dir = tempfile::tempdir().unwrap();
            for (text, expected) in [
                ("binlog.000002\t339\t0-1-27\n", "0-1-27"),
                ("binlog.000001\t330\n", ""),
            ] {
                fs::write(dir.path().join(name), text).unwrap();
                assert_eq!(noted_position(dir.path()).unwrap().to_string(), expected);
            }
        }
    }
}
