//! The tokens that this node issued, in a file of mode 0600: hashes of their secrets, when they expire,
//! and which key used them. A token is used once: for one public key. The same key may ask again until
//! the token expires, so that a joiner whose answer was lost is not left half in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::certificate::{Fingerprint, fingerprint};
use crate::token::{MAX_ADDRESSES, Secret};
use crate::{Authority, Error, Identity, Kind, Result, Token, file, name};
use std::net::SocketAddr;

const FILE: &str = "tokens.json";
const VERSION: u32 = 1;
const MAX_ATTEMPTS: u32 = 10;
/// Expired tokens are remembered so long, to say "expired" and not "unknown".
const MEMORY: Duration = Duration::from_hours(30 * 24);
const MAX_TOKENS: usize = 1000;

/// Tokens issued by this node.
#[derive(Debug)]
pub struct TokenStore {
    path: PathBuf,
    tokens: Mutex<BTreeMap<String, Issued>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Issued {
    secret_sha256: String,
    kind: Kind,
    expires: i64,
    #[serde(default)]
    wrong_attempts: u32,
    #[serde(default)]
    used: Option<Used>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    node: String,
    key_sha256: String,
    /// Whether the join was granted; until then a refusal gives the token back.
    granted: bool,
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    tokens: BTreeMap<String, Issued>,
}

/// What a joiner shows of its token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) cluster_id: String,
    pub(crate) id: String,
    secret: Hidden,
}

#[derive(Clone, Serialize, Deserialize)]
struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("redacted")
    }
}

impl Claim {
    pub(crate) fn of(token: &Token) -> Self {
        Self {
            cluster_id: token.cluster_id.clone(),
            id: hex::encode(token.id),
            secret: Hidden(hex::encode(token.secret.0)),
        }
    }
}

/// A token found good for this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redeemed {
    pub(crate) kind: Kind,
    /// The same key was granted the join before: its answer was lost.
    pub(crate) again: bool,
}

impl TokenStore {
    /// Opens the store in the directory; an absent file is an empty store.
    pub fn open(dir: &Path) -> Result<Self> {
        file::make_dir(dir)?;
        let path = dir.join(FILE);
        let tokens = if path.exists() {
            load(&path)?
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            path,
            tokens: Mutex::new(tokens),
        })
    }

    /// Makes a token, valid from `now` for `validity`; it is on disk when this returns.
    pub fn issue(
        &self,
        identity: &Identity,
        kind: Kind,
        addresses: &[SocketAddr],
        now: Timestamp,
        validity: Duration,
    ) -> Result<Token> {
        let token = Token {
            addresses: addresses.iter().copied().take(MAX_ADDRESSES).collect(),
            issuer: identity.node().to_owned(),
            authority: identity.authority_fingerprint(),
            kind,
            expires: Timestamp::from_second(
                now.as_second()
                    .saturating_add(validity.as_secs().cast_signed()),
            )
            .map_err(|_| Error::MistypedToken("it would be valid for too long"))?,
            id: name::random()?,
            cluster_id: identity.cluster_id().to_owned(),
            secret: Secret(name::random()?),
        };
        if token.addresses.is_empty() {
            return Err(Error::MistypedToken("it would hold no address"));
        }
        let issued = Issued {
            secret_sha256: hex::encode(fingerprint(&token.secret.0)),
            kind,
            expires: token.expires.as_second(),
            wrong_attempts: 0,
            used: None,
        };
        self.change(|tokens| {
            forget_old(tokens, now);
            tokens.insert(hex::encode(token.id), issued);
            Ok(())
        })?;
        Ok(token)
    }

    /// Checks the claim and binds the token to this key and node, durably, before anything is granted.
    pub(crate) fn redeem(
        &self,
        claim: &Claim,
        authority: &Authority,
        applicant: (&str, &Fingerprint),
        now: Timestamp,
    ) -> Result<Redeemed> {
        if claim.cluster_id != authority.cluster_id() {
            return Err(Error::TokenForeign);
        }
        let (node, key) = applicant;
        let asks = Used {
            node: node.to_owned(),
            key_sha256: hex::encode(key),
            granted: false,
        };
        self.change(|tokens| {
            let issued = tokens.get_mut(&claim.id).ok_or(Error::TokenUnknown)?;
            if issued.wrong_attempts >= MAX_ATTEMPTS {
                return Ok(Err(Error::TokenAttempts));
            }
            let secret = hex::decode(&claim.secret.0).unwrap_or_default();
            if hex::encode(fingerprint(&secret)) != issued.secret_sha256 {
                issued.wrong_attempts += 1;
                return Ok(Err(Error::TokenUnknown));
            }
            let again = match &issued.used {
                None => false,
                Some(used) if used.key_sha256 == asks.key_sha256 && used.node == asks.node => {
                    used.granted
                }
                // Why: bound but not granted is a joiner that stopped half-way before it got
                // anything; its own repetition with another name or key may take over.
                Some(used) if !used.granted => false,
                Some(used) => {
                    return Ok(Err(Error::TokenUsed {
                        by: used.node.clone(),
                    }));
                }
            };
            if now.as_second() > issued.expires {
                let at = Timestamp::from_second(issued.expires).unwrap_or(now);
                return Ok(Err(Error::TokenExpired { at }));
            }
            if !again {
                issued.used = Some(asks);
            }
            Ok(Ok(Redeemed {
                kind: issued.kind,
                again,
            }))
        })?
    }

    /// Marks the join as granted to this key: from here on no other key can use the token.
    pub(crate) fn grant(&self, id: &str, key: &Fingerprint) -> Result<()> {
        let key = hex::encode(key);
        self.change(|tokens| {
            let used = tokens.get_mut(id).and_then(|issued| issued.used.as_mut());
            let used = used.filter(|used| used.key_sha256 == key);
            let used = used.ok_or_else(|| Error::TokenUsed {
                by: "another node".to_owned(),
            })?;
            used.granted = true;
            Ok(())
        })
    }

    /// Gives the token back: the join was refused and nothing was granted.
    pub(crate) fn release(&self, id: &str, key: &Fingerprint) -> Result<()> {
        let key = hex::encode(key);
        self.change(|tokens| {
            if let Some(issued) = tokens.get_mut(id) {
                issued
                    .used
                    .take_if(|used| used.key_sha256 == key && !used.granted);
            }
            Ok(())
        })
    }

    /// Applies a change and writes the file before the change is visible to anyone.
    fn change<T>(
        &self,
        apply: impl FnOnce(&mut BTreeMap<String, Issued>) -> Result<T>,
    ) -> Result<T> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = tokens.clone();
        let outcome = apply(&mut changed)?;
        let content = Content {
            version: VERSION,
            tokens: changed,
        };
        let text = serde_json::to_vec_pretty(&content)
            .map_err(|error| file::corrupt(&self.path, error))?;
        file::write(&self.path, &text, 0o600)?;
        *tokens = content.tokens;
        Ok(outcome)
    }
}

fn load(path: &Path) -> Result<BTreeMap<String, Issued>> {
    let text = file::read_secret(path)?;
    let head: Head = serde_json::from_str(&text).map_err(|error| file::corrupt(path, error))?;
    if head.version > VERSION {
        return Err(Error::Newer {
            path: path.to_owned(),
            found: head.version,
            known: VERSION,
        });
    }
    let content: Content =
        serde_json::from_str(&text).map_err(|error| file::corrupt(path, error))?;
    Ok(content.tokens)
}

fn forget_old(tokens: &mut BTreeMap<String, Issued>, now: Timestamp) {
    let oldest = now
        .as_second()
        .saturating_sub(MEMORY.as_secs().cast_signed());
    tokens.retain(|_, issued| issued.expires >= oldest);
    while tokens.len() >= MAX_TOKENS {
        let first = tokens.iter().min_by_key(|(_, issued)| issued.expires);
        let Some(id) = first.map(|(id, _)| id.clone()) else {
            return;
        };
        tokens.remove(&id);
    }
}

#[cfg(test)]
mod tests;
