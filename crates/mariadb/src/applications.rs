//! Accounts of people and applications: what the SQL gateway needs to verify them, and which of them are
//! too strong for a cluster. Ours are in `grants.rs`.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::server::Server;
use crate::sql::column;

const LIMIT: Duration = Duration::from_secs(20);

/// SUPER and READ ONLY ADMIN in the `access` number of mysql.global_priv (10.5 and later; seen on 10.11.19).
const STRONG: u64 = 1 << 15 | 1 << 33;

/// How one account proves itself.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// Name; empty for an anonymous account.
    pub user: String,
    /// Host pattern.
    pub host: String,
    /// Plugins in the order the server tries them.
    pub plugins: Vec<String>,
    /// What `mysql_native_password` keeps: `*` and 40 digits; `None` when the account has no such proof.
    /// `Some("")` is an account without a password.
    pub native_hash: Option<String>,
    /// ACCOUNT LOCK.
    pub is_locked: bool,
    /// REQUIRE SSL, X509 or more.
    pub needs_tls: bool,
}

impl fmt::Debug for AccountProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} via {:?}", self.user, self.host, self.plugins)
    }
}

/// User (or role) and host of an account; a role has no host.
type Name = (String, String);

impl Server {
    /// All accounts of people and applications, with what proves them. Ours and roles are left out.
    pub async fn accounts(&self) -> Result<Vec<AccountProof>> {
        let entries = self.entries().await?;
        Ok(self.proofs(&entries))
    }

    fn proofs(&self, entries: &[(Name, Value)]) -> Vec<AccountProof> {
        let is_role = |entry: &Value| entry.get("is_role").and_then(Value::as_bool) == Some(true);
        let wanted = entries
            .iter()
            .filter(|((user, _), entry)| !is_role(entry) && !self.is_own(user));
        wanted
            .map(|((user, host), entry)| proof(user.clone(), host.clone(), entry))
            .collect()
    }

    /// Application accounts that pass `read_only` (READ ONLY ADMIN or SUPER, themselves or by a role), as
    /// `user@host`. Left out: root@localhost, ours, and accounts that only the local socket admits.
    pub async fn privileged_accounts(&self) -> Result<Vec<String>> {
        let entries = self.entries().await?;
        let statement = "SELECT User, Host, Role FROM mysql.roles_mapping";
        let sets = self
            .inner
            .acting
            .sets(self, "read roles", statement, LIMIT)
            .await?;
        let text = |row, at| column::<String>(row, at).unwrap_or_default();
        let rows = sets.first().into_iter().flatten();
        let mapping: Vec<_> = rows
            .map(|row| (text(row, 0), text(row, 1), text(row, 2)))
            .collect();
        let has_bits =
            |entry: &Value| entry.get("access").and_then(Value::as_u64).unwrap_or(0) & STRONG != 0;
        let strong = entries
            .iter()
            .filter(|(_, entry)| has_bits(entry))
            .map(|(name, _)| name.clone());
        let strong = holders(strong.collect(), &mapping);
        let is_strong = |account: &AccountProof| {
            // Why: everybody has what is granted to PUBLIC.
            let has = |user: &str, host: &str| strong.iter().any(|(u, h)| u == user && h == host);
            has(&account.user, &account.host) || has("PUBLIC", "")
        };
        let is_root =
            |account: &AccountProof| account.user == "root" && account.host == "localhost";
        let accounts = self.proofs(&entries).into_iter();
        let found = accounts.filter(|a| !is_root(a) && !a.is_local_only() && is_strong(a));
        Ok(found.map(|a| format!("{}@{}", a.user, a.host)).collect())
    }

    async fn entries(&self) -> Result<Vec<(Name, Value)>> {
        let doing = "read accounts";
        let statement = "SELECT User, Host, CONVERT(Priv USING utf8mb4) FROM mysql.global_priv";
        let sets = self
            .inner
            .acting
            .sets(self, doing, statement, LIMIT)
            .await?;
        let mut all = Vec::new();
        for row in sets.first().into_iter().flatten() {
            let text = |at| column::<String>(row, at).unwrap_or_default();
            let (user, host) = (text(0), text(1));
            let entry = serde_json::from_str(&text(2)).map_err(|_| {
                Error::unexpected(doing, format!("the entry of `{user}`@`{host}` is not JSON"))
            })?;
            all.push(((user, host), entry));
        }
        Ok(all)
    }
}

/// All who have what `strong` has, through any number of roles.
fn holders(mut strong: Vec<Name>, mapping: &[(String, String, String)]) -> Vec<Name> {
    loop {
        let is_strong_role = |role: &str| {
            strong
                .iter()
                .any(|(user, host)| user == role && host.is_empty())
        };
        let is_new = |user: &str, host: &str| !strong.iter().any(|(u, h)| u == user && h == host);
        let more = mapping
            .iter()
            .find(|(user, host, role)| is_strong_role(role) && is_new(user, host));
        let Some((user, host, _)) = more else {
            return strong;
        };
        strong.push((user.clone(), host.clone()));
    }
}

impl AccountProof {
    /// True when some system user gets in by the server's own socket, without a password.
    pub fn has_socket(&self) -> bool {
        self.plugins.iter().any(|plugin| plugin == "unix_socket")
    }

    /// True when only a process of the same system user on the server's own socket can use it.
    pub fn is_local_only(&self) -> bool {
        let usable_hash = self
            .native_hash
            .as_deref()
            .is_some_and(|h| h.is_empty() || is_hash(h));
        !usable_hash
            && self
                .plugins
                .iter()
                .all(|p| matches!(p.as_str(), "unix_socket" | "mysql_native_password"))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 41 && text.starts_with('*') && text[1..].bytes().all(|b| b.is_ascii_hexdigit())
}

fn proof(user: String, host: String, entry: &Value) -> AccountProof {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    // `auth_or` lists further ways in; an empty object there stands for the account's own plugin.
    let one = |way: &Value| {
        let plugin = text(way, "plugin").or_else(|| text(entry, "plugin"));
        let proof = text(way, "authentication_string").or_else(|| text(way, "auth_string"));
        let own = way.get("plugin").is_none();
        (
            plugin.unwrap_or_default(),
            proof.or_else(|| own.then(|| text(entry, "authentication_string")).flatten()),
        )
    };
    let ways: Vec<(String, Option<String>)> = match entry.get("auth_or").and_then(Value::as_array) {
        Some(list) => list.iter().map(one).collect(),
        None => vec![one(entry)],
    };
    let native = ways
        .iter()
        .find(|(plugin, _)| plugin.is_empty() || plugin == "mysql_native_password");
    let ssl = entry.get("ssl_type").and_then(Value::as_u64).unwrap_or(0);
    AccountProof {
        user,
        host,
        native_hash: native.map(|(_, hash)| hash.clone().unwrap_or_default()),
        plugins: ways
            .into_iter()
            .map(|(p, _)| {
                if p.is_empty() {
                    "mysql_native_password".to_owned()
                } else {
                    p
                }
            })
            .collect(),
        is_locked: entry.get("account_locked").and_then(Value::as_bool) == Some(true),
        needs_tls: ssl > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_into_an_account_are_read_in_order() {
        let hash = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7";
        let entry = serde_json::json!({"plugin": "mysql_native_password", "authentication_string": hash,
            "auth_or": [{}, {"plugin": "unix_socket"}], "ssl_type": 1, "account_locked": true});
        let proof = proof("u".into(), "%".into(), &entry);
        assert_eq!(proof.plugins, ["mysql_native_password", "unix_socket"]);
        assert_eq!(proof.native_hash.as_deref(), Some(hash));
        assert!(proof.has_socket());
        assert!(proof.needs_tls && proof.is_locked && !proof.is_local_only());
    }

    #[test]
    fn an_invalid_hash_beside_unix_socket_is_local_only() {
        let entry = serde_json::json!({"plugin": "mysql_native_password", "authentication_string": "invalid",
            "auth_or": [{}, {"plugin": "unix_socket"}]});
        assert!(proof("mysql".into(), "localhost".into(), &entry).is_local_only());
        assert!(!proof("app".into(), "%".into(), &serde_json::json!({})).is_local_only());
        assert!(
            !proof(
                "app".into(),
                "%".into(),
                &serde_json::json!({"plugin": "ed25519"})
            )
            .is_local_only()
        );
    }

    #[test]
    fn strength_comes_through_roles_and_from_public() {
        let grant = |user: &str, host: &str, role: &str| {
            (user.to_owned(), host.to_owned(), role.to_owned())
        };
        let strong = vec![("top".to_owned(), String::new())];
        let mapping = [
            grant("mid", "", "top"),
            grant("a", "%", "mid"),
            grant("b", "%", "other"),
        ];
        let all = holders(strong, &mapping);
        let has = |user: &str, host: &str| all.contains(&(user.to_owned(), host.to_owned()));
        assert!(has("mid", "") && has("a", "%") && !has("b", "%"));
    }
}
