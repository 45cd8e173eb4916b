//! Names of the database that are more than they look like: sequences, stored functions, tables of engines that do not
//! hold the same rows everywhere, and views. What that means for a statement, `wire::catalog` says.

use std::time::Duration;

use wire::catalog::{Catalog, Object, View};
use wire::gtid::{NotAPosition, Position};

use crate::error::{Error, Result};
use crate::server::Server;
use crate::sql::{Rows, column};

const LIMIT: Duration = Duration::from_secs(20);

/// Counters of the statements that change what names mean, also where they came by replication. Several that do not are
/// among them.
const COUNTERS: &str = "\
SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Com\\_create\\_%' OR Variable_name LIKE 'Com\\_drop\\_%' \
OR Variable_name LIKE 'Com\\_alter\\_%' OR Variable_name IN ('Com_rename_table','Uptime')";

/// What a server has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    counters: Vec<(String, String)>,
    uptime: u64,
}

impl Definitions {
    /// True when nothing was defined between `before` and now.
    pub fn are_still(&self, before: &Self) -> bool {
        self.counters == before.counters && self.uptime >= before.uptime
    }
}

/// Why the list of engines: their tables hold what the binlog has brought. MEMORY is empty after a restart, others reach
/// out of the server. Why limits: the server would go on when nobody waits any more.
const READ: &str = "\
SET STATEMENT max_statement_time=15 FOR SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
WHERE TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema') AND TABLE_TYPE <> 'VIEW' \
AND (TABLE_TYPE = 'SEQUENCE' OR ENGINE NOT IN ('InnoDB','Aria','MyISAM','CSV','ARCHIVE','ROCKSDB')); \
SET STATEMENT max_statement_time=15 FOR SELECT ROUTINE_SCHEMA, ROUTINE_NAME, 'FUNCTION' FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' \
AND ROUTINE_SCHEMA NOT IN ('mysql','sys'); \
SET STATEMENT max_statement_time=15 FOR SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS \
WHERE TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema')";

impl Server {
    /// How many definitions it has seen, by kind. Cheap. A server that was started again has seen none.
    pub async fn definitions(&self, limit: Duration) -> Result<Definitions> {
        let reading = &self.inner.reading;
        let sets = reading.sets(self, "count definitions", COUNTERS, limit);
        let sets = sets.await?;
        let rows = sets.first().into_iter().flatten();
        let counters = rows.filter_map(|row| Some((column(row, 0)?, column(row, 1)?)));
        let (uptime, counters): (Vec<_>, Vec<_>) =
            counters.partition(|(name, _): &(String, String)| name == "Uptime");
        let uptime = uptime.first().and_then(|(_, seconds)| seconds.parse().ok());
        Ok(Definitions {
            counters,
            uptime: uptime.unwrap_or(0),
        })
    }

    /// How far its binlog is.
    pub async fn written(&self, limit: Duration) -> Result<Position> {
        let reading = &self.inner.reading;
        let ask = "SELECT @@gtid_binlog_pos";
        let sets = reading.sets(self, "see how far the binlog is", ask, limit);
        let sets = sets.await?;
        let row = sets.first().and_then(|rows| rows.first());
        let text: String = row.and_then(|row| column(row, 0)).unwrap_or_default();
        text.parse()
            .map_err(|error: NotAPosition| Error::Unexpected {
                doing: "see how far the binlog is".to_owned(),
                what: error.to_string(),
            })
    }

    /// What the names of its databases mean. Costs a look at every table's definition.
    pub async fn catalog(&self) -> Result<Catalog> {
        let reading = &self.inner.reading;
        let sets = reading.sets(self, "read the catalog", READ, LIMIT).await?;
        let objects: Vec<_> = rows(sets.first()).chain(rows(sets.get(1))).collect();
        let objects: Vec<_> = objects
            .into_iter()
            .map(|(database, name, kind)| (database, name, object(&kind)))
            .collect();
        let views: Vec<_> = rows(sets.get(2))
            .map(|(database, name, definition)| View {
                database,
                name,
                definition,
            })
            .collect();
        Ok(Catalog::new(&objects, &views))
    }
}

fn object(kind: &str) -> Object {
    match kind {
        "SEQUENCE" => Object::Sequence,
        "FUNCTION" => Object::Function,
        _ => Object::Engine,
    }
}

/// Three columns of text. A definition that is not told is empty: such a view is no plain read.
fn rows(set: Option<&Rows>) -> impl Iterator<Item = (String, String, String)> + '_ {
    set.into_iter().flatten().map(|row| {
        let text = |at| column::<String>(row, at).unwrap_or_default();
        (text(0), text(1), text(2))
    })
}
