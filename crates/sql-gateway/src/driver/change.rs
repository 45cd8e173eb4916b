//! A client becomes somebody else (COM_CHANGE_USER), or is refused and stays who it was.
//!
//! A server that refuses has already taken everything from the session but the account and the default database; the
//! character set is the server's own then; and after three refusals it knows the command no more (10.11.19). It waits for a
//! second with each, which the gateway does not: who tries passwords can as well connect again.

use wire::command::code;
use wire::flags;
use wire::login::Login;

use super::arrive::{Arrived, Gone, begin_session, identify, log_in};
use super::client::Client;
use super::packets::Packets;
use crate::fault::Fault;
use crate::frontend::{Encryption, Greeter};
use crate::reactor::timeout;
use crate::secret::Credential;
use crate::tally::{Left, Opened};

/// So often a client may be refused.
const REFUSALS: u8 = 3;

/// What came of it.
enum Changed {
    Yes(Box<Arrived>),
    /// The client has been told. What it had sent behind its command.
    No(Vec<u8>),
}

impl Client {
    pub(super) async fn change_user(&mut self, payload: &[u8]) -> Result<(), Gone> {
        let parsed = Login::parse_change_user(payload, self.login.capabilities);
        self.link.leave();
        self.link.elsewhere = None;
        let stays = self.as_before();
        self.ends_session().await;
        self.give_back();
        let (Ok(mut login), true) = (parsed, self.refusals < REFUSALS) else {
            self.refusals = self.refusals.saturating_add(1);
            self.stays(stays)?;
            self.link.session.fail(&Fault::UnknownCommand);
            self.spread();
            return Ok(());
        };
        if login.collation == 0 {
            login.collation = self.login.collation;
        }
        login.max_packet = self.login.max_packet;
        match self.becomes(login).await? {
            Changed::Yes(arrived) => {
                self.link.session = arrived.session;
                self.link.ahead = arrived.ahead;
                self.link
                    .attach(arrived.backend, &self.entry, Opened::ChangedUser);
                self.login = arrived.login;
                self.credential = arrived.credential;
            }
            Changed::No(ahead) => {
                self.refusals += 1;
                self.link.ahead = ahead;
                self.stays(stays)?;
            }
        }
        self.spread();
        self.follow();
        Ok(())
    }

    /// Its locks and its transaction have ended when it is told anything, as on a server: one whose connection is closed
    /// takes them back in its own time.
    async fn ends_session(&mut self) {
        let link = &mut self.link;
        let is_clear = link.is_at_rest() && link.session.is_settled();
        if let Some(backend) = link.backend.as_mut().filter(|_| is_clear)
            && backend.stream.is_quiet()
        {
            let mut server = Packets::new(&mut backend.stream, 0);
            let reset = async {
                server.write(&[code::RESET_CONNECTION]).await?;
                server.read().await
            };
            // Why whatever comes of it: the connection is given up next.
            let _ = timeout(self.shared.config.connect_timeout, reset).await;
        }
    }

    async fn becomes(&mut self, login: Login) -> Result<Changed, Gone> {
        let ahead = std::mem::take(&mut self.link.ahead);
        let mut greeter = Greeter::new(self.salt, Encryption::None);
        let mut packets = Packets::after(&mut self.link.client, 1, ahead);
        let shared = &self.shared;
        let arrival = Ok(greeter.take(login, &*shared.accounts));
        let limit = shared.config.handshake_timeout;
        let who = timeout(limit, identify(shared, &mut greeter, arrival, &mut packets)).await;
        let who = match who {
            Ok(Ok(who)) => who,
            Ok(Err(_)) => return Err(Gone(Left::Vanished)),
            Err(_) => return Err(Gone(Left::Slow)),
        };
        match log_in(shared, &self.entry, &mut self.gate, who, &mut packets).await {
            Ok(arrived) => Ok(Changed::Yes(Box::new(arrived))),
            Err(Gone(Left::Refused)) => Ok(Changed::No(packets.rest())),
            Err(gone) => Err(gone),
        }
    }

    /// The login that is left of the client when it is refused.
    fn as_before(&self) -> Login {
        let session = &self.link.session;
        Login {
            capabilities: session.adjust(self.login.capabilities),
            database: session.database().to_vec(),
            // None: the server takes its own.
            collation: 0,
            ..Login::clone(&self.login)
        }
    }

    /// It stays who it was, with nothing but that and its default database; its next statement gets a connection.
    fn stays(&mut self, login: Login) -> Result<(), Gone> {
        let repeats = matches!(self.credential, Credential::Empty | Credential::Native(_));
        if !repeats {
            // Why: who was passed through to the server cannot log in again without being asked.
            return Err(Gone(Left::Refused));
        }
        let shared = &self.shared;
        let user = String::from_utf8_lossy(&login.user).into_owned();
        self.entry.set_user(shared.users.share(&login.user[..]));
        self.entry.set_account(shared.names.of(&user));
        let mut session = begin_session((shared, &self.entry), &login, flags::AUTOCOMMIT);
        session.part();
        self.entry.set_away();
        self.link.session = session;
        self.login = shared.logins.share(Box::new(login));
        Ok(())
    }
}
