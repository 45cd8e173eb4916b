//! Our own accounts in the server, kept on every node by itself and never in a binlog: the one replicas
//! connect with, and the administrator's for the extra port. Those of applications are in `applications.rs`.

use std::fmt::Write as _;
use std::time::Duration;

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

    pub(crate) fn is_own(&self, user: &str) -> bool {
        user == ADMINISTRATOR || user == self.settings().replication.user
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
