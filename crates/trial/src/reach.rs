//! A server that another node reaches past its agent, over the cable: for measurements beside a direct connection. Servers
//! listen on their own node's loopback only, and stay so: the kernel hands over what comes to the node's address.

use std::net::SocketAddr;

use crate::{Cluster, Result};

impl Cluster {
    /// From now on the server of this node can be reached by TCP from every other node; returns the address.
    ///
    /// # Errors
    /// There is no such node; no namespaces, or the kernel cannot translate addresses.
    pub fn reach_server(&self, name: &str) -> Result<SocketAddr> {
        let node = self.node(name)?;
        let (address, server) = (node.address, node.server_address());
        self.on_network(|network| {
            network.hand_over(name, (address, server.port()).into(), server)
        })?;
        Ok(SocketAddr::from((address, server.port())))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpListener, TcpStream},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::{Layout, Place, namespace::Network};

    const LIMIT: Duration = Duration::from_mins(1);

    #[test]
    fn server_when_handed_over_then_another_node_reaches_it_at_its_loopback() {
        if Layout::best() == Layout::Loopback {
            return;
        }
        // Why such a number: the clusters of other tests in this process count from 0.
        let mut network = Network::new(78).unwrap();
        let (first, second) = (Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2));
        let first_space = Place::Namespace(network.add("one", first).unwrap());
        let second_space = Place::Namespace(network.add("two", second).unwrap());
        let inside = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000));
        let outside = SocketAddr::from((first, 4_000));
        let listen = thread::spawn(move || {
            first_space.enter().unwrap();
            TcpListener::bind(inside).unwrap()
        });
        let listener = listen.join().unwrap();
        network.hand_over("one", outside, inside).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, from) = listener.accept().unwrap();
            stream.write_all(b"here").unwrap();
            from
        });
        let connect = thread::spawn(move || {
            second_space.enter().unwrap();
            TcpStream::connect_timeout(&outside, LIMIT).unwrap()
        });
        let mut stream = connect.join().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut said = [0; 4];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"here");
        assert_eq!(server.join().unwrap().ip(), second, "seen as who it is");
    }
}
