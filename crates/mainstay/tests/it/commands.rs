//! Whole commands that fail before they touch anything: exit code, standard output, standard error.

use std::process::Stdio;

use crate::program::{Place, mainstay, said};

/// Runs with standard input closed; `{dir}` in what is expected is the test's own directory.
fn check(arguments: &[&str], expected: (i32, &str, &str)) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mainstay.toml");
    let output = mainstay(&config).args(arguments).output().unwrap();
    let (code, out, err) = said(&output);
    let own = dir.path().display().to_string();
    let err = err.replace(&own, "{dir}");
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        expected,
        "{arguments:?}"
    );
}

#[test]
fn verbs_when_this_server_is_no_node_then_each_says_how_to_make_it_one() {
    let told = "error: there is no configuration file `{dir}/mainstay.toml`\n  \
        hint: make this server a node with `mainstay init` or `mainstay join`, or name its file with `--config`\n";
    for verb in [
        &["status"][..],
        &["status", "--json"],
        &["why"],
        &["token"],
        &["run"],
        &["pause"],
        &["switchover", "--yes"],
    ] {
        check(verb, (1, "", told));
    }
}

#[test]
fn verbs_when_the_agent_does_not_run_then_exit_1_and_how_to_start_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mainstay.toml");
    let data = dir.path().join("data");
    let text = format!(
        "[node]\nname = \"alpha\"\naddress = \"127.0.0.1\"\ndata_dir = \"{}\"\n",
        data.display()
    );
    std::fs::write(&config, text).unwrap();
    for verb in [
        &["status"][..],
        &["status", "--json"],
        &["why"],
        &["explain", "SELECT 1"],
        &["token"],
        &["failover", "--to", "bravo", "--yes"],
    ] {
        let (code, out, err) = said(&mainstay(&config).args(verb).output().unwrap());
        assert_eq!((code, out.as_str()), (1, ""), "{verb:?}");
        assert!(
            err.starts_with("error: no agent runs on this server\n  cause: `"),
            "{err}"
        );
        assert!(
            err.ends_with("  hint: start it: `systemctl start mainstay`, or `mainstay run`\n"),
            "{err}"
        );
    }
    let (code, _, err) = said(&mainstay(&config).arg("run").output().unwrap());
    assert_eq!(code, 1);
    assert!(err.contains("is no node's directory"), "{err}");
}

#[test]
fn command_line_when_it_makes_no_sense_then_exit_2() {
    for arguments in [
        &["dance"][..],
        &["status", "--colour"],
        &["failover"],
        &["switchover", "--to", "Bravo"],
        &["why", "a.b"],
        &[],
    ] {
        let (code, out, err) = said(
            &mainstay("/nonexistent".as_ref())
                .args(arguments)
                .output()
                .unwrap(),
        );
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(!err.is_empty());
    }
}

#[test]
fn verbs_of_later_versions_when_typed_then_they_are_unknown() {
    for verb in [
        "leave", "remove", "drain", "undrain", "doctor", "backup", "restore",
    ] {
        let (code, _, err) = said(
            &mainstay("/nonexistent".as_ref())
                .arg(verb)
                .output()
                .unwrap(),
        );
        assert_eq!(code, 2, "{verb}: {err}");
    }
}

#[test]
fn init_when_options_are_wrong_then_exit_2_and_nothing_is_touched() {
    let place = Place::new(61);
    for (more, told) in [
        (
            &["--set", "peer.prot=1"][..],
            "error: there is no configuration key `peer.prot`\n  hint: the nearest is `peer.port`\n",
        ),
        (&["--set", "gateway.hold_max=15"], "error: `"),
        (
            &["--ledger", "s3://bucket/x"],
            "error: this version knows no ledger `s3://bucket/x`\n",
        ),
        (&["--set", "mariadb.options.log_bin=0"], "error: "),
    ] {
        let options = place.options("alpha");
        let mut arguments = vec!["init"];
        arguments.extend(options.iter().map(String::as_str));
        arguments.extend(more);
        let (code, out, err) = place.run(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.starts_with(told), "{err}");
        assert!(
            !place.config().exists() && !place.path("data").exists() && !place.path("db").exists()
        );
    }
}

#[test]
fn init_when_only_the_plan_is_wanted_then_it_is_printed_and_nothing_is_touched() {
    let place = Place::new(62);
    let options = place.options("alpha");
    let mut arguments = vec!["init", "--plan"];
    arguments.extend(options.iter().map(String::as_str));
    let (code, out, err) = place.run(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(
        lines[0].starts_with(" 1 make `") && lines[1].contains("make a new, empty MariaDB"),
        "{out}"
    );
    assert!(!place.config().exists() && !place.path("data").exists() && !place.path("db").exists());
}

#[test]
fn init_when_a_directory_or_address_is_not_ours_then_exit_5_and_nothing_is_touched() {
    let place = Place::new(63);
    let options = place.options("alpha");
    let init = |more: &[&str]| {
        let mut arguments = vec!["init"];
        arguments.extend(options.iter().map(String::as_str));
        arguments.extend(more);
        place.run(&arguments)
    };
    std::fs::create_dir(place.path("db")).unwrap();
    std::fs::write(place.path("db/letter"), "x").unwrap();
    let (code, _, err) = init(&[]);
    assert!(
        code == 5 && err.contains("holds something that is not MariaDB's"),
        "{err}"
    );
    std::fs::remove_file(place.path("db/letter")).unwrap();
    let taken = std::net::TcpListener::bind((place.address(), place.sql_port())).unwrap();
    let (code, _, err) = init(&[]);
    assert!(
        code == 5 && err.contains("is in use by another program (`gateway.listen`)"),
        "{err}"
    );
    drop(taken);
    std::fs::create_dir(place.path("data")).unwrap();
    std::fs::write(place.path("data/letter"), "x").unwrap();
    let (code, _, err) = init(&[]);
    assert!(code == 5 && err.contains("is not empty"), "{err}");
    assert!(!place.config().exists());
}

#[test]
fn join_when_the_token_is_mistyped_then_exit_2_and_nothing_is_touched() {
    let place = Place::new(64);
    let options = place.options("bravo");
    for (token, told) in [
        (
            "hello",
            "error: mistyped token: it does not begin with `mainstay1-`\n",
        ),
        ("mainstay1-AAAA", "error: mistyped token: "),
        (
            "mainstay9-AAAA",
            "error: the token is of a version that this program does not know\n",
        ),
    ] {
        let mut arguments = vec!["join", token];
        arguments.extend(options.iter().map(String::as_str));
        let (code, out, err) = place.run(&arguments);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.starts_with(told), "{err}");
        assert!(
            err.contains("hint: copy the whole line that `mainstay token` printed"),
            "{err}"
        );
        assert!(!place.config().exists() && !place.path("data").exists());
    }
    let mut command = place.program(&["join", "-"]);
    command.args(&options).stdin(Stdio::null());
    let (code, _, err) = said(&command.output().unwrap());
    assert!(
        code == 2 && err.starts_with("error: mistyped token"),
        "{err}"
    );
}
