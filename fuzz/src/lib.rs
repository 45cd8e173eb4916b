//! Everything that reads bytes of strangers, as functions of bytes: from the network, from files, from
//! people. Each may refuse and none may panic, hang or grow without bound.
//!
//! `tests/replay.rs` runs them in the gate over `corpus/` and over mutations of it; `libfuzzer/` looks for
//! more. A new parser gets a line in [`TARGETS`], a door in its crate, and a few inputs in its corpus.

mod config;
mod wire_bytes;

/// One parser, or a few that read the same kind of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also of its corpus and of its libFuzzer binary.
    pub name: &'static str,
    /// Reads these bytes; a panic is a bug.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("certificate", peer::fuzzing::certificates),
    target("clone_stream", mariadb::fuzzing::clone_stream),
    target("config", config::config),
    target("gateway_arrival", sql_gateway::fuzzing::arrival),
    target("gateway_server", sql_gateway::fuzzing::server),
    target("gateway_session", sql_gateway::fuzzing::session),
    target("gateway_zipped", sql_gateway::fuzzing::zipped),
    target("gtid", wire_bytes::gtid),
    target("keeper_message", keeper::fuzzing::messages),
    target("ledger_kept", ledger::fuzzing::kept),
    target("ledger_message", ledger::fuzzing::messages),
    target("log", mariadb::fuzzing::log),
    target("peer_frames", peer::fuzzing::frames),
    target("peer_message", peer::fuzzing::messages),
    target("replica_login", wire_bytes::replica_login),
    target("server_text", mariadb::fuzzing::texts),
    target("sql_packet", wire_bytes::packet),
    target("sql_statement", wire_bytes::statement),
    target("sql_walk", wire_bytes::walk),
    target("token", wire_bytes::token),
];

/// Runs the target of this name.
///
/// # Panics
/// There is no such target, or it has a bug.
pub fn run(name: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|target| target.name == name);
    match found {
        Some(target) => (target.run)(bytes),
        None => panic!("there is no target `{name}`"),
    }
}
