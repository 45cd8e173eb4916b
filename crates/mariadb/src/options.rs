//! The enforced options, the ones a user may not set, and the text of `mariadb.cnf`.
//! What a running server has instead is found in `drift.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::exchange;
use crate::settings::Settings;

mod table;

pub(crate) use table::ENFORCED;
use table::{OWN, REFUSED, REFUSED_BEGINNINGS, VALUES};

/// Name of an option as the server understands it: `Loose-Skip-Name` and `skip_name` are the same.
fn normal(name: &str) -> String {
    let mut name = name
        .trim_start_matches('-')
        .replace('-', "_")
        .to_ascii_lowercase();
    while let Some(rest) = name
        .strip_prefix("loose_")
        .or_else(|| name.strip_prefix("maximum_"))
    {
        name = rest.to_owned();
    }
    name
}

/// Ways to name the same option: MariaDB knows `skip_x`, `disable_x` and `enable_x` for each switch.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned()];
    for prefix in ["skip_", "disable_", "enable_"] {
        if let Some(rest) = name.strip_prefix(prefix) {
            all.push(rest.to_owned());
        }
    }
    all
}

/// `event_scheduler` is the user's wish for the primary, never written to the file.
pub(crate) const EVENT_SCHEDULER: &str = "event_scheduler";

/// Refuses options that would override an enforced one, under any spelling or abbreviation.
pub(crate) fn check(options: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in options {
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
        if name.is_empty() || name.len() > 80 || !plain {
            return Err(Error::setting(
                &crate::error::cut(name, 80),
                "it is not an option's name",
            ));
        }
        if value.len() > 4096 || value.chars().any(char::is_control) {
            return Err(Error::setting(
                name,
                "its value is too long or holds control characters",
            ));
        }
        let normal = normal(name);
        if normal == EVENT_SCHEDULER {
            wish(value).ok_or_else(|| Error::setting(name, "ON or OFF is needed"))?;
            continue;
        }
        for spelling in spellings(&normal) {
            let why = reason_against(&spelling).or_else(|| reason_against_value(&spelling, value));
            if let Some(why) = why {
                return Err(Error::OptionRefused {
                    name: name.clone(),
                    why,
                });
            }
        }
    }
    Ok(())
}

fn reason_against(name: &str) -> Option<String> {
    // Why: MariaDB accepts any unambiguous beginning of an option's name.
    let hits = |enforced: &str| enforced.starts_with(name);
    if let Some(enforced) = ENFORCED.iter().find(|e| hits(e.name)) {
        return Some(format!("`{}` is always {}", enforced.name, enforced.value));
    }
    if let Some(own) = OWN.iter().find(|own| hits(own)) {
        return Some(format!("`{own}` is Mainstay's own"));
    }
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| hits(refused)) {
        return Some((*why).to_owned());
    }
    let begins =
        |(beginning, _): &&(&str, &str)| name.starts_with(beginning) || beginning.starts_with(name);
    REFUSED_BEGINNINGS
        .iter()
        .find(begins)
        .map(|(_, why)| (*why).to_owned())
}

fn reason_against_value(name: &str, value: &str) -> Option<String> {
    let value = value.to_ascii_lowercase();
    let hits = |(full, are_good, values, _): &&(&str, bool, &[&str], &str)| {
        full.starts_with(name) && values.contains(&value.as_str()) != *are_good
    };
    VALUES.iter().find(hits).map(|(.., why)| (*why).to_owned())
}

fn wish(value: &str) -> Option<bool> {
    match value.to_ascii_uppercase().as_str() {
        "ON" | "1" | "TRUE" | "" => Some(true),
        "OFF" | "0" | "FALSE" | "DISABLED" => Some(false),
        _ => None,
    }
}

/// Whether the user wants the event scheduler on the primary.
pub(crate) fn wants_events(options: &BTreeMap<String, String>) -> bool {
    options
        .iter()
        .any(|(name, value)| normal(name) == EVENT_SCHEDULER && wish(value) == Some(true))
}

/// The whole option file. Enforced options stand last: of two values the later one counts.
pub(crate) fn file(settings: &Settings) -> String {
    let mut text = String::from(
        "# Written by Mainstay at every start of the server: changes here are lost.\n\
         # Options of your own belong into Mainstay's configuration.\n[mysqld]\n",
    );
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name} = {value}");
    };
    line("max_connections", "500");
    line("character_set_server", "utf8mb4");
    // Why: MariaDB's own default keeps binlogs for ever.
    line("binlog_expire_logs_seconds", "864000");
    line("tmpdir", &settings.temporary_dir().to_string_lossy());
    for (name, value) in &settings.options {
        if normal(name) != EVENT_SCHEDULER {
            line(name, &quoted(value));
        }
    }
    line("server_id", &settings.server_id.to_string());
    line("datadir", &settings.database_dir.to_string_lossy());
    for name in [exchange::ROOM, exchange::RECOVERED] {
        line("ignore_db_dirs", name);
    }
    line("port", &settings.port.to_string());
    line("extra_port", &settings.extra_port.to_string());
    line("socket", &settings.socket().to_string_lossy());
    line("pid_file", &settings.pid_file().to_string_lossy());
    line("log_error", &settings.error_log().to_string_lossy());
    // Why: the host a server reports is shown on the primary only; its number is enough to know it.
    line("report_host", &format!("mainstay-{}", settings.server_id));
    line("report_port", &settings.port.to_string());
    for option in ENFORCED {
        line(option.name, option.value);
    }
    text
}

/// The option file for making an empty database: the user's options, as page size or character
/// set count from the beginning.
pub(crate) fn creation_file(settings: &Settings) -> String {
    let mut text = format!(
        "[mysqld]\ntmpdir = {}\n",
        settings.temporary_dir().display()
    );
    for (name, value) in &settings.options {
        if normal(name) != EVENT_SCHEDULER {
            let _ = writeln!(text, "{name} = {}", quoted(value));
        }
    }
    text
}

/// A value as option files want it: quoted when it is not a plain word.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,=+@".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> bool {
        let options = BTreeMap::from([(name.to_owned(), "1".to_owned())]);
        matches!(check(&options), Err(Error::OptionRefused { .. }))
    }

    #[test]
    fn overrides_are_refused_under_any_spelling() {
        for name in [
            "sync_binlog",
            "sync-binlog",
            "Sync-Binlog",
            "loose-sync_binlog",
            "loose_loose_sync_binlog",
            "skip-log-bin",
            "disable-log-bin",
            "sync_bin",
            "innodb_flush_log_at",
            "server-id",
            "init_rpl_role",
            "replicate-do-db",
            "replicate_wild_ignore_table",
            "binlog-do-db",
            "wsrep_on",
            "read_only",
            "readonly_x_".trim_end_matches("only_x_"),
            "rpl_semi_sync_master_enabled",
            "binlog_storage_engine",
            "skip-networking",
            "skip-slave-start",
            "slave_parallel_workers",
        ] {
            assert!(refused(name), "{name}");
        }
    }

    #[test]
    fn ordinary_options_are_taken() {
        for name in [
            "max_connections",
            "innodb_buffer_pool_size",
            "innodb-log-file-size",
            "sort_buffer_size",
            "skip-external-locking",
            "loose-performance_schema",
        ] {
            assert!(!refused(name), "{name}");
        }
    }

    #[test]
    fn values_that_take_durability_away_are_refused_and_others_taken() {
        for (name, value, good) in [
            ("default_storage_engine", "MyISAM", false),
            ("default-storage-eng", "aria", false),
            ("default_storage_engine", "InnoDB", true),
            ("innodb_flush_method", "nosync", false),
            ("innodb_flush_method", "O_DIRECT", true),
        ] {
            let options = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert_eq!(check(&options).is_ok(), good, "{name}={value}");
        }
    }

    #[test]
    fn values_cannot_add_lines() {
        let options =
            BTreeMap::from([("sort_buffer_size".to_owned(), "1\nsync_binlog=0".to_owned())]);
        assert!(matches!(check(&options), Err(Error::BadSetting { .. })));
    }

    #[test]
    fn event_scheduler_is_a_wish_for_the_primary() {
        let options = BTreeMap::from([("event-scheduler".to_owned(), "ON".to_owned())]);
        check(&options).unwrap();
        assert!(wants_events(&options));
    }

    #[test]
    fn values_with_blanks_are_quoted() {
        assert_eq!(quoted("a b\"c"), "\"a b\\\"c\"");
        assert_eq!(quoted("64M"), "64M");
    }
}
