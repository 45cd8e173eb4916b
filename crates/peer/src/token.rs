//! The one-line token that lets one node join: where to, which authority to trust, a secret, and until when.
//! Text: `mainstay1-` and base64url of a fixed binary layout with a checksum, so that a typing error is
//! told from a wrong token.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::certificate::Fingerprint;
use crate::{Error, Result, name};

const PREFIX: &str = "mainstay1-";
const ANY_PREFIX: &str = "mainstay";
const CHECKSUM: usize = 4;
const MAX_TEXT: usize = 1024;
/// More addresses than this do not go into a token.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// What a joining node will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A node with a database.
    Data,
    /// A node that votes and holds no data.
    Witness,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data node",
            Self::Witness => "witness",
        })
    }
}

/// The secret half of a token; printed only as part of the token itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(crate) [u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// A one-time join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Where the issuing node listens, in order of preference; 1 to 8.
    pub addresses: Vec<SocketAddr>,
    /// The node that issued it: only that node redeems it.
    pub issuer: String,
    /// SHA-256 of the cluster's authority certificate.
    pub authority: Fingerprint,
    /// What the joiner will be.
    pub kind: Kind,
    /// Until when, by the issuer's clock.
    pub expires: jiff::Timestamp,
    /// Names the token in the issuer's store; not secret.
    pub(crate) id: [u8; 8],
    pub(crate) cluster_id: String,
    pub(crate) secret: Secret,
}

impl Token {
    /// The id of the cluster that issued it.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![match self.kind {
            Kind::Data => 0,
            Kind::Witness => 1,
        }];
        out.extend(self.id);
        out.extend(self.secret.0);
        out.extend(self.authority);
        out.extend(self.expires.as_second().to_be_bytes());
        put_text(&mut out, &self.cluster_id);
        put_text(&mut out, &self.issuer);
        let addresses = &self.addresses[..self.addresses.len().min(MAX_ADDRESSES)];
        out.push(addresses.len() as u8);
        for address in addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    out.push(4);
                    out.extend(ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(6);
                    out.extend(ip.octets());
                }
            }
            out.extend(address.port().to_be_bytes());
        }
        out.extend(checksum(&out));
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let kind = match reader.byte()? {
            0 => Kind::Data,
            1 => Kind::Witness,
            _ => return None,
        };
        let id = reader.array()?;
        let secret = Secret(reader.array()?);
        let authority = reader.array()?;
        let expires = jiff::Timestamp::from_second(i64::from_be_bytes(reader.array()?)).ok()?;
        let cluster_id = reader.text()?;
        let issuer = reader.text()?;
        let count = usize::from(reader.byte()?);
        let shape = (1..=MAX_ADDRESSES).contains(&count)
            && name::is_cluster_id(&cluster_id)
            && name::check_node_name(&issuer).is_ok();
        if !shape {
            return None;
        }
        let addresses = (0..count)
            .map(|_| reader.address())
            .collect::<Option<Vec<_>>>()?;
        let token = Self {
            addresses,
            issuer,
            authority,
            kind,
            expires,
            id,
            cluster_id,
            secret,
        };
        reader.0.is_empty().then_some(token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.encode()))
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let Some(body) = text.strip_prefix(PREFIX) else {
            let later = text.strip_prefix(ANY_PREFIX).is_some_and(|rest| {
                rest.split_once('-')
                    .is_some_and(|(version, _)| version.parse::<u32>().is_ok())
            });
            return Err(if later {
                Error::TokenVersion
            } else {
                Error::MistypedToken("it does not begin with `mainstay1-`")
            });
        };
        if body.len() > MAX_TEXT {
            return Err(Error::MistypedToken("it is too long"));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| Error::MistypedToken("a character is wrong or missing"))?;
        let split = bytes.len().checked_sub(CHECKSUM);
        let (bytes, sum) = split
            .map(|at| bytes.split_at(at))
            .ok_or(Error::MistypedToken("it is too short"))?;
        if checksum(bytes) != sum {
            return Err(Error::MistypedToken("the checksum does not fit"));
        }
        Self::decode(bytes).ok_or(Error::MistypedToken("its content makes no sense"))
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Why no loss: node names and cluster ids have at most 63 bytes.
    out.push(text.len() as u8);
    out.extend(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(head.to_vec()).ok()
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip = match self.byte()? {
            4 => IpAddr::from(Ipv4Addr::from(self.array::<4>()?)),
            6 => IpAddr::from(Ipv6Addr::from(self.array::<16>()?)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(self.array()?)))
    }
}
