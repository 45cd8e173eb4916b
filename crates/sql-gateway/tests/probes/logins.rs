//! Logins: what a client is greeted with, how accounts get in, how they are refused.

use wire::flags;

use crate::answer::show;
use crate::book::Coded;
use crate::conn::{Conn, Who};
use crate::stage::Stage;

pub(crate) const PROBES: &[Coded] = &[
    (
        "greeting",
        "version, capabilities, collation, status and plugin of the first packet",
        greeting,
    ),
    (
        "login_native",
        "mysql_native_password, right and wrong",
        native,
    ),
    (
        "login_without_password",
        "an account without one, with and without a proof",
        without_password,
    ),
    ("login_unknown_user", "no such account", unknown_user),
    (
        "login_unknown_database",
        "no such database, no database, one without rights",
        databases,
    ),
    (
        "login_names_another_plugin",
        "a client whose first plugin is another",
        plugins,
    ),
    (
        "login_collations",
        "the collation of the login becomes the session's",
        collations,
    ),
    (
        "login_found_rows",
        "a client that wants rows found, not rows changed",
        found_rows,
    ),
    (
        "login_no_multi_statements",
        "a client that did not ask for several statements",
        no_multi,
    ),
    (
        "login_no_local_files",
        "a client that sends no files",
        no_files,
    ),
    (
        "login_interactive",
        "an interactive client has the other timeout",
        interactive,
    ),
    (
        "login_attributes",
        "connection attributes arrive",
        attributes,
    ),
    (
        "login_ed25519",
        "the server asks the client itself for ed25519",
        ed25519,
    ),
    (
        "login_unix_socket",
        "an account of the server's socket is refused over TCP",
        unix_socket,
    ),
    (
        "login_one_after_another",
        "fifty connections, none with another's state",
        one_after_another,
    ),
];

/// Logs in as somebody; on success connection 1 is his.
fn log_in(stage: &mut Stage, what: &str, who: &Who<'_>) -> bool {
    let mut conn = Conn::open(stage.address).unwrap();
    let answer = conn.log_in(who);
    let is_in = answer
        .as_ref()
        .is_ok_and(|packet| packet.first() == Some(&0));
    let line = answer.map_or_else(|error| error.kind().to_string(), |packet| show(&packet));
    stage.say(&format!("{what}: {line}"));
    if is_in {
        stage.put(1, conn);
    } else {
        stage.say(&format!("ended: {}", conn.is_ended(stage.patience)));
    }
    is_in
}

fn app(stage: &Stage) -> Who<'static> {
    Who::app(stage.way.capabilities())
}

fn greeting(stage: &mut Stage) {
    let greeting = &stage.conn(1).greeting;
    let lines = [
        format!("version {}", show(&greeting.version)),
        // Why: not offered by the gateway: encryption, cached metadata; see the document.
        format!("capabilities {:x}", greeting.capabilities & !LEFT_OUT),
        format!("collation {}", greeting.collation),
        format!("status {:x}", greeting.status),
        format!("plugin {}", show(&greeting.plugin)),
        format!("salt without zeros {}", !greeting.salt.contains(&0)),
    ];
    for line in lines {
        stage.say(&line);
    }
}

/// Also two flags about the client's own process: signals, remembered options.
const LEFT_OUT: u64 = flags::SSL | flags::MARIADB_CACHE_METADATA | 1 << 12 | 1 << 31;

fn native(stage: &mut Stage) {
    let who = app(stage);
    log_in(stage, "right", &who);
    stage.query(1, "SELECT USER(), CURRENT_USER(), DATABASE()");
    log_in(
        stage,
        "wrong",
        &Who {
            password: "wrong",
            ..who.clone()
        },
    );
    log_in(
        stage,
        "none",
        &Who {
            password: "",
            ..who
        },
    );
}

fn without_password(stage: &mut Stage) {
    let who = Who {
        user: "empty",
        password: "",
        database: "shop",
        ..app(stage)
    };
    log_in(stage, "none", &who);
    stage.query(1, "SELECT CURRENT_USER()");
    log_in(
        stage,
        "some",
        &Who {
            password: "some",
            ..who
        },
    );
}

fn unknown_user(stage: &mut Stage) {
    let who = Who {
        user: "nobody_at_all",
        ..app(stage)
    };
    log_in(stage, "unknown", &who);
    log_in(
        stage,
        "unknown without password",
        &Who {
            password: "",
            ..who.clone()
        },
    );
    log_in(stage, "no name", &Who { user: "", ..who });
}

fn databases(stage: &mut Stage) {
    let who = app(stage);
    log_in(
        stage,
        "unknown",
        &Who {
            database: "no_such_database",
            ..who.clone()
        },
    );
    log_in(
        stage,
        "none",
        &Who {
            database: "",
            ..who.clone()
        },
    );
    stage.query(1, "SELECT DATABASE()");
    let refused = stage.text(1, "SELECT * FROM t");
    stage.tell(&refused);
    log_in(
        stage,
        "not his",
        &Who {
            user: "empty",
            password: "",
            database: "mysql",
            ..who
        },
    );
}

fn plugins(stage: &mut Stage) {
    for plugin in [
        "caching_sha2_password",
        "client_ed25519",
        "no_such_plugin",
        "dialog",
    ] {
        let who = Who {
            plugin,
            ..app(stage)
        };
        if log_in(stage, plugin, &who) {
            stage.query(1, "SELECT CURRENT_USER()");
        }
    }
}

fn collations(stage: &mut Stage) {
    for collation in [8, 33, 45, 63, 192, 224, 255, 0] {
        let who = Who {
            collation,
            ..app(stage)
        };
        if log_in(stage, &format!("collation {collation}"), &who) {
            stage.query(1, "SELECT @@character_set_client, @@collation_connection, @@character_set_results, 'é'");
        }
    }
}

fn found_rows(stage: &mut Stage) {
    let who = app(stage);
    let who = Who {
        capabilities: who.capabilities | flags::FOUND_ROWS,
        ..who
    };
    log_in(stage, "found rows", &who);
    stage.query(1, "CREATE TABLE t (a INT)");
    stage.query(1, "INSERT INTO t VALUES (1), (2)");
    stage.query(1, "UPDATE t SET a = 1");
    stage.query(1, "SELECT ROW_COUNT()");
    stage.query(1, "UPDATE t SET a = 1");
}

fn no_multi(stage: &mut Stage) {
    let who = app(stage);
    let without = who.capabilities & !flags::MULTI_STATEMENTS;
    log_in(
        stage,
        "one at a time",
        &Who {
            capabilities: without,
            ..who
        },
    );
    for sql in ["SELECT 1; SELECT 2", "SELECT 1;", "SELECT 'a;b'"] {
        let answer = stage.text(1, sql);
        stage.tell(&answer);
    }
    let mut who = app(stage);
    who.capabilities = without & !flags::MULTI_RESULTS & !flags::PS_MULTI_RESULTS;
    log_in(stage, "one result at a time", &who);
    stage.query(1, "CREATE PROCEDURE p() SELECT 1");
    let answer = stage.text(1, "CALL p()");
    stage.tell(&answer);
}

fn no_files(stage: &mut Stage) {
    let who = app(stage);
    let without = who.capabilities & !flags::LOCAL_FILES;
    log_in(
        stage,
        "no files",
        &Who {
            capabilities: without,
            ..who
        },
    );
    stage.query(1, "CREATE TABLE t (a INT)");
    let answer = stage.text(1, "LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
    stage.tell(&answer);
    stage.query(1, "SELECT 'after'");
}

fn interactive(stage: &mut Stage) {
    let who = app(stage);
    let with = who.capabilities | 1 << 10;
    log_in(
        stage,
        "interactive",
        &Who {
            capabilities: with,
            ..who
        },
    );
    stage.query(
        1,
        "SELECT @@wait_timeout = @@interactive_timeout, @@wait_timeout",
    );
    let spaces = app(stage).capabilities | 1 << 8;
    log_in(
        stage,
        "spaces ignored",
        &Who {
            capabilities: spaces,
            ..app(stage)
        },
    );
    stage.query(1, "SELECT COUNT (*), @@sql_mode FROM seq_1_to_3");
}

fn attributes(stage: &mut Stage) {
    stage.query(
        1,
        "SELECT COUNT(*) FROM performance_schema.session_connect_attrs",
    );
}

fn ed25519(stage: &mut Stage) {
    let who = Who {
        user: "ed",
        database: "shop",
        ..app(stage)
    };
    let mut conn = Conn::open(stage.address).unwrap();
    let answer = conn.log_in(&who).unwrap();
    // Why: the salt in the question is new each time; the proof we answer with cannot be right.
    let asked = answer.starts_with(b"\xfeclient_ed25519\0");
    stage.say(&format!("asked {asked}, refused {}", answer[0] == 0xff));
    stage.say(&show(&answer).replace(|c: char| !c.is_ascii_alphanumeric(), ""));
}

fn unix_socket(stage: &mut Stage) {
    let who = Who {
        user: "sock",
        database: "",
        password: "",
        ..app(stage)
    };
    log_in(stage, "socket", &who);
}

fn one_after_another(stage: &mut Stage) {
    for round in 0..50 {
        let who = app(stage);
        log_in(stage, "next", &who);
        stage.query(
            1,
            "SELECT @v, @@sql_mode, DATABASE(), @@autocommit, LAST_INSERT_ID(), ROW_COUNT()",
        );
        stage.query(
            1,
            &format!("SET @v = {round}, sql_mode = '', autocommit = 0"),
        );
        stage.query(1, "USE mysql");
        if round % 2 == 0 {
            stage.quit(1);
        }
    }
}
