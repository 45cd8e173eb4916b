//! Prepared statements: the client's ids are ours; on each connection a statement is prepared when it is first used.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use wire::statement::Statement;

use crate::fault::Fault;

/// "The statement prepared last" (MariaDB).
const LAST: u32 = 0xffff_ffff;

/// One prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its text; `None` when it was too long to keep.
    pub(crate) text: Option<Box<[u8]>>,
    /// What its text is.
    pub(crate) statement: Statement,
    /// The state of what is known of names when its text was looked at, and how backslashes were read then.
    pub(crate) scanned_with: u64,
    pub(crate) backslash: bool,
    /// The same when the primary prepared or ran it last.
    pub(crate) ran_with: u64,
    /// The default database it was prepared with.
    pub(crate) database: Box<[u8]>,
    /// The id on the server.
    pub(crate) server_id: u32,
    /// The connection on which that id is good.
    connection: u32,
    /// Number of parameters.
    pub(crate) parameters: u16,
    /// Their types, as the client bound them last.
    pub(crate) types: Option<Box<[u8]>>,
    /// The server of this connection knows the types.
    pub(crate) types_known: bool,
    /// Long data were sent and not yet used.
    pub(crate) long_data: bool,
    /// A cursor is open.
    pub(crate) cursor: bool,
}

/// By the client's ids.
pub(super) type ById<T> = HashMap<u32, T, BuildHasherDefault<AsIs>>;

/// Why no real hash: these numbers are given one after the other, here.
#[derive(Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u32(&mut self, number: u32) {
        // The table looks at the highest bits as well.
        self.0 = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A session's prepared statements.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    known: Option<ById<Prepared>>,
    last: u32,
    connection: u32,
    /// Long data were sent for any of them.
    has_long_data: bool,
}

impl Statements {
    /// Adds a statement that was prepared on this connection (`there`: its id there and its number of parameters);
    /// returns the client's id.
    pub(crate) fn add(
        &mut self,
        text: Option<&[u8]>,
        statement: Statement,
        database: &[u8],
        there: (u32, u16),
    ) -> u32 {
        let (server_id, parameters) = there;
        self.last = self.last.wrapping_add(1).clamp(1, LAST - 1);
        let prepared = Prepared {
            text: text.map(Into::into),
            statement,
            scanned_with: 0,
            ran_with: 0,
            backslash: true,
            database: database.into(),
            server_id,
            connection: self.connection,
            parameters,
            types: None,
            types_known: false,
            long_data: false,
            cursor: false,
        };
        self.known
            .get_or_insert_default()
            .insert(self.last, prepared);
        self.last
    }

    /// The statement with the client's id.
    pub(crate) fn get(&mut self, id: u32) -> Result<&mut Prepared, Fault> {
        let id = if id == LAST { self.last } else { id };
        self.known
            .as_mut()
            .and_then(|known| known.get_mut(&id))
            .ok_or(Fault::UnknownStatement(id, ""))
    }

    /// The same, to look at.
    pub(crate) fn look(&self, id: u32) -> Option<&Prepared> {
        let id = if id == LAST { self.last } else { id };
        self.known.as_ref().and_then(|known| known.get(&id))
    }

    /// Long data were sent for it.
    pub(crate) fn long_data_sent(&mut self, id: u32) {
        if let Ok(prepared) = self.get(id) {
            prepared.long_data = true;
            self.has_long_data = true;
        }
    }

    /// It was executed: what was sent for it is used.
    pub(crate) fn long_data_used(&mut self, id: u32) {
        if self.has_long_data
            && let Ok(prepared) = self.get(id)
        {
            prepared.long_data = false;
        }
    }

    /// True when this one is prepared on this connection.
    pub(crate) fn has_here(&self, prepared: &Prepared) -> bool {
        prepared.connection == self.connection
    }

    /// True when the statement is prepared on this connection.
    pub(crate) fn is_here(&self, id: u32) -> bool {
        let id = if id == LAST { self.last } else { id };
        let known = self.known.as_ref().and_then(|known| known.get(&id));
        known.is_some_and(|prepared| self.has_here(prepared))
    }

    /// It was prepared again, on this connection.
    pub(crate) fn here(&mut self, id: u32, server_id: u32) {
        let connection = self.connection;
        if let Ok(prepared) = self.get(id) {
            prepared.connection = connection;
            prepared.server_id = server_id;
            prepared.types_known = false;
        }
    }

    /// Forgets a statement.
    pub(crate) fn remove(&mut self, id: u32) {
        if let Some(known) = &mut self.known {
            known.remove(&id);
            if known.is_empty() {
                self.known = None;
            }
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.known = None;
    }

    /// True when there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_none()
    }

    /// The connection is another one: nothing is prepared there.
    pub(crate) fn reconnected(&mut self) {
        self.connection = self.connection.wrapping_add(1);
    }

    /// True when a cursor is open.
    pub(crate) fn has_cursor(&self) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| known.values().any(|prepared| prepared.cursor))
    }
}
