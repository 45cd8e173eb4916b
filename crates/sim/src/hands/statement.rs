//! What is said to a running server: statements that change its role, and those that work on its relay log.

use cluster::{Action, Applying, Mark, Outcome, Position, Receiving, Source};

use super::Step::{self, Again, Done, Next};
use super::{AGAIN, failed};
use crate::agent::Work;
use crate::clock::{MS, Micros, SECOND};
use crate::event::Id;
use crate::server::Server;
use crate::world::World;

const STATEMENT_LIMIT: Micros = 5 * SECOND;
const CLOSE_LIMIT: Micros = 2 * SECOND;

impl World {
    /// What is said to a running server.
    pub(super) fn statement(&mut self, me: Id, work: &Work, action: &Action) -> Step {
        let limit = match action {
            Action::Close => CLOSE_LIMIT,
            _ => STATEMENT_LIMIT,
        };
        let is_late = self.now - work.began > limit;
        let server = self.server(me);
        let slow = server.slowness;
        if !server.is_up() {
            return failed("the server does not run");
        }
        if work.stage == 0 {
            if matches!(action, Action::StopReceiving { .. } | Action::Promote) {
                self.close_upstream(me);
            }
            if let Action::Follow(source) = action {
                let node = &mut self.nodes[me];
                node.followed = node.followed.max(source.epoch);
            }
            let takes = match action {
                Action::StopReceiving { .. } => self.dice.between(2 * MS, 200 * MS),
                Action::Salvage | Action::SaveTail(_) => self.dice.between(30 * MS, 400 * MS),
                _ => self.dice.between(300, 4 * MS),
            };
            return Next(takes * slow.min(10));
        }
        if !server.answers() {
            return if is_late {
                self.server_mut(me).closing = false;
                failed("the statement took too long")
            } else {
                Again(AGAIN)
            };
        }
        match action {
            Action::Follow(source) => self.follow(me, work.stage, source, is_late),
            Action::Close => self.close(me, is_late),
            Action::Salvage => self.salvage(me),
            Action::SaveTail(cut) => {
                self.save_tail(me, cut);
                Done(Outcome::Done)
            }
            Action::Open => {
                self.open(me);
                Done(Outcome::Done)
            }
            Action::SemiSync(_) if self.server(me).replica_settings => failed("it is a replica"),
            Action::SemiSync(on) => {
                self.switch_semi_sync(me, *on);
                Done(Outcome::Done)
            }
            _ => role(self.server_mut(me), action),
        }
    }

    fn salvage(&mut self, me: Id) -> Step {
        let server = self.server_mut(me);
        if server.poisoned && !server.relay.is_empty() {
            return failed("Duplicate entry '7' for key 'PRIMARY' (error 1062)");
        }
        server.log.append(&mut server.relay);
        server.committed = server.log.len();
        server.salvage = false;
        Done(Outcome::Done)
    }

    pub(super) fn save_tail(&mut self, me: Id, cut: &Position) {
        let server = self.server(me);
        let common = cut.sequence(0) as usize;
        let from = common.min(server.total());
        let tail: Vec<_> = (from..server.total())
            .filter_map(|at| server.holds(at))
            .map(|txn| txn.id)
            .collect();
        self.saved.extend(tail);
    }

    pub(super) fn open(&mut self, me: Id) {
        let epoch = match self.nodes[me].mark {
            Mark::Opened { epoch } => epoch,
            Mark::Clean | Mark::Rewound { .. } => 0,
        };
        let server = self.server_mut(me);
        server.read_only = false;
        server.opened = epoch;
        self.check_opening(me);
    }

    pub(super) fn switch_semi_sync(&mut self, me: Id, on: bool) {
        if self.server(me).semi_sync && !on {
            // Whoever waits is told that all is well.
            self.acknowledge(me, usize::MAX);
        }
        self.server_mut(me).semi_sync = on;
    }

    fn close(&mut self, me: Id, is_late: bool) -> Step {
        let server = self.server_mut(me);
        server.closing = true;
        if server.waiting() == 0 {
            server.closing = false;
            server.read_only = true;
            return Done(Outcome::Done);
        }
        if is_late {
            server.closing = false;
            return failed("commits wait");
        }
        Again(2 * MS)
    }

    /// Flag, tunnel and settings together, while nothing is received.
    fn follow(&mut self, me: Id, stage: u8, source: &Source, is_late: bool) -> Step {
        if stage == 1 {
            let stamp = self.nodes[me].stamp();
            self.close_upstream(me);
            self.server_mut(me).receiving = Receiving::Stopped;
            if let Some(agent) = &mut self.nodes[me].agent {
                agent.upstream = Some((source.clone(), stamp));
                agent.refusals = 0;
            }
            return Next(self.dice.between(500, 20 * MS));
        }
        let server = self.server_mut(me);
        let refusal = if server.salvage {
            Some("its relay log has not been looked at")
        } else if server.relay.is_empty() {
            None
        } else if server.applying == Applying::Stopped && server.replica_settings {
            return self.salvage_then(me);
        } else if is_late || matches!(server.applying, Applying::Failed(_)) {
            Some("it has not applied all it received")
        } else {
            return Again(AGAIN);
        };
        if let Some(why) = refusal {
            self.close_upstream(me);
            return failed(why);
        }
        server.replica_settings = true;
        server.receiving = Receiving::Connecting;
        server.applying = Applying::Running;
        let takes = self.dice.between(MS, 10 * MS);
        self.connect_after(me, takes);
        Done(Outcome::Done)
    }

    fn salvage_then(&mut self, me: Id) -> Step {
        match self.salvage(me) {
            Done(Outcome::Done) => Again(50 * MS),
            other => other,
        }
    }
}

/// What changes a server's role.
fn role(server: &mut Server, action: &Action) -> Step {
    match action {
        Action::StopReceiving { .. } => {
            if server.salvage {
                return failed("its relay log has not been looked at");
            }
            if server.receiving != Receiving::Refused {
                server.receiving = Receiving::Stopped;
            }
            return Done(Outcome::At(server.received()));
        }
        Action::Promote if !server.read_only => {
            if server.replica_settings {
                return failed("it is open");
            }
        }
        Action::Promote => {
            if server.salvage {
                return failed("its relay log has not been looked at");
            }
            if server.replica_settings {
                server.receiving = Receiving::Stopped;
                if !server.relay.is_empty() {
                    return failed("it has not applied all it received");
                }
                server.replica_settings = false;
                server.applying = Applying::Stopped;
            }
        }
        Action::Demote if server.replica_settings => {}
        Action::Demote => {
            if server.waiting() > 0 {
                return failed("commits wait");
            }
            server.read_only = true;
            server.semi_sync = false;
        }
        Action::NoteEnd(_) => return Done(Outcome::At(server.position(server.log.len()))),
        other => return failed(&format!("nothing is known of {other:?}")),
    }
    Done(Outcome::Done)
}
