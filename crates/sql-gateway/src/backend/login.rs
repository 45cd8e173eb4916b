//! Logs in to a server for a client: with its recovered secret, or by passing the server's questions on to it.

use wire::flags;
use wire::greeting::Greeting;
use wire::login::{AuthSwitch, Login};
use wire::native;
use wire::reply::{ErrPacket, OkPacket};
use zeroize::Zeroizing;

use crate::secret::{Credential, Unproven};

/// A plugin no server has: it makes the server name the account's own plugin, with a fresh salt.
const ANY_PLUGIN: &[u8] = b"mainstay_ask";

/// What to do after a packet of the server.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this payload to the server.
    Send(Vec<u8>),
    /// Send this payload to the client, and its answer to [`ServerLogin::client_answer`].
    AskClient(Vec<u8>),
    /// Logged in; the OK packet's payload.
    Done(Vec<u8>),
    /// The server says no; the ERR packet's payload.
    Refused(Vec<u8>),
    /// The server does not speak as expected.
    Broken(&'static str),
}

/// One login at a server.
pub(crate) struct ServerLogin<'a> {
    login: &'a Login,
    database: &'a [u8],
    credential: Credential,
    may_ask: bool,
    asked_salt: Option<[u8; 20]>,
    greeting: Option<Greeting>,
}

impl<'a> ServerLogin<'a> {
    /// A login as `login`'s user with `database`. `may_ask`: the client waits for its login and can be asked.
    pub(crate) fn new(
        login: &'a Login,
        database: &'a [u8],
        credential: Option<Credential>,
        may_ask: bool,
    ) -> Self {
        let credential = credential.unwrap_or(Credential::PassedThrough);
        Self {
            login,
            database,
            credential,
            may_ask,
            asked_salt: None,
            greeting: None,
        }
    }

    /// What the login was done with, for later ones.
    pub(crate) fn credential(&self) -> Credential {
        self.credential.clone()
    }

    /// The server's greeting, once it was read.
    pub(crate) fn greeting(&self) -> Option<&Greeting> {
        self.greeting.as_ref()
    }

    /// The next packet of the server.
    pub(crate) fn packet(&mut self, payload: &[u8]) -> Step {
        if self.greeting.is_none() {
            return self.greeted(payload);
        }
        match payload.first() {
            Some(0) => Step::Done(payload.to_vec()),
            Some(0xff) => Step::Refused(payload.to_vec()),
            Some(0xfe) => self.switched(payload),
            Some(1) if self.may_ask => {
                self.credential = Credential::PassedThrough;
                Step::AskClient(payload.to_vec())
            }
            _ => Step::Broken("an unexpected packet during the login"),
        }
    }

    /// The client's answer to what it was asked.
    pub(crate) fn client_answer(&mut self, payload: &[u8]) -> Step {
        self.credential = match (self.asked_salt.take(), payload.len()) {
            (Some(_), 0) => Credential::Empty,
            (Some(salt), 20) => match payload.first_chunk() {
                Some(proof) => Credential::Unproven(Box::new(Unproven {
                    salt,
                    proof: *proof,
                })),
                None => Credential::PassedThrough,
            },
            _ => Credential::PassedThrough,
        };
        Step::Send(payload.to_vec())
    }

    fn greeted(&mut self, payload: &[u8]) -> Step {
        if payload.first() == Some(&0xff) {
            // Why made anew: before a greeting the server leaves the SQL state out, and a client that has been greeted
            // by us takes that for a malformed packet (1040 from 10.11.19, mysql_async 0.37).
            return match ErrPacket::parse(payload) {
                Some(err) => Step::Refused(err.encode()),
                None => Step::Broken("a refusal that is none"),
            };
        }
        let Ok(greeting) = Greeting::parse(payload) else {
            return Step::Broken("a greeting that is none");
        };
        let needed = flags::PROTOCOL_41
            | flags::PLUGIN_AUTH
            | flags::SECURE_CONNECTION
            | flags::SESSION_TRACK
            | flags::TRANSACTIONS;
        let wanted = self.login.capabilities | needed;
        let must = needed
            | (self.login.capabilities & (flags::DEPRECATE_EOF | flags::MARIADB_EXTENDED_METADATA));
        if greeting.capabilities & must != must {
            return Step::Broken("the server lacks capabilities that this client uses");
        }
        let (plugin, proof) = match self.prove(&greeting.salt) {
            Some(proof) => (native::PLUGIN.as_bytes().to_vec(), proof),
            None => (ANY_PLUGIN.to_vec(), Vec::new()),
        };
        let response = Login {
            capabilities: wanted & greeting.capabilities,
            max_packet: self.login.max_packet,
            collation: self.login.collation,
            user: self.login.user.clone(),
            proof,
            database: self.database.to_vec(),
            plugin,
            attributes: self.login.attributes.clone(),
        };
        self.greeting = Some(greeting);
        Step::Send(response.encode())
    }

    /// The proof for a salt, when the credential allows one.
    fn prove(&self, salt: &[u8; 20]) -> Option<Vec<u8>> {
        match &self.credential {
            Credential::Empty => Some(Vec::new()),
            Credential::Native(secret) => {
                let secret: &Zeroizing<[u8; 20]> = secret;
                Some(native::prove(salt, secret).to_vec())
            }
            Credential::Unproven(_) | Credential::PassedThrough => None,
        }
    }

    fn switched(&mut self, payload: &[u8]) -> Step {
        let Some(switch) = AuthSwitch::parse(payload) else {
            return Step::Broken("a malformed switch of the authentication plugin");
        };
        let native = switch.plugin == native::PLUGIN.as_bytes();
        let salt = switch.salt().filter(|_| native);
        if let Some(proof) = salt.and_then(|salt| self.prove(&salt)) {
            return Step::Send(proof);
        }
        if !self.may_ask {
            return Step::Broken("the account's plugin cannot be used without the client");
        }
        self.asked_salt = salt;
        Step::AskClient(payload.to_vec())
    }
}

/// Refusals of `unix_socket` accounts (1698) say where such an account can log in. Not for names that nobody has: a
/// server refuses those as if they were one of its accounts, any of them (10.11.19).
pub(crate) fn with_hint(payload: &[u8]) -> Vec<u8> {
    match ErrPacket::parse(payload) {
        Some(err) if err.code == 1698 => {
            let mut message = err.message.to_vec();
            message.extend_from_slice(
                b" (it logs in by unix_socket, for which the server's own socket is needed)",
            );
            ErrPacket {
                message: &message,
                ..err
            }
            .encode()
        }
        _ => payload.to_vec(),
    }
}

/// Status flags and payload of a login's OK for a client with or without session tracking.
pub(crate) fn ok_for_client(payload: &[u8], tracks: bool) -> Option<(u16, Vec<u8>)> {
    let ok = OkPacket::parse(payload).ok()?;
    let bytes = if tracks {
        payload.to_vec()
    } else {
        ok.without_changes()
    };
    Some((ok.status, bytes))
}
