//! One thing that is wrong with a cluster's data, in words a person understands.

use std::fmt;

use super::anomaly::Anomaly;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A write that a client was told is done is not there.
    Lost {
        /// Where it is missing.
        node: String,
        /// "entry 3/17".
        what: String,
    },
    /// Something is there that no client sent.
    Phantom {
        /// Where.
        node: String,
        /// What.
        what: String,
    },
    /// A write is there that a client was told is certainly not done.
    Refused {
        /// Where.
        node: String,
        /// What.
        what: String,
    },
    /// A row is there with another content than was sent.
    Altered {
        /// Where.
        node: String,
        /// What.
        what: String,
    },
    /// A balance is not what the transfers make it: one was done in part, or twice.
    Torn {
        /// Where.
        node: String,
        /// Which account.
        account: u32,
        /// What the transfers that are there make it.
        expected: i64,
        /// What it is.
        found: i64,
    },
    /// All balances together are not what they were at the beginning.
    Total {
        /// Where.
        node: String,
        /// At the beginning.
        expected: i64,
        /// Now.
        found: i64,
    },
    /// Two nodes hold different rows.
    Differs {
        /// The table.
        table: &'static str,
        /// One node.
        one: String,
        /// Another.
        other: String,
        /// How many rows differ.
        rows: usize,
        /// The first few, with both contents.
        examples: Vec<String>,
    },
    /// Rows are equal and `CHECKSUM TABLE` is not.
    Checksum {
        /// The table.
        table: String,
        /// One node.
        one: String,
        /// Another.
        other: String,
    },
    /// A client did not read what it had been told was written.
    StaleRead {
        /// The writer.
        writer: u32,
        /// What it had been told.
        floor: u64,
        /// What it read.
        seen: Option<u64>,
    },
    /// A client read a value that was never sent, or that is gone now.
    UnrealRead {
        /// Of this writer's register.
        writer: u32,
        /// The value.
        seen: u64,
        /// Why it cannot be.
        why: &'static str,
    },
    /// A client saw a transfer half done.
    TornRead {
        /// At the beginning, and so always.
        expected: i64,
        /// What it saw.
        seen: i64,
    },
    /// Transactions that one server would not have run like this.
    Anomaly {
        /// The kind.
        anomaly: Anomaly,
        /// Which transactions, and how.
        what: String,
    },
    /// The cluster did not become whole again.
    NotHealed {
        /// The last thing seen.
        seen: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { node, what } => {
                write!(f, "lost: {what} was acknowledged and is not on {node}")
            }
            Self::Phantom { node, what } => {
                write!(f, "phantom: {what} is on {node} and was never sent")
            }
            Self::Refused { node, what } => {
                write!(
                    f,
                    "refused: {what} is on {node}, and its client was told it is not done"
                )
            }
            Self::Altered { node, what } => write!(f, "altered: {what} on {node}"),
            Self::Torn {
                node,
                account,
                expected,
                found,
            } => write!(
                f,
                "torn: account {account} on {node} holds {found}, its transfers make {expected}"
            ),
            Self::Total {
                node,
                expected,
                found,
            } => {
                write!(
                    f,
                    "total: all accounts on {node} hold {found}, not {expected}"
                )
            }
            Self::Differs {
                table,
                one,
                other,
                rows,
                examples,
            } => {
                write!(
                    f,
                    "different: `{table}` has {rows} rows that differ on {one} and {other}: "
                )?;
                f.write_str(&examples.join("; "))
            }
            Self::Checksum { table, one, other } => {
                write!(
                    f,
                    "different: CHECKSUM TABLE {table} differs on {one} and {other}"
                )
            }
            Self::Anomaly { anomaly, what } => write!(f, "{anomaly}: {what}"),
            Self::NotHealed { seen } => write!(f, "not healed: {seen}"),
            Self::StaleRead { .. } | Self::UnrealRead { .. } | Self::TornRead { .. } => {
                self.fmt_read(f)
            }
        }
    }
}

impl Violation {
    /// The kinds that a client saw, not the check.
    fn fmt_read(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleRead {
                writer,
                floor,
                seen,
            } => write!(
                f,
                "stale read: writer {writer} had {floor} acknowledged and then read {}",
                seen.map_or("nothing".to_owned(), |seen| seen.to_string())
            ),
            Self::UnrealRead { writer, seen, why } => {
                write!(
                    f,
                    "unreal read: value {seen} of writer {writer} was read, and {why}"
                )
            }
            Self::TornRead { expected, seen } => {
                write!(
                    f,
                    "torn read: a client summed the accounts up to {seen}, not {expected}"
                )
            }
            _ => Ok(()),
        }
    }
}
