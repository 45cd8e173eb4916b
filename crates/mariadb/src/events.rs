//! Scheduled events. A replica keeps them as SLAVESIDE_DISABLED; a new primary must enable them, and the
//! scheduler must be off wherever the server is not primary, as a root-owned event passes `read_only`.

use std::time::Duration;

use crate::error::Result;
use crate::options;
use crate::server::Server;
use crate::sql::{column, identifier, quote};

impl Server {
    /// Starts or stops the scheduler.
    pub async fn set_event_scheduler(&self, on: bool, limit: Duration) -> Result<()> {
        let set = format!(
            "SET GLOBAL event_scheduler={}",
            if on { "ON" } else { "OFF" }
        );
        self.act("switch the event scheduler", &set, limit).await
    }

    /// Events that do not run on this primary, as `schema.event`. To be asked while it is one and kept for
    /// `enable_events`: a replica knows enabled and disabled events alike as SLAVESIDE_DISABLED (seen on 10.11.19).
    pub async fn disabled_events(&self, limit: Duration) -> Result<Vec<String>> {
        let ask = "SELECT CONCAT(db, '.', name) FROM mysql.event WHERE status<>'ENABLED'";
        let sets = self
            .inner
            .acting
            .sets(self, "read events", ask, limit)
            .await?;
        let rows = sets.first().into_iter().flatten();
        Ok(rows.filter_map(|row| column(row, 0)).collect())
    }

    /// On a new primary, once it is open: enables the events that replication had disabled here except those named, and starts the scheduler if
    /// the user's option `event_scheduler` says so. The changes go into the binlog, so that each event runs
    /// at the primary only. Returns the names of the events. An event made with DISABLE ON SLAVE here stays disabled.
    pub async fn enable_events(&self, except: &[String], limit: Duration) -> Result<Vec<String>> {
        let doing = "enable events";
        let ask = "SELECT db, name, definer FROM mysql.event \
             WHERE status='SLAVESIDE_DISABLED' AND originator<>@@global.server_id";
        let sets = self.inner.acting.sets(self, doing, ask, limit).await?;
        let mut names = Vec::new();
        for row in sets.first().into_iter().flatten() {
            let text = |at| column::<String>(row, at).unwrap_or_default();
            let (schema, name, definer) = (text(0), text(1), text(2));
            let full_name = format!("{schema}.{name}");
            if except.contains(&full_name) {
                continue;
            }
            // Why: ALTER EVENT without DEFINER makes us the definer.
            let (user, host) = definer.rsplit_once('@').unwrap_or((&definer, "%"));
            let statement = format!(
                "ALTER DEFINER={}@{} EVENT {}.{} ENABLE",
                quote(user),
                quote(host),
                identifier(&schema),
                identifier(&name)
            );
            self.act(doing, &statement, limit).await?;
            names.push(full_name);
        }
        if options::wants_events(&self.settings().options) {
            self.set_event_scheduler(true, limit).await?;
        }
        Ok(names)
    }
}
