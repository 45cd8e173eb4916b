//! Words: the old names of database roles stay inside SQL and the server's own names, and no
//! path of a developer's machine gets into the tree.
//! What the server calls its statements and variables is quoted as it is.

use super::tree::File;
use crate::finding::Finding;

/// In halves, so that this file does not contain them.
const OLD_WORDS: &[&str] = &[concat!("mas", "ter"), concat!("sla", "ve")];

/// Places that speak another program's language, each with its reason.
const MAY_SAY_OLD_WORDS: &[(&str, &str)] = &[
    ("crates/mariadb/", "administers the server in its own words"),
    (
        "crates/trial/src/namespace.rs",
        "ip(8) attaches a cable to a bridge with that word",
    ),
];

/// How the server's own lower-case names begin or what they are: options, variables, files,
/// columns. A word in capitals is taken for SQL.
const SERVER_NAMES: &[&str] = &[
    concat!("rpl_semi_sync_mas", "ter"),
    concat!("rpl_semi_sync_sla", "ve"),
    concat!("rpl-semi-sync-mas", "ter"),
    concat!("rpl-semi-sync-sla", "ve"),
    concat!("gtid_sla", "ve_pos"),
    concat!("mysql.gtid_sla", "ve_pos"),
    concat!("sla", "ve_parallel_"),
    concat!("sla", "ve-parallel-"),
    concat!("sla", "ve_net_timeout"),
    concat!("sla", "ve-net-timeout"),
    concat!("sla", "ve_run_triggers"),
    concat!("sla", "ve_ddl_exec_mode"),
    concat!("sla", "ve_max_allowed_packet"),
    concat!("sla", "ve_connections_needed"),
    concat!("sla", "ve_skip_errors"),
    concat!("log_sla", "ve_updates"),
    concat!("log-sla", "ve-updates"),
    concat!("skip-sla", "ve-start"),
    concat!("skip_sla", "ve_start"),
    concat!("init_rpl_role=sla", "ve"),
    concat!("mas", "ter.info"),
    concat!("mas", "ter-info"),
    concat!("mas", "ter_info"),
    concat!("relay_mas", "ter_log"),
    concat!("sync_mas", "ter_info"),
    concat!("mas", "ter_gtid_wait"),
    concat!("mas", "ter_verify_checksum"),
    concat!("mas", "ter_use_gtid"),
    concat!("mas", "ter_heartbeat_period"),
    concat!("mas", "ter_host"),
    concat!("mas", "ter_port"),
    concat!("mas", "ter_user"),
    concat!("mas", "ter_password"),
    concat!("mas", "ter_connect_retry"),
    concat!("mas", "ter_log_"),
    concat!("sla", "ve_io_"),
    concat!("sla", "ve_sql_"),
    concat!("seconds_behind_mas", "ter"),
];

/// Places that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
];

/// Old words and machine paths.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let may_say = MAY_SAY_OLD_WORDS
        .iter()
        .any(|(path, _)| file.path.starts_with(path));
    for (number, line) in file.lines() {
        if let Some(word) = if may_say { None } else { old_word(line) } {
            let text =
                format!("`{word}`: say primary or replica outside SQL and the server's names");
            findings.push(Finding::at(&file.path, number, "words", text));
        }
        if let Some(place) = MACHINE_PATHS.iter().find(|place| line.contains(*place)) {
            let text = format!("`{place}` is a place on one machine");
            findings.push(Finding::at(&file.path, number, "machine-path", text));
        }
    }
    findings
}

/// The first name in the line that holds an old word and is not the server's own.
fn old_word(line: &str) -> Option<&str> {
    line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '=')))
        .map(|name| name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_'))
        .find(|name| {
            let lower = name.to_lowercase();
            OLD_WORDS.iter().any(|word| lower.contains(word))
                && !is_sql(name)
                && !is_server_name(&lower)
        })
}

fn is_sql(name: &str) -> bool {
    !name.chars().any(char::is_lowercase)
}

fn is_server_name(lower: &str) -> bool {
    let bare = lower.trim_start_matches(['@', '-', '_']);
    let bare = bare.strip_prefix("global.").unwrap_or(bare);
    SERVER_NAMES.iter().any(|name| bare.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&File::planted(path, text))
            .iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn check_when_old_word_is_prose_or_a_name_then_found() {
        for word in OLD_WORDS {
            assert_eq!(
                rules(
                    "crates/keeper/src/a.rs",
                    &format!("// the {word} is gone\n")
                ),
                ["words"]
            );
            assert_eq!(
                rules("docs/guide/a.md", &format!("The {word}s are gone.\n")),
                ["words"]
            );
            assert_eq!(
                rules("a.rs", &format!("let {word}_address = 1;\n")),
                ["words"]
            );
        }
    }

    #[test]
    fn check_when_word_is_sql_or_the_servers_own_then_silent() {
        for name in SERVER_NAMES {
            assert!(
                rules("a.rs", &format!("\"{name}x = 1\"\n")).is_empty(),
                "{name}"
            );
        }
        for word in OLD_WORDS {
            let sql = format!("\"SHOW ALL {}S STATUS\"\n", word.to_uppercase());
            assert!(rules("a.rs", &sql).is_empty());
            assert!(rules("crates/mariadb/src/a.rs", &format!("// the {word}\n")).is_empty());
        }
    }

    #[test]
    fn check_when_line_names_a_machine_then_found() {
        for place in MACHINE_PATHS {
            assert_eq!(
                rules("README.md", &format!("see {place}main\n")),
                ["machine-path"]
            );
        }
    }
}
