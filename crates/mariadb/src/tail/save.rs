//! Writes a tail to a file: readable (rows as comments), and executable by a server on which it is to be put back.
//! The ids are taken out of what is executed: put back elsewhere, the transactions are new ones.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use wire::gtid::{Gtid, Position};

use super::judge::{self, Verdict};
use super::{Tail, read_of_server};
use crate::backup::blocking;
use crate::disk;
use crate::error::{Error, Result};
use crate::server::Server;
use crate::tool::{self, LastWords};

const DECODER: &str = "mariadb-binlog";
/// Ends of the statements in mariadb-binlog's output that give a transaction its old id.
const IDENTITY: [&[u8]; 3] = [
    b"SET @@session.gtid_domain_id=",
    b"SET @@session.server_id=",
    b"SET @@session.gtid_seq_no=",
];

/// What a saved tail holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailSummary {
    /// The file.
    pub file: PathBuf,
    /// Number of transactions.
    pub transactions: u64,
    /// The first and the last of them.
    pub range: Option<(Gtid, Gtid)>,
    /// Their ids, oldest first.
    pub gtids: Vec<Gtid>,
    /// Tables whose rows they change, as `schema.table`.
    pub tables: Vec<String>,
    /// Whether `rewind` can take them out, as far as the log tells; `rewind` also looks at the tables.
    pub verdict: Verdict,
}

impl Server {
    /// Directory in which saved tails are kept.
    pub fn saved_tails_dir(&self) -> PathBuf {
        self.settings().state_dir.join("saved-tails")
    }

    /// Writes the transactions beyond `cut` to `name` (no path) in the directory of saved tails; only we can read it. The
    /// file is whole and on disk when this returns; without transactions there is none. Changes nothing in the server, which need not run.
    pub async fn save_tail(&self, cut: &Position, name: &str) -> Result<TailSummary> {
        let tail = self.tail(cut).await?;
        let what = format!(
            "{} transactions that this server had beyond `{cut}`, where the cluster went on without it.",
            tail.groups.len()
        );
        self.save(tail, what, &[], name).await
    }

    /// The same with all that stands in the binlog under this server id, between what others have written, too.
    pub async fn save_written_under(&self, server: u32, name: &str) -> Result<TailSummary> {
        let read = move |files| read_of_server(files, server);
        let tail = self.in_binlog(read).await?;
        let what = format!(
            "{} transactions that were written on this server while it was a replica.",
            tail.groups.len()
        );
        let only = format!("--do-server-ids={server}");
        // What comes from elsewhere may bear the same numbers.
        let only = [only, "--skip-gtid-strict-mode".to_owned()];
        self.save(tail, what, &only, name).await
    }

    async fn save(
        &self,
        tail: Tail,
        what: String,
        only: &[String],
        name: &str,
    ) -> Result<TailSummary> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty()
            || name.len() > 100
            || name.starts_with('.')
            || !name.chars().all(is_plain)
        {
            return Err(Error::setting(
                "name of the tail",
                "letters, digits and `-_.` are needed",
            ));
        }
        let dir = self.saved_tails_dir();
        let file = dir.join(name);
        let summary = summary(&tail, file.clone());
        let Some(first) = tail.groups.first() else {
            return Ok(summary);
        };
        disk::make_private_dir(&dir)?;
        let unfinished = disk::beside(&file, ".new");
        let start = format!("--start-position={}", first.start.offset);
        let arguments = [&["--verbose".to_owned(), start], only].concat();
        let mut child = self
            .decoder(&arguments, &tail.files)?
            .spawn()
            .map_err(Error::file("run `mariadb-binlog`"))?;
        let words = child.stderr.take().map(LastWords::listen);
        let output = child.stdout.take();
        let output = output
            .map(tokio::process::ChildStdout::into_owned_fd)
            .transpose();
        let output = output.map_err(Error::file("read from `mariadb-binlog`"))?;
        let (head, path) = (head(&summary, what), unfinished.clone());
        blocking(move || write(&path, &head, output.map(File::from))).await?;
        let status = child
            .wait()
            .await
            .map_err(Error::file("run `mariadb-binlog`"))?;
        let log = match words {
            Some(words) => words.text().await,
            None => String::new(),
        };
        tool::check(DECODER, status, log)?;
        blocking(move || disk::rename(&unfinished, &file)).await?;
        Ok(summary)
    }
}

impl Server {
    /// Copies the last file of the binlog as it is to `name` in the directory of saved tails: for a log that `save_tail`
    /// cannot read. Only we can read the copy; it is on disk when this returns. `None` when there is no binlog.
    pub async fn keep_log(&self, name: &str) -> Result<Option<PathBuf>> {
        let dir = self.saved_tails_dir();
        disk::make_private_dir(&dir)?;
        let (database_dir, copy) = (self.settings().database_dir.clone(), dir.join(name));
        blocking(move || {
            let files = crate::binlog::files_of(&database_dir.join("binlog.index"), &database_dir)?;
            let Some(last) = files.last() else {
                return Ok(None);
            };
            let doing = || Error::file(format!("copy `{}`", last.display()));
            let mut from = File::open(last).map_err(doing())?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut to = options.open(&copy).map_err(doing())?;
            std::io::copy(&mut from, &mut to).map_err(doing())?;
            to.sync_all().map_err(doing())?;
            Ok(Some(copy))
        })
        .await
    }
}

fn summary(tail: &Tail, file: PathBuf) -> TailSummary {
    let gtids: Vec<Gtid> = tail.groups.iter().map(|group| group.id).collect();
    let tables: BTreeSet<_> = tail
        .groups
        .iter()
        .flat_map(|group| &group.contents.tables)
        .collect();
    TailSummary {
        file,
        transactions: gtids.len() as u64,
        range: gtids.first().copied().zip(gtids.last().copied()),
        gtids,
        tables: tables
            .iter()
            .map(|(schema, table)| format!("{schema}.{table}"))
            .collect(),
        verdict: judge::judge(&tail.groups),
    }
}

/// Comments that tell a person what this is. Names of tables come from a log: no line of them may end the comment.
fn head(summary: &TailSummary, what: String) -> String {
    let plain = |text: String| text.replace(|c: char| c.is_control(), "?");
    let mut lines = vec![
        what,
        "Nobody else has them. To put them back on a primary, after reading them: mariadb --binary-mode < FILE".to_owned(),
        "The rows are shown as comments behind each BINLOG statement.".to_owned(),
    ];
    if let Some((first, last)) = summary.range {
        lines.push(format!("From {first} to {last}."));
    }
    lines.extend(summary.tables.iter().map(|table| format!("Table {table}")));
    let comment = |line| {
        format!(
            "-- {}
",
            plain(line)
        )
    };
    lines.into_iter().map(comment).collect::<Vec<_>>().concat()
}

/// Blocks until the program has written everything.
fn write(path: &Path, head: &str, output: Option<File>) -> Result<()> {
    let doing = || format!("write `{}`", path.display());
    let work = || {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut file = BufWriter::new(file);
        file.write_all(head.as_bytes())?;
        if let Some(output) = output {
            copy_without_identity(output, &mut file)?;
        }
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .sync_all()
    };
    work().map_err(Error::file(doing()))
}

fn copy_without_identity(from: impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if !gives_identity(&line) {
            to.write_all(&line)?;
        }
    }
}

/// Lines such as `/*M!100001 SET @@session.gtid_seq_no=27*//*!*/;`.
fn gives_identity(line: &[u8]) -> bool {
    let Some(rest) = line
        .strip_prefix(b"/*M!100001 ")
        .or_else(|| line.strip_prefix(b"/*!100001 "))
    else {
        return false;
    };
    let Some(value) = IDENTITY.iter().find_map(|name| rest.strip_prefix(*name)) else {
        return false;
    };
    let end = value
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(value.len());
    value[end..].trim_ascii_end() == b"*//*!*/;"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_statements_of_identity_are_left_out() {
        let text = "-- x\n/*M!100001 SET @@session.gtid_domain_id=0*//*!*/;\n/*M!100001 SET @@session.server_id=1*//*!*/;\n\
                    /*M!100001 SET @@session.gtid_seq_no=27*//*!*/;\nSTART TRANSACTION\n/*!*/;\nINSERT 'SET @@session.gtid_seq_no=1'\n";
        let mut out = Vec::new();
        copy_without_identity(text.as_bytes(), &mut out).unwrap();
        let expected = "-- x\nSTART TRANSACTION\n/*!*/;\nINSERT 'SET @@session.gtid_seq_no=1'\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
