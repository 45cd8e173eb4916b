//! The database's accounts for the gateway: read from the local server, kept, read again when a
//! login shows that they are stale.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mariadb::AccountProof;
use sql_gateway::{Accounts, Proof};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::node::Node;

/// Between two readings at least.
const PACE: Duration = Duration::from_millis(100);
/// When nobody has asked for long.
const REST: Duration = Duration::from_secs(30);

/// What was read last.
#[derive(Default)]
pub(super) struct Table {
    users: RwLock<HashMap<String, Vec<Proof>>>,
    /// Those that are not let in, by name.
    strong: RwLock<HashMap<String, Vec<String>>>,
    /// Names with an account that trusts the server's unix socket; `None`: nobody has read them.
    by_socket: RwLock<Option<HashSet<String>>>,
    wanted: Notify,
}

impl Table {
    /// A table that is read from this node's server; it stays empty where there is none.
    pub(super) fn start(node: &Arc<Node>, stopped: &watch::Receiver<bool>) -> Arc<Self> {
        let table = Arc::new(Self::default());
        if let Some(server) = node.server.clone() {
            let (reader, mut stopped) = (Arc::clone(&table), stopped.clone());
            let lets_strong_in = node.config.file.gateway.strong_accounts;
            tokio::spawn(async move {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => {}
                    () = reader.keep(server, lets_strong_in) => {}
                }
            });
        }
        table
    }

    /// Why several times: on a replica the account or password that a login has shown may still be on
    /// its way, and nobody may ask a second time before the primary changes.
    async fn keep(&self, server: mariadb::Server, lets_strong_in: bool) {
        let mut pause = REST;
        loop {
            if let Err(error) = self.read(&server, lets_strong_in).await {
                tracing::debug!(%error, "the accounts cannot be read now");
            }
            // Logins with made-up names must not keep the server busy.
            sleep(PACE).await;
            tokio::select! {
                biased;
                () = self.wanted.notified() => pause = PACE,
                () = sleep(pause) => pause = (pause * 2).min(REST),
            }
        }
    }

    async fn read(&self, server: &mariadb::Server, lets_strong_in: bool) -> mariadb::Result<()> {
        self.replace(server.accounts().await?);
        if !lets_strong_in {
            self.refuse(server.privileged_accounts().await?);
        }
        Ok(())
    }

    fn refuse(&self, accounts: Vec<String>) {
        let mut strong: HashMap<String, Vec<String>> = HashMap::new();
        for account in accounts {
            // A name may hold an `@`, a host does not.
            let user = account.rsplit_once('@').map_or("", |(user, _)| user);
            strong.entry(user.to_owned()).or_default().push(account);
        }
        *self.strong.write().unwrap_or_else(PoisonError::into_inner) = strong;
    }

    fn replace(&self, accounts: Vec<AccountProof>) {
        let mut users: HashMap<String, Vec<Proof>> = HashMap::new();
        let by_socket = accounts.iter().filter(|account| account.has_socket());
        let names = by_socket.map(|account| account.user.clone()).collect();
        *self
            .by_socket
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(names);
        for account in accounts {
            users
                .entry(account.user.clone())
                .or_default()
                .extend(proofs(account));
        }
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users;
    }
}

/// Each way in which an account may prove itself.
fn proofs(account: AccountProof) -> impl Iterator<Item = Proof> {
    let AccountProof {
        host,
        plugins,
        native_hash,
        ..
    } = account;
    let hash = native_hash.as_deref().and_then(bytes);
    plugins.into_iter().map(move |plugin| Proof {
        host: host.clone(),
        native_hash: hash.filter(|_| plugin == "mysql_native_password"),
        plugin,
    })
}

/// `*` and 40 hexadecimal digits.
fn bytes(text: &str) -> Option<[u8; 20]> {
    let digits = text
        .strip_prefix('*')
        .filter(|digits| digits.len() == 40 && digits.is_ascii())?;
    let mut bytes = [0; 20];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl Accounts for Table {
    fn proofs(&self, user: &str) -> Vec<Proof> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let known = users.get(user).cloned();
        drop(users);
        known.unwrap_or_else(|| {
            self.wanted.notify_one();
            Vec::new()
        })
    }

    fn too_strong(&self, user: &str) -> Vec<String> {
        let strong = self.strong.read().unwrap_or_else(PoisonError::into_inner);
        strong.get(user).cloned().unwrap_or_default()
    }

    /// The table may be half a minute old. Who changes an application's account to `VIA unix_socket AS 'root'` opens it to
    /// those who know its password for that long.
    fn may_come_by_socket(&self, user: &str) -> bool {
        let names = self
            .by_socket
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        // An anonymous account may be anybody's.
        let is_trusted = |names: &HashSet<String>| names.contains(user) || names.contains("");
        names.as_ref().is_some_and(|names| !is_trusted(names))
    }

    fn stale(&self, _user: &str) {
        self.wanted.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_when_it_has_several_plugins_then_each_is_a_proof_and_only_one_has_the_hash() {
        let table = Table::default();
        table.replace(vec![AccountProof {
            user: "app".to_owned(),
            host: "%".to_owned(),
            plugins: vec!["ed25519".to_owned(), "mysql_native_password".to_owned()],
            native_hash: Some("*14E65567ABDB5135D0CFD9A70B3032C179A49EE7".to_owned()),
            is_locked: false,
            needs_tls: false,
        }]);
        let proofs = table.proofs("app");
        assert_eq!(proofs.len(), 2);
        assert_eq!(proofs[0].native_hash, None);
        assert_eq!(proofs[1].native_hash.unwrap()[..2], [0x14, 0xe6]);
        assert!(table.proofs("nobody").is_empty());
    }

    #[test]
    fn account_when_one_of_its_name_or_an_anonymous_one_trusts_the_socket_then_none_comes_by_it() {
        let account = |user: &str, host: &str, plugin: &str| AccountProof {
            user: user.to_owned(),
            host: host.to_owned(),
            plugins: vec![plugin.to_owned()],
            native_hash: None,
            is_locked: false,
            needs_tls: false,
        };
        let table = Table::default();
        assert!(!table.may_come_by_socket("app"), "nobody has read it");
        table.replace(vec![
            account("app", "%", "mysql_native_password"),
            account("root", "%", "mysql_native_password"),
            account("root", "localhost", "unix_socket"),
        ]);
        assert!(table.may_come_by_socket("app") && !table.may_come_by_socket("root"));
        table.replace(vec![account("", "localhost", "unix_socket")]);
        assert!(!table.may_come_by_socket("app"));
    }

    #[test]
    fn account_when_it_is_strong_then_it_is_found_by_its_name() {
        let table = Table::default();
        let accounts = ["boss@%", "boss@10.0.%", "a@b@localhost"];
        table.refuse(accounts.map(String::from).to_vec());
        assert_eq!(table.too_strong("boss"), ["boss@%", "boss@10.0.%"]);
        assert_eq!(table.too_strong("a@b"), ["a@b@localhost"]);
        assert!(table.too_strong("app").is_empty());
    }

    #[test]
    fn hash_when_it_is_none_then_none() {
        for bad in ["", "*", "14E6", "*zz", &format!("*{}", "é".repeat(20))] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
