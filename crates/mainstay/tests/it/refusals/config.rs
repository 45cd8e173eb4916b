//! A configuration file that is none, or one of something else.

use std::net::TcpListener;

use super::bench::{Bench, Expected, edit};

#[test]
fn config_when_it_is_no_file_of_ours_then_refused() {
    let bench = Bench::new(71);
    let path = bench.place.config();
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    let check = |case: &str, spoil: &dyn Fn(), said: &[&str]| {
        bench.run_refuses(case, spoil, &Expected { code: 1, said });
    };
    check(
        "missing",
        &|| std::fs::remove_file(&path).unwrap(),
        &[
            "there is no configuration file",
            "hint: make this server a node",
        ],
    );
    check(
        "not UTF-8",
        &|| write(b"[node]\n\xff\xfe"),
        &[
            "is no text: byte 7 is not UTF-8",
            "hint: name the configuration file with `--config`",
        ],
    );
    check(
        "no TOML",
        &|| write(b"[node\n"),
        &["is not understood", "line 1", "hint: correct that line"],
    );
    check(
        "deep",
        &|| write(format!("x = {}", "[".repeat(100_000)).as_bytes()),
        &["is not understood"],
    );
    check(
        "many parts",
        &|| write(format!("{} = 1", vec!["a"; 90_000].join(".")).as_bytes()),
        &["is not understood"],
    );
    check(
        "huge",
        &|| {
            std::fs::File::create(&path)
                .unwrap()
                .set_len(100 << 20)
                .unwrap();
        },
        &["is larger than 1 MiB", "hint: name the configuration file"],
    );
    let directory = || {
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    };
    check(
        "a directory",
        &directory,
        &["is a directory", "hint: name the configuration file"],
    );
    let endless = || {
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    };
    check("endless", &endless, &["is larger than 1 MiB"]);
}

/// A part of the configuration file, what it becomes, and what is said about it.
const WRONG: &[(&str, &str, &[&str])] = &[
    (
        "name =",
        "nmae =",
        &[
            "there is no configuration key `node.nmae`",
            "hint: the nearest is `node.name`",
        ],
    ),
    ("[gateway]", "[gatway]", &["hint: the nearest is `gateway`"]),
    (
        "name = \"alpha\"",
        "name = 5",
        &["name = 5", "expected a string"],
    ),
    (
        "\nport = ",
        "\nport = 99999999999",
        &["port = 99999999999", "u16"],
    ),
    (
        "\nport = ",
        "\nport = 999999999999999999999999999999",
        &["port = 999"],
    ),
    ("\nport = ", "\nport = -", &["port = -"]),
    (
        "[gateway]",
        "[gateway]\nhold_max = \"99999h\"",
        &["is no length of time"],
    ),
    (
        "[gateway]",
        "[gateway]\nmax_connections = 100001",
        &[
            "`gateway.max_connections` is not usable: 1 to 100000",
            "hint: give",
        ],
    ),
    (
        "[mariadb.options]",
        "[mariadb.options]\nsort_buffer_size = \"1\\nx=2\"",
        &[
            "these settings of MariaDB cannot be used",
            "control characters",
        ],
    ),
];

#[test]
fn config_when_a_key_or_value_cannot_be_then_refused_and_named() {
    let bench = Bench::new(72);
    for (from, to, said) in WRONG {
        bench.config_refuses(to, (from, to), &Expected { code: 1, said });
    }
}

#[test]
fn config_when_two_services_would_open_one_port_then_refused_and_both_are_named() {
    let bench = Bench::new(87);
    let port = |at: usize| format!("extra_port = {}", bench.place.port(at));
    let listen = |at: usize| format!("\"{}:{}\"", bench.place.address(), bench.place.port(at));
    for (from, to, said) in [
        (
            port(3),
            port(2),
            [
                "`mariadb.extra_port` is not usable",
                "is taken by `mariadb.port`",
                "hint: give",
            ],
        ),
        (
            listen(1),
            listen(0),
            [
                "`gateway.listen` is not usable",
                "is taken by `peer.port`",
                "hint: give",
            ],
        ),
    ] {
        bench.config_refuses(
            &to,
            (&from, &to),
            &Expected {
                code: 1,
                said: &said,
            },
        );
    }
}

/// Options that would lose acknowledged writes, and what is said about each.
const LOSSY: &[(&str, &str)] = &[
    ("sync_binlog = 0", "`sync_binlog` is always 1"),
    ("innodb_flush_log_at_trx_commit = 0", "is always 1"),
    ("innodb-doublewrite = 0", "is always ON"),
    (
        "binlog_format = \"STATEMENT\"",
        "`binlog_format` is always ROW",
    ),
    ("log_bin = 0", "`log_bin` is always"),
    ("skip-log-bin = 1", "`log_bin` is always"),
    ("disable_log_bin = 1", "`log_bin` is always"),
    ("sql_log_bin = 0", "leaves writes out of the binary log"),
    ("skip_innodb = 1", "only InnoDB is crash-safe"),
    ("innodb_flush_method = \"nosync\"", "takes durability away"),
    (
        "slave_run_triggers_for_rbr = 1",
        "triggers run on the primary only",
    ),
    (
        "default_storage_engine = \"MyISAM\"",
        "only InnoDB is crash-safe",
    ),
    ("replicate-do-db = \"shop\"", "every server has everything"),
    (
        "replicate_wild_ignore_table = \"a.%\"",
        "every server has everything",
    ),
    ("binlog-do-db = \"shop\"", "every server has everything"),
    ("binlog_ignore_db = \"shop\"", "every server has everything"),
    ("rpl_semi_sync_master_timeout = 10000", "is always"),
    ("gtid_domain_id = 7", "is always 0"),
    ("server_id = 1", "is Mainstay's own"),
    ("init-rpl-role = \"SLAVE\"", "crash recovery"),
    (
        "binlog_storage_engine = \"innodb\"",
        "do not replicate without loss",
    ),
    ("innodb_force_recovery = 6", "is always 0"),
];

#[test]
fn config_when_an_option_would_lose_acknowledged_writes_then_refused_with_what_it_breaks() {
    let bench = Bench::new(73);
    for (option, why) in LOSSY {
        let to = format!("[mariadb.options]\n{option}");
        let said = [
            "these settings of MariaDB cannot be used",
            *why,
            "hint: change them",
        ];
        bench.config_refuses(
            option,
            ("[mariadb.options]", &to),
            &Expected {
                code: 1,
                said: &said,
            },
        );
    }
}

#[test]
fn address_when_of_another_server_or_taken_then_refused_and_free_again_after() {
    let bench = Bench::new(74);
    let own = format!("address = \"{}\"", bench.place.address());
    let foreign = || edit(&bench.place.config(), &own, "address = \"192.0.2.9\"");
    bench.run_refuses(
        "foreign address",
        foreign,
        &Expected {
            code: 1,
            said: &[
                "cannot open the peer port 192.0.2.9",
                "hint: 192.0.2.9 is not an address of this server now",
            ],
        },
    );
    let taken = TcpListener::bind((bench.place.address(), bench.place.port(0))).unwrap();
    bench.run_refuses(
        "taken port",
        || {},
        &Expected {
            code: 1,
            said: &[
                "cannot open the peer port",
                "in use",
                "hint: see `ss -ltnp`",
            ],
        },
    );
    drop(taken);
}
