//! Version 1 of what is said over the control socket. One request per line, one reply per line.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cluster::{Epoch, NodeName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Span;
use crate::output::Failure;

/// Of both directions; a newer one is refused and named.
pub(super) const VERSION: u32 = 1;
/// A longer line is no request.
pub(super) const REQUEST_LIMIT: usize = 16 * 1024;
/// A longer line is no reply.
pub(super) const REPLY_LIMIT: usize = 4 * 1024 * 1024;

/// What is asked of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub(crate) enum Request {
    /// The cluster as this node sees it: a [`crate::status::Status`].
    Status,
    /// The last decisions of a node: a list of `keeper::Remark`.
    Why {
        /// Of this node when none is named.
        node: Option<NodeName>,
    },
    /// Where a statement may run: [`Explained`].
    Explain(Question),
    /// A join token: [`Issued`].
    Token {
        /// For a witness.
        witness: bool,
        /// How long it may be used.
        valid_for: Span,
    },
    /// A planned change of primary: [`Changed`].
    Switchover {
        /// To whom.
        to: Option<NodeName>,
        /// What the person who confirmed it saw.
        expected: Expected,
    },
    /// An unplanned one: [`Changed`].
    Failover {
        /// To whom.
        to: NodeName,
        /// Also when acknowledged writes may be lost.
        accept_loss: bool,
        /// What the person who confirmed it saw.
        expected: Expected,
    },
    /// Read the configuration file again: [`crate::config::Change`].
    Reload,
    /// Let another process take over: [`Process`], the one that is about to.
    Upgrade {
        /// Its program.
        program: PathBuf,
    },
    /// Who the agent is: [`Process`].
    Agent,
    /// What holds now; of an old process whose connections go on: [`Followed`].
    Follow(Following),
    /// Suspend (or resume) automatic changes of primary: `null`.
    Pause {
        /// Suspend.
        paused: bool,
    },
}

/// A statement, and what is assumed of its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// The statement.
    pub(crate) text: String,
    /// The default database; may be empty.
    pub(crate) database: String,
    /// The user name of the session.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// Where it came in.
    #[serde(default)]
    pub(crate) at: Option<String>,
    /// A transaction is open.
    pub(crate) in_transaction: bool,
    /// `autocommit` is on.
    pub(crate) autocommit: bool,
    /// `sql_mode` has NO_BACKSLASH_ESCAPES.
    pub(crate) no_backslash_escapes: bool,
}

/// Where a statement may run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Explained {
    /// `anywhere`, `primary`, or `follows` for what asks about the statement before.
    pub(crate) may_run: String,
    /// Why, after "because".
    pub(crate) because: String,
    /// The part of the statement that decided, when one did.
    pub(crate) part: Option<String>,
    /// The gateway of this node spreads such a session's reads.
    pub(crate) spread: bool,
    /// How fresh its reads are: `primary`, `site`, `connection` or `none`.
    #[serde(default)]
    pub(crate) freshness: sql_gateway::Freshness,
    /// Why addresses for reads only refuse it, after "because"; nothing when they do not.
    #[serde(default)]
    pub(crate) refused: Option<String>,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its process.
    pub(crate) pid: u32,
    /// Of its program.
    pub(crate) version: String,
}

/// What an old process says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Following {
    /// Its process.
    pub(crate) pid: u32,
    /// In which epoch its gateway holds what is new.
    pub(crate) holding: Option<Epoch>,
    /// Its open transactions and statements.
    pub(crate) open: u32,
    /// The mark of the last answer, which need not be given at once again; 0: answer at once.
    pub(crate) seen: u64,
}

/// What an old process goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Followed {
    /// The epoch; 0 before the ledger was read.
    pub(crate) epoch: Epoch,
    /// The primary, if it takes writes.
    pub(crate) primary: Option<NodeName>,
    /// New transactions are to be held.
    pub(crate) hold: bool,
    /// For how long from the question on reads may be answered; none: without an end.
    pub(crate) fresh_ms: Option<u64>,
    /// The sequence number behind which the epoch began.
    pub(crate) began: u64,
    /// The epoch in which its primary asks gateways to hold.
    pub(crate) asked: Option<Epoch>,
    /// Nodes that have been silent for the suspicion time.
    pub(crate) silent: BTreeSet<NodeName>,
    /// The agent is about to end.
    pub(crate) ends: bool,
    /// Of this answer, but for the time.
    pub(crate) mark: u64,
}

/// What was true when a plan was shown: it is carried out only if it still is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// The epoch.
    pub(crate) epoch: Epoch,
}

/// A join token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    /// The token itself: a secret.
    pub(crate) token: String,
    /// Until when, RFC 3339.
    pub(crate) expires: String,
    /// `data` or `witness`.
    pub(crate) kind: String,
}

/// A change of primary that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// The new epoch.
    pub(crate) epoch: Epoch,
    /// Who was primary.
    pub(crate) from: String,
    /// Who is.
    pub(crate) to: String,
    /// How long writes stood still.
    pub(crate) write_pause_ms: u64,
}

/// A request as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) version: u32,
    pub(super) request: Value,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// It was done; what it is depends on the request.
    Done(Value),
    /// It was not.
    Failed(Failure),
}

impl Reply {
    /// A successful reply.
    pub(crate) fn done<T: Serialize>(value: &T) -> Self {
        match serde_json::to_value(value) {
            Ok(value) => Self::Done(value),
            Err(error) => Self::Failed(Failure::doing("write the reply")(error)),
        }
    }

    /// What was asked for, or why there is none.
    pub(super) fn into_result<T: DeserializeOwned>(self) -> Result<T, Failure> {
        match self {
            Self::Done(value) => serde_json::from_value(value).map_err(|error| {
                Failure::new("the agent's reply is not understood")
                    .cause(error)
                    .hint("agent and program differ in version: restart the agent")
            }),
            Self::Failed(failure) => Err(failure),
        }
    }
}

/// The request in a line, or why it is none.
pub(super) fn read_request(line: &[u8]) -> Result<Request, Failure> {
    let asked: Asked = serde_json::from_slice(line).map_err(Failure::doing("read the request"))?;
    if asked.version != VERSION {
        return Err(Failure::new(format!(
            "the request has version {}, this agent speaks version {VERSION}",
            asked.version
        ))
        .hint("agent and program differ in version: restart the agent"));
    }
    serde_json::from_value(asked.request).map_err(Failure::doing("read the request"))
}

/// The line of a request.
pub(super) fn write_request(request: &Request) -> serde_json::Result<Vec<u8>> {
    let request = serde_json::to_value(request)?;
    let mut line = serde_json::to_vec(&Asked {
        version: VERSION,
        request,
    })?;
    line.push(b'\n');
    Ok(line)
}
