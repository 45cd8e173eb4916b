//! Addresses that this node opens: no two of them may be the same, or one service would take
//! another's place, whichever starts first.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::error::Result;
use super::{Config, unusable};

/// Refuses two keys that name the same address and port.
pub(super) fn check(config: &Config) -> Result<()> {
    let mut all: Vec<(&'static str, SocketAddr)> = vec![("peer.port", config.peer_address())];
    if !config.file.node.witness {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let server = &config.file.mariadb;
        all.extend([
            ("mariadb.port", local(server.port)),
            ("mariadb.extra_port", local(server.extra_port)),
            ("mariadb.tunnel_port", local(server.tunnel_port)),
        ]);
    }
    if config.has_gateway() {
        // Why not 0: there the kernel chooses.
        let chosen = config.listen.iter().filter(|address| address.port() != 0);
        all.extend(chosen.map(|address| ("gateway.listen", *address)));
        let reads = config.reading.listen.iter();
        let chosen = reads.filter(|address| address.port() != 0);
        all.extend(chosen.map(|address| ("gateway.read_only_listen", *address)));
    }
    let monitor = config.monitor.filter(|address| address.port() != 0);
    all.extend(monitor.map(|address| ("monitor.listen", address)));
    for (at, (key, address)) in all.iter().enumerate() {
        let same = all[..at]
            .iter()
            .find(|(_, other)| collide(*address, *other));
        if let Some((other, _)) = same {
            return Err(unusable(key, format!("{address} is taken by `{other}`")));
        }
    }
    Ok(())
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = |address: SocketAddr| address.ip().is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || everywhere(one) || everywhere(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_when_one_covers_another_then_they_collide() {
        for (one, other, wanted) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
        ] {
            let found = collide(one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(found, wanted, "{one} {other}");
        }
    }
}
