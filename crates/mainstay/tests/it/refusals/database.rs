//! Data and servers that `init` and `join` must not take: of MySQL, of a later MariaDB, of another node, in
//! use; a server too old, of another make, missing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::bench::{Bench, Expected, chmod, copy, refuses};
use crate::program::Place;

/// What an adopted directory must look like at first sight.
fn adoptable(place: &Place) {
    std::fs::create_dir_all(place.path("db/mysql")).unwrap();
    std::fs::write(place.path("db/ibdata1"), "x").unwrap();
    let chowned = Command::new("chown")
        .arg("-R")
        .arg("mysql")
        .arg(place.path("db"))
        .status();
    assert!(chowned.is_ok());
}

fn init(place: &Place) -> Command {
    let mut command = place.program(&["init"]);
    command.args(place.options("alpha"));
    command
}

#[test]
fn database_when_it_is_not_for_this_server_then_refused() {
    let place = Place::new(89);
    adoptable(&place);
    let write = |name: &str, text: &str| std::fs::write(place.path("db").join(name), text).unwrap();
    let remove = |name: &str| std::fs::remove_file(place.path("db").join(name)).unwrap();
    for (name, text, said) in [
        (
            "mysql.ibd",
            "x",
            ["holds data of MySQL, not of MariaDB", "hint: dump them"],
        ),
        (
            "mariadb_upgrade_info",
            "99.1.2-MariaDB",
            ["are of MariaDB 99.1.2", "hint: install that version"],
        ),
        (
            "mysql_upgrade_info",
            "99.1.2-MariaDB\n",
            ["are of MariaDB 99.1.2", "hint: install that version"],
        ),
        (
            "mainstay-data-id",
            "00\n",
            [
                "holds the data of a node of a cluster",
                "hint: name another directory",
            ],
        ),
    ] {
        write(name, text);
        refuses(
            name,
            &place,
            init(&place),
            &Expected {
                code: 5,
                said: &said,
            },
        );
        remove(name);
    }
    remove("ibdata1");
    refuses(
        "no InnoDB",
        &place,
        init(&place),
        &Expected {
            code: 5,
            said: &[
                "holds something that is not MariaDB's",
                "hint: name MariaDB's data directory",
            ],
        },
    );
}

#[test]
fn database_when_it_belongs_to_another_user_then_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new(90);
    adoptable(&place);
    let given = Command::new("chown")
        .args(["-R", "daemon"])
        .arg(place.path("db"))
        .status();
    assert!(given.unwrap().success());
    refuses(
        "another user's",
        &place,
        init(&place),
        &Expected {
            code: 5,
            said: &["does not belong to mysql", "hint: name its owner"],
        },
    );
}

/// A program of this name that prints this, found before the real one.
fn stand_in(dir: &Path, name: &str, said: &str) {
    std::fs::create_dir_all(dir).unwrap();
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\necho '{said}'\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_programs(mut command: Command, dir: &Path) -> Command {
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", dir.display()));
    command
}

#[test]
fn server_when_too_old_or_not_mariadb_then_refused() {
    let place = Place::new(91);
    let dir = place.path("programs");
    for (said, told) in [
        (
            "mariadbd  Ver 10.3.39-MariaDB for Linux on x86_64",
            "MariaDB 10.3.39 is refused: the oldest supported are",
        ),
        (
            "mariadbd  Ver 10.11.8-MariaDB",
            "MariaDB 10.11.8 is refused",
        ),
        (
            "mariadbd  Ver 11.4.2-MariaDB-log",
            "MariaDB 11.4.2 is refused",
        ),
        (
            "mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)",
            "it is not MariaDB",
        ),
        (
            "mysqld  Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL))",
            "it is not MariaDB",
        ),
        ("hello", "it is not MariaDB"),
        ("mariadbd  Ver MariaDB", "its version number cannot be read"),
    ] {
        stand_in(&dir, "mariadbd", said);
        let expected = Expected {
            code: 5,
            said: &[told, "hint: install MariaDB 10.11.9 or later"],
        };
        refuses(said, &place, with_programs(init(&place), &dir), &expected);
    }
}

#[test]
fn server_when_it_cannot_be_run_then_refused() {
    let place = Place::new(92);
    let dir = place.path("programs");
    stand_in(&dir, "mariadbd", "");
    std::fs::write(dir.join("mariadbd"), "#!/nonexistent/interpreter\n").unwrap();
    refuses(
        "no interpreter",
        &place,
        with_programs(init(&place), &dir),
        &Expected {
            code: 5,
            said: &["programs/mariadbd", "No such file", "hint: install MariaDB"],
        },
    );
    // Passed over, as a shell does: the real one comes next.
    chmod(&dir.join("mariadbd"), 0o644);
    let output = with_programs(place.program(&["init", "--plan"]), &dir)
        .args(place.options("alpha"))
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn disk_when_full_or_read_only_then_refused_or_said() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new(93);
    std::fs::create_dir(place.path("disk")).unwrap();
    let inside = |mount: &str| {
        let program = place.program(&[]).get_program().to_owned();
        let mut command = Command::new("unshare");
        let disk = place.path("disk");
        let (disk, program) = (disk.display(), program.display());
        let script = format!("mount -t tmpfs {mount} tmpfs {disk} && exec {program} \"$@\"");
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        command
            .env("NO_COLOR", "1")
            .arg("--config")
            .arg(place.config())
            .arg("init");
        let options = place.options("alpha").into_iter();
        let data = place.path("data").display().to_string();
        let on_disk = place.path("disk/data").display().to_string();
        command.args(options.map(|option| {
            if option == data {
                on_disk.clone()
            } else {
                option
            }
        }));
        command
    };
    refuses(
        "full",
        &place,
        inside("-o size=1m"),
        &Expected {
            code: 5,
            said: &[
                "there is too little room for",
                "64 MiB are needed",
                "hint: make room",
            ],
        },
    );
    refuses(
        "read-only",
        &place,
        inside("-o ro,size=1g"),
        &Expected {
            code: 1,
            said: &["Read-only file system", "hint: "],
        },
    );
}

#[test]
fn node_when_its_disk_is_read_only_then_run_says_so_and_does_not_start() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bench = Bench::new(94);
    let program = bench.place.program(&[]).get_program().to_owned();
    let place = bench.place.path("");
    let script = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind {0} && exec {1} \"$@\"",
        place.display(),
        program.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command
        .env("NO_COLOR", "1")
        .arg("--config")
        .arg(bench.place.config())
        .arg("run");
    refuses(
        "read-only",
        &bench.place,
        command,
        &Expected {
            code: 1,
            said: &["agent.lock", "Read-only file system", "hint: "],
        },
    );
    copy(&bench.data("node.json"), &bench.place.path("kept"));
}
