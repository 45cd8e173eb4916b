//! For whom a connection is good: the server accepted this name, from this address, with this password, and talks to it
//! in this way. And where it leads. Everything else of a login can be changed on the connection.

use std::net::{IpAddr, SocketAddr};

use sha1::{Digest, Sha1};
use wire::flags;
use wire::login::Login;

use crate::secret::Credential;

/// Bits that say how a handshake response is written, and nothing of what comes after it.
const OF_THE_RESPONSE: u64 =
    flags::CONNECT_WITH_DB | flags::PLUGIN_AUTH_LENENC | flags::CONNECT_ATTRS;

/// Who a client is to the server: two with the same are the same account to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    user: Box<[u8]>,
    /// `None`: the server takes it for `localhost`.
    host: Option<IpAddr>,
    /// `SHA1(SHA1(password))`, as the server keeps it; `None` without a password.
    password: Option<[u8; 20]>,
    /// The replica on which it is meant; `None`: the primary.
    replica: Option<Box<str>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("user", &String::from_utf8_lossy(&self.user))
            .field("host", &self.host)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// `None` for a login that cannot be repeated without the client.
    pub(crate) fn of(
        user: &[u8],
        peer: Option<SocketAddr>,
        credential: &Credential,
    ) -> Option<Self> {
        let password = match credential {
            Credential::Empty => None,
            Credential::Native(secret) => Some(Sha1::digest(**secret).into()),
            Credential::Unproven(_) | Credential::PassedThrough => return None,
        };
        Some(Self {
            user: user.into(),
            host: peer
                .map(|peer| peer.ip().to_canonical())
                .filter(|ip| !ip.is_loopback()),
            password,
            replica: None,
        })
    }

    /// The same on a replica.
    pub(crate) fn on_replica(self, node: &str) -> Self {
        Self {
            replica: Some(node.into()),
            ..self
        }
    }

    /// The replica on which it is meant; `None`: the primary.
    pub(crate) fn replica(&self) -> Option<&str> {
        self.replica.as_deref()
    }

    /// Its user name.
    pub(crate) fn user(&self) -> &[u8] {
        &self.user
    }

    /// True when an account with this stored hash (`None`: without a password) may be the one.
    pub(crate) fn has_password(&self, stored: Option<[u8; 20]>) -> bool {
        self.password == stored
    }
}

/// How client and server talk: agreed in the handshake, and not to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fit {
    capabilities: u64,
    max_packet: u32,
    has_attributes: bool,
}

impl Fit {
    pub(crate) fn of(login: &Login) -> Self {
        Self {
            capabilities: login.capabilities & !OF_THE_RESPONSE,
            max_packet: login.max_packet,
            has_attributes: !login.attributes.is_empty(),
        }
    }
}

/// What else a login says: a change of user says it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dress {
    database: Box<[u8]>,
    collation: u8,
    attributes: Box<[u8]>,
}

impl Dress {
    pub(crate) fn of(login: &Login, database: &[u8]) -> Self {
        Self {
            database: database.into(),
            collation: login.collation,
            attributes: login.attributes.as_slice().into(),
        }
    }

    pub(super) fn database(&self) -> &[u8] {
        &self.database
    }

    pub(super) fn collation(&self) -> u8 {
        self.collation
    }

    pub(super) fn attributes(&self) -> &[u8] {
        &self.attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn identity_when_any_part_differs_is_another() {
        let password = |first| Credential::Native(Zeroizing::new([first; 20]));
        let at = |address: &str| Some(address.parse().unwrap());
        let of = |user: &[u8], peer, credential: &_| Identity::of(user, peer, credential).unwrap();
        let base = of(b"app", at("10.0.0.1:1"), &password(1));
        assert_eq!(base, of(b"app", at("10.0.0.1:2"), &password(1)));
        for other in [
            of(b"apq", at("10.0.0.1:1"), &password(1)),
            of(b"app", at("10.0.0.2:1"), &password(1)),
            of(b"app", at("10.0.0.1:1"), &password(2)),
            of(b"app", at("10.0.0.1:1"), &Credential::Empty),
            of(b"app", None, &password(1)),
            base.clone().on_replica("b"),
        ] {
            assert_ne!(base, other);
        }
        let local = of(b"app", None, &password(1));
        assert_eq!(local, of(b"app", at("127.0.0.1:7"), &password(1)));
        let passed = Identity::of(b"app", None, &Credential::PassedThrough);
        assert!(passed.is_none());
        assert!(!format!("{base:?}").contains("password"));
    }

    #[test]
    fn fit_when_only_the_form_of_the_login_differs_is_the_same() {
        let with = |capabilities| {
            Fit::of(&Login {
                capabilities,
                ..Login::default()
            })
        };
        let base = flags::PROTOCOL_41;
        assert_eq!(with(base), with(base | flags::CONNECT_WITH_DB));
        assert_ne!(with(base), with(base | flags::FOUND_ROWS));
        assert_ne!(with(base), with(base | flags::DEPRECATE_EOF));
    }
}
