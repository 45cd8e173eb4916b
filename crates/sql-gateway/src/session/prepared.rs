//! Prepared statements: the client's ids are ours; on each connection a statement is prepared when it is first used.

use wire::statement::Statement;

use super::by_id::ById;
use super::replay::remembers;
use crate::fault::Fault;

/// "The statement prepared last" (MariaDB).
const LAST: u32 = 0xffff_ffff;

/// One prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its text; `None` when it was too long to keep.
    pub(crate) text: Option<Box<[u8]>>,
    /// Its text may use what the session remembers.
    pub(super) remembers: bool,
    /// What its text is.
    pub(crate) statement: Statement,
    /// The state of what is known of names when its text was looked at, and how backslashes were read then.
    pub(crate) scanned_with: u64,
    pub(crate) backslash: bool,
    /// The same when the primary prepared or ran it last.
    pub(crate) ran_with: u64,
    /// What [`super::state::State::parsing`] was when it was prepared.
    pub(crate) parsed_with: u64,
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

/// A session's prepared statements.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    known: ById<Prepared>,
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
            remembers: text.is_some_and(remembers),
            statement,
            scanned_with: 0,
            ran_with: 0,
            parsed_with: 0,
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
        self.known.insert(self.last, prepared);
        self.last
    }

    /// The id that is meant by one of the client's.
    #[inline]
    fn meant(&self, id: u32) -> u32 {
        if id == LAST { self.last } else { id }
    }

    /// The statement with the client's id.
    pub(crate) fn get(&mut self, id: u32) -> Result<&mut Prepared, Fault> {
        let id = self.meant(id);
        // Why not made ahead: it would have to be dropped each time.
        let unknown = || Fault::UnknownStatement(id, "");
        self.known.get_mut(id).ok_or_else(unknown)
    }

    /// The same, to look at.
    pub(crate) fn look(&self, id: u32) -> Option<&Prepared> {
        self.known.get(self.meant(id))
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
        self.look(id).is_some_and(|it| self.has_here(it))
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
        self.known.remove(id);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }

    /// True when there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The connection is another one: nothing is prepared there.
    pub(crate) fn reconnected(&mut self) {
        self.connection = self.connection.wrapping_add(1);
    }

    /// True when a cursor is open.
    pub(crate) fn has_cursor(&self) -> bool {
        self.known.values().any(|prepared| prepared.cursor)
    }
}
