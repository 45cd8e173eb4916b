//! What holds at the address where a client comes in: whether a load balancer must announce it, and whether it must
//! encrypt. And the announcement itself.

use std::io;
use std::net::SocketAddr;

use super::packets::Packets;
use crate::fault::Fault;
use crate::frontend::Encryption;
use crate::reactor::Socket;
use crate::registry::Entry;
use crate::service::Shared;

/// The rules of one address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    announces: bool,
    pub(super) encryption: Encryption,
}

impl Door {
    /// The one that this client came through.
    pub(super) fn of(shared: &Shared, entry: &Entry, stream: &Socket) -> io::Result<Self> {
        let rules = shared.limits.rules();
        let is_tcp = entry.peer().is_some();
        let offered = is_tcp && shared.tls.get().is_some();
        // Why: most gateways have no such rules, and then nobody asks the kernel.
        let asks = is_tcp && !(rules.accept_proxy.is_empty() && rules.require_tls.is_empty());
        let here = if asks { stream.local_address()? } else { None };
        let is_one_of = |addresses: &[SocketAddr]| {
            here.is_some_and(|here| addresses.iter().any(|address| covers(*address, here)))
        };
        let encryption = match (is_one_of(&rules.require_tls), offered) {
            (true, _) => Encryption::Required,
            (false, true) => Encryption::Offered,
            (false, false) => Encryption::None,
        };
        Ok(Self {
            announces: is_one_of(&rules.accept_proxy),
            encryption,
        })
    }

    /// Takes the announcement, where there must be one; then the client's address is the announced one.
    pub(super) async fn pass(
        self,
        shared: &Shared,
        entry: &Entry,
        packets: &mut Packets<'_>,
    ) -> io::Result<Result<(), Fault>> {
        let Some(balancer) = entry.peer().filter(|_| self.announces) else {
            return Ok(Ok(()));
        };
        let rules = shared.limits.rules();
        let mut known = rules.proxy_from.iter();
        if !known.any(|network| network.contains(balancer.ip())) {
            return Ok(Err(Fault::NoBalancer));
        }
        match packets.announcement().await? {
            // Why not loopback: an address of the load balancer's own machine is not one of ours.
            Some(Some(client)) if !client.ip().to_canonical().is_loopback() => {
                entry.announce(client);
                Ok(Ok(()))
            }
            Some(_) => Ok(Ok(())),
            None => Ok(Err(Fault::Malformed(
                "the load balancer's PROXY header is malformed or missing",
            ))),
        }
    }
}

/// True when a listener of this address took a connection that ends here; port 0 stands for any.
fn covers(listener: SocketAddr, here: SocketAddr) -> bool {
    let port = listener.port() == 0 || listener.port() == here.port();
    let ip = listener.ip().to_canonical();
    port && (ip.is_unspecified() || ip == here.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_when_asked_cover_what_comes_in_through_them() {
        for (listener, here, wanted) in [
            ("0.0.0.0:3306", "10.0.0.1:3306", true),
            ("[::]:3306", "[::ffff:10.0.0.1]:3306", true),
            ("10.0.0.1:3306", "10.0.0.1:3306", true),
            ("10.0.0.1:3306", "10.0.0.2:3306", false),
            ("0.0.0.0:3306", "10.0.0.1:3307", false),
            ("127.0.0.2:0", "127.0.0.2:40000", true),
        ] {
            let found = covers(listener.parse().unwrap(), here.parse().unwrap());
            assert_eq!(found, wanted, "{listener} {here}");
        }
    }
}
