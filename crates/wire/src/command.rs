//! Command bytes, and what shape of answer each command has.

/// The first byte of a client's command.
pub mod code {
    #![expect(missing_docs, reason = "the names are the protocol's own")]
    pub const QUIT: u8 = 0x01;
    pub const INIT_DB: u8 = 0x02;
    pub const QUERY: u8 = 0x03;
    pub const FIELD_LIST: u8 = 0x04;
    pub const CREATE_DB: u8 = 0x05;
    pub const DROP_DB: u8 = 0x06;
    pub const REFRESH: u8 = 0x07;
    pub const SHUTDOWN: u8 = 0x08;
    pub const STATISTICS: u8 = 0x09;
    pub const PROCESS_INFO: u8 = 0x0a;
    pub const PROCESS_KILL: u8 = 0x0c;
    pub const DEBUG: u8 = 0x0d;
    pub const PING: u8 = 0x0e;
    pub const CHANGE_USER: u8 = 0x11;
    pub const BINLOG_DUMP: u8 = 0x12;
    pub const REGISTER_SLAVE: u8 = 0x15;
    pub const STMT_PREPARE: u8 = 0x16;
    pub const STMT_EXECUTE: u8 = 0x17;
    pub const STMT_SEND_LONG_DATA: u8 = 0x18;
    pub const STMT_CLOSE: u8 = 0x19;
    pub const STMT_RESET: u8 = 0x1a;
    pub const SET_OPTION: u8 = 0x1b;
    pub const STMT_FETCH: u8 = 0x1c;
    pub const RESET_CONNECTION: u8 = 0x1f;
    pub const STMT_BULK_EXECUTE: u8 = 0xfa;
}

/// How the server answers a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No answer at all.
    Nothing,
    /// One OK, ERR or EOF packet.
    Simple,
    /// One packet of text, or ERR.
    Text,
    /// OK, ERR, a request for a local file, or result sets.
    Query,
    /// The answer to COM_STMT_PREPARE.
    Prepare,
    /// Rows without column definitions before them (COM_STMT_FETCH), or definitions without rows (COM_FIELD_LIST).
    Rows,
}

/// The answer's shape, or `None` for commands that a gateway does not pass on
/// (replication, obsolete and unknown ones).
pub fn shape(command: u8) -> Option<Shape> {
    Some(match command {
        code::QUIT | code::STMT_SEND_LONG_DATA | code::STMT_CLOSE => Shape::Nothing,
        code::INIT_DB
        | code::CREATE_DB
        | code::DROP_DB
        | code::REFRESH
        | code::SHUTDOWN
        | code::PROCESS_KILL
        | code::DEBUG
        | code::PING
        | code::CHANGE_USER
        | code::STMT_RESET
        | code::SET_OPTION
        | code::RESET_CONNECTION => Shape::Simple,
        code::STATISTICS => Shape::Text,
        code::QUERY | code::PROCESS_INFO | code::STMT_EXECUTE | code::STMT_BULK_EXECUTE => {
            Shape::Query
        }
        code::STMT_PREPARE => Shape::Prepare,
        code::FIELD_LIST | code::STMT_FETCH => Shape::Rows,
        _ => return None,
    })
}
