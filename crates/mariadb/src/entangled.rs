//! Parallel apply that waits for itself (10.11.19, `optimistic`; no MDEV found). A transaction that was received to a part
//! is begun all the same, ahead of earlier ones. When an earlier one wants a row that it has locked, the server asks it to
//! step back, but its worker is asleep until the rest comes. While nothing is received that is never: the earlier one waits
//! for `innodb_lock_wait_timeout` (50 s), again and again, and with it everything that was received and is to be applied.

use std::time::Duration;

use crate::error::Result;
use crate::server::Server;

/// Workers that wait for a row of a worker that waits for the rest of its transaction.
const ENTANGLED: &str = "\
    SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS w \
    JOIN information_schema.INNODB_TRX early ON early.trx_id=w.requesting_trx_id \
    JOIN information_schema.INNODB_TRX late ON late.trx_id=w.blocking_trx_id \
    JOIN information_schema.PROCESSLIST e ON e.ID=early.trx_mysql_thread_id \
    JOIN information_schema.PROCESSLIST l ON l.ID=late.trx_mysql_thread_id \
    WHERE e.USER='system user' AND l.USER='system user' AND l.STATE='Waiting for work from SQL thread'";

impl Server {
    /// True while apply waits for the rest of a transaction that is still to come. Between two events of a transaction that
    /// does come it may be true for a moment. The server looks anew only when nobody has looked for a tenth of a second.
    pub async fn is_apply_entangled(&self, limit: Duration) -> Result<bool> {
        let mut sql = self.sql(limit).await?;
        let waiting = sql.value("look at apply", ENTANGLED, limit).await?;
        sql.close().await;
        Ok(waiting.is_some_and(|count| count != "0"))
    }

    /// From now on what was received is a salvage's to apply, as after a restart: see [`Server::salvage`]. For a
    /// replica that receives nothing and whose apply cannot end by itself.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn leave_to_salvage(&self) -> Result<()> {
        self.mark_relay_log()
    }

    /// Stops receiving and applying; a transaction that was received to a part is rolled back, and the relay log stays
    /// for a salvage. Only what is marked for one: without the mark the next start would throw the relay log away.
    pub async fn stop_for_salvage(&self, limit: Duration) -> Result<()> {
        if !self.is_relay_log_unexamined() {
            return Ok(());
        }
        self.act("stop applying", "STOP SLAVE", limit).await
    }
}
