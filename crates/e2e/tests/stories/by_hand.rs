//! What stories about mishaps inside a database need: SQL as the administrator past the gateways,
//! and what a person would look at afterwards: a value, the status, the log.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use trial::{SCHEMA, Session, Status};

use crate::stage::{LIMIT, Stage};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

impl Stage {
    /// Runs statements at this node's server as its administrator, one after the other, in one session.
    pub(crate) async fn by_hand(&self, node: &str, statements: &[&str]) -> Result<()> {
        let mut session = self.cluster.as_administrator(node).await?;
        for sql in statements {
            let done = session.execute(sql, LIMIT).await;
            done.with_context(|| format!("`{sql}` on {node}"))?;
        }
        Ok(())
    }

    /// Asks this node's server for one value.
    pub(crate) async fn ask(&self, node: &str, sql: &str) -> Result<Option<String>> {
        let mut session = self.cluster.as_administrator(node).await?;
        Ok(session.value(sql, LIMIT).await?)
    }

    /// Waits until this node's server answers so; a server that is away meanwhile is waited for.
    pub(crate) async fn until(&self, node: &str, sql: &str, wanted: &str) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let found = self.ask(node, sql).await;
            if matches!(&found, Ok(Some(found)) if found == wanted) {
                return Ok(start.elapsed());
            }
            ensure!(
                start.elapsed() < LIMIT,
                "`{sql}` on {node} is {found:?} and not {wanted}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until every data node's server answers the same, and not NULL.
    pub(crate) async fn same_everywhere(&self, sql: &str) -> Result<()> {
        let first = self.primary.as_str();
        let wanted = self.ask(first, sql).await?;
        let wanted = wanted.with_context(|| format!("`{sql}` on {first} is NULL"))?;
        for node in self.everyone() {
            self.until(&node, sql, &wanted).await?;
        }
        Ok(())
    }

    /// Waits until this node's agent has logged a line with this text; returns the line.
    pub(crate) async fn logs(&self, node: &str, text: &str) -> Result<String> {
        let start = Instant::now();
        loop {
            let log = self.cluster.node(node)?.log_tail(usize::MAX);
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return Ok(line.to_owned());
            }
            ensure!(start.elapsed() < LIMIT, "{node} never logged `{text}`");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until `mainstay VERB` on this node prints this; returns all of it.
    pub(crate) async fn shows(&self, node: &str, verb: &str, text: &str) -> Result<String> {
        let start = Instant::now();
        loop {
            let output = self.cluster.node(node)?.run(&[verb], "", LIMIT).await?;
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            if told.contains(text) {
                return Ok(told);
            }
            if start.elapsed() > LIMIT {
                bail!("`{verb}` on {node} never showed `{text}`, at last:\n{told}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until this node has saved, in a file for people, what it alone holds and what holds this text, and until
    /// the status of another node names the place.
    pub(crate) async fn saved(&self, node: &str, text: &str) -> Result<()> {
        let dir = self.cluster.node(node)?.dir().join("data/saved-tails");
        let start = Instant::now();
        while !holds(&dir, text) {
            ensure!(
                start.elapsed() < LIMIT,
                "{node} saved nothing with `{text}` in {}",
                dir.display()
            );
            tokio::time::sleep(LOOK).await;
        }
        for asked in self.all_but(node) {
            self.shows(&asked, "status", &dir.display().to_string())
                .await?;
        }
        Ok(())
    }

    /// A table of a story's own, with so many rows, on every data node.
    pub(crate) async fn own_table(&self, rows: u32) -> Result<()> {
        let fill = format!("INSERT INTO story.own SELECT seq, 0 FROM seq_1_to_{rows}");
        let make = "CREATE TABLE story.own (id INT PRIMARY KEY, value INT NOT NULL) ENGINE=InnoDB";
        self.by_hand(
            &self.primary,
            &["CREATE DATABASE story", "USE story", make, &fill],
        )
        .await?;
        self.same_everywhere("SELECT COUNT(*) FROM story.own").await
    }

    /// Keeps every application from writing for as long as the session lives; what was written before is everywhere.
    pub(crate) async fn calm(&self) -> Result<Session> {
        let tables = ["entry", "account", "transfer", "register", "list"];
        let locks = tables.map(|table| format!("{SCHEMA}.{table} READ"));
        let mut session = self.cluster.as_administrator(&self.primary).await?;
        let lock = format!("LOCK TABLES {}", locks.join(", "));
        session.execute(&lock, LIMIT).await?;
        self.same_everywhere("SELECT @@gtid_binlog_pos").await?;
        Ok(session)
    }

    /// Waits until the status says so.
    pub(crate) async fn status_says(
        &self,
        what: &str,
        condition: impl Fn(&Status) -> bool,
    ) -> Result<()> {
        self.cluster.wait_until(what, LIMIT, condition).await?;
        Ok(())
    }
}

/// A whole file of saved transactions in this directory holds this text.
fn holds(dir: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .any(|path| std::fs::read_to_string(path).is_ok_and(|told| told.contains(text)))
}
