//! The small cluster: what may happen next, and what comes of it.

use cluster::{Action, Receiving, Rev};

use crate::bounds::{Asked, Bounds};
use crate::dice::Dice;
use crate::eyes;
use crate::mutation::Mutation;
use crate::state::{Apply, Database, Log, NODES, Node, Unfolded};
use crate::tables::Tables;

pub(crate) struct Model {
    pub(crate) bounds: Bounds,
    pub(crate) tables: Tables,
    /// What the last step broke.
    pub(crate) violation: Option<&'static str>,
    /// Swaps that could not be kept floating for want of room.
    pub(crate) overflow: u64,
}

/// How often a node decides, for each other thing that may happen.
const DECISIONS: usize = 4;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A node carries out the head of a plan; the choice is how that ends.
    Act {
        me: u8,
        plan: u32,
        choice: u8,
    },
    /// A node decides and has not begun.
    Decide {
        me: u8,
        plan: u32,
    },
    /// A node learns the newest document.
    Learn(u8),
    /// Words reach another node.
    Tell(u8, u8),
    Connect(u8),
    Disconnect(u8),
    Receive(u8),
    Acknowledge(u8),
    Apply(u8),
    Write(u8),
    /// A swap without an answer reaches the ledger.
    Land(u32),
    /// Another member's change, which moves nothing but the revision.
    OthersWrite,
    Wish(u8),
    Fault(u8, Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Server,
    Agent,
    /// Loss of power: what was received and not applied is gone.
    Power,
    /// The same, and the relay log happened to be on the disk.
    PowerKeeps,
    /// Its data directory is emptied.
    Emptied,
    ApplyFails,
}

impl Model {
    pub(crate) fn new(bounds: Bounds, mutation: Option<Mutation>) -> Self {
        Self {
            bounds,
            tables: Tables::new(&bounds, mutation),
            violation: None,
            overflow: 0,
        }
    }

    /// Everything that may happen next.
    pub(crate) fn enabled(&mut self, full: &Unfolded, steps: &mut Vec<Step>) {
        steps.clear();
        for me in 0..self.bounds.nodes {
            self.enabled_at(full, me, steps);
        }
        self.events(full, steps);
    }

    /// Everything but what the nodes do by a decision.
    fn events(&self, full: &Unfolded, steps: &mut Vec<Step>) {
        let count = self.bounds.nodes;
        let rev = self.tables.documents.get(full.rest.ledger).rev;
        for me in 0..count {
            let node = &full.nodes[me as usize];
            let known = self.tables.documents.get(node.document).rev;
            if node.document != 0 && known < rev {
                steps.push(Step::Learn(me));
            }
            for to in (0..count).filter(|to| *to != me) {
                steps.push(Step::Tell(me, to));
            }
            flows(full, me, self.bounds.writes, steps);
            if full.rest.used.faults < self.bounds.faults {
                self.faults(full, me, steps);
            }
            let may_wish = full.rest.used.wishes < self.bounds.wishes && !node.wish;
            let leads = self.primary(full) == me as usize;
            if may_wish && leads == (self.bounds.asked == Asked::Switchover) {
                steps.push(Step::Wish(me));
            }
        }
        let floating = full.rest.floating.iter().filter(|number| **number != 0);
        steps.extend(floating.map(|number| Step::Land((*number).into())));
        if Rev::from(full.rest.used.revs) < self.bounds.revs {
            steps.push(Step::OthersWrite);
        }
    }

    /// One thing that may happen next, by chance: not every decision is worked out for it. `None`: a node
    /// looked about and does nothing.
    pub(crate) fn any(
        &mut self,
        full: &Unfolded,
        steps: &mut Vec<Step>,
        dice: &mut Dice,
    ) -> Option<Step> {
        steps.clear();
        self.events(full, steps);
        let decisions = usize::from(self.bounds.nodes) * DECISIONS;
        let mut at = dice.roll(steps.len() + decisions);
        // Why a second throw: faults, breaks and others' writes would use the bounds up at once.
        if steps.get(at).is_some_and(|step| is_rare(*step)) && dice.roll(4) > 0 {
            at = dice.roll(steps.len() + decisions);
        }
        if let Some(step) = steps.get(at) {
            return Some(*step);
        }
        let me = (at - steps.len()) / DECISIONS;
        let mut node = full.nodes[me];
        let plan = if node.plan == 0 {
            if std::mem::take(&mut node.ended) {
                self.forget(&mut node);
            }
            self.tables.decision(&node, eyes::mood(dice))
        } else {
            node.plan
        };
        let choices = if plan == 0 {
            0
        } else {
            self.choices(full, me, plan)
        };
        let me = me as u8;
        (choices > 0).then(|| Step::Act {
            me,
            plan,
            choice: dice.roll(choices.into()) as u8,
        })
    }

    fn enabled_at(&mut self, full: &Unfolded, me: u8, steps: &mut Vec<Step>) {
        let mut node = full.nodes[me as usize];
        let plans = if node.plan == 0 {
            if std::mem::take(&mut node.ended) {
                self.forget(&mut node);
            }
            self.tables.decisions(&node)
        } else {
            [node.plan].into()
        };
        for plan in plans.iter().copied() {
            if self.bounds.delayed && full.nodes[me as usize].plan == 0 {
                if self.choices(full, me as usize, plan) > 0 {
                    steps.push(Step::Decide { me, plan });
                }
                continue;
            }
            for choice in 0..self.choices(full, me as usize, plan) {
                steps.push(Step::Act { me, plan, choice });
            }
        }
    }

    fn faults(&self, full: &Unfolded, me: u8, steps: &mut Vec<Step>) {
        let node = &full.nodes[me as usize];
        let database = &node.database;
        let mut may = |fault| steps.push(Step::Fault(me, fault));
        may(Fault::Agent);
        may(Fault::Power);
        if database.relay.len > 0 {
            may(Fault::PowerKeeps);
        }
        if database.running {
            may(Fault::Server);
            if database.applying == Apply::Running {
                may(Fault::ApplyFails);
            }
        }
        if database.has_data && self.may_be_emptied(full, me as usize) {
            may(Fault::Emptied);
        }
    }

    /// Not the one copy of what was acknowledged: no protocol could save that.
    fn may_be_emptied(&self, full: &Unfolded, me: usize) -> bool {
        let name = &self.tables.names[me];
        let plans = full
            .nodes
            .iter()
            .map(|node| self.tables.plans.get(node.plan));
        let promoted = plans
            .flat_map(|plan| plan.iter())
            .any(|action| matches!(action, Action::Swap { next, .. } if next.primary == *name));
        if promoted {
            return false;
        }
        let floating = full.rest.floating.iter().filter(|number| **number != 0);
        let mut floating = floating.map(|number| self.tables.documents.get((*number).into()));
        let ledger = self.tables.documents.get(full.rest.ledger);
        if ledger.primary != *name {
            return floating.all(|next| next.primary != *name);
        }
        let idle = full.nodes.iter().all(|node| node.plan == 0);
        let members = ledger.in_sync.iter().all(|(member, stamp)| {
            let node = &full.nodes[self.tables.index(member)];
            node.stamp() == *stamp && node.database.has_data
        });
        floating.next().is_none() && idle && !ledger.in_sync.is_empty() && members
    }

    /// Takes a step. What it breaks stands in `violation`.
    pub(crate) fn take(&mut self, full: &mut Unfolded, step: Step) {
        self.violation = None;
        match step {
            Step::Act { me, plan, choice } => self.act(full, me.into(), plan, choice),
            Step::Decide { me, plan } => {
                let node = &mut full.nodes[me as usize];
                if std::mem::take(&mut node.ended) {
                    self.forget(node);
                }
                node.plan = plan;
            }
            Step::Learn(me) => self.learn(&mut full.nodes[me as usize], full.rest.ledger),
            Step::Tell(from, to) => self.tell(full, from, to),
            Step::Connect(me) => Self::connect(full, me.into()),
            Step::Disconnect(me) => Self::disconnect(full, me.into()),
            Step::Receive(me) => Self::ship(full, me.into()),
            Step::Acknowledge(me) => self.ack(full, me.into()),
            Step::Apply(me) => Self::apply(full, me.into()),
            Step::Write(me) => self.write(full, me),
            Step::Land(number) => drop(self.land(full, number)),
            Step::OthersWrite => {
                let next = self.tables.documents.get(full.rest.ledger).bumped();
                let number = self.tables.document(&next);
                self.land(full, number);
            }
            Step::Wish(me) => {
                full.nodes[me as usize].wish = true;
                full.rest.used.wishes += 1;
            }
            Step::Fault(me, fault) => Self::strike(full, me, fault),
        }
        if self.violation.is_none() {
            self.violation = self.broken(full);
        }
    }

    fn write(&mut self, full: &mut Unfolded, me: u8) {
        let txn = (me + 1) << 4 | free(full);
        full.rest.used.writes += 1;
        let database = &mut full.nodes[me as usize].database;
        database.log.push(txn);
        if !database.semi_sync {
            self.acknowledge(full, me.into(), u8::MAX);
        }
    }

    pub(crate) fn tell(&mut self, full: &mut Unfolded, from: u8, to: u8) {
        let said = full.nodes[from as usize];
        let hearer = &mut full.nodes[to as usize];
        if said.document != 0 {
            self.learn(hearer, said.document);
        }
        hearer.reports[from as usize] = self.tables.words(&said, to, hearer.document);
    }

    fn strike(full: &mut Unfolded, me: u8, fault: Fault) {
        full.rest.used.faults += 1;
        let node = &mut full.nodes[me as usize];
        match fault {
            Fault::Server => {
                node.database.kill();
                node.ended = true;
            }
            Fault::Agent => wake(node),
            Fault::Power | Fault::PowerKeeps => {
                node.database.kill();
                node.boot += 1;
                if fault == Fault::Power {
                    node.database.relay = Log::default();
                }
                wake(node);
            }
            Fault::Emptied => {
                node.ended = node.database.running;
                node.database = Database::empty();
                node.emptied = node.data;
            }
            Fault::ApplyFails => node.database.applying = Apply::Failed,
        }
        Self::settle(full);
    }
}

/// A number that no write has any more.
fn free(full: &Unfolded) -> u8 {
    let logs = full.nodes.iter().map(|node| node.database);
    let taken = logs.fold(full.rest.acked, |taken, database| {
        taken | database.log.writes() | database.relay.writes()
    });
    taken.trailing_ones() as u8
}

/// What flows to and from a server.
fn flows(full: &Unfolded, me: u8, writes: u8, steps: &mut Vec<Step>) {
    let database = &full.nodes[me as usize].database;
    if !database.running {
        return;
    }
    if !database.read_only && full.rest.used.writes < writes {
        steps.push(Step::Write(me));
    }
    if database.relay.len > 0 && database.applying == Apply::Running {
        steps.push(Step::Apply(me));
    }
    let Some(link) = database.source else { return };
    if !database.connected {
        if database.receiving == Receiving::Connecting {
            steps.push(Step::Connect(me));
        }
        return;
    }
    steps.push(Step::Disconnect(me));
    let theirs = &full.nodes[link.to as usize].database;
    let held = database.holds().len;
    if theirs.log.len > held {
        steps.push(Step::Receive(me));
    }
    if theirs.committed < held.min(theirs.log.len) {
        steps.push(Step::Acknowledge(me));
    }
}

fn is_rare(step: Step) -> bool {
    matches!(
        step,
        Step::Fault(..) | Step::Disconnect(_) | Step::OthersWrite | Step::Wish(_)
    )
}

/// A new agent, which remembers only what is on the disk; its tunnels ended with the old one.
fn wake(node: &mut Node) {
    node.document = 0;
    node.memory = 0;
    node.plan = 0;
    node.reports = [0; NODES];
    node.admissions = [None; NODES];
    node.ended = false;
    node.wish = false;
    let database = &mut node.database;
    database.source = None;
    database.connected = false;
    if database.receiving != Receiving::Stopped {
        database.receiving = Receiving::Connecting;
    }
}
