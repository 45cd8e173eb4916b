//! OK, EOF and ERR packets, and what an OK says about the session's state.

use crate::codec::{Malformed, Reader, put_counted, put_length};
use crate::flags;

/// An OK packet of a connection that negotiated session tracking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OkPacket<'a> {
    /// 0x00, or 0xfe where it stands for an EOF.
    pub header: u8,
    /// Rows changed.
    pub affected: u64,
    /// Last auto-increment value.
    pub insert_id: u64,
    /// Status flags.
    pub status: u16,
    /// Number of warnings.
    pub warnings: u16,
    /// `Records: 3  Duplicates: 0  Warnings: 0` and the like.
    pub info: &'a [u8],
    /// The changes of the session's state; read them with [`changes`].
    pub changes: &'a [u8],
}

impl<'a> OkPacket<'a> {
    /// Reads an OK packet's payload.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(payload).ok_or(Malformed { what: "OK packet" })
    }

    fn read(payload: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let header = reader.u8()?;
        let affected = reader.length()?;
        let insert_id = reader.length()?;
        let status = reader.u16()?;
        let warnings = reader.u16()?;
        let info = if reader.rest().is_empty() {
            &[][..]
        } else {
            reader.counted()?
        };
        let changes = if status & flags::STATE_CHANGED != 0 && !reader.rest().is_empty() {
            reader.counted()?
        } else {
            &[]
        };
        Some(Self {
            header,
            affected,
            insert_id,
            status,
            warnings,
            info,
            changes,
        })
    }

    /// The payload for a client that did not negotiate session tracking.
    pub fn without_changes(&self) -> Vec<u8> {
        self.with_changes(&[])
    }

    /// The payload for a client that is to be told only of these variables, in their order, and of the default database.
    pub fn with_changes_of(&self, names: &[&[u8]]) -> Vec<u8> {
        // Why first: most often there is nothing of that.
        let is_told = |change: Change<'_>| match change {
            Change::Variable(name, _) => names.contains(&name),
            Change::Database(_) => true,
            Change::Something => false,
        };
        if !changes(self.changes).any(is_told) {
            return self.without_changes();
        }
        let mut kept = Vec::new();
        let mut keep = |kind, parts: &[&[u8]]| {
            let mut data = Vec::new();
            for part in parts {
                put_counted(&mut data, part);
            }
            kept.push(kind);
            put_counted(&mut kept, &data);
        };
        for wanted in names {
            for change in changes(self.changes) {
                if let Change::Variable(name, value) = change
                    && name == *wanted
                {
                    keep(0, &[name, value]);
                }
            }
        }
        for change in changes(self.changes) {
            if let Change::Database(name) = change {
                keep(1, &[name]);
            }
        }
        self.with_changes(&kept)
    }

    /// The payload for a client that is to be told only of changes that it wants. What is neither a variable nor the default
    /// database nor [`Change::Something`] is told in any case.
    pub fn with_changes_wanted(&self, wants: impl Fn(Change<'_>) -> bool) -> Vec<u8> {
        let mut kept = Vec::new();
        let mut reader = Reader::new(self.changes);
        while let (Some(kind), Some(data)) = (reader.u8(), reader.counted()) {
            let mut told = Vec::new();
            if kind == 0 {
                let mut variables = Reader::new(data);
                while let (Some(name), Some(value)) = (variables.counted(), variables.counted()) {
                    if wants(Change::Variable(name, value)) {
                        put_counted(&mut told, name);
                        put_counted(&mut told, value);
                    }
                }
            } else {
                let is_wanted = match kind {
                    1 => wants(Change::Database(&[])),
                    2 => wants(Change::Something),
                    _ => true,
                };
                told.extend_from_slice(if is_wanted { data } else { &[] });
            }
            if !told.is_empty() {
                kept.push(kind);
                put_counted(&mut kept, &told);
            }
        }
        self.with_changes(&kept)
    }

    /// The payload with the flag that something changed, and without any word of it.
    pub fn with_flag_only(&self) -> Vec<u8> {
        let mut out = vec![self.header];
        put_length(&mut out, self.affected);
        put_length(&mut out, self.insert_id);
        out.extend_from_slice(&(self.status | flags::STATE_CHANGED).to_le_bytes());
        out.extend_from_slice(&self.warnings.to_le_bytes());
        if !self.info.is_empty() {
            put_counted(&mut out, self.info);
        }
        out
    }

    fn with_changes(&self, changes: &[u8]) -> Vec<u8> {
        let mut status = self.status & !flags::STATE_CHANGED;
        if !changes.is_empty() {
            status |= flags::STATE_CHANGED;
        }
        // The header, two lengths, two numbers of two bytes, and what has a length before it: it grows once at most.
        let mut out = Vec::with_capacity(41 + self.info.len() + changes.len());
        out.push(self.header);
        put_length(&mut out, self.affected);
        put_length(&mut out, self.insert_id);
        out.extend_from_slice(&status.to_le_bytes());
        out.extend_from_slice(&self.warnings.to_le_bytes());
        if !self.info.is_empty() || !changes.is_empty() {
            put_counted(&mut out, self.info);
        }
        if !changes.is_empty() {
            put_counted(&mut out, changes);
        }
        out
    }
}

/// One change of the session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// A session variable has this value now.
    Variable(&'a [u8], &'a [u8]),
    /// The default database.
    Database(&'a [u8]),
    /// Something changed that only the flag tells (user variables, temporary tables, prepared
    /// statements, roles; also sent beside the other changes).
    Something,
}

/// The changes in [`OkPacket::changes`], in order; ends at the first byte that makes no sense.
pub fn changes(bytes: &[u8]) -> impl Iterator<Item = Change<'_>> {
    let mut reader = Reader::new(bytes);
    let mut variables = Reader::new(&[]);
    std::iter::from_fn(move || {
        loop {
            if !variables.rest().is_empty() {
                return Some(Change::Variable(variables.counted()?, variables.counted()?));
            }
            let kind = reader.u8()?;
            let data = reader.counted()?;
            let mut data_reader = Reader::new(data);
            match kind {
                0 => variables = data_reader,
                1 => return Some(Change::Database(data_reader.counted()?)),
                // MariaDB 10.11.19 sends the digit bare; MySQL puts a length before it.
                2 if data.ends_with(b"1") => return Some(Change::Something),
                _ => {}
            }
        }
    })
}

/// Status flags of an EOF packet's payload.
pub fn eof_status(payload: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(payload);
    (reader.u8()? == 0xfe).then_some(())?;
    reader.u16()?;
    reader.u16()
}

/// An ERR packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrPacket<'a> {
    /// Error number.
    pub code: u16,
    /// Five characters.
    pub sql_state: [u8; 5],
    /// The text.
    pub message: &'a [u8],
}

impl<'a> ErrPacket<'a> {
    /// Reads an ERR packet's payload (before the login the SQL state may be missing: then `HY000`).
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        (reader.u8()? == 0xff).then_some(())?;
        let code = reader.u16()?;
        let mut sql_state = *b"HY000";
        if reader.rest().first() == Some(&b'#') {
            reader.u8()?;
            sql_state = reader.array()?;
        }
        Some(Self {
            code,
            sql_state,
            message: reader.rest(),
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9 + self.message.len());
        out.push(0xff);
        out.extend_from_slice(&self.code.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(&self.sql_state);
        out.extend_from_slice(self.message);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // MariaDB 10.11.19, `set names utf8mb4` with `session_track_system_variables='*'`.
    const NAMES: &[u8] = b"\x00\x00\x00\x02@\x00\x00\x00e\x00\x1e\x15character_set_results\x07utf8mb4\x00\x1d\x14character_set_client\x07utf8mb4\x00!\x18character_set_connection\x07utf8mb4\x02\x011";

    #[test]
    fn a_real_ok_with_variables_when_parsed_names_each_change() {
        let ok = OkPacket::parse(NAMES).unwrap();
        let seen: Vec<_> = changes(ok.changes).collect();
        assert_eq!(seen.len(), 4);
        assert_eq!(
            seen[1],
            Change::Variable(b"character_set_client", b"utf8mb4")
        );
        assert_eq!(seen[3], Change::Something);
        assert_eq!(ok.without_changes(), b"\0\0\0\x02\0\0\0");
    }

    #[test]
    fn a_real_ok_with_info_when_stripped_keeps_the_info() {
        let payload = b"\x00\x03\x01\x02\x00\x00\x00&Records: 3  Duplicates: 0  Warnings: 0";
        let ok = OkPacket::parse(payload).unwrap();
        assert_eq!((ok.affected, ok.insert_id, ok.info.len()), (3, 1, 38));
        assert_eq!(ok.without_changes(), payload);
    }

    #[test]
    fn a_real_change_of_database_when_parsed_is_named() {
        let ok = OkPacket::parse(b"\x00\x00\x00\x02@\x00\x00\x00\x0b\x01\x06\x05test1\x02\x011")
            .unwrap();
        assert_eq!(changes(ok.changes).next(), Some(Change::Database(b"test1")));
    }

    #[test]
    fn a_real_error_when_parsed_and_encoded_is_the_same() {
        let payload = b"\xff\x19\x04#42000Unknown database 'dd'";
        let err = ErrPacket::parse(payload).unwrap();
        assert_eq!((err.code, &err.sql_state), (1049, b"42000"));
        assert_eq!(err.encode(), payload);
    }

    #[test]
    fn ok_when_only_some_changes_are_told_then_they_stand_in_their_order() {
        let ok = OkPacket {
            header: 0,
            affected: 1,
            insert_id: 0,
            status: flags::STATE_CHANGED | flags::AUTOCOMMIT,
            warnings: 0,
            info: b"",
            changes:
                b"\x00\x05\x01b\x021x\x00\x04\x01a\x012\x01\x03\x02db\x02\x011\x00\x04\x01c\x013",
        };
        let told = ok.with_changes_of(&[b"a", b"b"]);
        let told = OkPacket::parse(&told).unwrap();
        assert_eq!(told.status, ok.status);
        assert_eq!(
            changes(told.changes).collect::<Vec<_>>(),
            [
                Change::Variable(b"a", b"2"),
                Change::Variable(b"b", b"1x"),
                Change::Database(b"db")
            ]
        );
        let none = OkPacket {
            changes: b"\x02\x011",
            ..ok
        };
        assert_eq!(none.with_changes_of(&[b"a"]), none.without_changes());
    }

    #[test]
    fn ok_when_the_client_chose_what_to_hear_then_has_that_and_what_nobody_else_asked_for() {
        let ok = OkPacket {
            header: 0,
            affected: 1,
            insert_id: 0,
            status: flags::STATE_CHANGED,
            warnings: 0,
            info: b"",
            changes: b"\x00\x09\x01b\x021x\x01a\x012\x01\x03\x02db\x02\x011\x05\x02\x01T",
        };
        let told = |wants: &dyn Fn(Change<'_>) -> bool| {
            let told = ok.with_changes_wanted(wants);
            OkPacket::parse(&told).unwrap().changes.to_vec()
        };
        assert_eq!(told(&|_| true), ok.changes);
        assert_eq!(told(&|_| false), b"\x05\x02\x01T");
        let one =
            |change: Change<'_>| matches!(change, Change::Variable(b"a", _) | Change::Something);
        assert_eq!(told(&one), b"\x00\x04\x01a\x012\x02\x011\x05\x02\x01T");
    }

    proptest! {
        #[test]
        fn any_bytes_when_parsed_as_replies_never_panic(bytes: Vec<u8>) {
            if let Ok(ok) = OkPacket::parse(&bytes) {
                let _ = ok.without_changes();
                let _ = ok.with_changes_wanted(|_| true);
                let _ = changes(ok.changes).count();
            }
            let _ = changes(&bytes).count();
            let _ = (ErrPacket::parse(&bytes), eof_status(&bytes));
        }
    }
}
