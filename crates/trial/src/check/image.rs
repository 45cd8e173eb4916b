//! Everything that one database holds of the load's tables, in ordered maps.

use std::collections::BTreeMap;

use mysql_async::{Conn, prelude::Queryable};

use crate::{Element, Error, Result, SCHEMA, load::parse};

/// A writer and its sequence number.
pub(crate) type Key = (u32, u64);

/// One node's data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// The node.
    pub node: String,
    /// Its GTID position when it was read.
    pub position: String,
    /// `entry`: the gateway's node that was written.
    pub entries: BTreeMap<Key, String>,
    /// `transfer`: source, target, amount.
    pub transfers: BTreeMap<Key, (u32, u32, i64)>,
    /// `account`: the balance.
    pub accounts: BTreeMap<u32, i64>,
    /// `register`: the value of each writer that has raised its own.
    pub registers: BTreeMap<u32, u64>,
    /// `list`: the elements in their order.
    pub lists: BTreeMap<crate::Key, Box<[Element]>>,
    /// What `CHECKSUM TABLE` says of each table.
    pub checksums: BTreeMap<String, Option<u64>>,
}

impl Image {
    /// Reads it in one snapshot.
    pub(crate) async fn read(node: &str, position: String, connection: &mut Conn) -> Result<Self> {
        let mut image = Self {
            node: node.to_owned(),
            position,
            ..Self::default()
        };
        image
            .fill(connection)
            .await
            .map_err(Error::database(node, "show its data"))?;
        Ok(image)
    }

    async fn fill(&mut self, connection: &mut Conn) -> mysql_async::Result<()> {
        connection.query_drop(format!("USE {SCHEMA}")).await?;
        connection
            .query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            .await?;
        let entries = "SELECT writer, seq, node FROM entry";
        self.entries = connection
            .query::<(u32, u64, String), _>(entries)
            .await?
            .into_iter()
            .map(|(writer, seq, node)| ((writer, seq), node))
            .collect();
        let transfers = "SELECT writer, seq, source, target, amount FROM transfer";
        self.transfers = connection
            .query::<(u32, u64, u32, u32, i64), _>(transfers)
            .await?
            .into_iter()
            .map(|(writer, seq, source, target, amount)| ((writer, seq), (source, target, amount)))
            .collect();
        let accounts: Vec<(u32, i64)> = connection.query("SELECT id, balance FROM account").await?;
        self.accounts = accounts.into_iter().collect();
        let registers: Vec<(u32, u64)> = connection
            .query("SELECT writer, value FROM register WHERE value > 0")
            .await?;
        self.registers = registers.into_iter().collect();
        let lists: Vec<(crate::Key, String)> =
            connection.query("SELECT id, value FROM list").await?;
        self.lists = lists
            .into_iter()
            .map(|(key, value)| (key, parse(&value)))
            .collect();
        connection.query_drop("COMMIT").await?;
        // After the snapshot: it takes no part in it, and a quiet database does not change.
        let sums: Vec<(String, Option<u64>)> = connection
            .query("CHECKSUM TABLE entry, transfer, account, register, list")
            .await?;
        self.checksums = sums.into_iter().collect();
        Ok(())
    }
}
