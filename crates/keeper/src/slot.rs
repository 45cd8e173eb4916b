//! The place of this node's server in the view: is there data, does a process run, what does it say,
//! since when. Notices the end of the process at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::{
    Action, Admission, Health, Mode, NodeName, Outcome, Running, Server as Seen, Stamp, View,
};
use mariadb::Server;
use peer::tunnel::{AdmissionState, Mode as TunnelMode};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::Extras;
use crate::actor::Actor;
use crate::drain::Pace;
use crate::health::{self, Finding};
use crate::lag::Lag;
use crate::observe::{Beside, Observer};
use crate::signal::changed;

const STATUS_LIMIT: Duration = Duration::from_millis(500);
/// A server that is well answers much sooner.
const DOUBT_AFTER: Duration = Duration::from_millis(100);
/// A server that was not there is looked for among all processes this often.
const SEARCH_PACE: Duration = Duration::from_millis(500);
/// For how long a server that was killed and is still there is left to end.
const ENDING_LIMIT: Duration = Duration::from_secs(5);
/// After so many failures in a row a relay log counts as one that cannot be applied; it is still tried.
const SALVAGE_TRIES: u32 = 3;
/// How often long statements are looked for, in looks at the server while a switchover is prepared.
const DDL_LIMIT: Duration = Duration::from_secs(2);

/// One server, watched.
pub(crate) struct Slot {
    server: Option<Server>,
    /// Set while a process is believed to run.
    alive: Option<Alive>,
    observer: Observer,
    lag: Lag,
    pace: Pace,
    connected: BTreeMap<NodeName, (bool, u64)>,
    /// How often the relay log of this life of the server could not be applied, and why last.
    unsalvaged: (u32, String),
    /// When it was last looked for and not found.
    missed: Option<Instant>,
}

struct Alive {
    pid: u32,
    ended: watch::Receiver<bool>,
    health: watch::Receiver<Finding>,
    /// Asks for a probe now.
    doubt: Arc<Notify>,
    /// It has told its status at least once.
    answered: bool,
    /// When it was killed in vain: a process in a hung disk outlives that.
    killed: Option<Instant>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Slot {
    pub(crate) fn new(server: Option<Server>) -> Self {
        Self {
            server,
            alive: None,
            observer: Observer::default(),
            lag: Lag::default(),
            pace: Pace::default(),
            connected: BTreeMap::new(),
            unsalvaged: (0, String::new()),
            missed: None,
        }
    }

    /// Positions of another primary say nothing about the lag behind this one.
    pub(crate) fn primary_changed(&mut self) {
        self.lag.reset();
    }

    /// Looks at the server.
    pub(crate) async fn look(&mut self, view: &mut View, actor: &Actor, extras: &mut Extras) {
        let Some(server) = self.server.clone() else {
            return;
        };
        if self
            .alive
            .as_ref()
            .is_some_and(|alive| *alive.ended.borrow())
        {
            self.alive = None;
            view.memory.server_ended();
        }
        if self.alive.is_none() {
            let searched = self.missed.is_some_and(|at| at.elapsed() < SEARCH_PACE);
            if searched && matches!(view.server, Seen::Stopped | Seen::NoData) {
                return;
            }
            let Some(pid) = server.find_running().await else {
                self.missed = Some(Instant::now());
                extras.pid = None;
                set(view, absent(&server).await);
                return;
            };
            tracing::info!(pid, "the server runs");
            self.unsalvaged.0 = 0;
            self.alive = Some(watch_over(&server, pid));
        }
        let Some(alive) = &mut self.alive else { return };
        extras.drain = None;
        extras.pid = Some(alive.pid);
        extras.socket = Some(server.settings().socket().display().to_string());
        if alive.killed.is_some_and(|at| at.elapsed() < ENDING_LIMIT) {
            set(view, Seen::Busy(Seen::ENDING.into()));
            return;
        }
        let Finding { health, listens } = alive.health.borrow().clone();
        // Why not as hung: it recovers, and would begin that again if it were killed.
        if !listens && !alive.answered {
            set(view, Seen::Busy("starting".into()));
            return;
        }
        // Why a hung server is not asked: each question would take the whole limit.
        if health == Health::Hung {
            let known = view.server.running().cloned();
            let running = Running {
                health,
                ..known.unwrap_or_else(Running::unknown)
            };
            set(view, Seen::Running(Box::new(running)));
            return;
        }
        match ask(&server, &alive.doubt).await {
            Ok(status) => {
                alive.answered = true;
                let beside = self.beside(view, actor, &server, health, &status).await;
                extras.version = Some(status.version.clone());
                let running = self.observer.running(&status, beside);
                extras.drain = self.pace.look(view.now, &running, status.advance);
                set(view, Seen::Running(Box::new(running)));
            }
            Err(error) => {
                // A dead one is noticed by its process, a hung one by its probe.
                tracing::debug!(%error, "the server did not tell its status");
                if server.find_running().await.is_none() {
                    self.alive = None;
                    view.memory.server_ended();
                    set(view, Seen::Stopped);
                }
            }
        }
    }

    async fn beside(
        &mut self,
        view: &View,
        actor: &Actor,
        server: &Server,
        health: Health,
        status: &mariadb::Status,
    ) -> Beside {
        let primary = view.document.as_ref().map(|document| &document.primary);
        if let Some(peer) = primary.and_then(|primary| view.peers.get(primary))
            && let Some(running) = peer.report.server.running()
        {
            self.lag.primary_at(peer.heard, &running.written);
        }
        let long_ddl = view.wish.is_some()
            && server
                .long_ddl_running(DDL_LIMIT, STATUS_LIMIT)
                .await
                .unwrap_or(false);
        Beside {
            now: view.now,
            health,
            salvage: server.is_relay_log_unexamined(),
            upstream: actor.upstream.as_ref().map(|upstream| upstream.state()),
            lag_ms: self
                .lag
                .of(view.now, &status.applied.joined(&status.binlog)),
            long_ddl,
            unsalvaged: (self.unsalvaged.0 >= SALVAGE_TRIES).then(|| self.unsalvaged.1.clone()),
            number: server.settings().server_id,
            followed: view.followed,
        }
    }

    /// Shows a long action as what the server is busy with.
    pub(crate) fn begins(view: &mut View, action: &Action) {
        let with = match action {
            Action::Start(_) => "starting",
            Action::Kill => Seen::ENDING,
            Action::Salvage => "applying its relay log",
            Action::SaveTail(_) => "saving what the cluster does not have",
            Action::Clone { .. } => "cloning",
            _ => return,
        };
        set(view, Seen::Busy(with.into()));
    }

    /// After it, what is true is looked at anew; a server that an action has ended is forgotten.
    pub(crate) fn ended_action(&mut self, view: &mut View, action: &Action, outcome: &Outcome) {
        self.missed = None;
        if let (Action::Salvage, Outcome::Failed(why)) = (action, outcome) {
            self.unsalvaged = (self.unsalvaged.0.saturating_add(1), why.clone());
        }
        let kills = matches!(action, Action::Kill);
        let ends = kills && *outcome == Outcome::Done;
        if ends || matches!(action, Action::Clone { .. }) {
            self.alive = None;
            view.memory.server_ended();
        } else if kills && let Some(alive) = &mut self.alive {
            alive.killed = Some(Instant::now());
        }
    }

    /// The process has ended and nobody has looked since.
    pub(crate) fn has_ended(&self) -> bool {
        let alive = self.alive.as_ref();
        alive.is_some_and(|alive| *alive.ended.borrow())
    }

    /// The process or its health is not as the view has it.
    pub(crate) fn differs(&self, view: &View) -> bool {
        let Some(alive) = &self.alive else {
            return false;
        };
        let known = view.server.running().map(|running| &running.health);
        self.has_ended() || known.is_some_and(|known| *known != alive.health.borrow().health)
    }

    /// While an action runs that does not make the server busy: brings its end and its health up to date in
    /// the view. True when from now on it does not serve.
    pub(crate) fn notice(&self, view: &mut View) -> bool {
        let (Some(alive), Seen::Running(running)) = (&self.alive, &view.server) else {
            return false;
        };
        if self.has_ended() {
            set(view, Seen::Stopped);
            return true;
        }
        let health = alive.health.borrow().health.clone();
        if running.health == health {
            return false;
        }
        let hangs = matches!(health, Health::Hung | Health::DiskHung);
        let running = Running {
            health,
            ..(**running).clone()
        };
        set(view, Seen::Running(Box::new(running)));
        hangs
    }

    /// The allow-list as the core sees it.
    pub(crate) fn read_admissions(&mut self, view: &mut View, actor: &Actor) {
        let listed = actor.admissions.snapshot();
        let mut seen = BTreeMap::new();
        for (node, state) in &listed {
            let Ok(node) = node.parse::<NodeName>() else {
                continue;
            };
            let connected = is_connected(state);
            let entry = self
                .connected
                .entry(node.clone())
                .or_insert((connected, view.now));
            if entry.0 != connected {
                *entry = (connected, view.now);
            }
            let since = entry.1;
            if let Some(admission) = admission(state, connected, since) {
                seen.insert(node, admission);
            }
        }
        self.connected.retain(|node, _| seen.contains_key(node));
        view.admissions = seen;
    }

    /// Resolves when the process has ended or its health has changed.
    pub(crate) async fn changed(&mut self) {
        match &mut self.alive {
            Some(alive) => tokio::select! {
                () = changed(Some(&mut alive.ended)) => {}
                () = changed(Some(&mut alive.health)) => {}
            },
            None => std::future::pending().await,
        }
    }
}

/// A sync replica counts as connected only when its server has said that it acknowledges.
fn is_connected(state: &AdmissionState) -> bool {
    let sync = state.admission.mode == TunnelMode::Sync;
    state.connected.is_some() && state.dumping && (!sync || state.announced)
}

fn admission(state: &AdmissionState, connected: bool, since: u64) -> Option<Admission> {
    let mode = match state.admission.mode {
        TunnelMode::Sync => Mode::Sync,
        TunnelMode::Async => Mode::Async,
    };
    let boot = state.admission.boot.parse().ok()?;
    let data = state.admission.data.parse().ok()?;
    let epoch = state.admission.epoch;
    Some(Admission {
        epoch,
        mode,
        stamp: Stamp { boot, data },
        connected,
        since,
    })
}

fn watch_over(server: &Server, pid: u32) -> Alive {
    let (tell_end, ended) = watch::channel(false);
    let (tell_health, health) = watch::channel(Finding::well());
    let doubt = Arc::new(Notify::new());
    let watched = server.clone();
    let tasks = vec![
        tokio::spawn(async move {
            let exit = watched.exited().await;
            tracing::warn!(?exit, pid, "the server's process has ended");
            tell_end.send_replace(true);
        }),
        tokio::spawn(health::watch_over(
            server.clone(),
            tell_health,
            Arc::clone(&doubt),
        )),
    ];
    Alive {
        pid,
        ended,
        health,
        doubt,
        answered: false,
        killed: None,
        tasks,
    }
}

/// Its status; when that takes long, it is probed meanwhile.
async fn ask(server: &Server, doubt: &Notify) -> mariadb::Result<mariadb::Status> {
    let mut asked = std::pin::pin!(server.status(STATUS_LIMIT));
    let soon = tokio::time::timeout(DOUBT_AFTER, &mut asked).await;
    if let Ok(told) = soon {
        return told;
    }
    doubt.notify_one();
    asked.await
}

/// A server without a process. A directory that a clone left half-way is put back first; one that was put in
/// place and never finished does not count.
async fn absent(server: &Server) -> Seen {
    if let Err(error) = server.recover_install().await {
        tracing::warn!(%error, "an interrupted clone could not be undone");
    }
    if server.has_data() && !server.needs_adoption() {
        Seen::Stopped
    } else {
        Seen::NoData
    }
}

/// Sets what is seen; its age begins anew when its kind or its health changes.
fn set(view: &mut View, seen: Seen) {
    let kind = std::mem::discriminant(&seen);
    let health = |server: &Seen| server.running().map(|running| running.health.clone());
    if std::mem::discriminant(&view.server) != kind || health(&view.server) != health(&seen) {
        view.server_since = view.now;
    }
    view.server = seen;
}
