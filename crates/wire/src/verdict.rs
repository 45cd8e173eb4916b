//! Where a statement may run, as far as its text tells: on any copy of the data, or on the primary only, and why.

/// Where a statement may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A read that any copy of the data answers alike.
    Anywhere,
    /// It asks about the statement before it: it runs where that one ran.
    Follows,
    /// On the primary, for this reason.
    Primary(Reason),
}

/// Why a statement runs on the primary. Whatever is not known does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// INSERT, UPDATE, DELETE, REPLACE, LOAD DATA, or such a word within a read.
    Writes,
    /// CREATE, ALTER, DROP, GRANT and the like.
    Defines,
    /// BEGIN, COMMIT, ROLLBACK, XA, SAVEPOINT.
    Transaction,
    /// SET, USE: the session is kept on the primary, and told to replicas when they need it.
    Session,
    /// CALL, DO, PREPARE, EXECUTE, BEGIN NOT ATOMIC.
    Procedure,
    /// HANDLER, LOCK TABLES and what else lives in one connection.
    OfConnection,
    /// KILL, ANALYZE, CHECK, FLUSH and the like: means one server.
    Administers,
    /// More than one statement in one text.
    Several,
    /// A comment that servers of some versions run.
    ExecutableComment,
    /// Quotes or comments that do not end, or end elsewhere under another `sql_mode` or character set.
    Quoting,
    /// FOR UPDATE, LOCK IN SHARE MODE.
    LocksRows,
    /// INTO a variable or a file.
    StoresResult,
    /// A user variable (`@x`).
    UserVariable,
    /// A system variable (`@@x`): each server has its own.
    SystemVariable,
    /// GET_LOCK and its kin.
    NamedLock,
    /// NEXTVAL and its kin, or a sequence read as a table.
    Sequence,
    /// LAST_INSERT_ID.
    LastInsertId,
    /// CONNECTION_ID.
    Connection,
    /// UUID_SHORT, LOAD_FILE and others whose result depends on the server.
    OfServer,
    /// SLEEP, BENCHMARK.
    Waits,
    /// A function that is not known to be a harmless built-in one.
    UnknownFunction,
    /// Tables that each server has for itself (`information_schema` and the like).
    OwnTables,
    /// A view that calls functions, or reads what only the primary can answer.
    View,
    /// A table whose engine does not hold the same rows on every server.
    Engine,
    /// SHOW of something that each server has for itself.
    Shows,
    /// EXPLAIN: each server has a plan of its own.
    Plan,
    /// It asks about the statement before, and reads tables beside that.
    Past,
    /// A text that was not seen whole.
    Cut,
    /// Not recognized.
    Unknown,
}

impl Reason {
    /// In words, after "because".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Writes => "it writes",
            Self::Defines => "it defines or drops something",
            Self::Transaction => "it begins, ends or marks a transaction",
            Self::Session => "it changes the session",
            Self::Procedure => "it runs a procedure or a prepared text, which may do anything",
            Self::OfConnection => "it makes or uses something that lives in one connection",
            Self::Administers => "it means one server",
            Self::Several => "it is more than one statement",
            Self::ExecutableComment => "it has a comment that some server versions run",
            Self::Quoting => "its quotes, comments or characters can be read in more than one way",
            Self::LocksRows => "it locks rows",
            Self::StoresResult => "it stores its result in a variable or a file",
            Self::UserVariable => "it uses a user variable",
            Self::SystemVariable => "it reads a system variable, and each server has its own",
            Self::NamedLock => "it uses a named lock",
            Self::Sequence => "it uses a sequence",
            Self::LastInsertId => "it asks for the last insert id of its connection",
            Self::Connection => "it asks for the id of its connection",
            Self::OfServer => "it calls a function whose result depends on the server",
            Self::Waits => "it calls a function that only waits",
            Self::UnknownFunction => {
                "it calls a function that is not known to be a harmless built-in one"
            }
            Self::OwnTables => "it reads tables that each server has for itself",
            Self::View => "it reads a view that calls functions or asks the primary",
            Self::Engine => "it reads a table whose engine is not the same on every server",
            Self::Shows => "it shows something that each server has for itself",
            Self::Plan => "it asks for the plan, and each server has its own",
            Self::Past => "it asks about the statement before, and reads tables",
            Self::Cut => "not all of its text was seen",
            Self::Unknown => "it is not recognized as a read",
        }
    }
}
