//! Where the nodes of a cluster on trial live: all on this machine's loopback, each on an
//! address of its own, or each in a network namespace of its own.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    os::fd::AsFd,
    process::Command,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{Error, Result};

/// The kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Addresses 127.0.77.1 and up, free ports; needs no rights, has no cables.
    Loopback,
    /// Addresses 10.77.0.1 and up, the contract's default ports; needs root.
    Namespaces,
}

impl Layout {
    /// Namespaces if this process is root, else loopback.
    pub fn best() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::Namespaces
        } else {
            Self::Loopback
        }
    }

    /// The address of the node with this number (from 1).
    pub(crate) fn address(self, number: u8) -> Ipv4Addr {
        match self {
            Self::Loopback => Ipv4Addr::new(127, 0, 77, number),
            Self::Namespaces => Ipv4Addr::new(10, 77, 0, number),
        }
    }
}

/// The network that a process or thread lives in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// This machine's own.
    Host,
    /// The namespace of this name.
    Namespace(String),
}

impl Place {
    /// A command that will run there. It keeps its pid: `nsenter` replaces itself.
    pub fn command(&self, program: &std::path::Path) -> Command {
        match self {
            Self::Host => Command::new(program),
            Self::Namespace(name) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net=/run/netns/{name}"))
                    .arg("--")
                    .arg(program);
                command
            }
        }
    }

    /// Moves the calling thread there for good; sockets it opens from now on are of that place.
    ///
    /// # Errors
    /// The namespace is gone.
    pub fn enter(&self) -> io::Result<()> {
        let Self::Namespace(name) = self else {
            return Ok(());
        };
        let file = File::open(format!("/run/netns/{name}"))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    }
}

/// The ports of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) peer: u16,
    pub(crate) sql: u16,
    pub(crate) mariadb: u16,
    pub(crate) extra: u16,
    pub(crate) tunnel: u16,
    pub(crate) monitor: u16,
}

impl Ports {
    /// Free ones for a node at this loopback address.
    pub(crate) fn free(address: Ipv4Addr) -> Result<Self> {
        let mut taken = Vec::new();
        let mut next = || free_port(address, &mut taken);
        Ok(Self {
            peer: next()?,
            sql: next()?,
            mariadb: next()?,
            extra: next()?,
            tunnel: next()?,
            monitor: next()?,
        })
    }
}

/// A port that is free on this address and on 127.0.0.1, and not in `held`.
///
/// Why not port 0: the kernel gives those from the range it also uses for outgoing connections,
/// and a node that is down for a while could find its port taken when it comes back.
fn free_port(address: Ipv4Addr, held: &mut Vec<TcpListener>) -> Result<u16> {
    let refused = |source| Error::NotRun {
        command: "look for a free port".into(),
        source,
    };
    for _ in 0..1_000 {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(|error| refused(io::Error::other(error)))?;
        let port = 10_000 + u16::from_le_bytes(random) % 20_000;
        let bind = |ip| TcpListener::bind(SocketAddr::new(IpAddr::V4(ip), port));
        if let (Ok(first), Ok(second)) = (bind(address), bind(Ipv4Addr::LOCALHOST)) {
            held.extend([first, second]);
            return Ok(port);
        }
    }
    Err(refused(io::ErrorKind::AddrInUse.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_when_chosen_for_a_node_then_all_differ_and_are_below_the_outgoing_range() {
        let ports = Ports::free(Ipv4Addr::new(127, 0, 77, 1)).unwrap();
        let all = [
            ports.peer,
            ports.sql,
            ports.mariadb,
            ports.extra,
            ports.tunnel,
            ports.monitor,
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|port| (10_000..30_000).contains(port)));
    }
}
