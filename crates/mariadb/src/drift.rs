//! Whether the running server still has the enforced settings: somebody may have changed one by SET GLOBAL.
//! What can be set back without stopping replication is; the rest is reported.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::Result;
use crate::options::ENFORCED;
use crate::server::Server;
use crate::sql::{column, quote};
use crate::version::Version;

const LIMIT: Duration = Duration::from_secs(10);

/// Variables with no place in the option file whose other values would lose or hide transactions.
/// The flag tells whether SET GLOBAL works while replication runs.
const FURTHER: &[(&str, &str, bool)] = &[
    ("debug_no_sync", "OFF", true),
    ("gtid_ignore_duplicates", "OFF", false),
    ("innodb_read_only", "OFF", false),
    ("init_slave", "", true),
    ("replicate_do_db", "", false),
    ("replicate_do_table", "", false),
    ("replicate_ignore_db", "", false),
    ("replicate_ignore_table", "", false),
    ("replicate_wild_do_table", "", false),
    ("replicate_wild_ignore_table", "", false),
    ("slave_sql_verify_checksum", "ON", true),
    ("binlog_checksum", "CRC32", true),
    ("binlog_storage_engine", "", false),
];

/// An enforced setting that has another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Name of the variable.
    pub name: &'static str,
    /// What it should be.
    pub wanted: &'static str,
    /// What it was found to be.
    pub found: String,
    /// What was done about it.
    pub remedy: Remedy,
}

/// What becomes of a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// `enforce` can set it back.
    CanBeSet,
    /// `enforce` has set it back. Sessions that were open before may keep the old value.
    WasSet,
    /// It needs a restart of the server, or of its replication.
    NeedsRestart,
}

struct Expected {
    name: &'static str,
    wanted: &'static str,
    dynamic: bool,
}

fn expected() -> impl Iterator<Item = Expected> {
    let enforced = ENFORCED.iter().filter_map(|e| {
        e.shown.map(|wanted| Expected {
            name: e.name,
            wanted,
            dynamic: e.dynamic,
        })
    });
    let further = FURTHER.iter().map(|&(name, wanted, dynamic)| Expected {
        name,
        wanted,
        dynamic,
    });
    enforced.chain(further)
}

impl Server {
    /// Enforced settings that the running server does not have. Changes nothing. Refuses a
    /// running server of a version that cannot be lossless.
    pub async fn drift(&self) -> Result<Vec<Drift>> {
        let names: Vec<String> = expected().map(|e| quote(e.name)).collect();
        let ask = format!(
            "SELECT @@version; SHOW GLOBAL VARIABLES WHERE Variable_name IN ({})",
            names.join(",")
        );
        let sets = self
            .inner
            .acting
            .sets(self, "compare settings", &ask, LIMIT)
            .await?;
        let version = sets
            .first()
            .and_then(|rows| rows.first())
            .and_then(|row| column::<String>(row, 0));
        Version::parse(&version.unwrap_or_default())?.check()?;
        let found: BTreeMap<String, String> = sets
            .get(1)
            .into_iter()
            .flatten()
            .filter_map(|row| Some((column::<String>(row, 0)?, column::<String>(row, 1)?)))
            .collect();
        // Why: a variable that this version does not have cannot have drifted.
        let differs = |e: Expected| {
            let value = found
                .get(e.name)
                .filter(|value| !value.eq_ignore_ascii_case(e.wanted))?;
            let remedy = if e.dynamic {
                Remedy::CanBeSet
            } else {
                Remedy::NeedsRestart
            };
            Some(Drift {
                name: e.name,
                wanted: e.wanted,
                found: value.clone(),
                remedy,
            })
        };
        Ok(expected().filter_map(differs).collect())
    }

    /// Sets back what can be set back and returns every drift found, with what was done about it.
    pub async fn enforce(&self) -> Result<Vec<Drift>> {
        let mut drifts = self.drift().await?;
        for drift in &mut drifts {
            if drift.remedy != Remedy::CanBeSet {
                continue;
            }
            let is_number =
                !drift.wanted.is_empty() && drift.wanted.bytes().all(|b| b.is_ascii_digit());
            let value = if is_number {
                drift.wanted.to_owned()
            } else {
                quote(drift.wanted)
            };
            let set = format!("SET GLOBAL {}={value}", drift.name);
            drift.remedy = match self.act("set a setting back", &set, LIMIT).await {
                Ok(()) => Remedy::WasSet,
                Err(crate::Error::Sql { code, message, .. }) => {
                    tracing::warn!(
                        name = drift.name,
                        code,
                        message,
                        "a setting cannot be set back now"
                    );
                    Remedy::NeedsRestart
                }
                Err(error) => {
                    tracing::warn!(name = drift.name, %error, "a setting was not set back in time");
                    // Why not an error: what was set back before is told all the same. The next look finds the rest.
                    break;
                }
            };
        }
        Ok(drifts)
    }
}
