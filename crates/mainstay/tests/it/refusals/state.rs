//! What DATA_DIR remembers: damaged, of another node, of a later version, half made.

use super::bench::{Bench, Expected, copy, cut, edit, refuses};
use crate::program::Place;

const VERSION: (&str, &str) = ("\"version\": 1", "\"version\": 2");

#[test]
fn directory_when_a_later_version_wrote_in_it_then_refused() {
    let bench = Bench::new(79);
    for name in ["node.json", "state.json", "secrets.json"] {
        let newer = || edit(&bench.data(name), VERSION.0, VERSION.1);
        bench.run_refuses(
            name,
            newer,
            &Expected {
                code: 5,
                said: &[
                    name,
                    "has version 2, this program knows version 1",
                    "hint: run the version of Mainstay that wrote it, or a later one",
                ],
            },
        );
    }
    let tokens = || {
        let path = bench.data("identity/tokens.json");
        std::fs::write(&path, "{\"version\":7,\"tickets\":[]}").unwrap();
        super::bench::chmod(&path, 0o600);
    };
    bench.run_refuses(
        "tokens",
        tokens,
        &Expected {
            code: 5,
            said: &["tokens.json has version 7", "hint: run the version"],
        },
    );
}

#[test]
fn directory_when_a_file_in_it_is_damaged_then_refused() {
    let bench = Bench::new(80);
    for name in ["node.json", "state.json", "secrets.json"] {
        for (case, length) in [("empty", 0), ("cut short", 20)] {
            let spoil = || cut(&bench.data(name), length);
            let said = [name, "hint: "];
            bench.run_refuses(
                &format!("{name} {case}"),
                spoil,
                &Expected {
                    code: 1,
                    said: &said,
                },
            );
        }
        let spoil = || std::fs::write(bench.data(name), [0xff; 64]).unwrap();
        let case = format!("{name} of bytes");
        if name == "secrets.json" {
            continue;
        }
        bench.run_refuses(
            &case,
            spoil,
            &Expected {
                code: 1,
                said: &[name],
            },
        );
    }
    let gone = || std::fs::remove_file(bench.data("state.json")).unwrap();
    bench.run_refuses(
        "no state",
        gone,
        &Expected {
            code: 1,
            said: &[
                "cannot read this node's state",
                "says what this node's data are worth",
            ],
        },
    );
    let tokens = || {
        std::fs::write(bench.data("identity/tokens.json"), "{").unwrap();
        super::bench::chmod(&bench.data("identity/tokens.json"), 0o600);
    };
    bench.run_refuses(
        "tokens",
        tokens,
        &Expected {
            code: 1,
            said: &[
                "cannot read the tokens of this node",
                "is damaged",
                "hint: move",
            ],
        },
    );
}

#[test]
fn directory_when_it_is_of_another_node_or_of_none_then_refused() {
    let bench = Bench::new(81);
    let renamed = || edit(&bench.data("node.json"), "alpha", "bravo");
    bench.run_refuses(
        "of another node",
        renamed,
        &Expected {
            code: 5,
            said: &[
                "this node is `alpha`, its directory that it is `bravo`",
                "hint: a node cannot be renamed",
            ],
        },
    );
    bench.config_refuses(
        "another name",
        ("\"alpha\"", "\"carol\""),
        &Expected {
            code: 5,
            said: &["this node is `carol`, its directory that it is `alpha`"],
        },
    );
    bench.config_refuses(
        "a witness now",
        ("[node]", "[node]\nwitness = true"),
        &Expected {
            code: 5,
            said: &["`node.witness` was changed", "hint: put it back"],
        },
    );
    let interrupted = || {
        std::fs::remove_file(bench.data("node.json")).unwrap();
        std::fs::write(bench.data("setup.unfinished"), "").unwrap();
    };
    bench.run_refuses(
        "half made",
        interrupted,
        &Expected {
            code: 1,
            said: &[
                "is of a setup that was interrupted",
                "hint: repeat the same `mainstay init`",
            ],
        },
    );
    let none = || std::fs::remove_dir_all(bench.place.path("data")).unwrap();
    bench.run_refuses(
        "none",
        none,
        &Expected {
            code: 1,
            said: &["is no node's directory", "hint: make this server a node"],
        },
    );
}

#[test]
fn setup_when_the_directory_is_a_nodes_or_anothers_then_refused() {
    let bench = Bench::new(82);
    let again = |place: &Place| {
        let mut command = place.program(&["init"]);
        command.args(place.options("alpha"));
        command
    };
    refuses(
        "a node already",
        &bench.place,
        again(&bench.place),
        &Expected {
            code: 5,
            said: &[
                "is a node's directory already",
                "hint: `mainstay run` starts this node",
            ],
        },
    );
    std::fs::remove_file(bench.data("node.json")).unwrap();
    refuses(
        "a configuration already",
        &bench.place,
        again(&bench.place),
        &Expected {
            code: 5,
            said: &["there is a configuration file", "hint: move it away"],
        },
    );
    std::fs::remove_file(bench.place.config()).unwrap();
    refuses(
        "something else",
        &bench.place,
        again(&bench.place),
        &Expected {
            code: 5,
            said: &[
                "is not empty",
                "hint: name another directory with `--data-dir`",
            ],
        },
    );
    let file = Place::new(83);
    copy(&bench.data("state.json"), &file.path("data"));
    refuses(
        "a file",
        &file,
        again(&file),
        &Expected {
            code: 5,
            said: &["data`", "is no directory", "hint: name another directory"],
        },
    );
}
