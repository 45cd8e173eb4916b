//! Version 1 of what is said over the control socket. One request per line, one reply per line.

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
    /// The gateway of this node spreads reads.
    pub(crate) spread: bool,
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
