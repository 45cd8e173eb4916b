//! The options that `init` and `join` share: what this node is and where its things are. They become
//! the configuration file; nothing else is read from them later.

use std::path::{Path, PathBuf};

use clap::Args;
use toml::{Table, Value};

use crate::config::{self, Config};
use crate::output::{Failure, Result};

/// What this node is and where its things are.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// Name of this node in the cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Address of this server that the other nodes reach
    #[arg(long, value_name = "IP")]
    pub(crate) address: String,
    /// Where everything of Mainstay is kept [default: /var/lib/mainstay]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// MariaDB's data directory [default: /var/lib/mysql]
    #[arg(long, value_name = "DIR")]
    pub(crate) database_dir: Option<PathBuf>,
    /// A TCP address for applications, besides 127.0.0.1:3306 (instead of it when it is a loopback
    /// address itself, or all addresses); may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) sql_listen: Vec<String>,
    /// The Unix socket for applications, or `none` [default: /run/mysqld/mysqld.sock]
    #[arg(long, value_name = "PATH|none")]
    pub(crate) sql_socket: Option<String>,
    /// Sets any other key of the configuration file, as in `mariadb.options.max_connections=500`; may
    /// be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Only print what would be touched
    #[arg(long)]
    pub(crate) plan: bool,
}

const LOCAL: &str = "127.0.0.1:3306";

impl Place {
    /// The file these options ask for, and what it means.
    ///
    /// Errors: an option is not usable; nothing was touched.
    pub(crate) fn config(&self, path: &Path, witness: bool) -> Result<(Table, Config)> {
        let mut table = Table::new();
        let mut put = |section: &str, key: &str, value: Value| {
            let place = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Some(section) = place.as_table_mut() {
                section.insert(key.to_owned(), value);
            }
        };
        let text = |text: &str| Value::String(text.to_owned());
        put("node", "name", text(&self.name));
        put("node", "address", text(&self.address));
        if witness {
            put("node", "witness", Value::Boolean(true));
        }
        if let Some(dir) = &self.data_dir {
            put("node", "data_dir", text(path_text(dir)?));
        }
        if let Some(dir) = &self.database_dir {
            put("mariadb", "database_dir", text(path_text(dir)?));
        }
        if !self.sql_listen.is_empty() {
            let listen = self.listen().iter().map(|address| text(address)).collect();
            put("gateway", "listen", Value::Array(listen));
        }
        match self.sql_socket.as_deref() {
            None => {}
            Some("none") => put("gateway", "sockets", Value::Array(Vec::new())),
            Some(socket) => put("gateway", "sockets", Value::Array(vec![text(socket)])),
        }
        for assignment in &self.set {
            config::set(&mut table, assignment).map_err(usage)?;
        }
        let config = Config::from_table(path, &table).map_err(usage)?;
        Ok((table, config))
    }

    /// The addresses given, and 127.0.0.1:3306 unless one of them serves local clients already.
    fn listen(&self) -> Vec<String> {
        let is_local = |address: &String| {
            let ip = address
                .parse::<std::net::SocketAddr>()
                .map(|address| address.ip());
            ip.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
        };
        let local = (!self.sql_listen.iter().any(is_local)).then(|| LOCAL.to_owned());
        local
            .into_iter()
            .chain(self.sql_listen.iter().cloned())
            .collect()
    }
}

fn usage(error: config::Error) -> Failure {
    Failure::from(error).exit(crate::output::Exit::Usage)
}

fn path_text(path: &Path) -> Result<&str> {
    let wrong = || Failure::usage(format!("`{}` is not UTF-8", path.display()));
    path.to_str().ok_or_else(wrong)
}

/// The text of the configuration file.
pub(super) fn file_text(table: &Table) -> Result<String> {
    let body = toml::to_string(table).map_err(Failure::doing("write the configuration"))?;
    Ok(format!(
        "# What this node is. Every key with its default: docs/reference/configuration.md.\n\
         # What this cluster is, is agreed among its nodes and changed by verbs of `mainstay`.\n\n{body}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            name: "alpha".to_owned(),
            address: "10.77.0.1".to_owned(),
            data_dir: None,
            database_dir: None,
            sql_listen: Vec::new(),
            sql_socket: None,
            set: Vec::new(),
            plan: false,
        }
    }

    #[test]
    fn file_when_written_from_options_then_read_back_the_same() {
        let options = Place {
            sql_socket: Some("none".to_owned()),
            set: vec![
                "peer.port=7411".to_owned(),
                "mariadb.options.innodb_buffer_pool_size=64M".to_owned(),
            ],
            data_dir: Some("/srv/a".into()),
            ..place()
        };
        let (table, config) = options.config(Path::new("x.toml"), false).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mainstay.toml");
        std::fs::write(&path, file_text(&table).unwrap()).unwrap();
        assert_eq!(Config::load(&path).unwrap(), config);
        assert!(config.file.gateway.sockets.is_empty());
        assert_eq!(config.file.peer.port, 7411);
    }

    #[test]
    fn sql_listen_when_it_is_no_local_address_then_it_is_added_to_the_local_one() {
        let listen = |given: &str| {
            let options = Place {
                sql_listen: vec![given.to_owned()],
                ..place()
            };
            options.config(Path::new("x"), false).unwrap().1.listen
        };
        assert_eq!(listen("10.77.0.1:3306").len(), 2);
        assert_eq!(listen("127.0.77.1:3306").len(), 1);
        assert_eq!(listen("0.0.0.0:3306").len(), 1);
    }

    #[test]
    fn options_when_wrong_then_the_exit_code_is_2() {
        let options = Place {
            address: "somewhere".to_owned(),
            ..place()
        };
        let failure = options.config(Path::new("x"), false).unwrap_err();
        assert_eq!(failure.exit.code(), 2);
        let options = Place {
            set: vec!["peer.prot=1".to_owned()],
            ..place()
        };
        let failure = options.config(Path::new("x"), false).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("the nearest is `peer.port`"));
    }
}
