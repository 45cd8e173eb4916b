//! The status for people: one sentence, one line per node, the last change, the next command.

use super::document::{Node, Status};
use super::gateway;
use crate::output::{Style, Table, paint};

/// The lines of the table; `now_s` is the wall clock in seconds, for relative times.
pub(crate) fn lines(status: &Status, now_s: u64, is_coloured: bool) -> Vec<String> {
    let mut lines = vec![headline(status, is_coloured)];
    for concern in &status.concerns {
        lines.push(format!("  {concern}"));
    }
    let mut table = Table::new(&[
        "NODE", "ADDRESS", "ROLE", "HEALTH", "LAG", "SEEN", "DATABASE",
    ]);
    for node in &status.nodes {
        table.row(row(node, status));
    }
    lines.extend(table.lines());
    for node in &status.nodes {
        if let Some(clone) = &node.clone {
            lines.push(format!("{}: {}", node.name, progress(clone)));
        }
        if let Some(drain) = &node.drain {
            lines.push(format!("{}: {}", node.name, remaining(drain)));
        }
        if let Some(trouble) = &node.trouble {
            lines.push(format!("{}: {trouble}", node.name));
        }
    }
    let warnings = status.warnings.iter();
    lines.extend(warnings.map(|warning| format!("warning: {warning}")));
    if let Some(figures) = &status.gateway {
        lines.extend(gateway::lines(figures));
    }
    lines.push(last_change(status, now_s));
    if let Some(next) = next_command(status) {
        lines.push(format!("next: {next}"));
    }
    lines
}

fn headline(status: &Status, is_coloured: bool) -> String {
    let (text, style) = match (&status.primary, status.protected) {
        (None, _) => ("NO PRIMARY: writes wait", Style::Bad),
        (Some(_), false) => (
            "serving, NOT protected against the loss of a server",
            Style::Warn,
        ),
        (Some(_), true) => (
            "healthy, protected against the loss of any one server",
            Style::Good,
        ),
    };
    let epoch = status.epoch;
    let name = &status.cluster;
    format!(
        "cluster {name} (epoch {epoch})   {}",
        paint(text, style, is_coloured)
    )
}

fn row(node: &Node, status: &Status) -> Vec<String> {
    let mut role = node.role.clone();
    if status.in_sync.contains(&node.name) && node.role == "replica" {
        role.push_str(" (in sync)");
    }
    if let Some(becoming) = node
        .becoming
        .as_ref()
        .filter(|becoming| **becoming != node.role)
    {
        role = format!("{role} -> {becoming}");
    }
    let lag = node.database.as_ref().and_then(|database| database.lag_ms);
    let lag = lag
        .filter(|_| !matches!(node.role.as_str(), "primary" | "unknown"))
        .map_or_else(|| "-".to_owned(), short);
    let seen = match node.seen_ms_ago {
        Some(_) if node.name == status.asked => "here".to_owned(),
        Some(ms) => format!("{} ago", short(ms)),
        None => "never".to_owned(),
    };
    let version = node
        .database
        .as_ref()
        .and_then(|database| database.version.clone());
    let version = version.unwrap_or_else(|| "-".to_owned());
    vec![
        node.name.clone(),
        node.address.clone(),
        role,
        node.health.clone(),
        lag,
        seen,
        version,
    ]
}

fn remaining(drain: &keeper::Drain) -> String {
    let behind = drain.behind_ms.map_or_else(String::new, |ms| {
        format!(", its data is {} behind", short(ms))
    });
    let left = drain.left_ms.map_or_else(
        || "no transaction has ended lately, so how long it takes is not known".to_owned(),
        |ms| format!("about {} left at the present pace", short(ms)),
    );
    format!(
        "{} transactions are received and not applied{behind}; {left}",
        drain.missing
    )
}

fn progress(clone: &keeper::CloneProgress) -> String {
    let mib = |bytes: u64| bytes >> 20;
    let (from, stage) = (&clone.from, &clone.stage);
    if clone.total == 0 {
        return format!("clone from {from}: {stage}, {} MiB", mib(clone.bytes));
    }
    format!(
        "clone from {from}: {stage}, {} of about {} MiB",
        mib(clone.bytes),
        mib(clone.total)
    )
}

fn last_change(status: &Status, now_s: u64) -> String {
    let Some(change) = &status.last_change else {
        return "last change of primary: none".to_owned();
    };
    let at: Option<jiff::Timestamp> = change.at.parse().ok();
    let at = at.and_then(|at| u64::try_from(at.as_second()).ok());
    let ago = at.map_or_else(String::new, |at| {
        format!(
            " {} ago",
            short(now_s.saturating_sub(at).saturating_mul(1_000))
        )
    });
    let pause = change
        .write_pause_ms
        .map_or_else(String::new, |ms| format!(", writes paused {}", short(ms)));
    let (kind, from, to) = (&change.kind, &change.from, &change.to);
    format!(
        "last change of primary: {kind} {from} -> {to}{ago}{pause} ({})",
        change.reason
    )
}

fn next_command(status: &Status) -> Option<&'static str> {
    match (&status.primary, status.protected) {
        (Some(_), true) => None,
        (None, _) => Some("`mainstay why` says what it waits for"),
        (Some(_), false) if status.paused => Some("`mainstay resume`"),
        (Some(_), false) if lacks_a_server(status) => {
            Some("`mainstay token` lets another server join")
        }
        (Some(_), false) => Some("`mainstay why` says what is being done about it"),
    }
}

fn lacks_a_server(status: &Status) -> bool {
    let concerns = &status.concerns;
    concerns
        .iter()
        .any(|concern| concern.contains("`mainstay token"))
}

/// A length of time in its largest useful unit.
fn short(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..=3_599_999 => format!("{} min", ms / 60_000),
        3_600_000..=172_799_999 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Exit;

    /// The contract's own example, with the fields added since.
    const EXAMPLE: &str = r#"{ "version": 1, "cluster": "example", "epoch": 7, "primary": "alpha", "in_sync": ["bravo"],
      "protected": true, "paused": false,
      "ledger": { "kind": "raft", "members": ["alpha", "bravo", "witness"], "reachable": true, "leader": "witness" },
      "nodes": [ { "name": "alpha", "address": "10.77.0.1", "role": "primary", "becoming": null, "health": "ok",
          "witness": false, "seen_ms_ago": 0,
          "database": { "version": "10.11.19-MariaDB", "pid": 4242, "socket": "/x/mariadb.sock",
                        "read_only": false, "gtid": "0-1-1234", "lag_ms": 0 } },
        { "name": "bravo", "address": "10.77.0.2", "role": "replica", "becoming": null, "health": "ok",
          "witness": false, "seen_ms_ago": 40,
          "database": { "version": "10.11.19-MariaDB", "pid": 4243, "socket": "/x/mariadb.sock",
                        "read_only": true, "gtid": "0-1-1234", "lag_ms": 12 } },
        { "name": "witness", "address": "10.77.0.3", "role": "witness", "becoming": null, "health": "silent",
          "witness": true, "seen_ms_ago": null, "database": null } ],
      "last_change": { "kind": "failover", "from": "bravo", "to": "alpha", "at": "2026-11-20T12:00:00Z",
                       "write_pause_ms": 240, "reason": "the server process on bravo died" },
      "asked": "alpha", "reason": "serves writes", "concerns": [] }"#;

    fn example() -> Status {
        serde_json::from_str(EXAMPLE).unwrap()
    }

    #[test]
    fn status_when_protected_then_the_table_says_so_and_the_exit_code_is_0() {
        let now = "2026-11-20T12:02:00Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second();
        assert_eq!(
            lines(&example(), u64::try_from(now).unwrap(), false),
            [
                "cluster example (epoch 7)   healthy, protected against the loss of any one server",
                "NODE     ADDRESS    ROLE               HEALTH  LAG    SEEN       DATABASE",
                "alpha    10.77.0.1  primary            ok      -      here       10.11.19-MariaDB",
                "bravo    10.77.0.2  replica (in sync)  ok      12 ms  40 ms ago  10.11.19-MariaDB",
                "witness  10.77.0.3  witness            silent  -      never      -",
                "last change of primary: failover bravo -> alpha 2 min ago, writes paused 240 ms (the server process on bravo died)",
            ]
        );
        assert_eq!(example().exit(), Exit::Done);
    }

    #[test]
    fn status_when_not_protected_or_without_primary_then_exit_codes_are_3_and_4() {
        let mut status = example();
        status.protected = false;
        status.concerns = vec!["no replica is in sync".to_owned()];
        assert_eq!(status.exit(), Exit::Unprotected);
        let lines = lines(&status, 0, true);
        assert!(lines[0].contains("NOT protected") && lines[0].contains("\x1b[33m"));
        assert_eq!(lines[1], "  no replica is in sync");
        status.primary = None;
        assert_eq!(status.exit(), Exit::NoPrimary);
    }

    #[test]
    fn replica_when_it_is_behind_then_what_is_left_and_how_long_it_takes_are_told() {
        let mut status = example();
        let mut drain = keeper::Drain {
            missing: 1_234,
            behind_ms: Some(61_000),
            left_ms: Some(42_000),
        };
        status.nodes[1].drain = Some(drain.clone());
        let told = |status: &Status| lines(status, 0, false).join("\n");
        let line = "bravo: 1234 transactions are received and not applied, its data is 1 min behind; \
                    about 42.0 s left at the present pace";
        assert!(told(&status).contains(line), "{}", told(&status));
        drain.left_ms = None;
        status.nodes[1].drain = Some(drain);
        assert!(told(&status).contains("no transaction has ended lately"));
    }

    #[test]
    fn status_when_printed_then_every_field_of_the_contract_is_there() {
        let printed = serde_json::to_value(example()).unwrap();
        let contract: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
        for (name, value) in contract.as_object().unwrap() {
            let found = printed
                .get(name)
                .unwrap_or_else(|| panic!("{name} is missing"));
            if !value.is_array() {
                assert_eq!(found, value, "{name}");
            }
        }
        let node = &printed["nodes"][0];
        for name in [
            "name",
            "address",
            "role",
            "becoming",
            "health",
            "witness",
            "seen_ms_ago",
            "database",
        ] {
            assert!(node.get(name).is_some(), "{name}");
        }
    }
}
