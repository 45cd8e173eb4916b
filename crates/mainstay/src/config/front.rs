//! What holds at the addresses of the gateway: where clients must encrypt, and where load balancers announce them.

use std::net::SocketAddr;

use sql_gateway::Network;

use super::error::Result;
use super::file::Gateway;
use super::{addresses, unusable};

/// The rules of some of the gateway's addresses, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Front {
    pub(crate) require_tls: Vec<SocketAddr>,
    pub(crate) accept_proxy: Vec<SocketAddr>,
    pub(crate) proxy_from: Vec<Network>,
}

impl Front {
    /// From the file's section; `listen` are its addresses.
    pub(super) fn of(typed: &Gateway, listen: &[SocketAddr]) -> Result<Self> {
        let some_of = |key, texts: &[String]| {
            let found = addresses(key, texts)?;
            match found.iter().find(|address| !listen.contains(address)) {
                Some(other) => Err(unusable(
                    key,
                    format!("{other} is not in `gateway.listen` or `gateway.read_only_listen`"),
                )),
                None => Ok(found),
            }
        };
        let network = |text: &String| -> Result<Network> {
            text.parse()
                .map_err(|why: String| unusable("gateway.proxy_from", why))
        };
        let proxy_from: Result<Vec<Network>> = typed.proxy_from.iter().map(network).collect();
        let front = Self {
            require_tls: some_of("gateway.require_tls", &typed.require_tls)?,
            accept_proxy: some_of("gateway.accept_proxy", &typed.accept_proxy)?,
            proxy_from: proxy_from?,
        };
        if !front.require_tls.is_empty() && !typed.tls {
            let why = "nobody can encrypt unless `gateway.tls` is true";
            return Err(unusable("gateway.require_tls", why));
        }
        if typed.tls_certificate.is_some() != typed.tls_key.is_some() {
            let why = "`gateway.tls_certificate` and `gateway.tls_key` belong together";
            return Err(unusable("gateway.tls_key", why));
        }
        if typed.tls_key.is_some() && !typed.tls {
            let why = "it is of no use unless `gateway.tls` is true";
            return Err(unusable("gateway.tls_key", why));
        }
        if front.accept_proxy.is_empty() != front.proxy_from.is_empty() {
            let why = "`gateway.accept_proxy` and `gateway.proxy_from` belong together";
            return Err(unusable("gateway.proxy_from", why));
        }
        Ok(front)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> std::result::Result<Front, String> {
        let typed: Gateway = toml::from_str(text).unwrap();
        let listen = addresses("gateway.listen", &typed.listen).unwrap();
        Front::of(&typed, &listen).map_err(|error| error.to_string())
    }

    #[test]
    fn rules_when_they_fit_the_addresses_are_taken_and_else_refused() {
        let good = "listen = ['0.0.0.0:3306', '10.0.0.1:3310']\ntls = true\n\
                    require_tls = ['0.0.0.0:3306']\n\
                    accept_proxy = ['10.0.0.1:3310']\nproxy_from = ['10.0.0.0/24']";
        let front = of(good).unwrap();
        assert_eq!((front.require_tls.len(), front.accept_proxy.len()), (1, 1));
        for (wrong, why) in [
            (
                "tls = true\nrequire_tls = ['127.0.0.1:1']",
                "not in `gateway.listen`",
            ),
            ("require_tls = ['127.0.0.1:3306']", "unless `gateway.tls`"),
            ("tls = true\ntls_key = '/k'", "belong together"),
            (
                "tls_key = '/k'\ntls_certificate = '/c'",
                "unless `gateway.tls`",
            ),
            ("accept_proxy = ['127.0.0.1:3306']", "belong together"),
            ("proxy_from = ['10.0.0.0/8']", "belong together"),
            (
                "accept_proxy = ['127.0.0.1:3306']\nproxy_from = ['ten']",
                "is not a network",
            ),
        ] {
            let error = of(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
