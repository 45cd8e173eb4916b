//! Applications that still read on a server that is needed for a takeover: what they run and lock there is in its way.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::server::Server;
use crate::sql::column;

/// There is no such session any more.
const GONE: u16 = 1094;

impl Server {
    /// The sessions of applications: of everybody but the server itself, ours, and root.
    pub async fn readers(&self, limit: Duration) -> Result<Vec<u64>> {
        let ask = "SELECT ID, USER FROM information_schema.PROCESSLIST \
                   WHERE USER NOT IN ('system user', 'event_scheduler', 'unauthenticated user', 'root') \
                   AND COMMAND NOT LIKE 'Binlog Dump%' AND ID<>CONNECTION_ID()";
        let mut sql = self.sql(limit).await?;
        let rows = sql.rows("list who reads", ask, limit).await?;
        sql.close().await;
        let of_application = rows.iter().filter(|row| {
            let user: Option<String> = column(row, 1);
            user.is_some_and(|user| !self.is_own(&user))
        });
        Ok(of_application.filter_map(|row| column(row, 0)).collect())
    }

    /// Ends these sessions with whatever they run. Meant for a server that takes no writes: nobody waits there for an
    /// acknowledgement.
    pub async fn end_sessions(&self, sessions: &[u64], limit: Duration) -> Result<()> {
        let doing = "end who reads";
        let mut sql = self.sql(limit).await?;
        for id in sessions {
            match sql.run(doing, &format!("KILL {id}"), limit).await {
                Ok(()) | Err(Error::Sql { code: GONE, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        sql.close().await;
        Ok(())
    }
}
