//! An agent while it runs: the core's view, the plan it is carrying out, and what the keeper keeps beside.
//! All of it is lost with the agent.

use std::collections::{BTreeMap, VecDeque};
use std::mem::Discriminant;

use cluster::{
    Action, Document, Epoch, Health, Memory, Millis, Mode, NodeName, Position, Reason, Report, Rev,
    Server, Source, Stamp, Timing, View, Wish,
};

use crate::clock::Micros;
use crate::event::{Id, Life};
use crate::letter::{Board, Lag};
use crate::node::Node;

/// One agent.
pub(crate) struct Agent {
    pub(crate) life: Life,
    pub(crate) view: View,
    pub(crate) doing: Doing,
    /// Numbers waits and works.
    pub(crate) turns: Life,
    /// The rest of the plan, and the revision and office it was made on.
    pub(crate) plan: VecDeque<Action>,
    pub(crate) ground: Ground,
    /// What the operator has asked for and the loop has not taken up.
    pub(crate) request: Option<Wish>,
    pub(crate) board: Board,
    pub(crate) talks: BTreeMap<Id, Talk>,
    /// Questions for the newest word that wait for an answer.
    pub(crate) owed: Vec<(Id, Life)>,
    /// Allow-list of the replication tunnels.
    pub(crate) admitted: BTreeMap<Id, Admitted>,
    pub(crate) connected: BTreeMap<Id, (bool, Millis)>,
    /// Whom the tunnel of this node's own server leads to.
    pub(crate) upstream: Option<(Source, Stamp)>,
    pub(crate) attempt: Life,
    pub(crate) refusals: u64,
    pub(crate) alive: Option<Alive>,
    /// How often the relay log of this life of the server could not be applied, and why last.
    pub(crate) unsalvaged: (u32, String),
    /// When the server was last looked for and not found.
    pub(crate) missed: Option<Micros>,
    /// Since when commits have waited, and at which end of the binlog.
    pub(crate) waiting: Option<(Millis, Position)>,
    pub(crate) lag: Lag,
    /// What the ledger told without having been asked.
    pub(crate) told_document: Option<Document>,
    pub(crate) picture: Picture,
    /// What was last spread at once.
    pub(crate) told: Option<(Report, Option<Rev>)>,
    pub(crate) sequence: u64,
    pub(crate) reason: String,
    pub(crate) gist: String,
    pub(crate) kind: Option<Discriminant<Reason>>,
    pub(crate) rests: bool,
    pub(crate) reason_since: Millis,
    pub(crate) backoff: Micros,
    pub(crate) pulsed: Millis,
    pub(crate) pulse_pace: Millis,
}

/// What an agent's loop is at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Doing {
    /// Waits for news, or for the end of this wait.
    Waits(Life),
    /// Asks its server for its status.
    Looks,
    /// Carries an action out.
    Acts(Work),
    /// Rests after a failure.
    Rests {
        wait: Life,
        until: Micros,
        rev: Option<Rev>,
    },
}

/// An action under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Work {
    pub(crate) id: Life,
    pub(crate) action: Action,
    pub(crate) stage: u8,
    pub(crate) began: Micros,
}

/// What a round was begun on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Ground {
    pub(crate) rev: Option<Rev>,
    pub(crate) was_primary: bool,
}

/// A replica that may connect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Admitted {
    pub(crate) epoch: Epoch,
    pub(crate) mode: Mode,
    pub(crate) stamp: Stamp,
}

/// A server's process, watched.
#[derive(Clone, Debug)]
pub(crate) struct Alive {
    pub(crate) server: Life,
    pub(crate) ended: bool,
    pub(crate) finding: (Health, bool),
    pub(crate) bad: u32,
    pub(crate) answered: bool,
    pub(crate) killed: Option<Micros>,
}

/// The conversation with another node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk {
    /// The pause or the question under way.
    pub(crate) turn: Life,
    pub(crate) is_asking: bool,
    /// Something is new; the newest word is wanted.
    pub(crate) news: bool,
    pub(crate) hurry: bool,
}

/// What was last published.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) report: Report,
    pub(crate) now: Millis,
    pub(crate) document: Option<Document>,
    /// Where the gateway of this node sends writes.
    pub(crate) route: Option<(Epoch, NodeName)>,
}

impl Agent {
    /// An agent that has just woken: it remembers only what is on the disk.
    pub(crate) fn wake(me: &NodeName, node: &Node, life: Life, now: Micros) -> Self {
        let shown = node.clock.shows(now);
        let view = View {
            now: shown,
            wall: node.clock.wall(now),
            me: me.clone(),
            boot: node.boot,
            data: node.data,
            mark: node.mark,
            followed: node.followed,
            server: Server::Unseen,
            server_since: shown,
            document: None,
            peers: BTreeMap::new(),
            admissions: BTreeMap::new(),
            gate: cluster::Gate::default(),
            wish: None,
            memory: Memory::default(),
            timing: Timing::default(),
        };
        let picture = Picture {
            report: view.report(),
            now: shown,
            document: None,
            route: None,
        };
        Self {
            life,
            view,
            doing: Doing::Waits(0),
            turns: 0,
            plan: VecDeque::new(),
            ground: Ground::default(),
            request: None,
            board: Board::default(),
            talks: BTreeMap::new(),
            owed: Vec::new(),
            admitted: BTreeMap::new(),
            connected: BTreeMap::new(),
            upstream: None,
            attempt: 0,
            refusals: 0,
            alive: None,
            unsalvaged: (0, String::new()),
            missed: None,
            waiting: None,
            lag: Lag::default(),
            told_document: None,
            picture,
            told: None,
            sequence: 0,
            reason: String::new(),
            gist: String::new(),
            kind: None,
            rests: false,
            reason_since: shown,
            backoff: 0,
            pulsed: 0,
            pulse_pace: 500,
        }
    }

    /// A newer document that is known to be committed.
    pub(crate) fn learn(&mut self, document: &Document) {
        let known = self.view.document.as_ref();
        if known.is_some_and(|known| known.rev >= document.rev) {
            return;
        }
        if known.is_some_and(|known| known.epoch != document.epoch) {
            self.lag.reset();
        }
        self.view.memory.learned(&self.view.me, document);
        self.view.document = Some(document.clone());
        self.board.is_new = true;
    }

    pub(crate) fn next_turn(&mut self) -> Life {
        self.turns += 1;
        self.turns
    }

    pub(crate) fn rev(&self) -> Option<Rev> {
        self.view.document.as_ref().map(|document| document.rev)
    }

    /// What the next round is begun on.
    pub(crate) fn stands_on(&self) -> Ground {
        let document = self.view.document.as_ref();
        Ground {
            rev: document.map(|document| document.rev),
            was_primary: document.is_some_and(|document| document.primary == self.view.me),
        }
    }

    /// The process has ended and nobody has looked since.
    pub(crate) fn has_ended(&self) -> bool {
        self.alive.as_ref().is_some_and(|alive| alive.ended)
    }

    /// Sets what is seen; its age begins anew when its kind or its health changes.
    pub(crate) fn sees(&mut self, seen: Server) {
        let health = |server: &Server| server.running().map(|running| running.health.clone());
        let view = &mut self.view;
        let same_kind = std::mem::discriminant(&view.server) == std::mem::discriminant(&seen);
        if !same_kind || health(&view.server) != health(&seen) {
            view.server_since = view.now;
        }
        view.server = seen;
    }
}
