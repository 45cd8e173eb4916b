//! Parameters of prepared statements, as the binary protocol carries them.

use wire::codec::put_counted;
use wire::command::code;

/// One parameter.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Double(f64),
    Text(&'a str),
    Blob(&'a [u8]),
    /// Sent before as long data.
    Long,
    /// A type's number and its bytes.
    Raw(u8, &'a [u8]),
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => write!(f, "NULL"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value:?}"),
            Value::Text(text) => write!(f, "'{text}'"),
            Value::Blob(bytes) => write!(f, "{} bytes", bytes.len()),
            Value::Long => write!(f, "long data"),
            Value::Raw(kind, bytes) => write!(f, "{kind}:{}", bytes.escape_ascii()),
        }
    }
}

impl Value<'_> {
    fn kind(self) -> u8 {
        match self {
            Value::Null => 6,
            Value::Int(_) => 8,
            Value::Double(_) => 5,
            Value::Text(_) => 253,
            Value::Blob(_) | Value::Long => 252,
            Value::Raw(kind, _) => kind,
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        match self {
            Value::Null | Value::Long => {}
            Value::Int(value) => out.extend_from_slice(&value.to_le_bytes()),
            Value::Double(value) => out.extend_from_slice(&value.to_le_bytes()),
            Value::Text(text) => put_counted(out, text.as_bytes()),
            Value::Blob(bytes) => put_counted(out, bytes),
            Value::Raw(_, bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// COM_STMT_EXECUTE; with `types` false the types of the last execution hold.
pub(crate) fn execute(id: u32, cursor: u8, types: bool, values: &[Value<'_>]) -> Vec<u8> {
    let mut out = vec![code::STMT_EXECUTE];
    out.extend_from_slice(&id.to_le_bytes());
    out.push(cursor);
    out.extend_from_slice(&1_u32.to_le_bytes());
    if values.is_empty() {
        return out;
    }
    let mut nulls = vec![0_u8; values.len().div_ceil(8)];
    for (index, value) in values.iter().enumerate() {
        if matches!(value, Value::Null) {
            nulls[index / 8] |= 1 << (index % 8);
        }
    }
    out.extend_from_slice(&nulls);
    out.push(u8::from(types));
    if types {
        for value in values {
            out.extend_from_slice(&[value.kind(), 0]);
        }
    }
    for value in values {
        value.put(&mut out);
    }
    out
}

/// COM_STMT_BULK_EXECUTE with types; each row's values in turn.
pub(crate) fn bulk(id: u32, rows: &[&[Value<'_>]]) -> Vec<u8> {
    let mut out = vec![code::STMT_BULK_EXECUTE];
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&128_u16.to_le_bytes());
    for value in rows[0] {
        out.extend_from_slice(&[value.kind(), 0]);
    }
    for value in rows.iter().copied().flatten() {
        out.push(u8::from(matches!(value, Value::Null)));
        value.put(&mut out);
    }
    out
}

/// A command with a statement's id behind it.
pub(crate) fn about(command: u8, id: u32) -> Vec<u8> {
    let mut out = vec![command];
    out.extend_from_slice(&id.to_le_bytes());
    out
}
