//! What became of writes that were in flight when the former primary died: looked up in this server's binlog.
//!
//! Only on the primary, once it is open, and only up to where its epoch began: everything of the epoch before is in that
//! stretch or will never be anywhere (see `docs/decisions/0014-writes-in-flight-are-looked-up.md`). The files are read beside the server; it is
//! asked only for the AUTO_INCREMENT column of a table.

use std::path::PathBuf;
use std::time::Duration;

use wire::gtid::Position;
use wire::outcome::{Effect, Outcome, Question};

use crate::backup::blocking;
use crate::binlog::{self, Finding, Search, Wanted, Work};
use crate::error::Result;
use crate::server::Server;
use crate::sql::{column, quote};

/// Everything is kept in this domain.
const DOMAIN: u32 = 0;

impl Server {
    /// Answers each question from the stretch of the binlog between its `since` and `until`, the position at which the
    /// epoch after the one in which it was sent began. One pass over the files for all of them. `limit` bounds what the
    /// server is asked, not the reading of files.
    pub async fn outcomes(
        &self,
        questions: &[Question],
        until: &Position,
        limit: Duration,
    ) -> Result<Vec<Outcome>> {
        let wanted: Vec<Wanted> = questions
            .iter()
            .map(|question| Wanted {
                tag: question.tag,
                since: question.since,
            })
            .collect();
        let database_dir = self.settings().database_dir.clone();
        let end = until.sequence(DOMAIN);
        let findings = blocking(move || {
            let files = binlog::files_of(&database_dir.join("binlog.index"), &database_dir)?;
            search(files, &wanted, end)
        })
        .await?;
        let mut outcomes = Vec::with_capacity(findings.len());
        for finding in findings {
            outcomes.push(match finding {
                Finding::Absent => Outcome::NotThere,
                Finding::Unknown(why) => Outcome::Unknown(why.to_owned()),
                Finding::Found(id, work) => Outcome::Committed {
                    id,
                    effect: match work {
                        Some(work) => self.effect(work, limit).await?,
                        None => None,
                    },
                },
            });
        }
        Ok(outcomes)
    }

    /// What an OK packet would have told; `None` when the table is not as the rows say, or no ordinary one.
    async fn effect(&self, work: Work, limit: Duration) -> Result<Option<Effect>> {
        let mut effect = Effect {
            inserted: work.inserted,
            updated: work.updated,
            deleted: work.deleted,
            insert_id: Some(0),
        };
        let (schema, table) = (quote(&work.map.schema), quote(&work.map.table));
        let ask = format!(
            "SELECT t.TABLE_TYPE, COUNT(*), COALESCE(SUM(IF(c.EXTRA LIKE '%auto_increment%', c.ORDINAL_POSITION, 0)), 0) \
             FROM information_schema.TABLES t JOIN information_schema.COLUMNS c \
             ON c.TABLE_SCHEMA=t.TABLE_SCHEMA AND c.TABLE_NAME=t.TABLE_NAME \
             WHERE t.TABLE_SCHEMA={schema} AND t.TABLE_NAME={table} GROUP BY t.TABLE_TYPE"
        );
        let doing = "look at a table";
        let sets = self.inner.acting.sets(self, doing, &ask, limit).await?;
        let Some(row) = sets.first().and_then(|rows| rows.first()) else {
            return Ok(None);
        };
        let kind: Option<String> = column(row, 0);
        let width: Option<usize> = column(row, 1);
        let Some(numbered) = column::<usize>(row, 2) else {
            return Ok(None);
        };
        if kind.as_deref() != Some("BASE TABLE") || width != Some(work.map.width()) {
            return Ok(None);
        }
        if let Some(at) = numbered.checked_sub(1)
            && work.inserted > 0
        {
            let is_one = work.inserted == 1 && work.updated == 0 && work.deleted == 0;
            let value = work.first.get(at).copied().flatten();
            effect.insert_id = value.filter(|_| is_one);
        } else if numbered > 0 && work.updated > 0 && work.inserted == 0 {
            // An INSERT … ON DUPLICATE KEY UPDATE tells the row's number; an UPDATE tells 0. The asker knows which it was.
            effect.insert_id = None;
        }
        Ok(Some(effect))
    }
}

/// Blocks.
fn search(mut files: Vec<PathBuf>, wanted: &[Wanted], until: u64) -> Result<Vec<Finding>> {
    let least = wanted.iter().map(|wanted| wanted.since).min().unwrap_or(0);
    let from: Position = [wire::gtid::Gtid {
        domain: DOMAIN,
        server: 0,
        sequence: least,
    }]
    .into_iter()
    .collect();
    if until > least
        && let Some(beginning) = binlog::covered_start(&files, &from)?
    {
        files.drain(..beginning.file);
    } else {
        files.clear();
    }
    Search::new(wanted, until).run(&files)
}
