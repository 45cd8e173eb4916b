//! Whether a tail can be taken out of the data by its row images alone, or why not.
//!
//! What row images do not tell: DDL, statements, tables that cannot roll back, and what InnoDB did by itself to
//! rows that refer to the changed ones (ON DELETE CASCADE and the like are in no binlog).

use std::collections::BTreeSet;

use crate::binlog::{Contents, Group};
use crate::error::Result;
use crate::server::Server;
use crate::sql::{column, quote};

use super::LIMIT;

/// What kind of tail it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do.
    Empty,
    /// Row changes of InnoDB tables only: `rewind` can take them out.
    Rewindable,
    /// Only a clone helps, for this reason.
    NeedsClone(String),
}

/// What the events themselves say.
pub(super) fn judge(groups: &[Group]) -> Verdict {
    if groups.is_empty() {
        return Verdict::Empty;
    }
    let reason = |group: &Group| {
        against(&group.contents).map(|why| format!("transaction {} {why}", group.id))
    };
    groups
        .iter()
        .find_map(reason)
        .map_or(Verdict::Rewindable, Verdict::NeedsClone)
}

fn against(contents: &Contents) -> Option<String> {
    let fixed = |why: &str| Some(why.to_owned());
    if contents.ddl {
        return fixed("changes definitions (DDL)");
    }
    if contents.xa {
        return fixed("is part of an XA transaction");
    }
    if contents.non_transactional {
        return fixed("changes a table that cannot be rolled back");
    }
    if contents.statement {
        return fixed("holds a statement instead of rows");
    }
    if contents.unknown {
        return fixed("holds an event of a kind not known here");
    }
    if contents.partial_rows {
        return fixed("holds rows without all their columns");
    }
    let is_system = |schema: &str| ["mysql", "sys", "performance_schema"].contains(&schema);
    let system = contents.tables.iter().find(|(schema, _)| is_system(schema));
    system.map(|(schema, table)| format!("changes the system table `{schema}`.`{table}`"))
}

/// What the server says about the tables: each must be an ordinary InnoDB table, and none may be referred to by
/// a key that changes other rows.
pub(super) async fn judge_tables(server: &Server, groups: &[Group]) -> Result<Verdict> {
    let all = groups
        .iter()
        .flat_map(|group| &group.contents.tables)
        .collect::<BTreeSet<_>>();
    let erased = groups
        .iter()
        .filter(|group| group.contents.erases)
        .flat_map(|group| &group.contents.tables);
    let erased = erased.collect::<BTreeSet<_>>();
    let doing = "look at the tables of a tail";
    let mut sql = server.sql(LIMIT).await?;
    for (schema, table) in all {
        let (schema_text, table_text) = (quote(schema), quote(table));
        let of_table = format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA={schema_text} AND \
             TABLE_NAME={table_text} AND ENGINE='InnoDB' AND TABLE_TYPE='BASE TABLE'"
        );
        let rows = sql.rows(doing, &of_table, LIMIT).await?;
        if rows.first().and_then(|row| column::<u64>(row, 0)) != Some(1) {
            return Ok(Verdict::NeedsClone(format!(
                "`{schema}`.`{table}` is not an ordinary InnoDB table"
            )));
        }
        if !erased.contains(&(schema.clone(), table.clone())) {
            continue;
        }
        let of_keys = format!(
            "SELECT CONCAT(CONSTRAINT_SCHEMA, '.', CONSTRAINT_NAME) FROM information_schema.REFERENTIAL_CONSTRAINTS \
             WHERE UNIQUE_CONSTRAINT_SCHEMA={schema_text} AND REFERENCED_TABLE_NAME={table_text} AND \
             (DELETE_RULE NOT IN ('RESTRICT', 'NO ACTION') OR UPDATE_RULE NOT IN ('RESTRICT', 'NO ACTION'))"
        );
        if let Some(key) = sql.value(doing, &of_keys, LIMIT).await? {
            let why = format!(
                "rows of `{schema}`.`{table}` were changed, and foreign key `{key}` changes others with them"
            );
            return Ok(Verdict::NeedsClone(why));
        }
    }
    sql.close().await;
    Ok(Verdict::Rewindable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::Place;
    use wire::gtid::Gtid;

    fn tail_of(contents: Contents) -> Verdict {
        judge(&[Group {
            id: Gtid {
                domain: 0,
                server: 1,
                sequence: 7,
            },
            start: Place { file: 0, offset: 4 },
            written_at: 0,
            contents,
            follows_torn: false,
        }])
    }

    fn rows(schema: &str) -> Contents {
        Contents {
            tables: [(schema.to_owned(), "a".to_owned())].into(),
            ..Contents::default()
        }
    }

    #[test]
    fn only_whole_rows_of_the_users_tables_can_be_rewound() {
        assert_eq!(judge(&[]), Verdict::Empty);
        assert_eq!(tail_of(rows("shop")), Verdict::Rewindable);
        assert_eq!(
            tail_of(Contents {
                erases: true,
                ..rows("shop")
            }),
            Verdict::Rewindable
        );
        for (contents, word) in [
            (
                Contents {
                    ddl: true,
                    ..rows("shop")
                },
                "DDL",
            ),
            (
                Contents {
                    xa: true,
                    ..rows("shop")
                },
                "XA",
            ),
            (
                Contents {
                    non_transactional: true,
                    ..rows("shop")
                },
                "rolled back",
            ),
            (
                Contents {
                    statement: true,
                    ..rows("shop")
                },
                "statement",
            ),
            (
                Contents {
                    unknown: true,
                    ..rows("shop")
                },
                "not known",
            ),
            (
                Contents {
                    partial_rows: true,
                    ..rows("shop")
                },
                "columns",
            ),
            (rows("mysql"), "system table"),
        ] {
            match tail_of(contents) {
                Verdict::NeedsClone(why) => {
                    assert!(why.contains(word) && why.contains("0-1-7"), "{why}");
                }
                other => panic!("{word}: {other:?}"),
            }
        }
    }
}
