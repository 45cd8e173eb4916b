//! An agent's loop: refresh, look, decide, act, publish. A mirror of the keeper's `keeper.rs`, `act.rs`,
//! `publish.rs`, `stuck.rs` and `wish.rs`; it decides nothing itself, the core does.

use std::rc::Rc;

use cluster::{Action, Document, Gate, Intent, Millis, NodeName, Outcome, Reason};

use crate::agent::{Agent, Doing, Work};
use crate::clock::{MS, Micros, SECOND};
use crate::event::{Id, Life, Stir};
use crate::letter::without_time;
use crate::mutation;
use crate::world::World;

const PUBLISH_PACE: Millis = 100;
const REST: Millis = 250;
const BACKOFF_FIRST: Micros = 20 * MS;
const BACKOFF_LIMIT: Micros = SECOND;
const STUCK_AFTER: Millis = 200;
const PULSE_PACE: Millis = 500;
const PULSE_PACE_LIMIT: Millis = 60_000;

/// What may end an action before its own end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Endless,
    UntilDeposed,
    UntilIll,
}

impl World {
    /// Something stirs an agent.
    pub(crate) fn stirred(&mut self, me: Id, what: Stir) {
        match what {
            Stir::Wake { wait } => self.woken(me, wait),
            Stir::News => self.heard(me),
            Stir::Looked => self.looked(me),
            Stir::Work { work } => self.work_on(me, work),
            Stir::Answer { work, outcome } => self.answered(me, work, &outcome),
            Stir::Document(document) => self.told_document(me, &document),
            Stir::ServerEnded { server } => self.server_ended(me, server),
            Stir::Probe { server } => self.probe(me, server),
            Stir::Probed { server } => self.probed(me, server),
            Stir::Talk { to, turn } => self.talk(me, to, turn),
            Stir::Letter { from, letter, call } => self.letter(me, from, &letter, call),
            Stir::Unanswered { to, call } => self.unanswered(me, to, call),
            Stir::Owed { to, call } => self.pay(me, Some((to, call))),
            Stir::Connect { server, attempt } => self.connect(me, server, attempt),
            Stir::Pulse => self.pulse(me),
        }
    }

    fn told_document(&mut self, me: Id, document: &Rc<Document>) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let known = agent.told_document.as_ref();
        if known.is_none_or(|known| known.rev < document.rev) {
            agent.told_document = Some((**document).clone());
            self.news(me);
        }
    }

    fn server_ended(&mut self, me: Id, server: Life) {
        if let Some(agent) = &mut self.nodes[me].agent
            && let Some(alive) = agent.alive.as_mut().filter(|a| a.server == server)
        {
            alive.ended = true;
            self.news(me);
        }
    }

    /// The top of the loop.
    pub(crate) fn begin_turn(&mut self, me: Id) {
        self.refresh(me);
        let takes = self.look_takes(me);
        if let Some(agent) = &mut self.nodes[me].agent {
            agent.doing = Doing::Looks;
        }
        self.stir_after(me, takes, Stir::Looked);
    }

    fn woken(&mut self, me: Id, wait: Life) {
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        match agent.doing {
            Doing::Waits(own) if own == wait => self.begin_turn(me),
            Doing::Rests { wait: own, .. } if own == wait => self.begin_turn(me),
            Doing::Acts(ref work) if work.id == wait => {
                let pace = self.nodes[me].clock.takes(PUBLISH_PACE);
                self.stir_after(me, pace, Stir::Wake { wait });
                self.meanwhile(me);
            }
            _ => {}
        }
    }

    /// News: what a waiting loop looks at, and an acting one takes note of.
    fn heard(&mut self, me: Id) {
        self.nodes[me].is_stirred = false;
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        match agent.doing {
            Doing::Waits(_) => self.begin_turn(me),
            Doing::Looks => self.nodes[me].heard_more = true,
            Doing::Acts(_) => self.meanwhile(me),
            Doing::Rests { rev, .. } => {
                self.refresh(me);
                self.publish(me);
                let moved = self.nodes[me]
                    .agent
                    .as_ref()
                    .is_some_and(|a| a.rev() != rev);
                if moved || self.differs(me) {
                    self.begin_turn(me);
                }
            }
        }
    }

    /// Brings everything but the server's own words up to date.
    pub(crate) fn refresh(&mut self, me: Id) {
        let (now, mutation) = (self.now, self.mutation);
        let names = Rc::clone(&self.names);
        let node = &mut self.nodes[me];
        let Some(agent) = &mut node.agent else {
            return;
        };
        agent.view.now = node.clock.shows(now);
        agent.view.wall = node.clock.wall(now);
        if let Some(document) = agent.told_document.take()
            && mutation::hears_of(mutation, &agent.view, &document)
        {
            agent.learn(&document);
        }
        if agent.board.is_new {
            if let Some(document) = agent.board.newest(agent.view.document.as_ref())
                && mutation::hears_of(mutation, &agent.view, &document)
            {
                agent.learn(&document);
            }
            let mut peers = agent.board.read(agent.view.document.as_ref(), &names);
            if let Some(document) = &agent.view.document {
                peers.retain(|node, _| document.members.contains_key(node));
            }
            agent.view.peers = peers;
        }
        if let Some(document) = &agent.view.document {
            agent.view.memory.passing(agent.view.now, document);
        }
        (agent.view.data, agent.view.mark, agent.view.followed) =
            (node.data, node.mark, node.followed);
        self.refresh_gate(me);
        self.read_admissions(me);
    }

    /// What the gateway of this node does, asked by the primary to hold or not: a mirror of the program's
    /// `gate.rs`.
    fn refresh_gate(&mut self, me: Id) {
        if self.nodes[me].server.is_none() {
            return;
        }
        let open = self.open_statements(me);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let view = &agent.view;
        let asked = view.document.as_ref().filter(|document| {
            let is_own = document.primary == view.me && view.memory.handover.is_some();
            let told = view
                .fresh(&document.primary)
                .and_then(|report| report.holding);
            is_own || told == Some(document.epoch)
        });
        let holding = asked.map(|document| document.epoch);
        agent.view.gate = Gate {
            present: true,
            holding,
            open: if holding.is_some() { open } else { 0 },
        };
    }

    /// The look is over: decides.
    fn looked(&mut self, me: Id) {
        let is_looking = self.nodes[me].agent.as_ref();
        if is_looking.is_none_or(|agent| agent.doing != Doing::Looks) {
            return;
        }
        self.look(me);
        self.settle_wish(me);
        let mutation = self.mutation;
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let decision = mutation::decide(mutation, &agent.view);
        self.decisions += 1;
        self.note(me, &decision.reason, &decision.actions);
        self.publish(me);
        self.release_stuck_commits(me);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        if decision.actions.is_empty() {
            agent.backoff = 0;
            let tick = self.tick(me);
            self.wait(me, tick);
            if std::mem::take(&mut self.nodes[me].heard_more) {
                self.news(me);
            }
            return;
        }
        agent.plan = decision.actions.into();
        agent.ground = agent.stands_on();
        self.next_action(me);
    }

    fn wait(&mut self, me: Id, tick: Millis) {
        let node = &mut self.nodes[me];
        let takes = node.clock.takes(tick);
        let Some(agent) = &mut node.agent else {
            return;
        };
        let wait = agent.next_turn();
        agent.doing = Doing::Waits(wait);
        self.stir_after(me, takes, Stir::Wake { wait });
    }

    fn note(&mut self, me: Id, reason: &Reason, actions: &[Action]) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        agent.rests = matches!(
            reason,
            Reason::Serves { .. }
                | Reason::ServesAlone
                | Reason::Replicates { .. }
                | Reason::Witness
                | Reason::NotAMember
        );
        let said = reason.to_string();
        let gist: String = said.chars().filter(|c| !c.is_ascii_digit()).collect();
        if gist != agent.gist {
            agent.gist = gist;
            agent.reason_since = agent.view.now;
            agent.reason.clone_from(&said);
            let actions: Vec<_> = actions.iter().map(brief).collect();
            self.tell_of(me, || {
                if actions.is_empty() {
                    said
                } else {
                    format!("{said} [{}]", actions.join(", "))
                }
            });
        }
    }

    /// How soon to look again when nothing happens.
    fn tick(&mut self, me: Id) -> Millis {
        let Some(agent) = &self.nodes[me].agent else {
            return REST;
        };
        let view = &agent.view;
        if agent.rests {
            let ill = view
                .server
                .running()
                .is_some_and(|running| !running.health.is_ok());
            let left = view.timing.ill.saturating_sub(view.server_age());
            return if ill && left > 0 {
                left.min(REST)
            } else {
                REST
            };
        }
        let is_long = view.now.saturating_sub(agent.reason_since) > 2_000;
        if is_long {
            return PUBLISH_PACE;
        }
        self.spread(me, true);
        10
    }

    /// Publishes what the agent believes; what others want to know at once is spread.
    pub(crate) fn publish(&mut self, me: Id) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let mut report = agent.view.report();
        report.document = None;
        let told = Some((without_time(&report), agent.rev()));
        let is_news = agent.told != told;
        agent.told = told;
        agent.picture.report = report;
        agent.picture.now = agent.view.now;
        if agent.picture.document.as_ref().map(|d| d.rev) != agent.rev() {
            agent.picture.document.clone_from(&agent.view.document);
        }
        follow_route(agent);
        self.check_picture(me);
        self.follow_members(me);
        if is_news {
            self.spread(me, false);
        }
        self.pay(me, None);
    }

    /// Begins the next action of the plan.
    fn next_action(&mut self, me: Id) {
        let now = self.now;
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let Some(action) = agent.plan.pop_front() else {
            self.begin_turn(me);
            return;
        };
        if let Some(with) = busy_with(&action) {
            agent.sees(cluster::Server::Busy(with.into()));
        }
        let id = agent.next_turn();
        agent.doing = Doing::Acts(Work {
            id,
            action,
            stage: 0,
            began: now,
        });
        self.publish(me);
        self.work_on(me, id);
        let pace = self.nodes[me].clock.takes(PUBLISH_PACE);
        self.stir_after(me, pace, Stir::Wake { wait: id });
    }

    /// While an action runs: publishes, and gives up what has become void.
    fn meanwhile(&mut self, me: Id) {
        self.refresh(me);
        let is_ill = self.notices(me);
        self.publish(me);
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        let Doing::Acts(work) = &agent.doing else {
            return;
        };
        let (work, patience) = (work.clone(), patience(&work.action));
        let document = agent.view.document.as_ref();
        let deposed = document
            .filter(|d| agent.ground.was_primary && d.primary != agent.view.me)
            .map(|d| d.primary.clone());
        let why = match deposed {
            Some(by) if patience != Patience::Endless => format!("{by} is the primary now"),
            _ if is_ill && patience == Patience::UntilIll => {
                "the server does not answer any more".to_owned()
            }
            _ => return,
        };
        let outcome = match work.action {
            Action::Swap { .. } => Outcome::Undecided,
            _ => Outcome::Failed(format!("given up: {why}")),
        };
        self.forsake(me, &work);
        self.ended(me, &work.action, &outcome);
    }

    /// An action has come to its end.
    pub(crate) fn ended(&mut self, me: Id, action: &Action, outcome: &Outcome) {
        let failed = matches!(outcome, Outcome::Failed(_));
        self.actions += 1;
        let goes_on = self.take_note(me, action, outcome);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        if failed {
            agent.backoff = (agent.backoff * 2).clamp(BACKOFF_FIRST, BACKOFF_LIMIT);
            let (until, rev) = (self.now + agent.backoff, agent.rev());
            let wait = agent.next_turn();
            agent.doing = Doing::Rests { wait, until, rev };
            let pause = agent.backoff;
            self.stir_after(me, pause, Stir::Wake { wait });
            return;
        }
        if !goes_on || agent.rev() != agent.ground.rev {
            self.begin_turn(me);
        } else {
            self.next_action(me);
        }
    }

    /// Notes what came of an action. False: the rest of the plan must be decided anew.
    fn take_note(&mut self, me: Id, action: &Action, outcome: &Outcome) -> bool {
        self.refresh(me);
        self.story_of_action(me, action, outcome);
        let (now, mutation) = (self.now, self.mutation);
        let Some(agent) = &mut self.nodes[me].agent else {
            return false;
        };
        let view = agent.view.clone();
        agent.view.memory.performed(&view, action, outcome);
        match (action, outcome) {
            (Action::Swap { next, intent }, Outcome::Won) => {
                agent.learn(next);
                if matches!(intent, Intent::Promote | Intent::Force) {
                    agent.view.wish = None;
                }
            }
            (_, Outcome::Lost(document) | Outcome::Read(document))
                if mutation::hears_of(mutation, &agent.view, document) =>
            {
                agent.learn(document);
            }
            (Action::EndWish(_), _) => agent.view.wish = None,
            _ => {}
        }
        agent.missed = None;
        let kills = matches!(action, Action::Kill);
        let ends = kills && *outcome == Outcome::Done;
        if ends || matches!(action, Action::Clone { .. }) {
            agent.alive = None;
            agent.view.memory.server_ended();
        } else if kills && let Some(alive) = &mut agent.alive {
            alive.killed = Some(now);
        }
        match (action, outcome) {
            (_, Outcome::Failed(_)) => {
                self.publish(me);
                return false;
            }
            (_, Outcome::Lost(_) | Outcome::Undecided) => return false,
            (Action::SemiSync(true), Outcome::Done) => self.semi_sync_is_on(me),
            _ => {}
        }
        let Some(agent) = &mut self.nodes[me].agent else {
            return false;
        };
        agent.backoff = 0;
        !agent.has_ended()
    }

    /// Commits that wait though a member holds everything: a pulse releases them.
    fn release_stuck_commits(&mut self, me: Id) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let view = &agent.view;
        let Some(running) = view.server.running() else {
            return;
        };
        if running.waiting_ms == 0 {
            agent.pulse_pace = PULSE_PACE;
            return;
        }
        let since = view.now.saturating_sub(agent.pulsed);
        let early = running.waiting_ms < STUCK_AFTER || since < agent.pulse_pace;
        if early || view.serving().is_none() {
            return;
        }
        let holds = |node: &NodeName| {
            let report = view.fresh(node).and_then(|report| report.server.running());
            view.admissions.get(node).is_some_and(|a| a.connected)
                && report.is_some_and(|member| member.received.covers(&running.written))
        };
        let in_sync = view.document.as_ref().map(|document| &document.in_sync);
        if in_sync.is_some_and(|in_sync| in_sync.keys().any(holds)) {
            agent.pulse_pace = (agent.pulse_pace * 2).min(PULSE_PACE_LIMIT);
            agent.pulsed = agent.view.now;
            let takes = self.dice.between(MS, 4 * MS);
            self.stir_after(me, takes, Stir::Pulse);
        }
    }

    fn semi_sync_is_on(&mut self, me: Id) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let running = agent.view.server.running();
        let open = running.is_some_and(|running| !running.read_only);
        if open && agent.view.is_confirmed() {
            agent.pulsed = agent.view.now;
            let takes = self.dice.between(MS, 4 * MS);
            self.stir_after(me, takes, Stir::Pulse);
        }
    }

    fn pulse(&mut self, me: Id) {
        self.write(me, None);
    }
}

/// Routes carry the epoch: a gateway follows the greatest it has heard of.
fn follow_route(agent: &mut Agent) {
    let view = &agent.view;
    let own = agent
        .picture
        .report
        .serving
        .map(|epoch| (epoch, view.me.clone()));
    let others = view.peers.iter().filter_map(|(node, peer)| {
        let epoch = peer.report.serving?;
        Some((epoch, node.clone()))
    });
    let newest = others.chain(own).max();
    if let Some(newest) = newest
        && agent
            .picture
            .route
            .as_ref()
            .is_none_or(|known| known.0 <= newest.0)
    {
        agent.picture.route = Some(newest);
    }
}

fn patience(action: &Action) -> Patience {
    match action {
        Action::Swap { .. } => Patience::UntilDeposed,
        Action::SetMark(_)
        | Action::Renounce(_)
        | Action::StopReceiving { .. }
        | Action::Follow(_)
        | Action::Promote
        | Action::Demote
        | Action::SemiSync(_)
        | Action::NoteEnd(_)
        | Action::Open
        | Action::Close => Patience::UntilIll,
        _ => Patience::Endless,
    }
}

/// A long action is shown as what the server is busy with.
fn busy_with(action: &Action) -> Option<&'static str> {
    match action {
        Action::Start(_) => Some("starting"),
        Action::Kill => Some(cluster::Server::ENDING),
        Action::Salvage => Some("applying its relay log"),
        Action::SaveTail(_) => Some("saving what the cluster does not have"),
        Action::Clone { .. } => Some("cloning"),
        _ => None,
    }
}

/// An action in a word or two.
pub(crate) fn brief(action: &Action) -> String {
    match action {
        Action::Swap { intent, .. } => format!("swap to {}", format!("{intent:?}").to_lowercase()),
        Action::Admit { node, mode, .. } => format!("admit {node} {mode:?}"),
        Action::Cut(node) => format!("cut {node}"),
        Action::Follow(source) => format!("follow {} {:?}", source.node, source.mode),
        Action::StopReceiving { promise: Some(rev) } => {
            format!("stop receiving, promise for {rev}")
        }
        Action::SetMark(mark) => format!("mark {mark:?}"),
        Action::Start(start_as) => format!("start {start_as:?}"),
        Action::SemiSync(on) => format!("semi-sync {}", if *on { "on" } else { "off" }),
        other => {
            let text = format!("{other:?}");
            let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
            text[..end].to_owned()
        }
    }
}
