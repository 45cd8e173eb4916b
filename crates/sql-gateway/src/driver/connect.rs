//! A connection to the primary, logged in as the client: one attempt.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use wire::flags;
use wire::login::Login;
use wire::proxy;
use wire::reply::ErrPacket;

use super::far::reach;
use super::packets::Packets;
use super::reader::Post;
use super::strong;
use crate::backend::{ServerLogin, Step};
use crate::pool::Slot;
use crate::reactor::Socket;
use crate::route::{Address, Route};
use crate::secret::Credential;
use crate::service::Shared;
use crate::tally::{Closed, Ticket};

/// A logged-in connection.
pub(crate) struct Backend {
    pub(crate) stream: Socket,
    /// The route it was made for.
    pub(crate) route: Arc<Route>,
    /// Thread id on the server.
    pub(crate) thread: u32,
    /// Counts it, from the moment in which a session has it.
    pub(crate) ticket: Option<Ticket>,
    /// Its place among the connections of its account.
    pub(crate) slot: Option<Slot>,
    /// The session is tracked already.
    pub(crate) tracks: bool,
    /// Where it leads, when its client only reads.
    pub(super) post: Option<Post>,
}

impl Backend {
    /// Says why it is about to be closed.
    pub(crate) fn closes(&mut self, why: Closed) {
        if let Some(ticket) = &mut self.ticket {
            ticket.closes(why);
        }
    }
}

/// How an attempt ended.
pub(crate) enum Attempt {
    /// Logged in; with the OK packet's payload and what the login was done with.
    Connected(Backend, Vec<u8>, Credential),
    /// The server refused; the ERR packet's payload.
    Refused(Vec<u8>),
    /// No connection; try again.
    Failed(String),
    /// The client went away while it was asked.
    ClientGone,
}

/// What to log in with.
pub(crate) struct Account<'a> {
    pub(crate) login: &'a Login,
    pub(crate) database: &'a [u8],
    pub(crate) credential: Option<Credential>,
    /// Where the client comes from; `None` for a unix socket.
    pub(crate) peer: Option<SocketAddr>,
}

/// Dials the primary and logs in. With `client`, the server's questions are passed on to it.
pub(crate) async fn connect(
    shared: &Shared,
    route: &Arc<Route>,
    account: Account<'_>,
    client: Option<&mut Packets<'_>>,
) -> Attempt {
    let Some(target) = &route.target else {
        return Attempt::Failed("there is no primary".to_owned());
    };
    connect_to(shared, (route, &target.node), account, client).await
}

/// The same, to a node of the route.
pub(crate) async fn connect_to(
    shared: &Shared,
    (route, node): (&Arc<Route>, &str),
    account: Account<'_>,
    client: Option<&mut Packets<'_>>,
) -> Attempt {
    let is_safe = may_come_by_socket(shared, &account);
    let address = shared.dial.direct(route, node, is_safe);
    connect_at(shared, (route, node), address, account, client).await
}

/// The same, at this address; `None`: through the peers.
pub(super) async fn connect_at(
    shared: &Shared,
    (route, node): (&Arc<Route>, &str),
    address: Option<Address>,
    account: Account<'_>,
    client: Option<&mut Packets<'_>>,
) -> Attempt {
    let dialled = match address {
        Some(address) => Socket::connect(&address).await,
        None => reach(shared, route, node).await,
    };
    let mut stream = match dialled {
        Ok(stream) => stream,
        Err(error) => return Attempt::Failed(format!("dial: {error}")),
    };
    match log_in(shared, &mut stream, account, client).await {
        Ok(LoggedIn::Yes {
            ok,
            credential,
            thread,
        }) => Attempt::Connected(
            Backend {
                stream,
                route: Arc::clone(route),
                thread,
                ticket: None,
                slot: None,
                tracks: false,
                post: None,
            },
            ok,
            credential,
        ),
        Ok(LoggedIn::No(err)) => Attempt::Refused(err),
        Ok(LoggedIn::ClientGone) => Attempt::ClientGone,
        Err(error) => Attempt::Failed(format!("log in: {error}")),
    }
}

/// Whoever has not shown a password to the gateway itself could be let in for the gateway's sake.
fn may_come_by_socket(shared: &Shared, account: &Account<'_>) -> bool {
    let has_proved = matches!(
        account.credential,
        Some(Credential::Empty | Credential::Native(_))
    );
    let user = || String::from_utf8_lossy(&account.login.user);
    has_proved && shared.accounts.may_come_by_socket(&user())
}

enum LoggedIn {
    Yes {
        ok: Vec<u8>,
        credential: Credential,
        thread: u32,
    },
    No(Vec<u8>),
    ClientGone,
}

async fn log_in(
    shared: &Shared,
    stream: &mut Socket,
    account: Account<'_>,
    mut client: Option<&mut Packets<'_>>,
) -> io::Result<LoggedIn> {
    stream.write_all(&proxy::header(account.peer)).await?;
    let mut server = Packets::new(stream, 0);
    let mut login = ServerLogin::new(
        account.login,
        account.database,
        account.credential,
        client.is_some(),
    );
    loop {
        let payload = server.read().await?;
        let mut step = login.packet(&payload);
        if let (Step::AskClient(question), Some(client)) = (&step, client.as_deref_mut()) {
            if client.write(question).await.is_err() {
                return Ok(LoggedIn::ClientGone);
            }
            let Ok(answer) = client.read().await else {
                return Ok(LoggedIn::ClientGone);
            };
            step = login.client_answer(&answer);
        }
        match step {
            Step::Send(payload) => server.write(&payload).await?,
            Step::Done(ok) => {
                let greeting = login.greeting();
                let thread = greeting.map_or(0, |greeting| greeting.thread);
                if let Some(greeting) = greeting {
                    shared.saw_version(&greeting.version);
                }
                let (credential, user) = (login.credential(), &account.login.user);
                let refused = shared.accounts.too_strong(&String::from_utf8_lossy(user));
                let marks_ends = account.login.capabilities & flags::DEPRECATE_EOF == 0;
                return match strong::refusal(stream, &refused, marks_ends).await? {
                    Some(err) => Ok(LoggedIn::No(err)),
                    None => Ok(LoggedIn::Yes {
                        ok,
                        credential,
                        thread,
                    }),
                };
            }
            Step::Refused(err) => return Ok(LoggedIn::No(err)),
            Step::Broken(what) => return Err(io::Error::other(what)),
            Step::AskClient(_) => return Err(io::Error::other("the client cannot be asked")),
        }
    }
}

/// Runs the statements that make a session on a fresh connection.
pub(crate) async fn restore(
    stream: &mut Socket,
    script: &[Vec<u8>],
) -> io::Result<Result<(), String>> {
    for statement in script {
        stream.write_all(statement).await?;
        let answer = Packets::new(stream, 1).read().await?;
        if let Some(err) = ErrPacket::parse(&answer) {
            return Ok(Err(String::from_utf8_lossy(err.message).into_owned()));
        }
    }
    Ok(Ok(()))
}

/// Refusals that may pass by themselves while a server starts or stops: too many connections, host blocked,
/// shutdown, killed.
pub(crate) fn is_passing(err: &[u8]) -> bool {
    ErrPacket::parse(err).is_some_and(|err| matches!(err.code, 1040 | 1053 | 1129 | 1927))
}
