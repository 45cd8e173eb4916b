//! The tables of the load, and the account it uses. Each table can be checked alone:
//! `entry` (inserts), `account` with `transfer` (transactions), `register` (updates),
//! `list` (transactions that append and read).

use mysql_async::{Conn, prelude::Queryable};

use crate::{Database, Error, Result};

/// The schema that the load owns.
pub const SCHEMA: &str = "mainstay_trial";
/// How many writers can have a register; a load with more gives up the rest.
pub(crate) const REGISTERS: u32 = 256;
/// What every account holds at the beginning.
pub(crate) const ACCOUNT_START: i64 = 1_000;
const USER: &str = "mainstay_trial";

/// Who the load is, and how large its bank.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The database user.
    pub user: String,
    /// Its password, made at random for each run.
    pub password: String,
    /// How many bank accounts there are.
    pub accounts: u32,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            user,
            accounts,
            password: _,
        } = self;
        write!(f, "Account {{ user: {user:?}, accounts: {accounts} }}")
    }
}

const TABLES: [&str; 5] = [
    "CREATE TABLE entry (writer INT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL,
       node VARCHAR(64) NOT NULL, PRIMARY KEY (writer, seq)) ENGINE=InnoDB",
    "CREATE TABLE account (id INT UNSIGNED NOT NULL PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE transfer (writer INT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL,
       source INT UNSIGNED NOT NULL, target INT UNSIGNED NOT NULL, amount BIGINT NOT NULL,
       PRIMARY KEY (writer, seq)) ENGINE=InnoDB",
    "CREATE TABLE register (writer INT UNSIGNED NOT NULL PRIMARY KEY, value BIGINT UNSIGNED NOT NULL)
       ENGINE=InnoDB",
    // Why a whole list in one row: one point read shows it with the order of its appends, and a
    // locking read locks all of it, also against appends that come.
    "CREATE TABLE list (id INT UNSIGNED NOT NULL PRIMARY KEY, value TEXT CHARACTER SET ascii NOT NULL)
       ENGINE=InnoDB",
];

/// Makes (again) the load's schema with this many bank accounts, and its user with a new password.
///
/// # Errors
/// The server cannot be reached or refuses; it must be the primary.
pub async fn prepare(database: &Database, accounts: u32) -> Result<Account> {
    let account = Account {
        user: USER.into(),
        password: password(),
        accounts: accounts.max(2),
    };
    let mut connection = database.connect().await?;
    fill(&mut connection, &account)
        .await
        .map_err(Error::database(&database.node, "make the load's tables"))?;
    let _ = connection.disconnect().await;
    Ok(account)
}

async fn fill(connection: &mut Conn, account: &Account) -> mysql_async::Result<()> {
    let Account {
        user,
        password,
        accounts,
    } = account;
    connection
        .query_drop(format!("DROP DATABASE IF EXISTS {SCHEMA}"))
        .await?;
    connection
        .query_drop(format!("CREATE DATABASE {SCHEMA}"))
        .await?;
    // Why two: clients of 127.0.0.1 count as `localhost` at a gateway, others do not.
    for host in ["localhost", "%"] {
        let name = format!("'{user}'@'{host}'");
        // A statement with a password in it is not logged here, and MariaDB's binlog has its hash.
        let create = format!("CREATE OR REPLACE USER {name} IDENTIFIED BY '{password}'");
        connection.query_drop(create).await?;
        connection
            .query_drop(format!("GRANT ALL ON {SCHEMA}.* TO {name}"))
            .await?;
    }
    connection.query_drop(format!("USE {SCHEMA}")).await?;
    for table in TABLES {
        connection.query_drop(table).await?;
    }
    let rows = |count: u32, value: i64| {
        let rows: Vec<String> = (0..count).map(|id| format!("({id}, {value})")).collect();
        rows.join(", ")
    };
    let fill = format!(
        "INSERT INTO account VALUES {}",
        rows(*accounts, ACCOUNT_START)
    );
    connection.query_drop(fill).await?;
    // Why filled: writers that insert neighbouring rows at the same time can deadlock.
    let fill = format!("INSERT INTO register VALUES {}", rows(REGISTERS, 0));
    connection.query_drop(fill).await
}

fn password() -> String {
    let mut random = [0_u8; 16];
    // Why ignored: without random bytes it is a weak password for a user of throw-away tables.
    let _ = getrandom::fill(&mut random);
    random
        .iter()
        .map(|byte| char::from(b'a' + byte % 26))
        .collect()
}
