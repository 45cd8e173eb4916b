//! The accounts of the database, as the agent read them from `mysql.global_priv`.

use wire::native;
use zeroize::Zeroizing;

use crate::secret::Credential;

/// One way an account may prove who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// Host pattern of the account (`localhost`, `%`, `10.0.%`).
    pub host: String,
    /// Server-side plugin, for example `mysql_native_password`, `ed25519`, `unix_socket`.
    pub plugin: String,
    /// `SHA1(SHA1(password))` of `mysql_native_password`; `None` for an empty password or another plugin.
    pub native_hash: Option<[u8; 20]>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof")
            .field("host", &self.host)
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

/// The account table. It may lag behind the server: who somebody is, the server decides.
pub trait Accounts: Send + Sync + 'static {
    /// All proofs of all accounts with this user name; empty when unknown. Must not block.
    fn proofs(&self, user: &str) -> Vec<Proof>;

    /// Accounts with this user name, as `user@host`, that are not let in because they could write on a replica.
    fn too_strong(&self, user: &str) -> Vec<String> {
        let _ = user;
        Vec::new()
    }

    /// True when a client that has proved this user's password gets no further through the server's unix socket than by
    /// TCP: no account with this name, nor any that the gateway's own system user may use instead, trusts the plugin
    /// `unix_socket`.
    fn may_come_by_socket(&self, user: &str) -> bool {
        let _ = user;
        false
    }

    /// The server accepted a login that `proofs` did not explain: the table is stale and should be read again.
    fn stale(&self, user: &str) {
        let _ = user;
    }
}

/// `SHA1(password)` behind a client's proof, if one of the user's native accounts explains it.
pub(crate) fn explain(proofs: &[Proof], salt: &[u8; 20], proof: &[u8]) -> Option<Credential> {
    let native = proofs
        .iter()
        .filter(|account| account.plugin == native::PLUGIN);
    if proof.is_empty() {
        let mut native = native;
        return native
            .any(|account| account.native_hash.is_none())
            .then_some(Credential::Empty);
    }
    let proof: &[u8; 20] = proof.try_into().ok()?;
    native
        .filter_map(|account| account.native_hash.as_ref())
        .find_map(|hash| native::recover(salt, proof, hash))
        .map(|secret| Credential::Native(Zeroizing::new(secret)))
}
