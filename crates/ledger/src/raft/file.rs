//! What stands in the store's file: its tables, its owner and format, and how it is read back when
//! it is opened. `disk.rs` writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use serde::{Deserialize, Serialize};

use super::format;
use super::state::State;
use super::types::{Entry, LogId, Vote};
use super::voter::Identity;
use crate::{Error, Result};

pub(crate) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// What the file held when it was opened.
pub(crate) struct Loaded {
    pub(crate) store: u64,
    pub(crate) founding: Option<u64>,
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    pub(crate) committed: Option<LogId>,
    pub(crate) snapshot: Option<State>,
    pub(crate) log: BTreeMap<u64, Entry>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Owner {
    cluster: String,
    node: u64,
}

impl Owner {
    fn of(me: &Identity) -> Self {
        Self {
            cluster: me.cluster.clone(),
            node: me.node,
        }
    }
}

pub(crate) fn failed(what: &str, error: &dyn std::error::Error) -> Error {
    Error::StoreFailed(format!("{what}: {error}"))
}

/// Reads the file, or makes it ours if it is new.
///
/// Errors: it is another's or newer, or unreadable.
pub(crate) fn load(database: &Database, path: &Path, me: &Identity) -> Result<Loaded> {
    let fail = |error: redb::Error| failed("read", &error);
    let owner = Owner::of(me);
    let Some(meta) = read_meta(database).map_err(fail)? else {
        let store = getrandom::u64().map_err(|error| Error::Random(error.to_string()))?;
        create(database, &owner, store).map_err(|error| error.0)?;
        return Ok(Loaded {
            store,
            founding: None,
            vote: None,
            purged: None,
            committed: None,
            snapshot: None,
            log: BTreeMap::new(),
        });
    };
    check_owner(&meta, path, me)?;
    let get = |key: &str| meta.get(key).map(Vec::as_slice);
    let mut log = BTreeMap::new();
    for (index, bytes) in read_log(database).map_err(fail)? {
        log.insert(index, format::recall(&bytes)?);
    }
    Ok(Loaded {
        store: get("store")
            .map(format::recall)
            .transpose()?
            .unwrap_or_default(),
        founding: get("founding").map(format::recall).transpose()?,
        vote: get("vote").map(format::recall).transpose()?,
        purged: get("purged").map(format::recall).transpose()?,
        committed: get("committed").map(format::recall).transpose()?,
        snapshot: get("snapshot").map(format::recall).transpose()?,
        log,
    })
}

pub(crate) fn check_owner(
    meta: &BTreeMap<String, Vec<u8>>,
    path: &Path,
    me: &Identity,
) -> Result<()> {
    let me = &Owner::of(me);
    let missing = || Error::StoreFailed("the store has no owner".into());
    let found: u32 = format::recall(meta.get("format").ok_or_else(missing)?)?;
    let path = PathBuf::from(path);
    if found > format::STORE {
        return Err(Error::NewerFormat {
            path,
            found,
            known: format::STORE,
        });
    }
    let owner: Owner = format::recall(meta.get("owner").ok_or_else(missing)?)?;
    if owner != *me {
        let says = |owner: &Owner| format!("node {} of cluster `{}`", owner.node, owner.cluster);
        return Err(Error::ForeignStore {
            path,
            owner: says(&owner),
            me: says(me),
        });
    }
    Ok(())
}

/// Lets both kinds of error out of one function with `?`.
struct CreateError(Error);

impl<E: Into<redb::Error>> From<E> for CreateError {
    fn from(error: E) -> Self {
        Self(failed("create", &error.into()))
    }
}

fn create(database: &Database, owner: &Owner, store: u64) -> Result<(), CreateError> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        transaction.open_table(LOG)?;
        meta.insert(
            "format",
            &format::keep(&format::STORE).map_err(CreateError)?[..],
        )?;
        meta.insert("owner", &format::keep(owner).map_err(CreateError)?[..])?;
        meta.insert("store", &format::keep(&store).map_err(CreateError)?[..])?;
    }
    transaction.commit()?;
    Ok(())
}

pub(crate) fn read_meta(
    database: &Database,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(META) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut meta = BTreeMap::new();
    for row in table.iter()? {
        let (key, value) = row?;
        meta.insert(key.value().to_string(), value.value().to_vec());
    }
    Ok(Some(meta))
}

fn read_log(database: &Database) -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(LOG)?;
    let mut log = Vec::new();
    for row in table.iter()? {
        let (index, entry) = row?;
        log.push((index.value(), entry.value().to_vec()));
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn store_when_of_a_newer_version_then_refused_untouched() {
        let database = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        let me = Identity {
            cluster: "c".into(),
            node: 1,
        };
        let path = Path::new("ledger.redb");
        let store = load(&database, path, &me).unwrap().store;
        assert_eq!(load(&database, path, &me).unwrap().store, store);
        let transaction = database.begin_write().unwrap();
        let newer = format::keep(&(format::STORE + 1)).unwrap();
        transaction
            .open_table(META)
            .unwrap()
            .insert("format", &newer[..])
            .unwrap();
        transaction.commit().unwrap();
        let before = read_meta(&database).unwrap();
        match load(&database, path, &me) {
            Err(Error::NewerFormat { found, known, .. }) => assert_eq!(found, known + 1),
            other => panic!("{:?}", other.err()),
        }
        assert_eq!(read_meta(&database).unwrap(), before);
    }

    #[test]
    fn store_when_its_bytes_are_garbage_then_refused() {
        for key in ["format", "owner", "vote", "snapshot", "purged", "committed"] {
            let database = Database::builder()
                .create_with_backend(InMemoryBackend::new())
                .unwrap();
            let me = Identity {
                cluster: "c".into(),
                node: 1,
            };
            load(&database, Path::new("x"), &me).unwrap();
            let transaction = database.begin_write().unwrap();
            transaction
                .open_table(META)
                .unwrap()
                .insert(key, &b"{["[..])
                .unwrap();
            transaction.commit().unwrap();
            let loaded = load(&database, Path::new("x"), &me);
            assert!(matches!(loaded, Err(Error::StoreFailed(_))), "{key}");
        }
    }
}
