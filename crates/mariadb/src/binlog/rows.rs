//! Counts the rows of row events and reads the whole numbers of the first one inserted. Only as far as each column's
//! length is certain: of anything else it says that it does not know.

use wire::codec::Reader;

/// Limit: a table has at most 4096 columns.
const MAX_COLUMNS: usize = 4096;

const ENUM: u8 = 247;
const SET: u8 = 248;

/// A table as a table map event describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) id: u64,
    pub(crate) schema: String,
    pub(crate) table: String,
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    kind: u8,
    meta: [u8; 2],
}

/// What row events do with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Insert,
    Update,
    Delete,
}

impl Change {
    /// By the event's kind, first and second version; compressed events are not among them.
    pub(super) fn of(kind: u8) -> Option<Self> {
        match kind {
            23 | 30 => Some(Self::Insert),
            24 | 31 => Some(Self::Update),
            25 | 32 => Some(Self::Delete),
            _ => None,
        }
    }
}

/// The rows of one event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) rows: u64,
    /// Whole numbers of the first row by column, as unsigned; `None` for NULL, negative and other values.
    pub(crate) first: Vec<Option<u64>>,
}

impl Map {
    /// Reads a table map event's body.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let id = table_id(&mut reader)?;
        reader.bytes(2)?;
        let mut name = || {
            let length = usize::from(reader.u8()?);
            let name = std::str::from_utf8(reader.bytes(length)?).ok()?.to_owned();
            reader.u8()?;
            Some(name)
        };
        let (schema, table) = (name()?, name()?);
        let width = usize::try_from(reader.length()?).ok()?;
        if width > MAX_COLUMNS {
            return None;
        }
        let kinds = reader.bytes(width)?;
        let mut meta = Reader::new(reader.counted()?);
        let columns = kinds
            .iter()
            .map(|&kind| {
                let mut bytes = [0; 2];
                for byte in &mut bytes[..meta_bytes(kind)?] {
                    *byte = meta.u8()?;
                }
                Some(Column { kind, meta: bytes })
            })
            .collect::<Option<_>>()?;
        Some(Self {
            id,
            schema,
            table,
            columns,
        })
    }

    /// Number of its columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Counts the rows of an event of this table; `second`: of the second version.
    pub(super) fn count(&self, change: Change, second: bool, body: &[u8]) -> Option<Counted> {
        let mut reader = Reader::new(body);
        table_id(&mut reader)?;
        reader.u16()?;
        if second {
            let extra = usize::from(reader.u16()?);
            reader.bytes(extra.checked_sub(2)?)?;
        }
        let width = usize::try_from(reader.length()?).ok()?;
        if width != self.columns.len() {
            return None;
        }
        let bitmap = width.div_ceil(8);
        let before = reader.bytes(bitmap)?;
        let images = match change {
            Change::Update => vec![before, reader.bytes(bitmap)?],
            Change::Insert | Change::Delete => vec![before],
        };
        let mut counted = Counted::default();
        while !reader.rest().is_empty() {
            for present in &images {
                let values = self.row(present, &mut reader)?;
                if counted.rows == 0 {
                    counted.first = values;
                }
            }
            counted.rows += 1;
        }
        Some(counted)
    }

    /// Steps over one row image.
    fn row(&self, present: &[u8], reader: &mut Reader<'_>) -> Option<Vec<Option<u64>>> {
        let is_set =
            |bits: &[u8], at: usize| bits.get(at / 8).is_some_and(|b| b & (1 << (at % 8)) != 0);
        let here = (0..self.columns.len())
            .filter(|&at| is_set(present, at))
            .count();
        // Why: an event without columns would count for ever.
        if here == 0 {
            return None;
        }
        let nulls = reader.bytes(here.div_ceil(8))?;
        let mut values = vec![None; self.columns.len()];
        let mut nth = 0;
        for (at, column) in self.columns.iter().enumerate() {
            if !is_set(present, at) {
                continue;
            }
            if !is_set(nulls, nth) {
                let bytes = column.value(reader)?;
                values[at] = column.whole_number(bytes);
            }
            nth += 1;
        }
        Some(values)
    }
}

impl Column {
    /// One value's bytes. Formats of which the length is not certain (times of MariaDB's old format) give `None`.
    fn value<'a>(self, reader: &mut Reader<'a>) -> Option<&'a [u8]> {
        let [first, second] = self.meta;
        let length = match self.kind {
            1 | 13 => 1,
            2 => 2,
            9 | 10 | 14 => 3,
            3 | 4 => 4,
            5 | 8 => 8,
            15 | 141 | 253 => counted(u16::from_le_bytes(self.meta), reader)?,
            16 => usize::from(second) + usize::from(first > 0),
            17 => 4 + fraction(first)?,
            18 => 5 + fraction(first)?,
            19 => 3 + fraction(first)?,
            246 => decimal(first, second)?,
            140 | 249..=252 | 255 => prefix(first, reader)?,
            254 if matches!(first, ENUM | SET) => usize::from(second),
            254 => {
                let high = u16::from(((first >> 4) & 3) ^ 3) << 8;
                counted(high | u16::from(second), reader)?
            }
            _ => return None,
        };
        reader.bytes(length)
    }

    /// TINYINT to BIGINT, when not negative (or, unsigned, not in the upper half).
    fn whole_number(self, bytes: &[u8]) -> Option<u64> {
        if !matches!(self.kind, 1 | 2 | 3 | 8 | 9) || bytes.last()? & 0x80 != 0 {
            return None;
        }
        let mut all = [0; 8];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(all))
    }
}

/// Table id: 6 bytes.
fn table_id(reader: &mut Reader<'_>) -> Option<u64> {
    let mut id = [0; 8];
    id[..6].copy_from_slice(reader.bytes(6)?);
    Some(u64::from_le_bytes(id))
}

fn meta_bytes(kind: u8) -> Option<usize> {
    match kind {
        1..=3 | 6..=14 => Some(0),
        4 | 5 | 17..=19 | 140 | 249..=252 | 255 => Some(1),
        15 | 16 | 141 | 246 | 247 | 248 | 253 | 254 => Some(2),
        _ => None,
    }
}

/// A length before the bytes: one byte when the column holds less than 256, else two.
fn counted(most: u16, reader: &mut Reader<'_>) -> Option<usize> {
    if most < 256 {
        reader.u8().map(usize::from)
    } else {
        reader.u16().map(usize::from)
    }
}

/// A length of 1 to 4 bytes before the bytes.
fn prefix(bytes: u8, reader: &mut Reader<'_>) -> Option<usize> {
    let bytes = usize::from(bytes);
    if !(1..=4).contains(&bytes) {
        return None;
    }
    let mut length = [0; 4];
    length[..bytes].copy_from_slice(reader.bytes(bytes)?);
    usize::try_from(u32::from_le_bytes(length)).ok()
}

/// Bytes of a fraction of a second with this many digits.
fn fraction(digits: u8) -> Option<usize> {
    (digits <= 6).then(|| usize::from(digits).div_ceil(2))
}

/// Bytes of a DECIMAL: nine digits in four bytes, what is left over in fewer.
fn decimal(precision: u8, scale: u8) -> Option<usize> {
    const LEFT_OVER: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
    let bytes = |digits: u8| usize::from(digits / 9) * 4 + LEFT_OVER[usize::from(digits % 9)];
    Some(bytes(precision.checked_sub(scale)?) + bytes(scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_counted_or_refused(map: Vec<u8>, body: Vec<u8>, second: bool) {
            let _ = Map::read(&map);
            let head = [&[1, 0, 0, 0, 0, 0, 0, 0, 1, b's', 0, 1, b't', 0, 3, 3, 15, 254, 4, 44, 1, 254, 10, 0][..], &map].concat();
            let map = Map::read(&head).unwrap();
            for change in [Change::Insert, Change::Update, Change::Delete] {
                let _ = map.count(change, second, &body);
            }
        }
    }

    #[test]
    fn rows_of_an_event_when_counted_give_the_first_ones_numbers() {
        let head = [
            1, 0, 0, 0, 0, 0, 0, 0, 1, b's', 0, 1, b't', 0, 2, 3, 15, 2, 44, 1, 0,
        ];
        let map = Map::read(&head).unwrap();
        assert_eq!(
            (map.schema.as_str(), map.table.as_str(), map.width()),
            ("s", "t", 2)
        );
        let mut body = vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0xff];
        for id in [7u8, 8] {
            body.extend([0, id, 0, 0, 0, 2, 0, b'x', b'y']);
        }
        let counted = map.count(Change::Insert, false, &body).unwrap();
        assert_eq!(
            counted,
            Counted {
                rows: 2,
                first: vec![Some(7), None]
            }
        );
        body.pop();
        assert_eq!(map.count(Change::Insert, false, &body), None);
    }
}
