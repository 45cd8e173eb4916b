//! A small transaction that goes through the binlog, on demand.
//!
//! Why: when a replica's connection ends after it has received a transaction and before its
//! acknowledgement came through, that commit waits on even when the replica is back, until a later
//! transaction is acknowledged (10.11.19). On a quiet site there is none for a long time; then this is it.
//! It changes a row of an InnoDB table, since DDL could not be taken back by a destructive start.

use std::time::Duration;

use crate::error::Result;
use crate::server::Server;

const DOING: &str = "write a pulse";
const MAKE: &str = "CREATE DATABASE IF NOT EXISTS mainstay; \
     CREATE TABLE IF NOT EXISTS mainstay.pulse (id TINYINT PRIMARY KEY, beats BIGINT NOT NULL) ENGINE=InnoDB";
const BEAT: &str =
    "INSERT INTO mainstay.pulse VALUES (1, 1) ON DUPLICATE KEY UPDATE beats = beats + 1";

impl Server {
    /// Makes what `pulse` needs, on a primary that is open; replicated like everything else.
    pub async fn ensure_pulse(&self, limit: Duration) -> Result<()> {
        let mut session = self.sql(limit).await?;
        let known = "SELECT 1 FROM information_schema.tables WHERE table_schema='mainstay' AND table_name='pulse'";
        if session.value(DOING, known, limit).await?.is_none() {
            session.run(DOING, MAKE, limit).await?;
        }
        session.close().await;
        Ok(())
    }

    /// Commits one pulse; returns when it is acknowledged, or fails when `limit` has passed.
    pub async fn pulse(&self, limit: Duration) -> Result<()> {
        let mut session = self.sql(limit).await?;
        session.run(DOING, BEAT, limit).await?;
        session.close().await;
        Ok(())
    }
}
