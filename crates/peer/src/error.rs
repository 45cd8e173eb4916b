//! Everything that can go wrong between agents, as facts; none of the messages holds a secret.
//! A reason that the other side gave is carried as its own words (`Refused`).

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A node name is no DNS label.
    #[error(
        "`{0}` is no node name: 1 to 63 lower-case letters, digits and hyphens, no hyphen at the ends"
    )]
    NodeName(String),
    /// A cluster name is empty, too long or holds control characters.
    #[error("a cluster name has 1 to 100 printable characters")]
    ClusterName,
    /// A file could not be read or written.
    #[error("{what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A secret file is readable by others.
    #[error("{path} can be read by others (mode {mode:04o}); make it readable by its owner only")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{path} is damaged: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file was written by a later version of the program.
    #[error("{path} has version {found}, this program knows version {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The latest one known here.
        known: u32,
    },
    /// The files of an identity do not belong together.
    #[error("the identity in {path} does not fit together: {reason}")]
    Mismatch {
        /// The directory.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A certificate of another cluster.
    #[error("{what} belongs to another cluster ({found}), not to this one ({expected})")]
    Foreign {
        /// Whose certificate.
        what: String,
        /// This cluster's id.
        expected: String,
        /// The id found, or what is known of it.
        found: String,
    },
    /// A certificate, key or signing request is not acceptable.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The system's random source failed.
    #[error("the system gave no random numbers")]
    Random,
    /// TLS could not be set up.
    #[error("tls: {0}")]
    Tls(String),
    /// The text is no token, or one with a typing error.
    #[error("mistyped token: {0}")]
    MistypedToken(&'static str),
    /// A token of a later version of the program.
    #[error("the token is of a version that this program does not know")]
    TokenVersion,
    /// The token was already used by another node.
    #[error("the token was already used, by `{by}`")]
    TokenUsed {
        /// The node that joined with it.
        by: String,
    },
    /// The token's time is over.
    #[error("the token expired at {at}")]
    TokenExpired {
        /// When.
        at: jiff::Timestamp,
    },
    /// The token was made by another cluster, or this one does not know it.
    #[error("the token is of another cluster")]
    TokenForeign,
    /// The token was never issued here, or so long ago that it is forgotten.
    #[error("the token is not known to the node that should have made it")]
    TokenUnknown,
    /// The token is for another kind of node.
    #[error("the token is for a {expected}, not for a {asked}")]
    TokenKind {
        /// What it was issued for.
        expected: crate::Kind,
        /// What was asked.
        asked: crate::Kind,
    },
    /// Too many wrong secrets.
    #[error("there were too many wrong attempts with this token")]
    TokenAttempts,
    /// No connection.
    #[error("connect to {addr}: {source}")]
    Connect {
        /// Where.
        addr: SocketAddr,
        /// Why it failed.
        source: io::Error,
    },
    /// The deadline passed.
    #[error("no answer from {peer} within {limit_ms} ms")]
    Timeout {
        /// The node or address.
        peer: String,
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// Another node answers at that address.
    #[error("{addr} is not node `{node}` of this cluster: {reason}")]
    WrongPeer {
        /// The address.
        addr: SocketAddr,
        /// The node expected there.
        node: String,
        /// What was wrong.
        reason: String,
    },
    /// The other side does not accept our certificate.
    #[error("{peer} refused this node's certificate ({reason})")]
    CertificateRefused {
        /// The node or address.
        peer: String,
        /// The TLS alert.
        reason: String,
    },
    /// We refuse this node: it was removed.
    #[error("node `{0}` was removed from the cluster: its certificate is refused")]
    Removed(String),
    /// The other side refused, in its words.
    #[error("{peer} refused: {reason}")]
    Refused {
        /// The node.
        peer: String,
        /// Its reason.
        reason: String,
    },
    /// The connection ended in the middle; whether a request was carried out is not known.
    #[error("connection with {peer} lost: {source}")]
    Lost {
        /// The node or address.
        peer: String,
        /// How.
        source: io::Error,
    },
    /// A frame longer than allowed, sent or received.
    #[error("a message of {size} bytes is longer than the limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The other side does not speak our protocol.
    #[error("{peer} sent something that is not of this protocol: {reason}")]
    Protocol {
        /// The node or address.
        peer: String,
        /// What was wrong.
        reason: String,
    },
    /// The port cannot be opened.
    #[error("listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why it failed.
        source: io::Error,
    },
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
