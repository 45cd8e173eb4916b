//! Calls that only some rooms may make: the clock and the disk stay out of the pure floor, and
//! other programs are started only where that is the room's business.
//! Tests may call what they like.

use super::tree::File;
use crate::finding::Finding;

struct Ban {
    /// What the code would contain.
    call: &'static str,
    /// Where it is banned.
    inside: &'static [&'static str],
    /// Files or rooms that may, each with its reason.
    except: &'static [(&'static str, &'static str)],
    /// What to do instead.
    instead: &'static str,
}

const PURE: &[&str] = &["crates/cluster/", "crates/wire/"];
const EVERYWHERE: &[&str] = &["crates/", "xtask/"];

const BANS: &[Ban] = &[
    Ban {
        call: "SystemTime::now",
        inside: PURE,
        except: &[],
        instead: "take the time as a parameter: this floor reads no clock",
    },
    Ban {
        call: "Instant::now",
        inside: PURE,
        except: &[],
        instead: "take the time as a parameter: this floor reads no clock",
    },
    Ban {
        call: "std::fs",
        inside: PURE,
        except: &[],
        instead: "this floor does no input or output",
    },
    Ban {
        call: "std::net::Tcp",
        inside: PURE,
        except: &[],
        instead: "this floor does no input or output",
    },
    Ban {
        call: "std::env",
        inside: PURE,
        except: &[],
        instead: "take it as a parameter",
    },
    Ban {
        call: "HashMap",
        inside: &["crates/cluster/"],
        except: &[],
        instead: "use `BTreeMap`: the same view must give the same decision",
    },
    Ban {
        call: "HashSet",
        inside: &["crates/cluster/"],
        except: &[],
        instead: "use `BTreeSet`: the same view must give the same decision",
    },
    Ban {
        call: "Command::new",
        inside: EVERYWHERE,
        except: &[
            ("crates/mariadb/", "starts the server and its tools"),
            ("crates/trial/", "starts clusters and breaks them"),
            (
                "crates/mainstay/src/agent/handover/",
                "starts the process that takes over from this one",
            ),
            (
                "crates/e2e/src/bench/gateway/",
                "starts other proxies and the tools that measure them",
            ),
            ("xtask/", "starts cargo and apt"),
        ],
        instead: "programs are started by `mariadb` and `trial`",
    },
    Ban {
        call: "thread::sleep",
        inside: &["crates/"],
        except: &[("crates/trial/", "polls, with a limit, what gives no event")],
        instead: "wait for a condition with a limit",
    },
];

/// Banned calls outside tests.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    if !file.is_rust() || file.path == "xtask/src/tidy/calls.rs" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for ban in BANS {
        let is_inside = ban.inside.iter().any(|path| file.path.starts_with(path));
        let is_excepted = ban
            .except
            .iter()
            .any(|(path, _)| file.path.starts_with(path));
        if !is_inside || is_excepted {
            continue;
        }
        for (number, line) in file.lines_without_tests() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(ban.call) {
                let text = format!("`{}` does not belong here: {}", ban.call, ban.instead);
                findings.push(Finding::at(&file.path, number, "call", text));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_when_call_is_banned_then_found_with_advice() {
        for ban in BANS {
            let path = format!("{}src/a.rs", ban.inside[0]);
            let file = File::planted(&path, &format!("//! A.\nlet x = {}();\n", ban.call));
            let findings = check(&file);
            assert!(
                findings
                    .iter()
                    .any(|finding| finding.text.contains(ban.instead)),
                "{}",
                ban.call
            );
            assert_eq!(findings[0].line, 2);
        }
    }

    #[test]
    fn check_when_room_is_excepted_or_code_is_a_test_then_silent() {
        let start = File::planted("crates/mariadb/src/a.rs", "Command::new(\"mariadbd\");\n");
        assert!(check(&start).is_empty());
        let test =
            "//! A.\n#[cfg(test)]\nmod tests {\n    use std::time::Instant; Instant::now();\n}\n";
        assert!(check(&File::planted("crates/cluster/src/a.rs", test)).is_empty());
        let comment = "// no Instant::now here\n";
        assert!(check(&File::planted("crates/cluster/src/a.rs", comment)).is_empty());
    }
}
