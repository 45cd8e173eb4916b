//! What an agent refuses to start while it goes on voting and talking: a server that became too old, data that
//! another version or another node has had in between. It says so, and touches nothing of the database.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use super::digest::Digest;
use crate::life::{init, server_pid, serving};
use crate::program::{Agent, Place, wait};

const LIMIT: Duration = Duration::from_mins(1);

/// Runs the agent with this directory before the others in `PATH` until its status tells of `told`; the
/// database is as it was.
fn run_until(place: &Place, programs: &str, told: &str) {
    let before = Digest::of(&place.path("db"));
    let path = format!(
        "{}:{}",
        place.path(programs).display(),
        std::env::var("PATH").unwrap()
    );
    let log = std::fs::File::create(place.path("agent.log")).unwrap();
    let mut command = place.program(&["run"]);
    let child = command
        .env("PATH", path)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut agent = Agent::of(child);
    let mut last = String::new();
    let log = || std::fs::read_to_string(place.path("agent.log")).unwrap_or_default();
    let until = std::time::Instant::now() + LIMIT;
    wait("the status tells of it", LIMIT * 2, || {
        assert!(std::time::Instant::now() < until, "last: {last}\n{}", log());
        last = place.run(&["status"]).1;
        last.contains(told)
    });
    assert_eq!(agent.terminate(), 0);
    let difference = before.difference(&Digest::of(&place.path("db")));
    // The name of this copy of the data is written there, and nothing else.
    let own = |line: &String| !line.contains("mainstay-data-id") && !line.contains("/db: ");
    let difference: Vec<String> = difference.into_iter().filter(own).collect();
    assert!(difference.is_empty(), "{told}: {difference:#?}");
}

#[test]
fn server_when_too_old_or_its_data_too_new_at_a_start_then_not_started_and_the_status_says_so() {
    let place = Place::new(99);
    init(&place, "alpha");
    std::fs::create_dir(place.path("old")).unwrap();
    let stand_in = place.path("old/mariadbd");
    std::fs::write(
        &stand_in,
        "#!/bin/sh\necho 'mariadbd  Ver 10.3.39-MariaDB'\n",
    )
    .unwrap();
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    run_until(&place, "old", "MariaDB 10.3.39 is refused");
    let note = place.path("db/mysql_upgrade_info");
    let noted = std::fs::read_to_string(&note).unwrap();
    std::fs::write(&note, "99.1.2-MariaDB").unwrap();
    run_until(&place, "none", "are of MariaDB 99.1.2");
    // Put right, it serves: nothing was lost on the way.
    std::fs::write(&note, noted).unwrap();
    let mut agent = Agent::start(&place);
    agent.owns(server_pid(&serving(&place)));
    assert_eq!(agent.terminate(), 0);
}
