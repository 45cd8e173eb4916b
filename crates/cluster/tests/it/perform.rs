//! The hands of a node of the world: one action, carried out as the keeper does, and its outcome.

use cluster::{
    Action, Admission, Applying, Document, Intent, Mark, NodeName, Outcome, Receiving, StartAs,
};

use crate::node::Node;
use crate::world::{Fate, World};

impl World {
    /// Carries one action out and takes note; what failed ends the plan.
    pub(crate) fn step(&mut self, me: &NodeName, action: &Action) {
        let outcome = self.perform(me, action);
        self.settle_connections();
        let short = format!("{action:?}");
        let short = short.split(['(', ' ', '{']).next().unwrap_or_default();
        self.performed.push((me.clone(), short.to_owned()));
        self.note(me, action, &outcome);
        self.check();
    }

    fn note(&mut self, me: &NodeName, action: &Action, outcome: &Outcome) {
        let ended = std::mem::take(&mut self.node(me).agent.as_mut().expect("it moves").ended);
        self.look(me, false);
        let agent = self.node(me).agent.as_mut().expect("it moves");
        agent.ended = ended;
        let view = agent.view.clone();
        agent.view.memory.performed(&view, action, outcome);
        match (action, outcome) {
            (Action::Swap { next, intent }, Outcome::Won) => {
                agent.learn(next);
                if matches!(intent, Intent::Promote | Intent::Force) {
                    agent.view.wish = None;
                }
            }
            (_, Outcome::Lost(document) | Outcome::Read(document)) => agent.learn(document),
            (Action::EndWish(_), _) => agent.view.wish = None,
            _ => {}
        }
        let killed = matches!(action, Action::Kill) && *outcome == Outcome::Done;
        if killed || matches!(action, Action::Clone { .. }) {
            agent.ended = false;
            agent.view.memory.server_ended();
        }
        let goes_on = matches!(
            outcome,
            Outcome::Done | Outcome::At(_) | Outcome::Read(_) | Outcome::Won
        );
        if !goes_on {
            agent.plan.clear();
        }
    }

    fn perform(&mut self, me: &NodeName, action: &Action) -> Outcome {
        match action {
            Action::ReadLedger if self.reaches_ledger(me) => {
                Outcome::Read(Box::new(self.ledger.clone()))
            }
            Action::ReadLedger => Outcome::Failed("no majority".into()),
            Action::Swap { next, intent } => self.swap(me, next, *intent),
            Action::SemiSync(false) => {
                if !self.nodes[me].runs() {
                    return Outcome::Failed("it does not run".into());
                }
                // Whoever waits is told that all is well.
                self.acknowledge(me, usize::MAX);
                self.node(me).server_mut().semi_sync = false;
                Outcome::Done
            }
            Action::Clone { from } => self.clone_data(me, from),
            Action::SaveTail(cut) => {
                let common = cut.sequence(0) as usize;
                let server = self.nodes[me].server();
                let tail: Vec<_> = (common..server.total())
                    .filter_map(|at| server.holds(at))
                    .map(|txn| txn.id)
                    .collect();
                self.saved.extend(tail);
                Outcome::Done
            }
            Action::Start(start_as) => {
                let drops = (*start_as == StartAs::Destructive).then_some(self.drops);
                let node = self.node(me);
                if !node.server().has_data || node.server().running {
                    return Outcome::Failed("it cannot be started".into());
                }
                node.server_mut().start(drops);
                Outcome::Done
            }
            Action::Renounce(mark) => {
                let data = cluster::DataId(self.fresh_id().into());
                let node = self.node(me);
                (node.data, node.mark) = (data, *mark);
                Outcome::Done
            }
            Action::Kill => {
                self.kill_server(me);
                Outcome::Done
            }
            _ => {
                let now = self.now;
                keep(self.node(me), action, now)
            }
        }
    }

    fn swap(&mut self, me: &NodeName, next: &Document, intent: Intent) -> Outcome {
        assert!(
            intent != Intent::Force || self.forced,
            "{me} takes over by a word that nobody gave"
        );
        if !self.reaches_ledger(me) {
            return Outcome::Undecided;
        }
        match self.fate {
            Fate::Floats => {
                self.floating.push(next.clone());
                return Outcome::Undecided;
            }
            Fate::LandsUnsaid => {
                self.land(next.clone());
                return Outcome::Undecided;
            }
            Fate::Answered => {}
        }
        if self.land(next.clone()) {
            Outcome::Won
        } else {
            Outcome::Lost(Box::new(self.ledger.clone()))
        }
    }

    fn clone_data(&mut self, me: &NodeName, from: &NodeName) -> Outcome {
        let serves = self.hears(me, from)
            && self.nodes[from].runs()
            && self.nodes[from]
                .agent
                .as_ref()
                .is_some_and(|agent| agent.view.serving().is_some());
        if !serves {
            return Outcome::Failed("it gives no copy".into());
        }
        self.kill_server(me);
        let theirs = self.nodes[from].server();
        let log = theirs.log[..theirs.committed].to_vec();
        let data = cluster::DataId(self.fresh_id().into());
        let node = self.node(me);
        let document = node.agent.as_ref().and_then(|a| a.view.document.as_ref());
        node.followed = document.map_or(0, |document| document.epoch);
        (node.data, node.mark) = (data, Mark::Clean);
        let mut server = crate::database::Database::new(true);
        (server.committed, server.log) = (log.len(), log);
        node.database = Some(server);
        Outcome::Done
    }
}

/// What touches nothing but the node itself.
fn keep(node: &mut Node, action: &Action, now: u64) -> Outcome {
    match action {
        Action::Admit {
            node: replica,
            epoch,
            mode,
            stamp,
        } => {
            let admission = Admission {
                epoch: *epoch,
                mode: *mode,
                stamp: *stamp,
                connected: false,
                since: now,
            };
            let agent = node.agent.as_mut().expect("it moves");
            agent.admissions.insert(replica.clone(), admission);
        }
        Action::Cut(replica) => {
            let agent = node.agent.as_mut().expect("it moves");
            agent.admissions.remove(replica);
        }
        Action::SetMark(mark) => {
            node.mark = *mark;
            if let Mark::Opened { epoch } = mark {
                node.followed = *epoch;
            }
        }
        Action::Assume
        | Action::BeginGrow { .. }
        | Action::EndGrow
        | Action::BeginHandover(_)
        | Action::EndHandover
        | Action::EndWish(_) => {}
        _ if !node.runs() => return Outcome::Failed("it does not run".into()),
        _ => return serve(node, action),
    }
    Outcome::Done
}

/// What is said to a running server.
fn serve(node: &mut Node, action: &Action) -> Outcome {
    if let Action::Follow(source) = action {
        node.followed = node.followed.max(source.epoch);
    }
    let server = node.server_mut();
    match action {
        Action::StopReceiving { .. } => {
            server.source = None;
            if server.receiving != Receiving::Refused {
                server.receiving = Receiving::Stopped;
            }
            return Outcome::At(if server.applying == Applying::Stopped {
                server.position(server.log.len())
            } else {
                server.position(server.total())
            });
        }
        Action::Salvage => {
            server.log.append(&mut server.relay);
            server.committed = server.log.len();
            server.salvage = false;
        }
        Action::Follow(source) => {
            assert!(!server.salvage, "an unread relay log is thrown away");
            // A start from stopped throws away what was not applied.
            if server.applying == Applying::Stopped {
                server.relay.clear();
            }
            server.source = Some(source.clone());
            server.replica_settings = true;
            server.receiving = Receiving::Connecting;
            server.applying = Applying::Running;
        }
        Action::Promote if server.salvage && server.replica_settings => {
            return Outcome::Failed("its relay log has not been looked at".into());
        }
        Action::Promote => {
            server.relay.clear();
            server.source = None;
            (server.replica_settings, server.salvage) = (false, false);
            server.receiving = Receiving::Stopped;
            server.applying = Applying::Stopped;
        }
        Action::Demote => {
            if server.waiting() > 0 {
                return Outcome::Failed("commits wait".into());
            }
            server.read_only = true;
            server.semi_sync = server.semi_sync && server.replica_settings;
        }
        Action::SemiSync(_) if server.replica_settings => {
            return Outcome::Failed("it is a replica".into());
        }
        Action::SemiSync(on) => server.semi_sync = *on,
        Action::NoteEnd(_) => return Outcome::At(server.position(server.log.len())),
        Action::Open => server.read_only = false,
        Action::Close if server.waiting() > 0 => return Outcome::Failed("commits wait".into()),
        Action::Close => server.read_only = true,
        other => return Outcome::Failed(format!("nothing is known of {other:?}")),
    }
    Outcome::Done
}
