//! How reads are served where clients come in: listeners for reads only, and how fresh reads are at each of the others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sql_gateway::{Freshness, Spot};

use super::error::Result;
use super::file::Gateway;
use super::{addresses, unusable};

/// Where local applications connect, and where their reports do.
const ORDINARY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3306);
const READS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3305);

/// The keys about it, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Addresses for reads only.
    pub(crate) listen: Vec<SocketAddr>,
    /// How fresh reads of clients are that come in there.
    pub(crate) freshness_at: Vec<(Spot, Freshness)>,
}

impl Reading {
    /// From the file's section; `ordinary` are its other addresses.
    pub(super) fn of(typed: &Gateway, ordinary: &[SocketAddr]) -> Result<Self> {
        let key = "gateway.read_only_listen";
        let listen = match &typed.read_only_listen {
            Some(texts) => addresses(key, texts)?,
            None if ordinary.iter().any(is_usual) => vec![READS],
            None => Vec::new(),
        };
        let key = "gateway.read_only_sockets";
        for path in &typed.read_only_sockets {
            let shown = path.display();
            if !path.is_absolute() {
                return Err(unusable(key, format!("`{shown}` is not an absolute path")));
            }
            if typed.sockets.contains(path) {
                let why =
                    format!("`{shown}` is in `gateway.sockets`, too: it can only be one of them");
                return Err(unusable(key, why));
            }
        }
        let freshness_at = typed.freshness_at.iter();
        let freshness_at: Result<_> = freshness_at
            .map(|(at, freshness)| Ok((spot(typed, ordinary, &listen, at)?, *freshness)))
            .collect();
        Ok(Self {
            listen,
            freshness_at: freshness_at?,
        })
    }
}

fn is_usual(address: &SocketAddr) -> bool {
    address.port() == ORDINARY.port()
        && (address.ip() == ORDINARY.ip() || address.ip().is_unspecified())
}

/// The listener that this text names.
fn spot(
    typed: &Gateway,
    ordinary: &[SocketAddr],
    reads: &[SocketAddr],
    text: &str,
) -> Result<Spot> {
    let wrong = |why: String| unusable("gateway.freshness_at", why);
    let only_reads = || {
        wrong(format!(
            "`{text}` is for reads only: each of its clients reads from one replica, as fresh as \
             `gateway.read_only_lag_max` says"
        ))
    };
    if text.starts_with('/') {
        let path = std::path::PathBuf::from(text);
        return match () {
            () if typed.sockets.contains(&path) => Ok(Spot::Unix(path)),
            () if typed.read_only_sockets.contains(&path) => Err(only_reads()),
            () => Err(wrong(format!("`{text}` is not in `gateway.sockets`"))),
        };
    }
    let address = text
        .parse()
        .map_err(|_| wrong(format!("`{text}` is neither ADDRESS:PORT nor a path")))?;
    if ordinary.contains(&address) {
        Ok(Spot::Tcp(address))
    } else if reads.contains(&address) {
        Err(only_reads())
    } else {
        Err(wrong(format!("`{text}` is not in `gateway.listen`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> std::result::Result<Reading, String> {
        let typed: Gateway = toml::from_str(text).unwrap();
        let listen = addresses("gateway.listen", &typed.listen).unwrap();
        Reading::of(&typed, &listen).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_for_reads_when_none_are_given_stand_beside_the_usual_one_only() {
        assert_eq!(of("").unwrap().listen, [READS]);
        assert_eq!(of("listen = ['0.0.0.0:3306']").unwrap().listen, [READS]);
        assert!(of("listen = ['127.0.0.2:3306']").unwrap().listen.is_empty());
        assert!(of("read_only_listen = []").unwrap().listen.is_empty());
    }

    #[test]
    fn freshness_at_a_listener_when_it_is_one_is_taken_and_else_refused() {
        let good = "listen = ['127.0.0.1:3306', '10.0.0.1:3306']\nsockets = ['/run/a.sock']\n\
                    [freshness_at]\n'10.0.0.1:3306' = 'none'\n'/run/a.sock' = 'connection'";
        let reading = of(good).unwrap();
        assert_eq!(reading.freshness_at.len(), 2);
        assert!(
            reading
                .freshness_at
                .contains(&(Spot::Unix("/run/a.sock".into()), Freshness::Connection))
        );
        for (wrong, why) in [
            (
                "[freshness_at]\n'127.0.0.1:1' = 'none'",
                "not in `gateway.listen`",
            ),
            ("[freshness_at]\n'/x' = 'none'", "not in `gateway.sockets`"),
            (
                "[freshness_at]\n'here' = 'none'",
                "neither ADDRESS:PORT nor a path",
            ),
            (
                "[freshness_at]\n'127.0.0.1:3305' = 'site'",
                "for reads only",
            ),
            ("read_only_sockets = ['x']", "not an absolute path"),
            (
                "read_only_sockets = ['/run/mysqld/mysqld.sock']",
                "is in `gateway.sockets`, too",
            ),
            ("read_only_listen = ['x']", "not ADDRESS:PORT"),
        ] {
            let error = of(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
