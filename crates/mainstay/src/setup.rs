//! How a server becomes a node: `init` founds a cluster, `join` enters one. Everything is checked
//! before the first byte is written; an interrupted setup can be repeated, and only that.

mod check;
mod enter;
mod files;
mod founding;
mod mask;
mod place;
mod plan;
mod record;
mod welcome;

pub(crate) use enter::{Entry, enter};
pub(crate) use founding::{Founding, found};
pub(crate) use place::Place;
pub(crate) use record::{Introduced, Record, Secrets};
pub(crate) use welcome::{Application, Welcome};

use std::path::{Path, PathBuf};

/// Certificates, keys and tokens.
pub(crate) fn identity_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("identity")
}

/// This node's part of the ledger.
pub(crate) fn ledger_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("ledger")
}

/// The account with which replicas connect; its password is in the secrets.
pub(crate) fn replication_account(secrets: &Secrets) -> mariadb::Account {
    mariadb::Account {
        user: "mainstay_replication".to_owned(),
        password: secrets.replication_password.clone(),
    }
}
