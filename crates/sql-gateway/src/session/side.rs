//! Which side a statement runs on: the primary, or the session's one replica. Whatever is not known to be answered alike
//! everywhere runs on the primary.

use std::collections::HashSet;
use std::sync::Arc;

use wire::catalog::Catalog;
use wire::command::code;
use wire::flags;
use wire::statement::{Kind, Marks, Reason, Statement, Verdict, scan, scan_with};

use super::past::Burden;
use super::prepared::Prepared;
use super::state::Pins;
use super::{Phase, Session, Transaction};

/// One of a session's two connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one to the primary.
    #[default]
    Primary,
    /// The one to a replica.
    Replica,
}

/// Where the statement that waits may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To the primary, and why.
    Primary(Tie),
    /// To either side.
    Either,
    /// To the replica: it asks about what ran there. Nothing may be asked there before it.
    Replica,
    /// To the primary, when the replica was asked what the statement asks about, by [`Session::ask_elsewhere`].
    Ask,
}

/// What ties a statement to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    /// Its text.
    Text(Reason),
    /// It asks about a statement that ran there.
    Follows,
    /// Reads of this session are not spread.
    NotSpread,
    /// What the database's names mean is not known, or was not when its text was looked at.
    Names,
    /// It is a command other than a query or an execution.
    Command,
    /// A transaction is open, may be, or is about to begin with options of its own.
    Transaction,
    /// `autocommit=0`: every read begins a transaction.
    Autocommit,
    /// State of one connection.
    Pinned(&'static str),
    /// An isolation level under which reads lock, or see what is not committed.
    Isolation,
    /// A character set in which a backslash or a quote can be half of a character, or an `sql_mode` of another dialect.
    Dialect,
    /// The default database is one that each server has for itself, or not what the statement was prepared with.
    Database,
    /// It is too long to be kept, or has parts that only one connection has.
    NotKept,
    /// A statement like it was refused by a replica.
    Surprise,
    /// It has been on the replica, without an answer that counts.
    Retried,
}

impl Tie {
    /// In words, after "because".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Text(reason) => reason.words(),
            Self::Follows => "it asks about the statement before, which ran there",
            Self::NotSpread => "reads of this session are not spread",
            Self::Names => "what the database's names mean is being read",
            Self::Command => "it is no query",
            Self::Transaction => "a transaction is open, or prepared by SET TRANSACTION",
            Self::Autocommit => "autocommit is off, so that every read begins a transaction",
            Self::Pinned(what) => what,
            Self::Isolation => "the isolation level is not one of the usual two",
            Self::Dialect => "its character set or sql_mode lets a text be read in several ways",
            Self::Database => "of its default database",
            Self::NotKept => "it cannot be run again if the replica fails",
            Self::Surprise => "a replica refused a statement like it",
            Self::Retried => "the replica had no answer in time",
        }
    }
}

/// The most digests that are remembered; then all are forgotten.
const MAX_SURPRISES: usize = 4096;

/// Digests of statements that a replica refused although their text says they are reads. One for all sessions of a
/// thread; the driver keeps it.
#[derive(Debug, Default)]
pub(crate) struct Surprises(HashSet<u64>);

impl Surprises {
    /// Remembers one.
    pub(crate) fn add(&mut self, digest: u64) {
        if self.0.len() >= MAX_SURPRISES {
            self.0.clear();
        }
        self.0.insert(digest);
    }

    fn has(&self, digest: u64) -> bool {
        !self.0.is_empty() && self.0.contains(&digest)
    }
}

impl Session {
    /// From now on reads may be spread. `collation`: the one of the login, which says how its bytes are read.
    pub(crate) fn spread(&mut self, collation: u16) {
        self.spreads = Some(has_plain_bytes(collation));
    }

    /// What the database's names mean from now on; `None`: nobody knows. `version` tells one state of that from another.
    pub(crate) fn know(&mut self, version: u64, names: Option<Arc<Catalog>>) {
        self.names_version = version;
        self.names = names;
    }

    /// Which state of that it has.
    pub(crate) fn names_version(&self) -> u64 {
        self.names_version
    }

    /// The same as [`Self::scan`], for texts that may have come before.
    pub(super) fn look(&self, text: &[u8], backslash: bool) -> Statement {
        let names = self.names.as_ref();
        let names = names.map(|names| (names, names.of_key(self.state.database_key())));
        self.lately.look(text, backslash, names)
    }

    /// Looks at a text with what is known of names.
    pub(super) fn scan(&self, text: &[u8], backslash: bool) -> Statement {
        match &self.names {
            Some(names) => scan_with(text, backslash, names.of_key(self.state.database_key())),
            None => scan(text, backslash),
        }
    }

    /// Names mean something else than when this statement was looked at.
    pub(super) fn is_scanned_otherwise(&self, prepared: &Prepared) -> bool {
        self.names.is_some() && prepared.scanned_with != self.names_version
    }

    /// Looks at a statement again.
    pub(super) fn scan_again(&mut self, id: u32) {
        let (Some(names), Some(prepared)) = (&self.names, self.statements.look(id)) else {
            return;
        };
        let version = self.names_version;
        let text = prepared.text.as_deref();
        // Why not the present default database: its names are those of the one it was prepared with.
        let names = names.of_database(&prepared.database);
        let Some(statement) = text.map(|text| scan_with(text, prepared.backslash, names)) else {
            return;
        };
        if let Ok(prepared) = self.statements.get(id) {
            (prepared.statement, prepared.scanned_with) = (statement, version);
        }
    }

    /// True while it holds locks that readers of a replica would pass by.
    pub(crate) fn locks_tables(&self) -> bool {
        self.state.pins.has(Pins::TABLE_LOCKS)
    }

    /// True when the statement that waits may change what names mean, or locks what is read.
    pub(crate) fn may_define(&self) -> bool {
        let runs = matches!(self.command, code::QUERY | code::STMT_EXECUTE);
        let Verdict::Primary(reason) = self.statement.verdict() else {
            return false;
        };
        let defines = match reason {
            Reason::Defines => !self.is_temporary(),
            Reason::Several
            | Reason::Procedure
            | Reason::ExecutableComment
            | Reason::Quoting
            | Reason::Cut
            | Reason::Unknown => true,
            _ => false,
        };
        let locks = self.statement.marks.has(Marks::TABLE_LOCK);
        (runs && (defines || locks)) || matches!(self.command, code::CREATE_DB | code::DROP_DB)
    }

    /// `CREATE TEMPORARY …`, `DROP TEMPORARY …`: means something to this session only.
    fn is_temporary(&self) -> bool {
        let mut words = self
            .wording()
            .unwrap_or_default()
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let second = words.nth(1);
        second.is_some_and(|word| word.eq_ignore_ascii_case(b"TEMPORARY"))
    }

    /// Where the statement that waits may go.
    pub(crate) fn place(&self, surprises: &Surprises) -> Place {
        if self.phase != Phase::Ready {
            return Place::Primary(Tie::Command);
        }
        if self.statement.verdict() == Verdict::Follows {
            let can = self.replica.is_some() && !self.tied;
            return if can && self.is_told_there() {
                Place::Replica
            } else if can && self.burden() == Burden::Unknown {
                Place::Ask
            } else {
                Place::Primary(Tie::Follows)
            };
        }
        match self.tie(surprises) {
            Some(_) if self.asks_replica() => Place::Ask,
            Some(tie) => Place::Primary(tie),
            None => Place::Either,
        }
    }

    /// True when all that looks back in several statements comes behind a read of theirs.
    pub(super) fn looks_at_itself(&self) -> bool {
        let text = self.wording().unwrap_or_default();
        let Some(end) = text.iter().position(|byte| *byte == b';') else {
            return false;
        };
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        let first = scan(&text[..end], backslash);
        let is_whole = first.verdict() != Verdict::Primary(Reason::Quoting);
        is_whole && first.kind == Kind::Select && !first.marks.has(Marks::LOOKS_BACK)
    }

    /// The statement's text, as far as it is kept.
    pub(super) fn wording(&self) -> Option<&[u8]> {
        if self.command == code::QUERY {
            return self.request.payload().get(1..);
        }
        let prepared = self.statements.look(self.statement_ref);
        prepared.and_then(|prepared| prepared.text.as_deref())
    }

    /// True when it runs on the primary and asks for the rows that a read on the replica found.
    fn asks_replica(&self) -> bool {
        self.replica.is_some() && !self.tied && self.burden() == Burden::Unknown
    }

    fn tie(&self, surprises: &Surprises) -> Option<Tie> {
        let Some(has_plain_bytes) = self.spreads else {
            return Some(Tie::NotSpread);
        };
        if self.names.is_none() || self.scanned_with != self.names_version {
            return Some(Tie::Names);
        }
        if !matches!(self.command, code::QUERY | code::STMT_EXECUTE) || self.kill.is_some() {
            return Some(Tie::Command);
        }
        if self.tied {
            return Some(Tie::Retried);
        }
        match self.statement.verdict() {
            Verdict::Anywhere => {}
            Verdict::Primary(reason) => return Some(Tie::Text(reason)),
            Verdict::Follows => return Some(Tie::Follows),
        }
        if self.transaction != Transaction::None || self.lost_transaction {
            return Some(Tie::Transaction);
        }
        if self.status & flags::AUTOCOMMIT == 0 {
            return Some(Tie::Autocommit);
        }
        if let Some(what) = self.state.pins.obstacle() {
            return Some(Tie::Pinned(what));
        }
        if self.state.next_transaction.is_some() {
            return Some(Tie::Transaction);
        }
        if !has_plain_bytes {
            return Some(Tie::Dialect);
        }
        self.state
            .tie()
            .or_else(|| self.tie_of_request())
            .or_else(|| {
                surprises
                    .has(self.statement.digest)
                    .then_some(Tie::Surprise)
            })
    }

    fn tie_of_request(&self) -> Option<Tie> {
        if !self.request.is_kept() {
            return Some(Tie::NotKept);
        }
        if self.command != code::STMT_EXECUTE {
            return None;
        }
        let prepared = self.statements.look(self.statement_ref)?;
        // Why: this id means another statement after the next PREPARE.
        let is_last = self.statement_ref == u32::MAX;
        if is_last || prepared.text.is_none() || prepared.long_data || prepared.cursor {
            return Some(Tie::NotKept);
        }
        // Why: it may have other columns now, and only who prepared it can say so to the client.
        if prepared.ran_with != self.names_version {
            return Some(Tie::Names);
        }
        // Why: there it would be prepared under the present ones (10.11.19: strings keep their collation).
        if prepared.parsed_with != self.state.parsing {
            return Some(Tie::Dialect);
        }
        // The byte behind the id: which kind of cursor is asked for.
        if self.request.payload().get(5) != Some(&0) {
            return Some(Tie::NotKept);
        }
        (*prepared.database != *self.state.database()).then_some(Tie::Database)
    }

    /// The digest of a statement that a replica refused, once.
    pub(crate) fn take_surprise(&mut self) -> Option<u64> {
        self.surprise.take()
    }
}

/// False for the character sets in which a backslash or a backtick can be the second byte of a character: big5, cp932,
/// gbk, sjis; and for swe7, where brackets are letters.
pub(super) fn has_plain_bytes(collation: u16) -> bool {
    // Those that do not pad have the same numbers and 1024 more.
    !matches!(
        collation & 1023,
        1 | 84 | 13 | 88 | 28 | 87 | 95 | 96 | 10 | 82
    )
}
