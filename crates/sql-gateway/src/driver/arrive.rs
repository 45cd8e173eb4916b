//! A client's login: greeting, who it is, and the first connection to the primary as that user.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wire::flags;
use wire::login::Login;
use wire::reply::ErrPacket;

use super::connect::{Account, Attempt, Backend, connect};
use super::door::Door;
use super::packets::Packets;
use super::place::Search;
use super::reader;
use crate::account::explain;
use crate::backend::{ok_for_client, with_hint};
use crate::fault::Fault;
use crate::frontend::{Arrival, Greeter, Who};
use crate::gate::GateState;
use crate::metrics::Held;
use crate::reactor::{Socket, sleep, timeout, timeout_at};
use crate::registry::Entry;
use crate::route::Route;
use crate::secret::Credential;
use crate::service::Shared;
use crate::session::Session;
use crate::tally::Left;

/// A client that is logged in.
pub(super) struct Arrived {
    /// Without the proof, which was good once.
    pub(super) login: Arc<Login>,
    pub(super) credential: Credential,
    pub(super) salt: [u8; 20],
    pub(super) backend: Backend,
    pub(super) session: Session,
    /// What the client has sent behind its login.
    pub(super) ahead: Vec<u8>,
}

/// Why a login came to nothing; the client has been told, as far as it listens.
pub(super) struct Gone(pub(super) Left);

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self(Left::Vanished)
    }
}

/// Greets a client and logs it in.
pub(super) async fn arrive(
    shared: &Arc<Shared>,
    entry: &Entry,
    gate: &mut watch::Receiver<GateState>,
    stream: &mut Socket,
) -> Result<Arrived, Gone> {
    let door = Door::of(shared, entry, stream)?;
    let mut greeter = Greeter::new(fresh_salt()?, door.encryption);
    let mut packets = Packets::new(stream, 0);
    let limit = shared.config.handshake_timeout;
    let who = timeout(limit, async {
        if let Err(fault) = door.pass(shared, entry, &mut packets).await? {
            let _ = refuse(shared, &mut packets, &fault).await;
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        packets
            .write(&greeter.greeting(entry.id, &shared.version()))
            .await?;
        let payload = packets.read().await?;
        let arrival = greeter.packet(&payload, &*shared.accounts);
        identify(shared, &mut greeter, arrival, &mut packets).await
    });
    let mut step = shared.doorstep.enter();
    let who = tokio::select! {
        who = who => who,
        () = step.sent_away() => return Err(Gone(Left::CrowdedOut)),
    };
    drop(step);
    match who {
        Ok(Ok(who)) => {
            let mut arrived = log_in(shared, entry, gate, who, &mut packets).await?;
            if greeter.zips() {
                stream.zip(std::mem::take(&mut arrived.ahead));
            }
            Ok(arrived)
        }
        Ok(Err(error)) => {
            if error.kind() == io::ErrorKind::InvalidData {
                refuse(
                    shared,
                    &mut packets,
                    &Fault::Malformed("the login is not the MySQL protocol"),
                )
                .await?;
                return Err(Gone(Left::Refused));
            }
            Err(Gone(match error.kind() {
                io::ErrorKind::PermissionDenied => Left::Refused,
                io::ErrorKind::ConnectionAborted => Left::NotEncrypted,
                _ => Left::Vanished,
            }))
        }
        Err(_) => {
            refuse(shared, &mut packets, &Fault::HandshakeTimeout { limit }).await?;
            Err(Gone(Left::Slow))
        }
    }
}

pub(super) async fn identify(
    shared: &Shared,
    greeter: &mut Greeter,
    mut arrival: Result<Arrival, Fault>,
    packets: &mut Packets<'_>,
) -> io::Result<Who> {
    loop {
        match arrival {
            Ok(Arrival::Known(who)) => return Ok(who),
            Ok(Arrival::Encrypt) => {
                encrypt(shared, packets).await?;
                let answer = packets.read().await?;
                arrival = greeter.packet(&answer, &*shared.accounts);
            }
            Ok(Arrival::Ask(question)) => {
                packets.write(&question).await?;
                let answer = packets.read().await?;
                arrival = greeter.packet(&answer, &*shared.accounts);
            }
            Err(fault) => {
                let _ = refuse(shared, packets, &fault).await;
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
    }
}

async fn encrypt(shared: &Shared, packets: &mut Packets<'_>) -> io::Result<()> {
    let tls = shared.tls.get().ok_or(io::ErrorKind::Unsupported)?;
    packets.encrypt(tls.config()).await.map_err(|error| {
        tracing::debug!(%error, "a client's encryption failed");
        // Why this kind: whoever hears it says nothing more; the client has been told by an alert.
        io::ErrorKind::ConnectionAborted.into()
    })
}

/// Logs in as `who`; `Left::Refused`: the server, or nobody, believes it.
pub(super) async fn log_in(
    shared: &Arc<Shared>,
    entry: &Entry,
    gate: &mut watch::Receiver<GateState>,
    who: Who,
    packets: &mut Packets<'_>,
) -> Result<Arrived, Gone> {
    entry.set_user(shared.users.share(&who.login.user[..]));
    let user = String::from_utf8_lossy(&who.login.user).into_owned();
    entry.set_account(shared.names.known(&user));
    let may_ask = who.login.capabilities & flags::PLUGIN_AUTH != 0;
    if who.credential.is_none() && !may_ask {
        let used = if who.login.proof.is_empty() {
            "NO"
        } else {
            "YES"
        };
        refuse(shared, packets, &Fault::AccessDenied(user, used)).await?;
        return Err(Gone(Left::Refused));
    }
    let (backend, ok, credential) = first_connection(shared, entry, gate, &who, packets).await?;
    let tracks = who.login.capabilities & flags::SESSION_TRACK != 0;
    let (status, ok) = ok_for_client(&ok, tracks).ok_or(Gone(Left::Error))?;
    // Why first: who has been told can be killed from then on.
    entry.set_server(backend.thread);
    packets.write(&ok).await?;
    let credential = settle(shared, &user, credential);
    entry.set_account(shared.names.of(&user));
    if matches!(credential, Credential::Unproven(_)) {
        shared.accounts.stale(&user);
    }
    let mut session = begin_session((shared, entry), &who.login, status);
    if !entry.manner.reads_only {
        session.follow_history(backend.route.behind.clone());
        if backend.tracks {
            session.is_tracked();
        }
    }
    let login = Login {
        proof: Vec::new(),
        plugin: Vec::new(),
        ..who.login
    };
    Ok(Arrived {
        login: shared.logins.share(Box::new(login)),
        credential,
        salt: who.salt,
        backend,
        session,
        ahead: packets.rest(),
    })
}

/// A session as it is after a login.
pub(super) fn begin_session(
    (shared, entry): (&Shared, &Entry),
    login: &Login,
    status: u16,
) -> Session {
    let mut session = Session::new(login.capabilities, &login.database, status);
    if entry.manner.reads_only {
        session.only_reads();
    } else {
        if !shared.config.pool.idle_clients.is_zero() {
            session.may_part();
        }
        session.mark_writes(shared.desk.mark());
    }
    session
}

/// The first connection to the primary, as soon as there is one.
async fn first_connection(
    shared: &Arc<Shared>,
    entry: &Entry,
    gate: &mut watch::Receiver<GateState>,
    who: &Who,
    packets: &mut Packets<'_>,
) -> Result<(Backend, Vec<u8>, Credential), Gone> {
    let may_ask = who.login.capabilities & flags::PLUGIN_AUTH != 0;
    let asked_from = packets.sequence;
    let started = Instant::now();
    let mut held = None;
    loop {
        let deadline = started + shared.limits.hold_max();
        let open = if entry.manner.reads_only {
            reader::open((shared, entry), gate, deadline, &mut held).await
        } else {
            open_route((shared, entry), gate, deadline, &mut held).await
        };
        // Why: clients take one question per login; after it there is no second attempt that could ask.
        let Some(route) = open.filter(|_| packets.sequence == asked_from) else {
            let waited = started.elapsed();
            let fault = if entry.manner.reads_only {
                Fault::NoReplica { waited }
            } else {
                Fault::NoPrimary { waited }
            };
            refuse(shared, packets, &fault).await?;
            return Err(Gone(Left::NoPrimary));
        };
        let account = Account {
            login: &who.login,
            database: &who.login.database,
            credential: who.credential.clone(),
            peer: entry.peer(),
        };
        let client = may_ask.then_some(&mut *packets);
        let search = Search {
            shared,
            gate,
            route: &route,
            entry,
        };
        let found = match search.connection(account, client).await {
            Ok(found) => found,
            Err(fault) => {
                refuse(shared, packets, &fault).await?;
                return Err(Gone(Left::TooMany));
            }
        };
        match found {
            Attempt::Connected(backend, ok, credential) => {
                if held.is_some() {
                    shared.counters.held_for(started.elapsed());
                }
                return Ok((backend, ok, credential));
            }
            Attempt::Refused(err) if !comes_back(&err) => {
                let proofs = shared
                    .accounts
                    .proofs(&String::from_utf8_lossy(&who.login.user));
                let by_socket = proofs.iter().any(|proof| proof.plugin == "unix_socket");
                let err = if by_socket { with_hint(&err) } else { err };
                packets.write(&err).await?;
                return Err(Gone(Left::Refused));
            }
            Attempt::ClientGone => return Err(Gone(Left::Vanished)),
            Attempt::Refused(_) => {}
            Attempt::Failed(why) => {
                tracing::debug!(why, node = node(&route), "login at the primary failed");
            }
        }
        held.get_or_insert_with(|| Held::start(shared, entry));
        sleep(RETRY).await;
    }
}

/// Pause between two attempts.
pub(super) const RETRY: Duration = Duration::from_millis(25);

/// A server that stops or starts: worth another attempt.
fn comes_back(err: &[u8]) -> bool {
    ErrPacket::parse(err).is_some_and(|err| matches!(err.code, 1053 | 1927))
}

/// The account table may explain by now what the server accepted.
pub(super) fn settle(shared: &Shared, user: &str, credential: Credential) -> Credential {
    match &credential {
        Credential::Unproven(made) => {
            let proofs = shared.accounts.proofs(user);
            explain(&proofs, &made.salt, &made.proof).unwrap_or(credential)
        }
        _ => credential,
    }
}

/// One attempt, bounded in time, given up when the route moves on.
pub(super) async fn attempt(
    shared: &Shared,
    gate: &watch::Receiver<GateState>,
    route: &Arc<Route>,
    account: Account<'_>,
    client: Option<&mut Packets<'_>>,
) -> Attempt {
    let mut limit = shared.config.connect_timeout;
    if client.is_some() {
        limit += shared.config.handshake_timeout;
    }
    let mut moved = gate.clone();
    tokio::select! {
        attempt = timeout(limit, connect(shared, route, account, client)) => {
            attempt.unwrap_or_else(|_| Attempt::Failed(format!("no login within {} s", limit.as_secs())))
        }
        _ = moved.wait_for(|state| !state.is_current(route)) => Attempt::Failed("the route changed".to_owned()),
    }
}

/// Waits until the gate is open.
pub(super) async fn open_route<'a>(
    (shared, entry): (&'a Shared, &Entry),
    gate: &mut watch::Receiver<GateState>,
    deadline: Instant,
    held: &mut Option<Held<'a>>,
) -> Option<Arc<Route>> {
    if Instant::now() >= deadline {
        return None;
    }
    if gate.borrow().held() {
        held.get_or_insert_with(|| Held::start(shared, entry));
    }
    let open = timeout_at(deadline, gate.wait_for(|state| !state.held())).await;
    open.ok()?.ok().map(|state| Arc::clone(&state.route))
}

fn node(route: &Route) -> &str {
    route
        .target
        .as_ref()
        .map_or("", |target| target.node.as_str())
}

async fn refuse(shared: &Shared, packets: &mut Packets<'_>, fault: &Fault) -> io::Result<()> {
    shared
        .counters
        .errors
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    packets.write(&fault.payload()).await
}

/// Twenty printable bytes, as a server's.
fn fresh_salt() -> io::Result<[u8; 20]> {
    let mut salt = [0; 20];
    getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(salt.map(|byte| b'!' + byte % 94))
}
