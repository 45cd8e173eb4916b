//! What is going on in the server that a switchover would wait for or break: long DDL, open transactions.

use std::time::Duration;

use crate::error::{Result, cut};
use crate::server::Server;
use crate::sql::column;

/// Most of a statement that is shown, in bytes.
const STATEMENT_LIMIT: usize = 200;

/// Statements that change definitions or rebuild tables; comments before them are not looked through.
const DDL: &str =
    "^[[:space:]]*(ALTER|CREATE|DROP|RENAME|TRUNCATE|OPTIMIZE|REPAIR|ANALYZE)[[:space:]]";

/// A statement or transaction of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Number of the session.
    pub session: u64,
    /// Account; `system user` is replication.
    pub user: String,
    /// Since when, in whole seconds.
    pub seconds: u64,
    /// The statement being run, cut; empty between statements.
    pub statement: String,
    /// Rows changed so far; 0 for a statement.
    pub rows_changed: u64,
}

/// What a switchover looks at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// DDL under way, longest first. A replica runs it again, for as long.
    pub ddl: Vec<Work>,
    /// Open InnoDB transactions, oldest first.
    pub transactions: Vec<Work>,
}

impl Server {
    /// DDL under way and open transactions.
    pub async fn activity(&self, limit: Duration) -> Result<Activity> {
        let ask = format!(
            "SELECT ID, USER, TIME, INFO, 0 FROM information_schema.PROCESSLIST \
             WHERE INFO REGEXP '{DDL}' AND COMMAND<>'Sleep' ORDER BY TIME DESC LIMIT 100; \
             SELECT t.trx_mysql_thread_id, p.USER, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), \
             COALESCE(t.trx_query, ''), t.trx_rows_modified \
             FROM information_schema.INNODB_TRX t \
             LEFT JOIN information_schema.PROCESSLIST p ON p.ID=t.trx_mysql_thread_id \
             WHERE t.trx_mysql_thread_id<>CONNECTION_ID() ORDER BY t.trx_started LIMIT 1000"
        );
        let sets = self
            .inner
            .acting
            .sets(self, "look at running work", &ask, limit)
            .await?;
        let work = |n: usize| {
            let rows = sets.get(n).into_iter().flatten();
            rows.map(|row| Work {
                session: column(row, 0).unwrap_or_default(),
                user: column(row, 1).unwrap_or_default(),
                seconds: column(row, 2).unwrap_or_default(),
                statement: cut(
                    &column::<String>(row, 3).unwrap_or_default(),
                    STATEMENT_LIMIT,
                ),
                rows_changed: column(row, 4).unwrap_or_default(),
            })
            .collect()
        };
        Ok(Activity {
            ddl: work(0),
            transactions: work(1),
        })
    }

    /// True when DDL has been running for at least `than`.
    pub async fn long_ddl_running(&self, than: Duration, limit: Duration) -> Result<bool> {
        let activity = self.activity(limit).await?;
        Ok(activity
            .ddl
            .iter()
            .any(|work| Duration::from_secs(work.seconds) >= than))
    }
}
