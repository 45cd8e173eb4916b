//! One SQL connection of a story's own, beside the load: through a node's gateway, or past it to
//! the server. Over Unix sockets, which are the same in every network namespace.

use std::{path::PathBuf, time::Duration};

use mysql_async::{Conn, OptsBuilder, prelude::Queryable};

use crate::{Account, Cluster, Error, Result, SCHEMA};

/// How long a connection may take to be made: longer than a gateway holds it.
const CONNECT_LIMIT: Duration = Duration::from_secs(25);

/// A connection; a statement that got no answer in time ends it.
#[derive(Debug)]
pub struct Session {
    node: String,
    connection: Option<Conn>,
}

impl Cluster {
    /// Connects to this node's gateway, in the load's schema.
    ///
    /// # Errors
    /// No such node; it lets nobody in.
    pub async fn at_gateway(&self, node: &str, account: &Account) -> Result<Session> {
        let socket = self.node(node)?.sql_socket();
        Session::open(node, socket, account).await
    }

    /// Connects to this node's gateway where clients only read, in the load's schema.
    ///
    /// # Errors
    /// No such node; it lets nobody in.
    pub async fn at_reads(&self, node: &str, account: &Account) -> Result<Session> {
        let socket = self.node(node)?.reads_socket();
        Session::open(node, socket, account).await
    }

    /// Connects to this node's server itself, past the gateway, in the load's schema.
    ///
    /// # Errors
    /// No such node; it lets nobody in.
    pub async fn at_server(&self, node: &str, account: &Account) -> Result<Session> {
        let socket = self.node(node)?.database(None).socket;
        Session::open(node, socket, account).await
    }

    /// Connects to this node's server as its administrator.
    ///
    /// # Errors
    /// No such node; it lets nobody in.
    pub async fn as_administrator(&self, node: &str) -> Result<Session> {
        let connection = self.node(node)?.database(None).connect().await?;
        Ok(Session {
            node: node.to_owned(),
            connection: Some(connection),
        })
    }
}

impl Session {
    async fn open(node: &str, socket: PathBuf, account: &Account) -> Result<Self> {
        let opts = OptsBuilder::default()
            .socket(Some(socket.display().to_string()))
            .user(Some(account.user.clone()))
            .pass(Some(account.password.clone()))
            .db_name(Some(SCHEMA))
            .max_allowed_packet(Some(16 << 20))
            .wait_timeout(Some(28_800));
        let connecting = tokio::time::timeout(CONNECT_LIMIT, Conn::new(opts));
        let connection = connecting
            .await
            .map_err(|_| silent(node, CONNECT_LIMIT))?
            .map_err(Error::database(node, "let a story in"))?;
        Ok(Self {
            node: node.to_owned(),
            connection: Some(connection),
        })
    }

    /// Runs a statement whose rows are of no interest.
    ///
    /// # Errors
    /// `Database` with what was said; `Silent` when nothing was in time.
    pub async fn execute(&mut self, sql: &str, limit: Duration) -> Result<()> {
        self.value(sql, limit).await.map(drop)
    }

    /// Runs a statement; the first column of the first row as text, if there is one.
    ///
    /// # Errors
    /// `Database` with what was said; `Silent` when nothing was in time.
    pub async fn value(&mut self, sql: &str, limit: Duration) -> Result<Option<String>> {
        let Some(mut connection) = self.connection.take() else {
            return Err(silent(&self.node, limit));
        };
        let asking = connection.query_first::<Option<String>, _>(sql);
        // Why the connection goes: its answer would be taken for the next statement's.
        let Ok(answer) = tokio::time::timeout(limit, asking).await else {
            return Err(silent(&self.node, limit));
        };
        self.connection = Some(connection);
        answer
            .map(Option::flatten)
            .map_err(Error::database(&self.node, "do what a story asked"))
    }
}

fn silent(node: &str, limit: Duration) -> Error {
    Error::Silent {
        command: format!("a story's connection to {node}"),
        limit,
    }
}
