//! Capability and status flags, as the wire carries them.

/// Client wants the number of rows found, not of rows changed.
pub const FOUND_ROWS: u64 = 1 << 1;
/// The handshake response names a database.
pub const CONNECT_WITH_DB: u64 = 1 << 3;
/// Compressed protocol (zlib).
pub const COMPRESS: u64 = 1 << 5;
/// `LOAD DATA LOCAL INFILE` may be used.
pub const LOCAL_FILES: u64 = 1 << 7;
/// The 4.1 protocol; everything here speaks it.
pub const PROTOCOL_41: u64 = 1 << 9;
/// Encryption follows the short handshake response.
pub const SSL: u64 = 1 << 11;
/// Status flags are in OK and EOF packets.
pub const TRANSACTIONS: u64 = 1 << 13;
/// 4.1 authentication.
pub const SECURE_CONNECTION: u64 = 1 << 15;
/// Several statements in one COM_QUERY.
pub const MULTI_STATEMENTS: u64 = 1 << 16;
/// Several result sets for one command.
pub const MULTI_RESULTS: u64 = 1 << 17;
/// Several result sets for one COM_STMT_EXECUTE.
pub const PS_MULTI_RESULTS: u64 = 1 << 18;
/// Authentication plugins are named and may be switched.
pub const PLUGIN_AUTH: u64 = 1 << 19;
/// The handshake response carries connection attributes.
pub const CONNECT_ATTRS: u64 = 1 << 20;
/// The authentication data's length is length-encoded.
pub const PLUGIN_AUTH_LENENC: u64 = 1 << 21;
/// OK packets may carry what changed in the session.
pub const SESSION_TRACK: u64 = 1 << 23;
/// Result sets end with an OK packet, without EOF packets.
pub const DEPRECATE_EOF: u64 = 1 << 24;
/// Not MariaDB (bit 0): when a greeting has it unset, MariaDB's extended flags are in the filler.
pub const MYSQL: u64 = 1;
/// MariaDB: progress reports in the middle of long statements.
pub const MARIADB_PROGRESS: u64 = 1 << 32;
/// MariaDB: COM_STMT_BULK_EXECUTE.
pub const MARIADB_BULK: u64 = 1 << 34;
/// MariaDB: extended type information in column definitions.
pub const MARIADB_EXTENDED_METADATA: u64 = 1 << 35;
/// MariaDB: column definitions may be left out when the client has them.
pub const MARIADB_CACHE_METADATA: u64 = 1 << 36;

/// Status: a transaction is open.
pub const IN_TRANSACTION: u16 = 0x0001;
/// Status: autocommit is on.
pub const AUTOCOMMIT: u16 = 0x0002;
/// Status: another result follows.
pub const MORE_RESULTS: u16 = 0x0008;
/// Status: a cursor was opened.
pub const CURSOR_EXISTS: u16 = 0x0040;
/// Status: the cursor's last row was sent.
pub const LAST_ROW_SENT: u16 = 0x0080;
/// Status: backslashes in strings are ordinary characters.
pub const NO_BACKSLASH_ESCAPES: u16 = 0x0200;
/// Status: the open transaction only reads.
pub const READS_ONLY: u16 = 0x2000;
/// Status: the session's state changed (and, with [`SESSION_TRACK`], an OK packet says how).
pub const STATE_CHANGED: u16 = 0x4000;
