//! One life of a node: `init`, `run`, questions, SIGTERM, and `run` again, with a real MariaDB.

use std::time::Duration;

use serde_json::Value;

use crate::program::{Agent, Place, is_alive, wait};

pub(crate) fn init(place: &Place, name: &str) {
    let options = place.options(name);
    let mut arguments = vec!["init"];
    arguments.extend(options.iter().map(String::as_str));
    let (code, out, err) = place.run(&arguments);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
}

/// The status with its exit code, once there is a primary.
pub(crate) fn serving(place: &Place) -> Value {
    let mut last = String::new();
    let mut status = Value::Null;
    let limit = Duration::from_mins(1);
    let log = || std::fs::read_to_string(place.path("agent.log")).unwrap_or_default();
    let until = std::time::Instant::now() + limit;
    wait("there is a primary", limit + Duration::from_secs(5), || {
        assert!(std::time::Instant::now() < until, "last: {last}\n{}", log());
        let (code, out, err) = place.run(&["status", "--json"]);
        last = format!("{code} {out} {err}");
        if code == 3 {
            status = serde_json::from_str(&out).unwrap();
        }
        code == 3
    });
    status
}

pub(crate) fn server_pid(status: &Value) -> i32 {
    i32::try_from(status["nodes"][0]["database"]["pid"].as_i64().unwrap()).unwrap()
}

#[test]
fn node_when_it_is_founded_runs_is_asked_ended_and_run_again_then_mariadb_outlives_its_agent() {
    let place = Place::new(65);
    init(&place, "alpha");
    let mut agent = Agent::start(&place);
    let status = serving(&place);
    agent.owns(server_pid(&status));
    check_status(&status, &place);
    check_verbs(&place);
    let (code, _, err) = place.run(&["run"]);
    assert!(
        code == 5 && err.contains("another agent runs this node"),
        "{err}"
    );
    assert_eq!(agent.terminate(), 0);
    assert!(
        is_alive(server_pid(&status)),
        "MariaDB goes on without its agent"
    );
    assert!(!place.path("data/control.sock").exists());
    let (code, out, err) = place.run(&["status", "--json"]);
    assert!(
        code == 1 && out.is_empty() && err.contains("no agent runs"),
        "{err}"
    );
    let mut again = Agent::start(&place);
    again.owns(server_pid(&status));
    let later = serving(&place);
    assert_eq!(
        server_pid(&later),
        server_pid(&status),
        "the same server is found again"
    );
    assert!(
        resident_kib(again.pid()) < 60 * 1024,
        "{} KiB",
        resident_kib(again.pid())
    );
    assert_eq!(again.terminate(), 0);
}

fn check_status(status: &Value, place: &Place) {
    for (field, expected) in [
        ("version", Value::from(1)),
        ("cluster", Value::from("mainstay")),
        ("primary", Value::from("alpha")),
        ("protected", Value::from(false)),
        ("paused", Value::from(false)),
        ("epoch", Value::from(1)),
        ("last_change", Value::Null),
    ] {
        assert_eq!(status[field], expected, "{field}");
    }
    assert_eq!(status["ledger"]["kind"], "raft");
    assert_eq!(status["ledger"]["members"], serde_json::json!(["alpha"]));
    assert_eq!(status["ledger"]["reachable"], true);
    let node = &status["nodes"][0];
    assert_eq!(
        (&node["name"], &node["role"], &node["health"]),
        (&"alpha".into(), &"primary".into(), &"ok".into())
    );
    assert_eq!(node["address"], place.address());
    assert_eq!(node["database"]["read_only"], false);
    assert_eq!(node["database"]["lag_ms"], 0);
    assert!(
        node["database"]["version"]
            .as_str()
            .unwrap()
            .contains("MariaDB")
    );
    let socket = place.path("data/run/mariadb.sock").display().to_string();
    assert_eq!(node["database"]["socket"].as_str(), Some(socket.as_str()));
}

fn check_verbs(place: &Place) {
    let (code, out, err) = place.run(&["status"]);
    assert!(
        code == 3 && out.contains("NOT protected") && err.is_empty(),
        "{out}{err}"
    );
    let (code, out, err) = place.run(&["token"]);
    assert!(
        code == 0 && out.trim().starts_with("mainstay1-") && out.lines().count() == 1,
        "{out}{err}"
    );
    let (code, out, _) = place.run(&["token", "--witness", "--json"]);
    let token: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && token["kind"] == "witness");
    let (code, out, _) = place.run(&["why", "--json"]);
    let why: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && !why.as_array().unwrap().is_empty());
    let (code, _, err) = place.run(&["switchover"]);
    assert!(code == 5 && err.contains("no replica is in sync"), "{err}");
    let (code, _, err) = place.run(&["failover", "--to", "bravo", "--yes"]);
    assert!(
        code == 2 && err.contains("there is no node `bravo`"),
        "{err}"
    );
    assert_eq!(place.run(&["pause"]).0, 0);
    let paused = |wanted: bool| {
        let (_, out, _) = place.run(&["status", "--json"]);
        serde_json::from_str::<Value>(&out).is_ok_and(|status| status["paused"] == wanted)
    };
    wait("it is paused", Duration::from_secs(5), || paused(true));
    assert_eq!(place.run(&["resume"]).0, 0);
    wait("it is resumed", Duration::from_secs(5), || paused(false));
}

#[test]
fn join_when_tokens_are_used_expired_or_of_another_kind_then_each_says_so_and_a_good_one_lets_in() {
    let place = Place::new(66);
    init(&place, "alpha");
    let mut agent = Agent::start(&place);
    agent.owns(server_pid(&serving(&place)));
    let token = |more: &[&str]| {
        let (code, out, err) = place.run(&[&["token"], more].concat());
        assert_eq!(code, 0, "{err}");
        out
    };
    let witness = Place::new(67);
    let join = |token: &str, place: &Place| {
        let options = place.witness_options("witness");
        let mut arguments = vec!["join", token.trim()];
        arguments.extend(options.iter().map(String::as_str));
        place.run(&arguments)
    };
    let good = token(&["--witness"]);
    let expired = token(&["--witness", "--valid-for", "1ms"]);
    let (code, _, err) = join(&token(&[]), &witness);
    assert!(
        code == 2 && err.contains("the token is for a data node, not for a witness"),
        "{err}"
    );
    let (code, _, err) = join(&good, &witness);
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("this server is `witness`, node 2 of cluster `mainstay`"),
        "{err}"
    );
    for secret in ["identity/node.key", "node.json"] {
        assert!(witness.path("data").join(secret).exists(), "{secret}");
    }
    for other in ["identity/authority.key", "secrets.json"] {
        assert!(
            !witness.path("data").join(other).exists(),
            "a witness must not have {other}"
        );
    }
    let late = Place::new(68);
    let (code, _, err) = join(&good, &late);
    assert!(
        code == 1 && err.contains("the token was already used, by `witness`"),
        "{err}"
    );
    wait("the token expires", Duration::from_secs(10), || {
        join(&expired, &late).2.contains("expired at")
    });
    let (code, _, err) = join(&expired, &late);
    assert!(
        code == 1
            && err.contains("make a new token on a data node of the cluster: `mainstay token`"),
        "{err}"
    );
    assert!(!late.config().exists());
    check_witness(&place, &witness);
}

/// The witness that was let in runs, is seen by the founder, and lets nobody in itself.
fn check_witness(place: &Place, witness: &Place) {
    let _voter = Agent::start(witness);
    wait("the witness is heard", Duration::from_secs(20), || {
        let (_, out, _) = place.run(&["status", "--json"]);
        let status: Value = serde_json::from_str(&out).unwrap_or_default();
        status["nodes"][1]["role"] == "witness" && status["nodes"][1]["health"] == "ok"
    });
    wait(
        "the witness knows the cluster",
        Duration::from_secs(20),
        || {
            let (code, out, _) = witness.run(&["status", "--json"]);
            let status: Value = serde_json::from_str(&out).unwrap_or_default();
            code == 3 && status["primary"] == "alpha" && status["asked"] == "witness"
        },
    );
    let (code, _, err) = witness.run(&["token"]);
    assert!(
        code == 1 && err.contains("a witness lets nobody in"),
        "{err}"
    );
}

#[test]
fn init_when_a_server_runs_on_the_data_then_refused_and_when_it_has_ended_then_adopted() {
    let old = Place::new(69);
    init(&old, "alpha");
    let mut agent = Agent::start(&old);
    let pid = server_pid(&serving(&old));
    agent.owns(pid);
    assert_eq!(agent.terminate(), 0);
    let new = Place::new(70);
    let database = old.path("db").display().to_string();
    let options = new.options("alpha");
    let mut arguments = vec!["init", "--cluster", "second", "--database-dir", &database];
    let own = new.path("db").display().to_string();
    let kept = options
        .iter()
        .map(String::as_str)
        .filter(|option| *option != own);
    let mut kept: Vec<&str> = kept.collect();
    kept.retain(|option| *option != "--database-dir");
    arguments.extend(kept);
    let (code, _, err) = new.run(&arguments);
    assert!(
        code == 5 && err.contains(&format!("a server (pid {pid}) has `{database}` open")),
        "{err}"
    );
    assert!(!new.config().exists() && !new.path("data").exists());
    agent.kill();
    wait("the server has ended", Duration::from_secs(10), || {
        !is_alive(pid)
    });
    let (code, _, err) = new.run(&arguments);
    assert!(
        code == 5 && err.contains("holds the data of a node of a cluster"),
        "{err}"
    );
    std::fs::remove_file(old.path("db/mainstay-data-id")).unwrap();
    let (code, _, err) = new.run(&arguments);
    assert_eq!(code, 0, "{err}");
    let mut second = Agent::start(&new);
    let status = serving(&new);
    second.owns(server_pid(&status));
    assert_eq!(status["cluster"], "second");
}

/// Memory of a process, from the kernel.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
