//! One action carried out as the keeper does, and its outcome given to the core's memory. Where the
//! outcome is not certain, each possible one is a choice.

use cluster::{Action, Epoch, Intent, Mark, Receiving, Rev, StartAs};

use crate::model::Model;
use crate::mutation::Mutation;
use crate::state::{Admission, Apply, Came, Database, Ghost, Link, Log, NODES, Node, Unfolded};

impl Model {
    /// How many ways the head of this plan can end; none: it lies beyond the bounds.
    pub(crate) fn choices(&self, full: &Unfolded, me: usize, plan: u32) -> u8 {
        match &self.tables.plans.get(plan)[0] {
            Action::Swap { next, .. } => {
                let ledger = self.tables.documents.get(full.rest.ledger);
                let used = full.rest.used;
                let revs = Rev::from(used.revs) + next.rev.saturating_sub(ledger.rev);
                let epochs = Epoch::from(used.epochs) + next.epoch.saturating_sub(ledger.epoch);
                if revs <= self.bounds.revs && epochs <= self.bounds.epochs {
                    1 + u8::from(self.bounds.undecided)
                } else {
                    0
                }
            }
            Action::Start(StartAs::Destructive) => 1 + full.nodes[me].database.committed.min(2),
            Action::Clone { .. } => 2,
            _ => 1,
        }
    }

    /// Carries out the head of `plan` and takes note; and what follows if it was only to be remembered:
    /// nothing can come between, since whoever is interrupted there remembers nothing.
    pub(crate) fn act(&mut self, full: &mut Unfolded, me: usize, plan: u32, choice: u8) {
        self.act_once(full, me, plan, choice);
        let rest = full.nodes[me].plan;
        let remembered = is_memory_only(&self.tables.plans.get(plan)[0]);
        if rest != 0 && remembered && self.choices(full, me, rest) == 1 {
            self.act(full, me, rest, 0);
        }
    }

    fn act_once(&mut self, full: &mut Unfolded, me: usize, plan: u32, choice: u8) {
        let actions = std::rc::Rc::clone(self.tables.plans.get(plan));
        let action = &actions[0];
        let node = &mut full.nodes[me];
        if node.plan == 0 && std::mem::take(&mut node.ended) {
            self.forget(node);
        }
        node.plan = 0;
        let came = self.perform(full, me, plan, action, choice);
        Self::settle(full);
        let node = &mut full.nodes[me];
        node.memory = self.tables.performed(node, plan, came);
        let goes_on = matches!(came, Came::Done | Came::At(_) | Came::Read(_) | Came::Won);
        if goes_on && actions.len() > 1 && !node.ended {
            node.plan = self.tables.plans.number(actions[1..].to_vec());
        }
        match (action, came) {
            (Action::Swap { next, .. }, Came::Won) => {
                let next = self.tables.wanted(plan, next);
                self.learn(&mut full.nodes[me], next);
            }
            (_, Came::Lost(document) | Came::Read(document)) => {
                self.learn(&mut full.nodes[me], document);
            }
            (Action::EndWish(_), _) => node.wish = false,
            (Action::Kill, Came::Done) | (Action::Clone { .. }, _) => {
                node.ended = false;
                self.forget(node);
            }
            _ => {}
        }
        self.mutate_memory(&mut full.nodes[me], action);
    }

    /// The server's process has ended.
    pub(crate) fn forget(&mut self, node: &mut Node) {
        node.memory = self.tables.ended(node.memory, node.document);
    }

    /// A newer document that is known to be committed. The keeper ends its plan there.
    pub(crate) fn learn(&mut self, node: &mut Node, document: u32) {
        let rev = |number| self.tables.documents.get(number).rev;
        if rev(node.document) >= rev(document) {
            return;
        }
        node.memory = self.tables.learned(node.me, node.memory, document);
        node.document = document;
        node.plan = 0;
        for from in 0..NODES {
            let report = node.reports[from];
            node.reports[from] = self.tables.useful(report, from as u8, node.me, document);
        }
    }

    fn mutate_memory(&mut self, node: &mut Node, action: &Action) {
        let unfenced = match self.tables.mutation {
            Some(Mutation::WakeUnfenced) => matches!(action, Action::ReadLedger),
            Some(Mutation::UnfenceWithoutMoving) => {
                matches!(action, Action::Swap { intent, .. } if *intent == Intent::Unfence)
            }
            _ => false,
        };
        if unfenced {
            let mut memory = cluster::Memory::clone(self.tables.memories.get(node.memory));
            memory.woke = memory.woke.map(|(_, epoch)| (0, epoch));
            memory.promise = None;
            node.memory = self.tables.memory(memory, node.document);
        }
    }

    fn perform(
        &mut self,
        full: &mut Unfolded,
        me: usize,
        plan: u32,
        action: &Action,
        choice: u8,
    ) -> Came {
        match action {
            Action::ReadLedger => {
                let stale = self.tables.mutation == Some(Mutation::StaleRead);
                let read = if stale {
                    full.rest.before
                } else {
                    full.rest.ledger
                };
                Came::Read(read)
            }
            Action::Swap { next, intent } => {
                let number = self.tables.wanted(plan, next);
                self.swap(full, me, number, *intent, choice)
            }
            Action::SemiSync(false) => {
                let database = &full.nodes[me].database;
                if !database.running || database.replica_settings {
                    return Came::Failed;
                }
                // Whoever waits is told that all is well.
                self.acknowledge(full, me, u8::MAX);
                full.nodes[me].database.semi_sync = false;
                Came::Done
            }
            Action::Clone { from } => self.clone_data(full, me, self.tables.index(from), choice),
            Action::Follow(_) if full.nodes[me].database.salvage => {
                self.violation = Some("an unread relay log is thrown away");
                Came::Failed
            }
            _ => self.keep(&mut full.nodes[me], action, choice),
        }
    }

    fn swap(
        &mut self,
        full: &mut Unfolded,
        me: usize,
        number: u32,
        intent: Intent,
        choice: u8,
    ) -> Came {
        let mutation = self.tables.mutation;
        let next = self.tables.documents.get(number).rev;
        if mutation == Some(Mutation::UnfenceWithoutMoving) && intent == Intent::Unfence {
            return Came::Failed;
        }
        if mutation == Some(Mutation::AdmitWithoutBump) && intent == Intent::Reclaim {
            let known = self.tables.documents.get(full.nodes[me].document).rev;
            if next == known {
                return Came::Won;
            }
        }
        let ledger = full.rest.ledger;
        if choice == 0 {
            return if self.land(full, number) {
                Came::Won
            } else {
                Came::Lost(ledger)
            };
        }
        let short = u16::try_from(number).expect("few documents");
        if next == self.tables.documents.get(ledger).rev + 1 && !full.rest.floating.contains(&short)
        {
            match full.rest.floating.iter_mut().find(|place| **place == 0) {
                Some(place) => *place = short,
                None => self.overflow += 1,
            }
            full.rest.floating.sort_unstable_by(|a, b| b.cmp(a));
        }
        if mutation == Some(Mutation::UndecidedIsLost) {
            return Came::Lost(ledger);
        }
        Came::Undecided
    }

    fn clone_data(&mut self, full: &mut Unfolded, me: usize, from: usize, choice: u8) -> Came {
        let theirs = full.nodes[from].database;
        if !theirs.running || theirs.read_only {
            return Came::Failed;
        }
        let epoch = self.tables.documents.get(full.nodes[me].document).epoch;
        let node = &mut full.nodes[me];
        node.database = Database::empty();
        if choice > 0 {
            // Given up half-way: the old data is gone and the new has no id yet.
            return Came::Failed;
        }
        node.data += 1;
        node.followed = epoch as u8;
        node.mark = Mark::Clean;
        let mut log = theirs.log;
        log.truncate(theirs.committed);
        node.database = Database {
            has_data: true,
            committed: log.len,
            log,
            ..Database::empty()
        };
        Came::Done
    }

    /// What touches nothing but the node itself.
    fn keep(&self, node: &mut Node, action: &Action, choice: u8) -> Came {
        match action {
            Action::Admit {
                node: replica,
                epoch,
                mode,
                stamp,
            } => {
                node.admissions[self.tables.index(replica)] = Some(Admission {
                    epoch: *epoch as u8,
                    mode: *mode,
                    boot: stamp.boot.0 as u8,
                    data: stamp.data.0 as u8,
                    connected: false,
                    ghost: None,
                });
            }
            Action::Cut(replica) => self.cut(node, self.tables.index(replica)),
            Action::SetMark(mark) => {
                node.mark = *mark;
                if let Mark::Opened { epoch } = mark {
                    node.followed = *epoch as u8;
                }
            }
            Action::Renounce(mark) => {
                node.mark = *mark;
                node.data += 1;
            }
            Action::Start(start_as) => {
                let database = &mut node.database;
                if !database.has_data || database.running {
                    return Came::Failed;
                }
                if *start_as == StartAs::Destructive {
                    database
                        .log
                        .truncate(database.committed.saturating_sub(choice));
                    if choice > 0 {
                        database.relay = Log::default();
                    }
                }
                database.start();
            }
            Action::SaveTail(_)
            | Action::Assume
            | Action::BeginGrow { .. }
            | Action::EndGrow
            | Action::BeginHandover(_)
            | Action::EndHandover
            | Action::EndWish(_) => {}
            Action::Kill => node.database.kill(),
            _ if !node.database.running => return Came::Failed,
            Action::Follow(source) => {
                let to = self.tables.index(&source.node) as u8;
                let (epoch, mode) = (source.epoch as u8, source.mode);
                node.followed = node.followed.max(epoch);
                follow(&mut node.database, Link { to, epoch, mode });
            }
            _ => return serve(&mut node.database, action),
        }
        Came::Done
    }

    fn cut(&self, node: &mut Node, replica: usize) {
        let document = self.tables.documents.get(node.document);
        let member = document.primary == self.tables.names[node.me as usize]
            && document.in_sync.contains_key(&self.tables.names[replica]);
        let ghost = match self.tables.mutation {
            Some(Mutation::ShrinkWithoutCutting) => Some(Ghost::WhileConnected),
            Some(Mutation::ShrinkWithoutRefusing) => Some(Ghost::ForGood),
            _ => None,
        };
        match (ghost.filter(|_| member), &mut node.admissions[replica]) {
            (Some(ghost), Some(admission)) => {
                admission.connected &= ghost == Ghost::WhileConnected;
                admission.ghost = Some(ghost);
            }
            (_, admission) => *admission = None,
        }
    }
}

fn is_memory_only(action: &Action) -> bool {
    matches!(
        action,
        Action::BeginGrow { .. }
            | Action::EndGrow
            | Action::BeginHandover(_)
            | Action::EndHandover
            | Action::EndWish(_)
    )
}

fn follow(database: &mut Database, link: Link) {
    // A start from stopped throws away what was not applied.
    if database.applying == Apply::Stopped {
        database.relay = Log::default();
    }
    database.source = Some(link);
    database.connected = false;
    database.replica_settings = true;
    database.receiving = Receiving::Connecting;
    database.applying = Apply::Running;
}

/// What is said to a running server.
fn serve(database: &mut Database, action: &Action) -> Came {
    match action {
        Action::StopReceiving { .. } => {
            database.source = None;
            database.connected = false;
            if database.receiving != Receiving::Refused {
                database.receiving = Receiving::Stopped;
            }
            return Came::At(if database.applying == Apply::Stopped {
                database.log.end()
            } else {
                database.holds().end()
            });
        }
        Action::Salvage => {
            let mut relay = std::mem::take(&mut database.relay);
            database.log.append(&mut relay);
            database.committed = database.log.len;
            database.salvage = false;
        }
        Action::Promote => {
            database.relay = Log::default();
            database.source = None;
            database.connected = false;
            (database.replica_settings, database.salvage) = (false, false);
            database.receiving = Receiving::Stopped;
            database.applying = Apply::Stopped;
        }
        Action::Demote | Action::Close if database.waiting() => {
            return Came::Failed;
        }
        Action::Demote => {
            database.read_only = true;
            database.semi_sync = database.semi_sync && database.replica_settings;
        }
        Action::SemiSync(_) if database.replica_settings => return Came::Failed,
        Action::SemiSync(on) => database.semi_sync = *on,
        Action::NoteEnd(_) => return Came::At(database.log.end()),
        Action::Open => database.read_only = false,
        Action::Close => database.read_only = true,
        _ => return Came::Failed,
    }
    Came::Done
}
