//! What goes over the wire in a join: the request with what it shows of the token, and the answer.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::token_store::Claim;
use crate::{Error, Kind};

/// What a joiner asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The node name it wants.
    pub name: String,
    /// Its signing request, PEM ([`crate::Applicant::csr`]).
    pub csr: String,
    /// What it will be; must be what the token is for.
    pub kind: Kind,
    /// Whatever the handler on the other side wants to know; at most about 60 KB with the request.
    pub payload: Value,
}

/// What a joiner gets. The payload may hold secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct JoinAnswer {
    /// The node's certificate, PEM.
    pub certificate: String,
    /// The authority's certificate, PEM.
    pub authority: String,
    /// What the handler gave.
    pub payload: Value,
}

impl fmt::Debug for JoinAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinAnswer(redacted)")
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) claim: Claim,
    pub(crate) request: JoinRequest,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Reply {
    Granted(JoinAnswer),
    Refused(Why),
}

/// Why a join was refused, as it goes over the wire.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Why {
    Used { by: String },
    Expired { at: i64 },
    Foreign,
    Unknown,
    Attempts,
    Kind { expected: Kind, asked: Kind },
    Other(String),
}

impl Why {
    pub(crate) fn of(error: Error) -> Self {
        match error {
            Error::TokenUsed { by } => Self::Used { by },
            Error::TokenExpired { at } => Self::Expired { at: at.as_second() },
            Error::TokenForeign => Self::Foreign,
            Error::TokenUnknown => Self::Unknown,
            Error::TokenAttempts => Self::Attempts,
            Error::TokenKind { expected, asked } => Self::Kind { expected, asked },
            Error::Refused { reason, .. } => Self::Other(reason),
            other => Self::Other(other.to_string()),
        }
    }

    pub(crate) fn into_error(self, peer: &str) -> Error {
        match self {
            Self::Used { by } => Error::TokenUsed { by },
            Self::Expired { at } => Error::TokenExpired {
                at: jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
            },
            Self::Foreign => Error::TokenForeign,
            Self::Unknown => Error::TokenUnknown,
            Self::Attempts => Error::TokenAttempts,
            Self::Kind { expected, asked } => Error::TokenKind { expected, asked },
            Self::Other(reason) => Error::Refused {
                peer: peer.to_owned(),
                reason,
            },
        }
    }
}
