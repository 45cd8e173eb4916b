//! Accounts in the server: ours, kept on every node alone and never in a binlog, and those of applications
//! with what the SQL gateway needs to know of them.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::files;
use crate::server::Server;
use crate::sql::{column, identifier, quote};

/// Our administrator over the extra port, for when the socket has no free connection. Its password is
/// made on each node and kept in a private file there.
pub const ADMINISTRATOR: &str = "mainstay_administrator";

/// Host of our accounts: gateways and tunnels connect from here, names are not resolved.
const HOST: &str = "127.0.0.1";

const LIMIT: Duration = Duration::from_secs(20);

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

/// Name of the system user we run as; the server's administrator over the socket has the same.
pub(crate) fn system_user() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    name.or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| "root".to_owned())
}

impl Server {
    fn password_file(&self) -> std::path::PathBuf {
        self.settings().state_dir.join("administrator.password")
    }

    /// Password of `ADMINISTRATOR` on this node; `None` before `ensure_accounts` or `create_data`.
    pub(crate) fn administrator_password(&self) -> Result<Option<String>> {
        match std::fs::read_to_string(self.password_file()) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read the administrator's password")(error)),
        }
    }

    fn administrator(&self) -> Result<crate::Account> {
        let kept = self.administrator_password()?.filter(|p| p.len() == 48);
        let password = kept.map_or_else(|| self.make_password(), Ok)?;
        Ok(crate::Account {
            user: ADMINISTRATOR.to_owned(),
            password,
        })
    }

    fn make_password(&self) -> Result<String> {
        let mut bytes = [0u8; 24];
        getrandom::fill(&mut bytes)
            .map_err(|e| Error::file("get random bytes")(std::io::Error::other(e.to_string())))?;
        let mut password = String::with_capacity(48);
        for byte in bytes {
            let _ = write!(password, "{byte:02x}");
        }
        files::make_dir(&self.settings().state_dir, 0o711)?;
        files::write_private(&self.password_file(), &password)?;
        Ok(password)
    }

    /// Our accounts with their rights.
    fn own_accounts(&self) -> Result<[(crate::Account, &'static str); 2]> {
        let replication = self.settings().replication.clone();
        Ok([
            (replication, "REPLICATION SLAVE"),
            (self.administrator()?, "ALL PRIVILEGES"),
        ])
    }

    /// Statements that make our accounts in a new database. They carry hashes, no password.
    pub(crate) fn account_statements(&self) -> Result<Vec<String>> {
        let accounts = self.own_accounts()?;
        Ok(accounts
            .iter()
            .flat_map(|(account, rights)| statements(account, rights))
            .collect())
    }

    /// Makes or corrects our accounts on this server. **Every node does this for itself and outside the binlog**,
    /// so nothing is replicated twice and no node gets a transaction the others lack. Idempotent; does
    /// nothing when all is well. True when something was changed.
    pub async fn ensure_accounts(&self) -> Result<bool> {
        let doing = "ensure our accounts";
        let mut sql = self.sql(LIMIT).await?;
        sql.run(doing, "SET SESSION sql_log_bin=0", LIMIT).await?;
        let mut changed = false;
        for (account, rights) in self.own_accounts()? {
            let hash = account.native_hash();
            let name = format!("{}@{}", quote(&account.user), quote(HOST));
            let asked = format!(
                "SELECT JSON_VALUE(Priv, '$.authentication_string') FROM mysql.global_priv WHERE User={} AND Host={}",
                quote(&account.user),
                quote(HOST)
            );
            if sql.value(doing, &asked, LIMIT).await?.as_deref() == Some(hash.as_str()) {
                let grants = sql
                    .rows(doing, &format!("SHOW GRANTS FOR {name}"), LIMIT)
                    .await?;
                let wanted = format!("GRANT {rights} ON *.*");
                if grants
                    .iter()
                    .filter_map(|r| column::<String>(r, 0))
                    .any(|g| g.starts_with(&wanted))
                {
                    continue;
                }
            }
            changed = true;
            for statement in statements(&account, rights) {
                sql.run(doing, &statement, LIMIT)
                    .await
                    .map_err(|e| e.without(&hash))?;
            }
        }
        sql.close().await;
        Ok(changed)
    }

    fn is_own(&self, user: &str) -> bool {
        user == ADMINISTRATOR || user == self.settings().replication.user
    }

    /// All accounts of people and applications, with what proves them. Ours and roles are left out.
    pub async fn accounts(&self) -> Result<Vec<AccountProof>> {
        let statement = "SELECT User, Host, CONVERT(Priv USING utf8mb4) FROM mysql.global_priv";
        let sets = self
            .inner
            .acting
            .sets(self, "read accounts", statement, LIMIT)
            .await?;
        let mut all = Vec::new();
        for row in sets.first().into_iter().flatten() {
            let (user, host) = (column::<String>(row, 0), column::<String>(row, 1));
            let (Some(user), Some(host)) = (user, host) else {
                continue;
            };
            let text: String = column(row, 2).unwrap_or_default();
            let Ok(entry) = serde_json::from_str::<Value>(&text) else {
                return Err(Error::unexpected(
                    "read accounts",
                    format!("entry of `{user}`@`{host}` is not JSON"),
                ));
            };
            let is_role = entry.get("is_role").and_then(Value::as_bool) == Some(true);
            if !is_role && !self.is_own(&user) {
                all.push(proof(user, host, &entry));
            }
        }
        Ok(all)
    }

    /// Application accounts that pass `read_only` (READ ONLY ADMIN or SUPER, themselves or by a role), as
    /// `user@host`. Left out: root@localhost, ours, and accounts that only the local socket admits.
    pub async fn privileged_accounts(&self) -> Result<Vec<String>> {
        let statement = "SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES \
             WHERE PRIVILEGE_TYPE IN ('SUPER', 'READ_ONLY ADMIN', 'READ ONLY ADMIN'); \
             SELECT User, Host, Role FROM mysql.roles_mapping";
        let sets = self
            .inner
            .acting
            .sets(self, "read privileges", statement, LIMIT)
            .await?;
        let text = |row, at| column::<String>(row, at).unwrap_or_default();
        let granted = sets.first().into_iter().flatten().map(|row| text(row, 0));
        let mut strong: Vec<(String, String)> = granted.filter_map(|g| grantee(&g)).collect();
        let mapping: Vec<(String, String, String)> = sets
            .get(1)
            .into_iter()
            .flatten()
            .map(|row| (text(row, 0), text(row, 1), text(row, 2)))
            .collect();
        // Why: a role may hold another role; each round adds at least one holder or is the last.
        loop {
            let is_strong_role = |role: &str| {
                strong
                    .iter()
                    .any(|(user, host)| user == role && host.is_empty())
            };
            let more: Vec<_> = mapping
                .iter()
                .filter(|(user, host, role)| {
                    is_strong_role(role) && !strong.contains(&(user.clone(), host.clone()))
                })
                .map(|(user, host, _)| (user.clone(), host.clone()))
                .collect();
            if more.is_empty() {
                break;
            }
            strong.extend(more);
        }
        let accounts = self.accounts().await?;
        let reachable =
            |a: &&AccountProof| (a.user != "root" || a.host != "localhost") && !a.is_local_only();
        let is_strong = |a: &&AccountProof| strong.contains(&(a.user.clone(), a.host.clone()));
        Ok(accounts
            .iter()
            .filter(reachable)
            .filter(is_strong)
            .map(|a| format!("{}@{}", a.user, a.host))
            .collect())
    }
}

impl AccountProof {
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

/// `'user'@'host'` of information_schema; a role has no host there.
fn grantee(text: &str) -> Option<(String, String)> {
    let plain = |part: &str| part.trim_matches('\'').replace("''", "'");
    match text.rsplit_once("'@'") {
        Some((user, host)) => Some((plain(user), plain(host))),
        None if text.is_empty() => None,
        None => Some((plain(text.trim_end_matches('@')), String::new())),
    }
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

fn statements(account: &crate::Account, rights: &str) -> [String; 3] {
    let name = format!("{}@{}", identifier(&account.user), quote(HOST));
    let hash = quote(&account.native_hash());
    [
        format!(
            "CREATE USER IF NOT EXISTS {name} IDENTIFIED VIA mysql_native_password USING {hash}"
        ),
        format!("ALTER USER {name} IDENTIFIED VIA mysql_native_password USING {hash}"),
        format!("GRANT {rights} ON *.* TO {name}"),
    ]
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
    fn grantees_are_read_with_odd_names() {
        assert_eq!(grantee("'a'@'b'@'%'"), Some(("a'@'b".into(), "%".into())));
        assert_eq!(
            grantee("'admins'@''"),
            Some(("admins".into(), String::new()))
        );
    }
}
