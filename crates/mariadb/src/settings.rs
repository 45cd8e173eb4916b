//! What one server is given: where its data and our files are, its ports, its accounts, the user's options.
//! The file that MariaDB reads is made of it in `options.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{Error, Result};
use crate::options;

/// Longest path of a Unix socket: `sun_path` is 108 bytes with its final NUL.
const SOCKET_PATH_LIMIT: usize = 107;

/// Everything that is particular to one server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// MariaDB's data directory.
    pub database_dir: PathBuf,
    /// Ours: `mariadb.cnf`, `mariadb.err`, `run/mariadb.sock`, `run/mariadb.pid`.
    pub state_dir: PathBuf,
    /// Number of the server, unique in the cluster, not 0.
    pub server_id: u32,
    /// SQL, on 127.0.0.1 only.
    pub port: u16,
    /// SQL for the agents even when all ordinary connections are in use, on 127.0.0.1 only.
    pub extra_port: u16,
    /// System user the server runs as; needed when we are root.
    pub user: Option<String>,
    /// Account with which replicas connect.
    pub replication: Account,
    /// Local port of our agent to which this server's replica thread connects, always.
    pub tunnel_port: u16,
    /// Further `my.cnf` options of the user; refused when one would override an enforced one.
    pub options: BTreeMap<String, String>,
}

impl Settings {
    /// The option file, private to us.
    pub fn config_file(&self) -> PathBuf {
        self.state_dir.join("mariadb.cnf")
    }

    /// The administrator's socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir().join("mariadb.sock")
    }

    /// The error log.
    pub fn error_log(&self) -> PathBuf {
        self.state_dir.join("mariadb.err")
    }

    /// MariaDB's own pid file: a hint, never proof.
    pub fn pid_file(&self) -> PathBuf {
        self.run_dir().join("mariadb.pid")
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.state_dir.join("run")
    }

    /// Temporary tables. Why: a server deletes all `#sql` files it finds in its `tmpdir` when it starts, those of
    /// another server too (seen on 10.11.19 with two servers sharing /tmp).
    pub(crate) fn temporary_dir(&self) -> PathBuf {
        self.state_dir.join("tmp")
    }

    pub(crate) fn validate(&self) -> Result<()> {
        directory("database_dir", &self.database_dir)?;
        directory("state_dir", &self.state_dir)?;
        if self.state_dir.starts_with(&self.database_dir) {
            // Why: a clone replaces the whole data directory.
            return Err(Error::setting(
                "state_dir",
                "it lies inside the data directory",
            ));
        }
        if self.socket().as_os_str().len() > SOCKET_PATH_LIMIT {
            let why =
                format!("the path of the socket would be longer than {SOCKET_PATH_LIMIT} bytes");
            return Err(Error::setting("state_dir", why));
        }
        if self.server_id == 0 {
            return Err(Error::setting("server_id", "0 does not replicate"));
        }
        let ports = [self.port, self.extra_port, self.tunnel_port];
        if ports.contains(&0)
            || ports[0] == ports[1]
            || ports[1] == ports[2]
            || ports[0] == ports[2]
        {
            return Err(Error::setting(
                "port",
                "the three ports must differ and not be 0",
            ));
        }
        account(&self.replication)?;
        if let Some(user) = &self.user {
            name("user", user)?;
        }
        options::check(&self.options)
    }
}

fn directory(field: &str, path: &Path) -> Result<()> {
    if !path.is_absolute() || path.parent().is_none() {
        return Err(Error::setting(field, "an absolute path below / is needed"));
    }
    let text = path
        .to_str()
        .ok_or_else(|| Error::setting(field, "it is not UTF-8"))?;
    // Why: MariaDB's option files know quotes, escapes and comments; paths need none of them.
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:=".contains(c);
    if !text.chars().all(plain) || text.split('/').any(|part| part == "..") {
        return Err(Error::setting(
            field,
            "only letters, digits and `/._-+@:=` are supported",
        ));
    }
    Ok(())
}

fn name(field: &str, text: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    if text.is_empty() || text.len() > 32 || !text.chars().all(good) {
        return Err(Error::setting(
            field,
            "1 to 32 letters, digits and `_-.` are needed",
        ));
    }
    Ok(())
}

fn account(account: &Account) -> Result<()> {
    name("replication.user", &account.user)?;
    if account.user == "root" || account.user == crate::grants::ADMINISTRATOR {
        return Err(Error::setting(
            "replication.user",
            "this name has another use",
        ));
    }
    // Limit: CHANGE MASTER takes passwords of up to 96 bytes.
    let length = account.password.len();
    if !(16..=96).contains(&length) || !account.password.bytes().all(|b| b.is_ascii_graphic()) {
        let why = "16 to 96 printable ASCII characters without blanks are needed";
        return Err(Error::setting("replication.password", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings {
            database_dir: "/var/lib/mysql".into(),
            state_dir: "/var/lib/mainstay".into(),
            server_id: 1,
            port: 3307,
            extra_port: 3308,
            user: Some("mysql".into()),
            replication: Account {
                user: "mainstay_replication".into(),
                password: "p".repeat(24),
            },
            tunnel_port: 7401,
            options: BTreeMap::new(),
        }
    }

    #[test]
    fn good_settings_are_taken() {
        good().validate().unwrap();
    }

    #[test]
    fn unusable_settings_are_refused_by_name() {
        type Change = fn(&mut Settings);
        let changes: [(&str, Change); 8] = [
            ("database_dir", |s| s.database_dir = "relative".into()),
            ("database_dir", |s| s.database_dir = "/a b".into()),
            ("state_dir", |s| s.state_dir = "/var/lib/mysql/ours".into()),
            ("state_dir", |s| s.state_dir.push("x".repeat(100))),
            ("server_id", |s| s.server_id = 0),
            ("port", |s| s.extra_port = s.port),
            ("replication.password", |s| s.replication.password.clear()),
            ("user", |s| s.user = Some("a\nb".into())),
        ];
        for (field, change) in changes {
            let mut settings = good();
            change(&mut settings);
            match settings.validate() {
                Err(Error::BadSetting { name, .. }) => assert_eq!(name, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }
}
