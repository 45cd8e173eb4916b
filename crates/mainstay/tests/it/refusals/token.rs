//! Tokens that are none, spent, late, another cluster's, for another kind of node; names and addresses
//! that are taken. Whatever the cluster refuses leaves nothing on the joining server.

use std::process::Command;
use std::time::{Duration, Instant};

use super::bench::{Expected, ended, readable, refuses_when_asked};
use crate::life::{init, server_pid, serving};
use crate::program::{Agent, Place, said, wait};

fn join(place: &Place, token: &str, options: Vec<String>) -> Command {
    let mut command = place.program(&["join", token.trim()]);
    command.args(options);
    command
}

fn token(place: &Place, more: &[&str]) -> String {
    let (code, out, err) = place.run(&[&["token"], more].concat());
    assert_eq!(code, 0, "{err}");
    out.trim().to_owned()
}

/// A character changed for another of the same alphabet.
fn mistyped(token: &str, at: usize) -> String {
    let mut typed = token.as_bytes().to_vec();
    typed[at] = if typed[at] == b'x' { b'y' } else { b'x' };
    String::from_utf8(typed).unwrap()
}

#[test]
fn token_when_it_is_no_good_then_refused_and_nothing_stays_behind() {
    let (founder, joiner) = (Place::new(95), Place::new(96));
    init(&founder, "alpha");
    let mut agent = Agent::start(&founder);
    agent.owns(server_pid(&serving(&founder)));
    let good = token(&founder, &["--witness"]);
    let check = |case: &str, token: &str, code: i32, told: &[&str]| {
        let command = join(&joiner, token, joiner.witness_options("witness"));
        refuses_when_asked(case, &joiner, command, &Expected { code, said: told });
    };
    let copied = "hint: copy the whole line that `mainstay token` printed";
    for (case, token) in [
        ("garbage", "hello".to_owned()),
        ("empty", String::new()),
        ("cut short", good[..good.len() - 5].to_owned()),
        ("a letter changed", mistyped(&good, good.len() / 2)),
        (
            "the first letter changed",
            mistyped(&good, "mainstay1-".len()),
        ),
        ("the last letter changed", mistyped(&good, good.len() - 2)),
        (
            "a megabyte's beginning",
            format!("mainstay1-{}", "A".repeat(100_000)),
        ),
    ] {
        check(case, &token, 2, &["error: mistyped token: ", copied]);
    }
    check(
        "of a later version",
        "mainstay9-AAAA",
        2,
        &["a version that this program does not know", copied],
    );
    let data = token(&founder, &[]);
    check(
        "for a data node",
        &data,
        2,
        &[
            "is for a data node, not for a witness",
            "hint: use a token of",
        ],
    );
    let late = token(&founder, &["--witness", "--valid-for", "1ms"]);
    let made = Instant::now();
    // Tokens end with a whole second of the issuer's clock.
    wait("the token is late", Duration::from_secs(20), || {
        made.elapsed() > Duration::from_secs(2)
    });
    check(
        "late",
        &late,
        1,
        &["the token expired at", "hint: make a new token"],
    );
    check_names(&founder, &joiner, &good);
    check_other_cluster(agent, &founder, &joiner);
}

/// A witness gets in; then its token is spent, and its name and address are taken.
fn check_names(founder: &Place, joiner: &Place, good: &str) {
    let witness = Place::new(97);
    let output = ended(
        "good",
        join(&witness, good, witness.witness_options("witness")),
    );
    assert!(output.status.success(), "{}", said(&output).2);
    let check = |case: &str, token: &str, options: Vec<String>, code: i32, told: &[&str]| {
        refuses_when_asked(
            case,
            joiner,
            join(joiner, token, options),
            &Expected { code, said: told },
        );
    };
    let options = |name: &str| joiner.witness_options(name);
    check(
        "spent",
        good,
        options("other"),
        1,
        &[
            "the token was already used, by `witness`",
            "hint: make a new token",
        ],
    );
    let fresh = token(founder, &["--witness"]);
    let taken = ["is the name of another member", "hint: `mainstay status`"];
    check("name taken", &fresh, options("witness"), 5, &taken);
    check("founder's name", &fresh, options("alpha"), 5, &taken);
    // The refusals gave the token back.
    let (code, _, err) = said(&ended("again", join(joiner, &fresh, options("second"))));
    assert_eq!(code, 0, "{err}");
    for name in ["data", "mainstay.toml"] {
        let path = joiner.path(name);
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(&path);
    }
}

/// Another cluster answers where the token leads; then nobody does.
fn check_other_cluster(mut agent: Agent, founder: &Place, joiner: &Place) {
    let old = token(founder, &["--witness"]);
    assert_eq!(agent.terminate(), 0);
    agent.kill();
    let refused = |case: &str, told: &[&str]| {
        let command = join(joiner, &old, joiner.witness_options("third"));
        refuses_when_asked(
            case,
            joiner,
            command,
            &Expected {
                code: 1,
                said: told,
            },
        );
    };
    refused(
        "nobody answers",
        &["connect to", "hint: the agent there must run"],
    );
    for name in ["data", "db"] {
        std::fs::remove_dir_all(founder.path(name)).unwrap();
    }
    std::fs::remove_file(founder.config()).unwrap();
    init(founder, "alpha");
    let mut other = Agent::start(founder);
    other.owns(server_pid(&serving(founder)));
    refused(
        "another cluster answers",
        &[
            "is not node `alpha` of this cluster",
            "hint: make a new token",
        ],
    );
    let foreign = token(founder, &[]);
    let output = ended("a witness's token", {
        let mut options = joiner.options("bravo");
        options.push("--plan".to_owned());
        join(joiner, &token(founder, &["--witness"]), options)
    });
    let (code, _, err) = said(&output);
    readable("a witness's token", &err);
    assert!(code == 2 && err.contains("add `--witness`"), "{err}");
    assert!(!err.contains(&foreign), "a token is a secret");
}
