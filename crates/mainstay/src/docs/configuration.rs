//! `docs/reference/configuration.md`: every key with its default, from the structs' own comments.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::generated;
use crate::config::{File, SECTIONS, Shape};
use crate::output::{Failure, Result};

/// The page.
pub(super) fn page() -> Result<String> {
    let defaults =
        Table::try_from(File::default()).map_err(Failure::doing("write the defaults"))?;
    let mut page = generated("Configuration");
    page.push_str(
        "\n`/etc/mainstay/mainstay.toml` says what this node is; `mainstay init` and `mainstay join` write it, \
         and `mainstay run` reads it when it starts. What the cluster is, is agreed among its nodes and changed \
         by verbs. An unknown key is an error that names the nearest one. Any key can be given to `init` and \
         `join` as `--set SECTION.KEY=VALUE`.\n",
    );
    for section in &SECTIONS {
        let _ = writeln!(
            page,
            "\n## `[{}]`\n\n{}\n",
            section.name,
            joined(section.about)
        );
        page.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = defaults
                .get(section.name)
                .and_then(|section| section.get(key.name));
            let default = default.map_or_else(String::new, |value| shown(value, key.shape));
            let about = joined(key.about).replace('|', "\\|");
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | {about} |",
                key.name,
                key.shape.name()
            );
        }
    }
    page.push_str(
        "\nSince 0.1.0. Secrets are never in this file: they lie below `node.data_dir`, readable by their owner only.\n",
    );
    Ok(page)
}

fn joined(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
}

fn shown(value: &Value, shape: Shape) -> String {
    match (value, shape) {
        (Value::Table(table), _) if table.is_empty() => String::new(),
        (value, _) => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_when_written_then_every_key_stands_there_with_its_default() {
        let page = page().unwrap();
        for section in &SECTIONS {
            for key in section.keys {
                assert!(
                    !key.about.is_empty() && page.contains(&format!("| `{}` |", key.name)),
                    "{}",
                    key.name
                );
            }
        }
        assert!(
            page.contains("| `hold_max` | time, as in `10s` | `\"15s\"` |"),
            "{page}"
        );
        assert!(page.contains("| `port` | number | `7400` |"));
    }
}
