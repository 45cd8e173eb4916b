//! Greets a client and finds out who it is. The server decides about the password; the account table only
//! lets us recover what later logins need.

use wire::flags;
use wire::greeting::Greeting;
use wire::login::{AuthSwitch, Login};
use wire::native;

use crate::account::{Accounts, explain};
use crate::fault::Fault;
use crate::secret::Credential;

/// Offered to clients, beside compression, and encryption where there is a certificate. Not offered: MariaDB's metadata cache, whose state in the
/// client would outlive the server that it was agreed with.
const OFFERED: u64 = flags::FOUND_ROWS
    | 1 << 2 // long column flags
    | flags::CONNECT_WITH_DB
    | 1 << 4 // no database.table.column
    | 1 << 6 // ODBC
    | flags::LOCAL_FILES
    | 1 << 8 // ignore spaces
    | flags::PROTOCOL_41
    | 1 << 10 // interactive
    | flags::TRANSACTIONS
    | 1 << 14 // reserved, as MariaDB
    | flags::SECURE_CONNECTION
    | flags::MULTI_STATEMENTS
    | flags::MULTI_RESULTS
    | flags::PS_MULTI_RESULTS
    | flags::PLUGIN_AUTH
    | flags::CONNECT_ATTRS
    | flags::PLUGIN_AUTH_LENENC
    | 1 << 22 // expired passwords
    | flags::SESSION_TRACK
    | flags::DEPRECATE_EOF
    | flags::MARIADB_PROGRESS
    | flags::MARIADB_BULK
    | flags::MARIADB_EXTENDED_METADATA;

/// A client that has said who it is.
#[derive(Debug)]
pub(crate) struct Who {
    /// Its handshake response, with capabilities cut down to what was offered.
    pub(crate) login: Login,
    /// What is known of its password; `None`: the server must ask the client itself.
    pub(crate) credential: Option<Credential>,
    /// The salt of the client's proof, for a later COM_CHANGE_USER.
    pub(crate) salt: [u8; 20],
}

/// What to do after a packet of the client.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Send this payload and wait for the answer.
    Ask(Vec<u8>),
    /// Encrypt the connection, then wait for the answer.
    Encrypt,
    /// The client is known as far as it can be here.
    Known(Who),
}

/// Where an arrival stands with encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// There is none.
    None,
    /// The client may ask for it.
    Offered,
    /// The client must ask for it.
    Required,
    /// The connection is encrypted.
    On,
}

/// What a client sends ahead of its login to have it encrypted: the login's first bytes.
const SSL_REQUEST: usize = 32;

/// One client's arrival.
pub(crate) struct Greeter {
    salt: [u8; 20],
    waiting: Option<Login>,
    zips: bool,
    encryption: Encryption,
}

impl Greeter {
    /// A greeter with a fresh salt.
    pub(crate) fn new(salt: [u8; 20], encryption: Encryption) -> Self {
        Self {
            salt,
            waiting: None,
            zips: false,
            encryption,
        }
    }

    /// The greeting's payload.
    pub(crate) fn greeting(&self, thread: u32, version: &str) -> Vec<u8> {
        Greeting {
            version: version.as_bytes().to_vec(),
            thread,
            salt: self.salt,
            capabilities: match self.encryption {
                Encryption::None | Encryption::On => OFFERED | flags::COMPRESS,
                Encryption::Offered | Encryption::Required => {
                    OFFERED | flags::COMPRESS | flags::SSL
                }
            },
            // latin1_swedish_ci in the greeting's one byte, as the server's default.
            collation: 8,
            status: flags::AUTOCOMMIT,
            plugin: native::PLUGIN.as_bytes().to_vec(),
        }
        .encode()
    }

    /// The client speaks the compressed protocol as soon as it is logged in.
    pub(crate) fn zips(&self) -> bool {
        self.zips
    }

    /// Takes the client's handshake response, or its answer to a question.
    pub(crate) fn packet(
        &mut self,
        payload: &[u8],
        accounts: &dyn Accounts,
    ) -> Result<Arrival, Fault> {
        if let Some(mut login) = self.waiting.take() {
            login.proof = payload.to_vec();
            login.plugin = native::PLUGIN.as_bytes().to_vec();
            return Ok(self.known(login, accounts));
        }
        let low = payload
            .first_chunk::<4>()
            .map_or(0, |bytes| u32::from_le_bytes(*bytes));
        match (u64::from(low) & flags::SSL != 0, self.encryption) {
            (true, Encryption::None) => {
                return Err(Fault::CannotLogIn("encryption was not offered"));
            }
            (true, Encryption::Offered | Encryption::Required) => {
                if payload.len() != SSL_REQUEST {
                    return Err(Fault::Malformed(
                        "a request for encryption with a login in it",
                    ));
                }
                self.encryption = Encryption::On;
                return Ok(Arrival::Encrypt);
            }
            (false, Encryption::Required) => return Err(Fault::TlsRequired),
            (_, Encryption::On) | (false, _) => {}
        }
        let mut login = Login::parse(payload)
            .map_err(|_| Fault::CannotLogIn("it does not speak the 4.1 protocol"))?;
        // Why not in `OFFERED`: it is between this client and us, no server hears of it.
        self.zips = login.capabilities & flags::COMPRESS != 0;
        login.capabilities &= OFFERED;
        Ok(self.take(login, accounts))
    }

    /// Takes a login whose proof was made with this greeter's salt.
    pub(crate) fn take(&mut self, login: Login, accounts: &dyn Accounts) -> Arrival {
        let plugins = login.capabilities & flags::PLUGIN_AUTH != 0;
        let native = login.plugin.is_empty() || login.plugin == native::PLUGIN.as_bytes();
        let proofs = accounts.proofs(&String::from_utf8_lossy(&login.user));
        let has_native = proofs
            .iter()
            .any(|account| account.plugin == native::PLUGIN);
        if plugins && !native && has_native {
            self.waiting = Some(login);
            return Arrival::Ask(AuthSwitch::native(&self.salt));
        }
        self.known(login, accounts)
    }

    fn known(&self, login: Login, accounts: &dyn Accounts) -> Arrival {
        let native = login.plugin.is_empty() || login.plugin == native::PLUGIN.as_bytes();
        let proofs = accounts.proofs(&String::from_utf8_lossy(&login.user));
        let credential = native
            .then(|| explain(&proofs, &self.salt, &login.proof))
            .flatten();
        Arrival::Known(Who {
            login,
            credential,
            salt: self.salt,
        })
    }
}
