//! Names of the database that are more than they look like: sequences, stored functions, tables of engines that do not
//! hold the same rows everywhere, and views. What that means for a statement, `wire::catalog` says.

use std::time::Duration;

use wire::catalog::{Catalog, Object, View};

use crate::error::Result;
use crate::server::Server;
use crate::sql::{Rows, column};

const LIMIT: Duration = Duration::from_secs(20);

/// Why the list of engines: their tables hold what the binlog has brought. MEMORY is empty after a restart, others reach
/// out of the server.
const READ: &str = "\
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
WHERE TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema') AND TABLE_TYPE <> 'VIEW' \
AND (TABLE_TYPE = 'SEQUENCE' OR ENGINE NOT IN ('InnoDB','Aria','MyISAM','CSV','ARCHIVE','ROCKSDB')); \
SELECT ROUTINE_SCHEMA, ROUTINE_NAME, 'FUNCTION' FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' \
AND ROUTINE_SCHEMA NOT IN ('mysql','sys'); \
SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS \
WHERE TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema')";

impl Server {
    /// What the names of its databases mean. Costs a look at every table's definition.
    pub async fn catalog(&self) -> Result<Catalog> {
        let acting = &self.inner.acting;
        let sets = acting.sets(self, "read the catalog", READ, LIMIT).await?;
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
