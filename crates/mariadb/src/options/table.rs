//! Tables of option names: enforced, our own, refused. How they are applied is in `options.rs`.

/// One option that every server of a cluster has.
pub(crate) struct Enforced {
    /// Name in the file, with underscores.
    pub(crate) name: &'static str,
    /// Value in the file.
    pub(crate) value: &'static str,
    /// What SHOW GLOBAL VARIABLES shows; `None` when there is no such variable or its value changes with the role.
    pub(crate) shown: Option<&'static str>,
    /// True when SET GLOBAL changes it while replication runs.
    pub(crate) dynamic: bool,
}

const fn fixed(name: &'static str, value: &'static str, shown: &'static str) -> Enforced {
    Enforced {
        name,
        value,
        shown: Some(shown),
        dynamic: false,
    }
}

const fn dynamic(name: &'static str, value: &'static str, shown: &'static str) -> Enforced {
    Enforced {
        name,
        value,
        shown: Some(shown),
        dynamic: true,
    }
}

const fn initial(name: &'static str, value: &'static str) -> Enforced {
    Enforced {
        name,
        value,
        shown: None,
        dynamic: false,
    }
}

/// Options with the same value on every server. Those of the role (`read_only`, semi-sync, events)
/// start closed: only the agent opens a server.
pub(crate) const ENFORCED: &[Enforced] = &[
    // Durable at commit: acknowledged means on disk here.
    dynamic("sync_binlog", "1", "1"),
    dynamic("innodb_flush_log_at_trx_commit", "1", "1"),
    fixed("innodb_doublewrite", "ON", "ON"),
    fixed("innodb_force_recovery", "0", "0"),
    // One history, comparable by GTID, rewindable by row images.
    fixed("log_bin", "binlog", "ON"),
    fixed("log_slave_updates", "ON", "ON"),
    dynamic("binlog_format", "ROW", "ROW"),
    dynamic("binlog_row_image", "FULL", "FULL"),
    // Why: the text beside the rows carries the mark by which a write in flight is found again.
    dynamic("binlog_annotate_row_events", "ON", "ON"),
    fixed("replicate_annotate_row_events", "ON", "ON"),
    dynamic("gtid_strict_mode", "ON", "ON"),
    dynamic("gtid_domain_id", "0", "0"),
    fixed("encrypt_binlog", "OFF", "OFF"),
    fixed("slave_skip_errors", "OFF", "OFF"),
    dynamic("slave_exec_mode", "STRICT", "STRICT"),
    // Relay log: in GTID mode it is thrown away anyway, so no fsync for each event.
    initial("relay_log", "relay"),
    fixed("relay_log_recovery", "ON", "ON"),
    dynamic("relay_log_purge", "ON", "ON"),
    dynamic("sync_relay_log", "10000", "10000"),
    // Why: a serial replica needs minutes to drain; these change only while replication is stopped.
    fixed("slave_parallel_mode", "optimistic", "optimistic"),
    fixed("slave_parallel_threads", "8", "8"),
    dynamic("slave_net_timeout", "10", "10"),
    initial("master_retry_count", "0"),
    // Semi-sync without ever giving up.
    dynamic(
        "rpl_semi_sync_master_wait_point",
        "AFTER_SYNC",
        "AFTER_SYNC",
    ),
    dynamic("rpl_semi_sync_master_wait_no_slave", "ON", "ON"),
    dynamic(
        "rpl_semi_sync_master_timeout",
        "18446744073709551615",
        "18446744073709551615",
    ),
    dynamic("rpl_semi_sync_slave_kill_conn_timeout", "1", "1"),
    dynamic("rpl_semi_sync_slave_delay_master", "OFF", "OFF"),
    initial("rpl_semi_sync_master_enabled", "OFF"),
    initial("rpl_semi_sync_slave_enabled", "OFF"),
    // Starts closed.
    initial("read_only", "ON"),
    initial("skip_slave_start", "ON"),
    initial("event_scheduler", "OFF"),
    // Reached only through our gateways and tunnels.
    initial("bind_address", "127.0.0.1"),
    fixed("skip_name_resolve", "ON", "ON"),
    // `localhost` stands for the server's own unix socket.
    dynamic(
        "proxy_protocol_networks",
        "127.0.0.1,localhost",
        "127.0.0.1,localhost",
    ),
    dynamic("extra_max_connections", "32", "32"),
];

/// Options whose value is particular to the server, written by `file`.
pub(super) const OWN: &[&str] = &[
    "server_id",
    "datadir",
    "port",
    "extra_port",
    "socket",
    "pid_file",
    "log_error",
    "user",
    "report_host",
    "report_port",
];

/// Further options that would take away durability, history or our control of the server.
pub(super) const REFUSED: &[(&str, &str)] = &[
    (
        "init_rpl_role",
        "it decides whether crash recovery drops transactions; it is given per start",
    ),
    (
        "tc_heuristic_recover",
        "it decides about prepared transactions",
    ),
    (
        "binlog_storage_engine",
        "binlogs inside InnoDB do not replicate without loss yet",
    ),
    ("skip_grant_tables", "it lets everybody in"),
    ("skip_networking", "replicas and gateways connect by TCP"),
    ("skip_innodb", "only InnoDB is crash-safe"),
    ("innodb", "only InnoDB is crash-safe"),
    ("innodb_read_only", "the server must be able to take writes"),
    (
        "innodb_read_only_compressed",
        "the server must be able to apply writes",
    ),
    (
        "innodb_data_home_dir",
        "a clone replaces the data directory as a whole",
    ),
    (
        "innodb_log_group_home_dir",
        "a clone replaces the data directory as a whole",
    ),
    (
        "innodb_undo_directory",
        "a clone replaces the data directory as a whole",
    ),
    (
        "innodb_fast_shutdown",
        "it leaves the data to a start with other settings",
    ),
    (
        "init_file",
        "its statements could write transactions that no other server has",
    ),
    (
        "init_slave",
        "its statements could write transactions that no other server has",
    ),
    ("bootstrap", "it is not a server then"),
    (
        "log_bin_index",
        "the agent looks for it under its default name",
    ),
    (
        "log_basename",
        "the agent looks for logs under their default names",
    ),
    (
        "relay_log_index",
        "the agent looks for it under its default name",
    ),
    (
        "relay_log_info_file",
        "the agent looks for it under its default name",
    ),
    (
        "master_info_file",
        "the agent looks for it under its default name",
    ),
    (
        "relay_log_space_limit",
        "it stops receiving while apply is behind",
    ),
    (
        "gtid_ignore_duplicates",
        "it hides transactions that differ",
    ),
    ("slave_sql_verify_checksum", "it hides damage"),
    ("master_verify_checksum", "it hides damage"),
    ("binlog_checksum", "it hides damage"),
    ("debug_no_sync", "it takes durability away"),
    ("sql_log_bin", "it leaves writes out of the binary log"),
    (
        "slave_run_triggers_for_rbr",
        "triggers run on the primary only, their rows are replicated",
    ),
    ("server_uid", "it is the server's own"),
    ("defaults_file", "the option file is ours"),
    ("defaults_extra_file", "the option file is ours"),
    ("chroot", "paths would differ from the agent's"),
    ("unix_socket", "the agent logs in with it"),
    ("extra_max_connections", "the agents need these connections"),
];

/// Options of which some values would take that away: name, the values that are good (`true`) or bad
/// (`false`), and why.
pub(super) const VALUES: &[(&str, bool, &[&str], &str)] = &[
    (
        "default_storage_engine",
        true,
        &["innodb"],
        "only InnoDB is crash-safe",
    ),
    (
        "enforce_storage_engine",
        true,
        &["innodb"],
        "only InnoDB is crash-safe",
    ),
    (
        "storage_engine",
        true,
        &["innodb"],
        "only InnoDB is crash-safe",
    ),
    (
        "innodb_flush_method",
        false,
        &["littlesync", "nosync", "2", "3"],
        "it takes durability away",
    ),
];

/// Beginnings of names that are refused altogether.
pub(super) const REFUSED_BEGINNINGS: &[(&str, &str)] = &[
    ("replicate_", "every server has everything"),
    ("binlog_do_", "every server has everything"),
    ("binlog_ignore_", "every server has everything"),
    ("wsrep", "Galera is another kind of cluster"),
    ("rpl_semi_sync_", "acknowledgements are the agent's"),
    ("slave_parallel_", "parallel apply is the agent's"),
];
