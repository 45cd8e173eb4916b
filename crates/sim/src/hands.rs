//! How an agent's actions are carried out, in stages between which anything may happen: a mirror of the
//! keeper's `actor.rs`, `scribe.rs`, `store.rs` and `clone.rs`.

use std::rc::Rc;

use cluster::{Action, Applying, DataId, Mark, Outcome, Position, Receiving, Source, StartAs};

use crate::agent::{Admitted, Doing, Work};
use crate::clock::{MS, Micros, SECOND};
use crate::event::{Event, Id, Life, Stir};
use crate::register::Wants;
use crate::server::{Process, Server};
use crate::world::World;

const STATEMENT_LIMIT: Micros = 5 * SECOND;
const CLOSE_LIMIT: Micros = 2 * SECOND;
const KILL_LIMIT: Micros = 5 * SECOND;
/// A source that sends nothing for so long is given up (five minutes in the keeper).
const SOURCE_LIMIT: Micros = 20 * SECOND;
const AGAIN: Micros = 10 * MS;

/// What becomes of a stage.
pub(crate) enum Step {
    /// The next stage comes after so long.
    Next(Micros),
    /// This stage is tried again after so long.
    Again(Micros),
    /// The answer comes by itself.
    Pending,
    Done(Outcome),
}

use Step::{Again, Done, Next, Pending};

fn failed(why: &str) -> Step {
    Done(Outcome::Failed(why.to_owned()))
}

impl World {
    /// The next stage of the action under way.
    pub(crate) fn work_on(&mut self, me: Id, id: Life) {
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        let work = match &agent.doing {
            Doing::Acts(work) if work.id == id => work.clone(),
            _ => return,
        };
        let (step, after) = match self.stage(me, &work) {
            Next(after) => (1, after),
            Again(after) => (0, after),
            Pending => return,
            Done(outcome) => return self.ended(me, &work.action, &outcome),
        };
        if let Some(agent) = &mut self.nodes[me].agent
            && let Doing::Acts(work) = &mut agent.doing
        {
            work.stage += step;
        }
        self.stir_after(me, after, Stir::Work { work: id });
    }

    pub(crate) fn answered(&mut self, me: Id, id: Life, outcome: &Outcome) {
        let agent = self.nodes[me].agent.as_ref();
        let work = match agent.map(|agent| &agent.doing) {
            Some(Doing::Acts(work)) if work.id == id => work.clone(),
            _ => return,
        };
        self.ended(me, &work.action, outcome);
    }

    /// An action that nobody waits for any more: a statement that was sent may be carried out all the same.
    pub(crate) fn forsake(&mut self, me: Id, work: &Work) {
        let Some(life) = self.nodes[me].agent.as_ref().map(|agent| agent.life) else {
            return;
        };
        if let Some(server) = &mut self.nodes[me].server {
            // Closing is withdrawn.
            server.closing = false;
        }
        let was_sent = matches!(
            work.action,
            Action::SetMark(_) | Action::SemiSync(_) | Action::Open
        );
        if !was_sent || self.dice.percent(40) {
            return;
        }
        let server = self.nodes[me].server.as_ref().map_or(0, |s| s.life);
        let action = Box::new(work.action.clone());
        let event = Event::Orphan {
            me,
            agent: life,
            server,
            action,
        };
        self.schedule.at(self.now + MS, event);
    }

    pub(crate) fn orphan(&mut self, me: Id, agent: Life, life: Life, action: Box<Action>) {
        let own = self.nodes[me].agent.as_ref().map(|agent| agent.life);
        let Some(server) = &self.nodes[me].server else {
            return;
        };
        if server.life != life {
            return;
        }
        let is_disk = matches!(*action, Action::SetMark(_));
        if is_disk && own != Some(agent) {
            return;
        }
        if !server.writes() || (is_disk && self.nodes[me].is_frozen) {
            let event = Event::Orphan {
                me,
                agent,
                server: life,
                action,
            };
            self.schedule.at(self.now + 5 * AGAIN, event);
            return;
        }
        let text = crate::turn::brief(&action);
        self.tell_of(me, || {
            format!("  {text}: takes effect though it was given up")
        });
        match *action {
            Action::SetMark(mark) => self.set_mark(me, mark),
            Action::Open => self.open(me),
            Action::SemiSync(on) => self.switch_semi_sync(me, on),
            _ => {}
        }
    }

    fn stage(&mut self, me: Id, work: &Work) -> Step {
        match &work.action {
            Action::ReadLedger => self.asks_ledger(me, work.id, Wants::Read),
            Action::Swap { next, .. } => {
                self.asks_ledger(me, work.id, Wants::Swap(Rc::new((**next).clone())))
            }
            Action::Admit {
                node,
                epoch,
                mode,
                stamp,
            } => {
                let admitted = Admitted {
                    epoch: *epoch,
                    mode: *mode,
                    stamp: *stamp,
                };
                let replica = self.id_of(node);
                self.admit(me, replica, Some(admitted))
            }
            Action::Cut(node) => {
                let replica = self.id_of(node);
                self.admit(me, replica, None)
            }
            Action::SetMark(mark) => {
                self.on_disk(me, work.stage, |world| world.set_mark(me, *mark))
            }
            Action::Renounce(mark) => self.renounce(me, work.stage, *mark),
            Action::Assume
            | Action::BeginGrow { .. }
            | Action::EndGrow
            | Action::BeginHandover(_)
            | Action::EndHandover
            | Action::EndWish(_) => Done(Outcome::Done),
            Action::Start(start_as) => self.start(me, work, *start_as),
            Action::Kill => self.kills(me, work),
            Action::Clone { from } => {
                let from = self.id_of(from);
                self.clone_data(me, from, work)
            }
            action => self.statement(me, work, action),
        }
    }

    fn asks_ledger(&mut self, me: Id, work: Life, wants: Wants) -> Step {
        if let Some(life) = self.nodes[me].agent.as_ref().map(|agent| agent.life) {
            self.ask_ledger(me, Some((life, work)), wants);
        }
        Pending
    }

    fn admit(&mut self, me: Id, replica: Id, admitted: Option<Admitted>) -> Step {
        let Some(agent) = &mut self.nodes[me].agent else {
            return Pending;
        };
        let before = match admitted {
            Some(admitted) => agent.admitted.insert(replica, admitted),
            None => agent.admitted.remove(&replica),
        };
        if before != admitted {
            self.cut_streams(me, replica);
        }
        Done(Outcome::Done)
    }

    /// Something that is written to the agent's own disk.
    fn on_disk(&mut self, me: Id, stage: u8, write: impl FnOnce(&mut Self)) -> Step {
        if stage == 0 {
            return Next(self.dice.between(300, 6_000));
        }
        if self.disk_hangs(me) {
            return Again(AGAIN);
        }
        write(self);
        Done(Outcome::Done)
    }

    fn disk_hangs(&self, me: Id) -> bool {
        let server = self.nodes[me].server.as_ref();
        server.is_some_and(|server| server.health == cluster::Health::DiskHung)
    }

    fn set_mark(&mut self, me: Id, mark: Mark) {
        let node = &mut self.nodes[me];
        node.mark = mark;
        if let Mark::Opened { epoch } = mark {
            node.followed = epoch;
        }
    }

    fn fresh_data(&mut self) -> DataId {
        self.numbers += 1;
        DataId(self.numbers.into())
    }

    /// A new data id, in the state file and then in the data directory.
    fn renounce(&mut self, me: Id, stage: u8, mark: Mark) -> Step {
        if self.disk_hangs(me) {
            return Again(AGAIN);
        }
        match stage {
            0 => Next(self.dice.between(300, 6_000)),
            1 => {
                let data = self.fresh_data();
                let node = &mut self.nodes[me];
                (node.data, node.mark) = (data, mark);
                Next(self.dice.between(300, 6_000))
            }
            _ => {
                let node = &mut self.nodes[me];
                node.tag = Some(node.data);
                Done(Outcome::Done)
            }
        }
    }

    /// Is the data directory the one that the state file speaks of? Else it gets a new id.
    fn recognise(&mut self, me: Id) -> bool {
        let node = &self.nodes[me];
        if node.tag == Some(node.data) {
            return true;
        }
        let data = self.fresh_data();
        let node = &mut self.nodes[me];
        node.data = data;
        node.tag = Some(data);
        false
    }

    fn start(&mut self, me: Id, work: &Work, start_as: StartAs) -> Step {
        let process = self.server(me).process;
        match work.stage {
            0 => {
                self.close_upstream(me);
                if !self.server(me).has_data || process != Process::Down {
                    return failed("it cannot be started");
                }
                if !self.recognise(me) {
                    return failed("the data directory is not the one this node had");
                }
                Next(self.dice.between(2 * MS, 60 * MS))
            }
            1 => {
                let drops = self.dice.below(3) as usize;
                let takes = self.dice.between(150 * MS, 1_800 * MS);
                if self.disk_hangs(me) {
                    return Again(AGAIN);
                }
                if start_as == StartAs::Destructive {
                    self.save_tail(me, &Position::empty());
                }
                let server = self.server_mut(me);
                server.process = Process::Recovering;
                server.life += 1;
                server.recover((start_as == StartAs::Destructive).then_some(drops));
                let server = server.life;
                self.schedule
                    .at(self.now + takes, Event::Recovered { me, server });
                Next(AGAIN)
            }
            _ => match process {
                Process::Recovering => Again(AGAIN),
                Process::Up => Done(Outcome::Done),
                Process::Down => failed("it ended while it started"),
            },
        }
    }

    fn kills(&mut self, me: Id, work: &Work) -> Step {
        if work.stage == 0 {
            self.close_upstream(me);
            return Next(self.dice.between(MS, 12 * MS));
        }
        if self.disk_hangs(me) && self.server(me).process != Process::Down {
            if self.now - work.began > KILL_LIMIT {
                return failed("the process does not end");
            }
            return Again(AGAIN);
        }
        self.kill_server(me);
        Done(Outcome::Done)
    }

    /// What is said to a running server.
    fn statement(&mut self, me: Id, work: &Work, action: &Action) -> Step {
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

    fn save_tail(&mut self, me: Id, cut: &Position) {
        let server = self.server(me);
        let common = cut.sequence(0) as usize;
        let from = common.min(server.total());
        let tail: Vec<_> = (from..server.total())
            .filter_map(|at| server.holds(at))
            .map(|txn| txn.id)
            .collect();
        self.saved.extend(tail);
    }

    fn open(&mut self, me: Id) {
        let epoch = match self.nodes[me].mark {
            Mark::Opened { epoch } => epoch,
            Mark::Clean | Mark::Rewound { .. } => 0,
        };
        let server = self.server_mut(me);
        server.read_only = false;
        server.opened = epoch;
        self.check_opening(me);
    }

    fn switch_semi_sync(&mut self, me: Id, on: bool) {
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

    /// A copy of another node's data: taken in beside the old directory, put in its place, then used.
    fn clone_data(&mut self, me: Id, from: Id, work: &Work) -> Step {
        let source = &self.nodes[from];
        let serves = source
            .agent
            .as_ref()
            .is_some_and(|agent| agent.picture.report.serving.is_some());
        let flows = source.moves()
            && self.network.joins(me, from)
            && source.server.as_ref().is_some_and(Server::answers);
        match work.stage {
            0 if !flows || !serves => {
                self.close_upstream(me);
                failed("the source gives no copy")
            }
            0 => {
                self.close_upstream(me);
                if self.server(me).process != Process::Down {
                    self.save_tail(me, &Position::empty());
                    self.kill_server(me);
                }
                Next(self.dice.between(300 * MS, 2_500 * MS))
            }
            1 if !flows => {
                if source.runs() && self.now - work.began < SOURCE_LIMIT {
                    Again(20 * AGAIN)
                } else {
                    failed("the source sends nothing any more")
                }
            }
            // Why before it is put in place: from here on nothing that vouched for the old data does.
            1 => {
                let log = {
                    let theirs = self.server(from);
                    theirs.log[..theirs.committed].to_vec()
                };
                self.copies.insert(me, log);
                self.nodes[me].data = self.fresh_data();
                Next(self.dice.between(MS, 8 * MS))
            }
            2 => {
                let Some(log) = self.copies.remove(&me) else {
                    return failed("the copy is gone");
                };
                let old = self.server(me);
                let (life, slowness) = (old.life + 1, old.slowness);
                let health = old.health.clone();
                let mut server = Server::new(false);
                (server.committed, server.log) = (log.len(), log);
                (server.life, server.slowness, server.health) = (life, slowness, health);
                server.purged = server.log.len();
                let node = &mut self.nodes[me];
                node.server = Some(server);
                node.tag = None;
                Next(self.dice.between(MS, 8 * MS))
            }
            3 => {
                let node = &mut self.nodes[me];
                let document = node.agent.as_ref().and_then(|a| a.view.document.as_ref());
                node.followed = document.map_or(0, |document| document.epoch);
                node.mark = Mark::Clean;
                node.tag = Some(node.data);
                Next(self.dice.between(200 * MS, 700 * MS))
            }
            _ => {
                self.server_mut(me).has_data = true;
                Done(Outcome::Done)
            }
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
