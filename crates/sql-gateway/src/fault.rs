//! What the gateway itself tells clients: error number, SQL state, a sentence with what to do, and whether the
//! connection ends. Errors of the server are passed on untouched.

use std::time::Duration;

use wire::command::code;
use wire::reply::ErrPacket;

/// An error that a client gets from the gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Nobody to send a statement to, for too long.
    #[error(
        "no primary database server for {:.1} s; the statement was not executed, try again in a moment",
        waited.as_secs_f64()
    )]
    NoPrimary { waited: Duration },
    /// The connection broke with a transaction open; nothing of it can have been committed.
    #[error("the primary changed while a transaction was open; it was rolled back, run it again")]
    TransactionLost,
    /// A change, or a COMMIT, was sent and not answered.
    #[error(
        "the primary was lost while this statement ran; its outcome is unknown, check before running it again"
    )]
    OutcomeUnknown,
    /// A change that was sent and not answered is committed.
    #[error(
        "the primary was lost while this statement ran; it was executed and committed, but its result is lost; do not run it again"
    )]
    ResultLost,
    /// The result was cut off in the middle.
    #[error("the primary was lost while this result was read; run the statement again")]
    ReadBroken,
    /// The session has state that cannot be made again on another server.
    #[error(
        "the primary changed and {0} cannot be moved; reconnect, this statement was not executed"
    )]
    CannotMove(&'static str),
    /// The new primary does not take the session's settings.
    #[error(
        "the primary changed and the session could not be set up again ({0}); reconnect, this statement was not executed"
    )]
    CannotRestore(String),
    /// A prepared statement whose text or parameters are gone.
    #[error("the primary changed and {0} of this prepared statement is lost; prepare it again")]
    StatementLost(&'static str),
    /// The statement before this one ran on another connection.
    #[error(
        "the primary changed since the last statement, and this one asks for its result; run both again"
    )]
    LooksBack,
    /// The session gave its connection away while it was idle.
    #[error(
        "the connection was idle for so long that the database has another one for it now, and this statement asks for what was left on the former; run both again"
    )]
    Parted,
    /// Somebody ended the connection by KILL.
    #[error("Connection was killed")]
    Killed,
    /// The same while a change, or a COMMIT, was sent and not answered.
    #[error(
        "Connection was killed while this statement ran; its outcome is unknown, check before running it again"
    )]
    KilledInFlight,
    /// An id that was never prepared, and the server's name of the command.
    #[error("Unknown prepared statement handler ({0}) given to {1}")]
    UnknownStatement(u32, &'static str),
    /// The configured number of connections is reached.
    #[error("Too many connections")]
    TooManyConnections,
    /// All connections of the account are in use, for too long.
    #[error(
        "account '{user}' has {limit} connections to the database in use (`gateway.pool_per_account`), and none became free within {:.1} s; the statement was not executed",
        waited.as_secs_f64()
    )]
    NoneFree {
        user: String,
        limit: usize,
        waited: Duration,
    },
    /// The client did not log in in time.
    #[error("the login took longer than {} s", limit.as_secs())]
    HandshakeTimeout { limit: Duration },
    /// Bytes that are not the MySQL protocol.
    #[error("Got packets out of order: {0}")]
    Malformed(&'static str),
    /// A command of replication.
    #[error(
        "the gateway does not pass on the command 0x{0:02x}; replication tools connect to the server itself"
    )]
    RefusedCommand(u8),
    /// A command that nobody knows, in the server's own words.
    #[error("Unknown command")]
    UnknownCommand,
    /// A KILL that is not by plain id.
    #[error(
        "KILL through the gateway needs a plain connection id; use the server's own socket for other forms"
    )]
    RefusedKill,
    /// KILL of somebody else's waiting statement.
    #[error("You are not owner of thread {0}")]
    NotOwner(u64),
    /// A KILL reached the statement while it waited.
    #[error("Query execution was interrupted")]
    Interrupted,
    /// A client without authentication plugins whose password could not be verified.
    #[error("Access denied for user '{0}'@'localhost' (using password: {1})")]
    AccessDenied(String, &'static str),
    /// An account that `read_only` does not hold back.
    #[error(
        "account {0} has READ ONLY ADMIN or SUPER and could write on a replica, where it would be lost; revoke them, use the server's own socket, or set `gateway.strong_accounts`"
    )]
    TooStrong(String),
    /// A client that did not ask for encryption where it must.
    #[error(
        "Connections using insecure transport are prohibited at this address; connect with TLS"
    )]
    TlsRequired,
    /// Somebody else than a load balancer where only these connect.
    #[error("the client that connected is no load balancer of `gateway.proxy_from`")]
    NoBalancer,
    /// What a connection for reads does not let through, and why.
    #[error(
        "The MariaDB server is running with the --read-only option so it cannot execute this statement: {0}; this address is for reads (`gateway.read_only_listen`)"
    )]
    NotARead(&'static str),
    /// Nobody to send a read to, for too long.
    #[error(
        "no replica to read from for {:.1} s; the statement was not executed, try again in a moment",
        waited.as_secs_f64()
    )]
    NoReplica { waited: Duration },
    /// The same as another fault, for a client that only reads.
    #[error("{}", of_reader(.0))]
    OfReader(Box<Fault>),
    /// A client that speaks something older than the 4.1 protocol, or wants encryption.
    #[error("the gateway cannot log this client in: {0}")]
    CannotLogIn(&'static str),
}

impl Fault {
    /// MySQL error number and SQL state.
    fn code(&self) -> (u16, [u8; 5]) {
        match self {
            // Why: 1053/08S01 is what a server that goes away says; drivers and pools know it.
            Self::NoPrimary { .. } | Self::NoReplica { .. } => (1053, *b"08S01"),
            Self::NotARead(_) => (1290, *b"HY000"),
            Self::OfReader(fault) => fault.code(),
            // Why: as after a deadlock: the transaction is gone, the connection is good, a retry is right.
            Self::TransactionLost | Self::LooksBack | Self::Parted => (1213, *b"40001"),
            // Why: as an interrupted query: nothing was changed, the connection is good.
            Self::ReadBroken | Self::Interrupted => (1317, *b"70100"),
            // Why: what a server says to a connection it ends. Numbers of 2000 and more (2013) are a client's own:
            // MariaDB's client library takes them for a malformed packet (seen with 10.11.19).
            Self::OutcomeUnknown
            | Self::ResultLost
            | Self::CannotMove(_)
            | Self::CannotRestore(_) => (1927, *b"08S01"),
            Self::Killed | Self::KilledInFlight => (1927, *b"70100"),
            Self::StatementLost(_) => (1615, *b"HY000"),
            Self::UnknownStatement(..) => (1243, *b"HY000"),
            Self::TooManyConnections => (1040, *b"08004"),
            // Why: what a server says when an account has all the connections it may have.
            Self::NoneFree { .. } => (1203, *b"42000"),
            Self::HandshakeTimeout { .. } => (1159, *b"08S01"),
            Self::Malformed(_) => (1156, *b"08S01"),
            Self::RefusedCommand(_) | Self::UnknownCommand => (1047, *b"08S01"),
            Self::RefusedKill => (1235, *b"42000"),
            Self::NotOwner(_) => (1095, *b"HY000"),
            Self::AccessDenied(..) | Self::TooStrong(_) => (1045, *b"28000"),
            Self::CannotLogIn(_) => (1251, *b"08004"),
            Self::TlsRequired => (3159, *b"08004"),
            Self::NoBalancer => (1130, *b"HY000"),
        }
    }

    /// True when the connection ends after this error.
    pub(crate) fn closes(&self) -> bool {
        match self {
            Self::OfReader(fault) => fault.closes(),
            Self::NoPrimary { .. }
            | Self::NoReplica { .. }
            | Self::NotARead(_)
            | Self::TransactionLost
            | Self::StatementLost(_)
            | Self::LooksBack
            | Self::Parted
            | Self::UnknownStatement(..)
            | Self::RefusedCommand(_)
            | Self::UnknownCommand
            | Self::RefusedKill
            | Self::NotOwner(_)
            | Self::ReadBroken
            | Self::NoneFree { .. }
            | Self::Interrupted => false,
            Self::OutcomeUnknown
            | Self::ResultLost
            | Self::CannotMove(_)
            | Self::CannotRestore(_)
            | Self::Killed
            | Self::KilledInFlight
            | Self::TooManyConnections
            | Self::HandshakeTimeout { .. }
            | Self::Malformed(_)
            | Self::AccessDenied(..)
            | Self::TooStrong(_)
            | Self::TlsRequired
            | Self::NoBalancer
            | Self::CannotLogIn(_) => true,
        }
    }

    /// The same, as a server says it of this command.
    pub(crate) fn of(self, command: u8) -> Self {
        match self {
            Self::UnknownStatement(id, _) => Self::UnknownStatement(id, handler(command)),
            other => other,
        }
    }

    /// The ERR packet's payload.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let (code, sql_state) = self.code();
        ErrPacket {
            code,
            sql_state,
            message: self.to_string().as_bytes(),
        }
        .encode()
    }
}

/// It stands on a replica.
fn of_reader(fault: &Fault) -> String {
    let told = fault.to_string();
    told.replacen("the primary", "the replica of this connection for reads", 1)
}

/// What a server calls its part that deals with a prepared statement.
fn handler(command: u8) -> &'static str {
    match command {
        code::STMT_BULK_EXECUTE => "mysqld_stmt_bulk_execute",
        code::STMT_FETCH => "mysqld_stmt_fetch",
        code::STMT_RESET => "mysqld_stmt_reset",
        _ => "mysqld_stmt_execute",
    }
}
