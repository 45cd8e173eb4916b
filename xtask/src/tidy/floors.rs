//! The floors of the house: which room may import which, and which library lives in which room.
//! Imports only go down; the table is the architecture, and a new room needs a line in it.

use crate::finding::Finding;
use crate::metadata::Member;

/// A room, its floor, and what of ours it may import.
struct Room {
    name: &'static str,
    floor: Floor,
    imports: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    /// Pure: no runtime, no clock, no input or output.
    Values,
    /// One outside thing each: a server, a register, a connection.
    Adapters,
    /// Services with a loop of their own.
    Services,
    /// The program.
    Program,
    /// Uses any room, used by none.
    Beside,
}

const ROOMS: &[Room] = &[
    Room {
        name: "wire",
        floor: Floor::Values,
        imports: &[],
    },
    Room {
        name: "cluster",
        floor: Floor::Values,
        imports: &["wire"],
    },
    Room {
        name: "mariadb",
        floor: Floor::Adapters,
        imports: &["wire", "cluster"],
    },
    Room {
        name: "ledger",
        floor: Floor::Adapters,
        imports: &["wire", "cluster"],
    },
    Room {
        name: "peer",
        floor: Floor::Adapters,
        imports: &["wire", "cluster"],
    },
    Room {
        name: "keeper",
        floor: Floor::Services,
        imports: &["wire", "cluster", "mariadb", "ledger", "peer"],
    },
    Room {
        name: "sql-gateway",
        floor: Floor::Services,
        imports: &["wire", "cluster"],
    },
    // Why: the demonstration is part of the program, and the stories use the same load and checker.
    Room {
        name: "trial",
        floor: Floor::Services,
        imports: &["wire", "cluster", "mariadb"],
    },
    Room {
        name: "mainstay",
        floor: Floor::Program,
        imports: &[
            "wire",
            "cluster",
            "mariadb",
            "ledger",
            "peer",
            "keeper",
            "sql-gateway",
            "trial",
        ],
    },
    Room {
        name: "e2e",
        floor: Floor::Beside,
        imports: &["trial", "wire", "cluster", "mariadb"],
    },
    Room {
        name: "fuzz",
        floor: Floor::Beside,
        imports: &[
            "wire",
            "cluster",
            "mariadb",
            "ledger",
            "peer",
            "keeper",
            "sql-gateway",
        ],
    },
    Room {
        name: "sim",
        floor: Floor::Beside,
        imports: &["wire", "cluster"],
    },
    Room {
        name: "xtask",
        floor: Floor::Beside,
        imports: &[],
    },
];

/// Libraries that only these rooms may import, so that replacing one touches one room.
const HOMES: &[(&str, &[&str])] = &[
    ("openraft", &["ledger"]),
    ("redb", &["ledger"]),
    ("rcgen", &["peer"]),
    ("rustls", &["peer", "sql-gateway"]),
    ("tokio-rustls", &["peer"]),
    ("mysql_async", &["mariadb", "trial"]),
    ("clap", &["mainstay"]),
    ("clap_complete", &["mainstay"]),
    ("clap_mangen", &["mainstay"]),
    ("indicatif", &["mainstay"]),
    ("sd-notify", &["mainstay"]),
    ("tracing-subscriber", &["mainstay"]),
];

/// What the floor of values may never import: anything with a clock, a runtime or a random source.
const IMPURE: &[&str] = &[
    "tokio",
    "mysql_async",
    "rustix",
    "getrandom",
    "socket2",
    "tracing",
    "jiff",
    "async-trait",
];

const RULE: &str = "floors";

/// Every import that goes up or sideways, and every room that has no line in the table.
pub(crate) fn check(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        let path = member.name.as_str();
        let Some(room) = room(path) else {
            let text = "a crate without a floor: give it a line in xtask/src/tidy/floors.rs";
            findings.push(Finding::of(path, RULE, text));
            continue;
        };
        for import in &member.imports {
            findings.extend(check_import(room, import));
        }
        for import in &member.test_imports {
            findings.extend(check_test_import(room, import));
        }
    }
    findings
}

fn room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

fn check_import(from: &Room, import: &str) -> Option<Finding> {
    if room(import).is_some() {
        let is_allowed = from.imports.contains(&import);
        let text = format!("may not import `{import}`: imports only go down");
        return (!is_allowed).then(|| Finding::of(from.name, RULE, text));
    }
    if from.floor == Floor::Values && IMPURE.contains(&import) {
        let text = format!("may not import `{import}`: this floor is pure");
        return Some(Finding::of(from.name, RULE, text));
    }
    let homes = HOMES.iter().find(|(library, _)| *library == import)?.1;
    let is_home = from.floor == Floor::Beside || homes.contains(&from.name);
    let text = format!(
        "may not import `{import}`, whose home is {}",
        homes.join(", ")
    );
    (!is_home).then(|| Finding::of(from.name, RULE, text))
}

/// Tests may use any library, our own rooms below their own, and their own room with a feature.
fn check_test_import(from: &Room, import: &str) -> Option<Finding> {
    if import == from.name {
        return None;
    }
    let below = room(import).is_none_or(|room| room.floor < from.floor);
    let text = format!("tests may not import `{import}`: it is not below");
    (!below && !from.imports.contains(&import)).then(|| Finding::of(from.name, RULE, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, imports: &[&str], test_imports: &[&str]) -> Member {
        Member {
            name: name.to_owned(),
            imports: imports.iter().map(ToString::to_string).collect(),
            test_imports: test_imports.iter().map(ToString::to_string).collect(),
            ..Member::default()
        }
    }

    fn texts(member: Member) -> String {
        check(&[member])
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn table_when_read_then_every_import_goes_down() {
        for from in ROOMS {
            for import in from.imports {
                let to = room(import).unwrap();
                let is_down = to.floor < from.floor;
                assert!(
                    is_down || (from.name, to.name) == ("cluster", "wire"),
                    "{} -> {import}",
                    from.name
                );
            }
        }
    }

    #[test]
    fn check_when_imports_go_down_then_silent() {
        assert_eq!(
            texts(member(
                "keeper",
                &["cluster", "ledger", "tokio"],
                &["tempfile"]
            )),
            ""
        );
    }

    #[test]
    fn check_when_import_goes_up_or_sideways_then_found() {
        assert!(texts(member("cluster", &["keeper"], &[])).contains("may not import `keeper`"));
        assert!(texts(member("sql-gateway", &["keeper"], &[])).contains("may not import `keeper`"));
        assert!(
            texts(member("wire", &[], &["mariadb"])).contains("tests may not import `mariadb`")
        );
    }

    #[test]
    fn check_when_library_is_away_from_home_then_found() {
        assert!(texts(member("keeper", &["openraft"], &[])).contains("whose home is ledger"));
        assert_eq!(
            texts(member("sql-gateway", &[], &["mysql_async", "sql-gateway"])),
            ""
        );
    }

    #[test]
    fn check_when_pure_floor_imports_a_runtime_then_found() {
        assert!(texts(member("cluster", &["tokio"], &[])).contains("this floor is pure"));
    }

    #[test]
    fn check_when_crate_is_unknown_then_asks_for_a_floor() {
        assert!(texts(member("attic", &[], &[])).contains("without a floor"));
    }
}
