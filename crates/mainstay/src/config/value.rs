//! Values on their way into the file: options of MariaDB in whatever TOML form they are written,
//! and `--set KEY=VALUE`, read as the key's shape says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::error::{Error, Result, nearest_of};
use super::file::{SECTIONS, section};
use super::section::Shape;

/// MariaDB's options: text, whatever they were written as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Value>")]
pub(crate) struct Options(pub(crate) BTreeMap<String, String>);

impl TryFrom<BTreeMap<String, Value>> for Options {
    type Error = String;

    fn try_from(typed: BTreeMap<String, Value>) -> Result<Self, String> {
        let text = |(name, value)| {
            let value = match value {
                Value::String(text) => text,
                Value::Integer(number) => number.to_string(),
                Value::Float(number) => number.to_string(),
                Value::Boolean(on) => (if on { "ON" } else { "OFF" }).to_owned(),
                _ => {
                    return Err(format!(
                        "option `{name}` must be a text, a number or a switch"
                    ));
                }
            };
            Ok((name, value))
        };
        typed
            .into_iter()
            .map(text)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Puts one `KEY=VALUE` into a typed file.
///
/// Errors: there is no such key, or the value has not its shape.
pub(crate) fn set(file: &mut Table, assignment: &str) -> Result<()> {
    let (path, text) = assignment
        .split_once('=')
        .ok_or_else(|| Error::NotAnAssignment(assignment.to_owned()))?;
    let unknown = || unknown_key(path);
    let mut parts = path.splitn(3, '.');
    let (section_name, key_name) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let key = section(section_name)
        .and_then(|section| section.key(key_name))
        .ok_or_else(unknown)?;
    let within = parts.next();
    if within.is_some() != (key.shape == Shape::Table) {
        return Err(unknown());
    }
    let wrong = || Error::Value {
        key: path.to_owned(),
        value: text.chars().take(80).collect(),
        shape: key.shape.name(),
    };
    let value = match key.shape {
        Shape::Text | Shape::Path | Shape::Span | Shape::Table => Value::String(text.to_owned()),
        Shape::Number => text.parse().map(Value::Integer).map_err(|_| wrong())?,
        Shape::Switch => text.parse().map(Value::Boolean).map_err(|_| wrong())?,
        Shape::List => list(text),
    };
    let section = file
        .entry(section_name)
        .or_insert_with(|| Value::Table(Table::new()));
    let mut place = section.as_table_mut().ok_or_else(wrong)?;
    if let Some(option) = within {
        let table = place
            .entry(key_name)
            .or_insert_with(|| Value::Table(Table::new()));
        place = table.as_table_mut().ok_or_else(wrong)?;
        place.insert(option.to_owned(), value);
    } else {
        place.insert(key_name.to_owned(), value);
    }
    Ok(())
}

/// `a,b` or `["a", "b"]`; nothing at all is an empty list.
fn list(text: &str) -> Value {
    let typed = format!("it = {text}").parse::<Table>().ok();
    if let Some(array @ Value::Array(_)) = typed.and_then(|mut table| table.remove("it")) {
        return array;
    }
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
}

/// Every key that the file may not have; the first one found is enough.
pub(crate) fn check_keys(file: &Table) -> Result<()> {
    for (section_name, content) in file {
        let Some(section) = section(section_name) else {
            return Err(unknown_key(section_name));
        };
        let Value::Table(keys) = content else {
            return Err(Error::NotASection(section_name.clone()));
        };
        for name in keys.keys() {
            if section.key(name).is_none() {
                return Err(unknown_key(&format!("{section_name}.{name}")));
            }
        }
    }
    Ok(())
}

fn unknown_key(path: &str) -> Error {
    let all = SECTIONS.iter().flat_map(|section| {
        let keys = section
            .keys
            .iter()
            .map(|key| format!("{}.{}", section.name, key.name));
        keys.chain([section.name.to_owned()])
    });
    Error::UnknownKey {
        nearest: nearest_of(path, all),
        key: path.chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_all(assignments: &[&str]) -> Result<Table> {
        let mut file = Table::new();
        for assignment in assignments {
            set(&mut file, assignment)?;
        }
        Ok(file)
    }

    #[test]
    fn set_when_key_has_a_shape_then_the_value_takes_it() {
        let file = set_all(&[
            "peer.port=7411",
            "gateway.enabled=false",
            "gateway.listen=127.0.0.1:1,[::1]:2",
            "gateway.sockets=[]",
            "mariadb.options.innodb_buffer_pool_size=64M",
            "gateway.hold_max=3s",
        ])
        .unwrap();
        assert_eq!(file["peer"]["port"].as_integer(), Some(7411));
        assert_eq!(file["gateway"]["enabled"].as_bool(), Some(false));
        assert_eq!(file["gateway"]["listen"].as_array().unwrap().len(), 2);
        assert!(file["gateway"]["sockets"].as_array().unwrap().is_empty());
        assert_eq!(
            file["mariadb"]["options"]["innodb_buffer_pool_size"].as_str(),
            Some("64M")
        );
    }

    #[test]
    fn set_when_key_is_unknown_then_the_nearest_is_named() {
        for (bad, near) in [
            ("gateway.hold_mx=1s", "gateway.hold_max"),
            ("mariadb.extra-port=1", "mariadb.extra_port"),
            ("per.port=1", "peer.port"),
        ] {
            match set_all(&[bad]) {
                Err(Error::UnknownKey { nearest, .. }) => {
                    assert_eq!(nearest.as_deref(), Some(near));
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
        assert!(matches!(
            set_all(&["peer.port.x=1"]),
            Err(Error::UnknownKey { .. })
        ));
        assert!(matches!(
            set_all(&["mariadb.options=1"]),
            Err(Error::UnknownKey { .. })
        ));
        assert!(matches!(
            set_all(&["peer.port=many"]),
            Err(Error::Value { .. })
        ));
        assert!(matches!(
            set_all(&["peer.port"]),
            Err(Error::NotAnAssignment(_))
        ));
    }
}
