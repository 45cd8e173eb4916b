//! Every key of a node's configuration that a trial sets, in one place.
//! They are given to `init` and `join` as `--set KEY=VALUE`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::layout::Ports;

/// What makes a MariaDB server small enough that several fit on a laptop.
/// Durability is left alone: a trial of a cluster with it turned off would prove nothing.
const SMALL_SERVER: [(&str, &str); 4] = [
    ("innodb_buffer_pool_size", "64M"),
    ("innodb_log_file_size", "16M"),
    ("performance_schema", "OFF"),
    ("key_buffer_size", "1M"),
];

/// The keys for a data node; `ports` only where the defaults would collide.
pub(crate) fn of_data_node(sql: SocketAddr, socket: &Path, ports: Option<Ports>) -> Vec<String> {
    let small = SMALL_SERVER.iter();
    let mut keys: Vec<String> = small
        .map(|(option, value)| format!("mariadb.options.{option}={value}"))
        .collect();
    keys.push(format!("gateway.listen={sql}"));
    // Why: a Unix socket's path is one for the whole machine, in namespaces too.
    keys.push(format!("gateway.sockets={}", socket.display()));
    let reads = reads_socket(socket);
    keys.push(format!("gateway.read_only_sockets={}", reads.display()));
    if let Some(ports) = ports {
        keys.extend([
            format!("mariadb.port={}", ports.mariadb),
            format!("mariadb.extra_port={}", ports.extra),
            format!("mariadb.tunnel_port={}", ports.tunnel),
        ]);
        keys.extend(of_witness(Some(ports)));
    }
    keys
}

/// Beside the socket for everybody, the one for reads only.
pub(crate) fn reads_socket(socket: &Path) -> PathBuf {
    socket.with_file_name("reads.sock")
}

/// The keys for a witness.
pub(crate) fn of_witness(ports: Option<Ports>) -> Vec<String> {
    ports.map_or_else(Vec::new, |ports| {
        vec![
            format!("peer.port={}", ports.peer),
            format!("monitor.listen=127.0.0.1:{}", ports.monitor),
        ]
    })
}
