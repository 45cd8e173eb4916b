//! Stories: a whole cluster, a load, a misfortune, and the verdict on what the clients were told.
//!
//! They run the built program (`cargo build -p mainstay` first, or `MAINSTAY_BIN`), in network
//! namespaces when root, else on loopback. One at a time: each is a whole cluster.
//! `cargo test -p e2e --test stories -- --nocapture` shows one line per story.

#![expect(
    clippy::print_stdout,
    reason = "a story tells its figures, and where its logs are when it fails"
)]

mod agent_killed;
mod apply_error;
mod apply_held;
mod bad_network;
mod both_lost;
mod busy_machine;
mod by_hand;
mod cable_pulled;
mod chaos;
mod clock_jumps;
mod cut_between;
mod disk_failed;
mod disk_full;
mod disk_hung;
mod errant;
mod flooded;
mod locks_freed;
mod logs_purged;
mod node_joins;
mod node_killed;
mod node_woken;
mod one_way;
mod power_lost;
mod relay_trap;
mod replica_lags;
mod report_runs;
mod second_failure;
mod server_frozen;
mod server_killed;
mod server_terminated;
mod settings_changed;
mod stage;
mod strong_account;
mod struck;
mod survivor_lost;
mod switchover;
mod switchover_interrupted;
mod switchover_twice;
mod tail_kept;
mod too_many_connections;
mod upgraded;
mod witness_lost;
mod wordpress;
