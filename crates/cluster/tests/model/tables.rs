//! The core's own values by number, and what the core says about them, asked once for each value:
//! its functions are pure, so that the same question always has the same answer.

use std::rc::Rc;

use cluster::{
    Action, DataId, Document, Durability, Member, MemberKind, Memory, NodeName, Outcome, Report,
};

use crate::bounds::{Bounds, Policy, Reductions};
use crate::heard::Words;
use crate::intern::{Interner, Map};
use crate::mutation::Mutation;
use crate::rename::{Mentions, Renaming};
use crate::state::{Came, NODES, Node, Rest};
use crate::{eyes, mutation, rename};

pub(crate) struct Tables {
    pub(crate) count: u8,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) bounds: Bounds,
    /// A switchover may be asked for.
    may_switch: bool,
    pub(crate) reductions: Reductions,
    /// What was worked out for a node is kept: in a walk the same one hardly comes again.
    pub(crate) remembers: bool,
    pub(crate) names: [NodeName; NODES],
    pub(crate) documents: Interner<Document>,
    pub(crate) memories: Interner<Memory>,
    pub(crate) plans: Interner<Vec<Action>>,
    pub(crate) reports: Interner<Option<Report>>,
    pub(crate) nodes: Interner<Node>,
    /// What each of them mentions.
    pub(crate) mentions: Vec<Option<Mentions>>,
    /// Each of them without what makes no difference; `u32::MAX`: not known yet.
    pub(crate) tidied: Vec<u32>,
    pub(crate) renamings: Interner<Renaming>,
    pub(crate) renamed: Map<(u32, u32), u32>,
    pub(crate) rests: Interner<Rest>,
    /// The nodes of the state whose steps are being tried, with their numbers.
    pub(crate) parents: [Option<(Node, u32)>; NODES],
    decisions: Map<u32, Rc<[u32]>>,
    /// For each plan whose head is a swap, the document that it wants.
    wanted: Map<u32, u32>,
    ended: Map<(u32, u32), u32>,
    learned: Map<(u8, u32, u32), u32>,
    words: Map<u32, u32>,
    heard: Map<(u32, u8, u8, u32), u32>,
    performed: Map<(Node, u32, Came), u32>,
}

impl Tables {
    pub(crate) fn new(bounds: &Bounds, mutation: Option<Mutation>) -> Self {
        let names = ["alpha", "bravo", "charlie"].map(|text| text.parse().expect("a name"));
        let mut tables = Self {
            count: bounds.nodes,
            mutation,
            bounds: *bounds,
            may_switch: bounds.wishes > 0,
            reductions: bounds.reductions,
            remembers: true,
            names,
            documents: Interner::new(),
            memories: Interner::new(),
            plans: Interner::new(),
            reports: Interner::new(),
            nodes: Interner::new(),
            mentions: Vec::new(),
            tidied: Vec::new(),
            renamings: Interner::new(),
            renamed: Map::default(),
            rests: Interner::new(),
            parents: [None; NODES],
            decisions: Map::default(),
            wanted: Map::default(),
            ended: Map::default(),
            learned: Map::default(),
            words: Map::default(),
            heard: Map::default(),
            performed: Map::default(),
        };
        // Number 0 of each kind means none.
        let mut nothing = tables.founding();
        nothing.rev = 0;
        tables.documents.number(nothing);
        tables.memories.number(Memory::default());
        tables.plans.number(Vec::new());
        tables.reports.number(None);
        tables
    }

    pub(crate) fn founding(&self) -> Document {
        let member = |number: u32| Member {
            address: String::new(),
            number,
            kind: MemberKind::Data,
            far: false,
            priority: 0,
        };
        let mut document = Document::founding(self.names[0].clone(), member(1), DataId(1));
        for (at, name) in self.names[..self.count as usize].iter().enumerate() {
            document.members.insert(name.clone(), member(at as u32 + 1));
        }
        match self.bounds.policy {
            Policy::TwoCopies => {}
            Policy::Strict => document.durability = Durability::Strict,
            Policy::Paused => document.paused = true,
        }
        document
    }

    pub(crate) fn index(&self, name: &NodeName) -> usize {
        rename::index(&self.names, name)
    }

    pub(crate) fn document(&mut self, document: &Document) -> u32 {
        self.documents.number(plain(document))
    }

    /// What is kept for speed has grown large: time to begin with new tables.
    pub(crate) fn is_full(&self) -> bool {
        let values = self.documents.len() + self.memories.len() + self.plans.len();
        let asked = self.heard.len() + self.learned.len() + self.wanted.len();
        values + self.reports.len() + asked + self.ended.len() > 1_000_000
    }

    /// The plan that the node comes to when its clock says this; 0: none.
    pub(crate) fn decision(&mut self, node: &Node, mood: eyes::Mood) -> u32 {
        let view = eyes::view(self, node, mood);
        let actions = mutation::decide(self.mutation, &view);
        let actions = actions.into_iter().map(plain_action).collect();
        self.plans.number(actions)
    }

    /// Every plan that the node may come to now, whatever its clock says.
    pub(crate) fn decisions(&mut self, node: &Node) -> Rc<[u32]> {
        let number = self.number_of(node);
        if let Some(known) = self.decisions.get(&number) {
            return Rc::clone(known);
        }
        let mut plans = Vec::new();
        for mood in eyes::moods(self.count, node) {
            let plan = self.decision(node, mood);
            if plan != 0 && !plans.contains(&plan) {
                plans.push(plan);
            }
        }
        let plans: Rc<[u32]> = plans.into();
        self.decisions.insert(number, Rc::clone(&plans));
        plans
    }

    pub(crate) fn number_of(&mut self, node: &Node) -> u32 {
        match &self.parents[node.me as usize] {
            Some((same, number)) if same == node => *number,
            _ => self.nodes.number(*node),
        }
    }

    /// The document that the head of a plan, a swap, wants to be the next.
    pub(crate) fn wanted(&mut self, plan: u32, next: &Document) -> u32 {
        if let Some(known) = self.wanted.get(&plan) {
            return *known;
        }
        let number = self.document(next);
        self.wanted.insert(plan, number);
        number
    }

    /// The memory after the server's process has ended.
    pub(crate) fn ended(&mut self, memory: u32, document: u32) -> u32 {
        if let Some(known) = self.ended.get(&(memory, document)) {
            return *known;
        }
        let mut changed = Memory::clone(self.memories.get(memory));
        changed.server_ended();
        let number = self.memory(changed, document);
        self.ended.insert((memory, document), number);
        number
    }

    fn outcome(&self, came: Came) -> Outcome {
        let document = |number| Box::new(Document::clone(self.documents.get(number)));
        match came {
            Came::Done => Outcome::Done,
            Came::At(end) => Outcome::At(end.position()),
            Came::Read(number) => Outcome::Read(document(number)),
            Came::Won => Outcome::Won,
            Came::Lost(number) => Outcome::Lost(document(number)),
            Came::Undecided => Outcome::Undecided,
            Came::Failed => Outcome::Failed(String::new()),
        }
    }

    /// The memory after an action, the head of `plan`, came to this outcome.
    pub(crate) fn performed(&mut self, node: &Node, plan: u32, came: Came) -> u32 {
        let key = (*node, plan, came);
        if let Some(known) = self.performed.get(&key).filter(|_| self.remembers) {
            return *known;
        }
        let view = eyes::view(self, node, eyes::Mood::default());
        let mut memory = view.memory.clone();
        let action = &self.plans.get(plan)[0];
        let outcome = self.outcome(came);
        memory.performed(&view, action, &outcome);
        let known = self.documents.get(node.document).rev;
        let learns = match &outcome {
            Outcome::Won => true,
            Outcome::Lost(document) | Outcome::Read(document) => document.rev > known,
            _ => false,
        };
        // Why not yet when a newer document comes with it: that one decides what still matters.
        if !learns {
            self.forget(node.me, &mut memory, node.document);
        }
        let number = self.memory(memory, node.document);
        if self.remembers {
            self.performed.insert(key, number);
        }
        number
    }

    /// The memory after `document` became known.
    pub(crate) fn learned(&mut self, me: u8, memory: u32, document: u32) -> u32 {
        let key = (me, memory, document);
        if let Some(known) = self.learned.get(&key) {
            return *known;
        }
        let mut changed = Memory::clone(self.memories.get(memory));
        changed.learned(&self.names[me as usize], self.documents.get(document));
        self.forget(me, &mut changed, document);
        let number = self.memory(changed, document);
        self.learned.insert(key, number);
        number
    }

    /// Numbers a memory without what can make no difference any more: moments (any timer may fire at
    /// any time), and what is compared with revisions and epochs that the ledger has passed.
    pub(crate) fn memory(&mut self, mut memory: Memory, document: u32) -> u32 {
        memory.regrow = 0;
        memory.setbacks = 0;
        memory.protected_since = None;
        if let Some(grow) = &mut memory.grow {
            grow.since = 0;
        }
        if let Some(handover) = &mut memory.handover {
            handover.since = 0;
        }
        if let Some(tenure) = memory.tenure.as_mut().filter(|tenure| tenure.opened) {
            (tenure.reclaimed, tenure.end) = (false, None);
        }
        if memory.wipe.is_some() {
            memory.wipe = Some(1);
        }
        let document = self.documents.get(document);
        if let Some((rev, epoch)) = &mut memory.woke {
            *rev = if *rev < document.rev { 0 } else { *rev };
            *epoch = if *epoch < document.epoch { 0 } else { *epoch };
        }
        self.memories.number(memory)
    }

    /// Waking matters to members, which stay fenced until the ledger has moved on, and to a primary that
    /// has not confirmed its office. To become either takes a newer document than the one of the waking.
    pub(crate) fn forget(&self, me: u8, memory: &mut Memory, document: u32) {
        if !self.reductions.names {
            return;
        }
        let document = self.documents.get(document);
        let me = &self.names[me as usize];
        let leads = document.primary == *me;
        let confirmed = memory
            .tenure
            .as_ref()
            .is_some_and(|t| t.epoch == document.epoch);
        if let Some((rev, epoch)) = &mut memory.woke {
            if leads || !document.in_sync.contains_key(me) {
                *rev = 0;
            }
            if !leads || confirmed {
                *epoch = 0;
            }
        }
        // Only after a reclaim is it asked whether it has been open.
        if let Some(tenure) = memory.tenure.as_mut().filter(|tenure| !tenure.reclaimed) {
            (tenure.end, tenure.opened) = (None, true);
        }
    }

    /// What `from` says of itself now, as far as `to`, knowing `document`, can ever make use of it.
    pub(crate) fn words(&mut self, from: &Node, to: u8, document: u32) -> u32 {
        if !self.remembers {
            let report = eyes::view(self, from, eyes::Mood::default()).report();
            let said = self.reports.number(Some(report));
            return self.useful(said, from.me, to, document);
        }
        let number = self.number_of(from);
        let known = self.words.get(&number).copied();
        let said = known.unwrap_or_else(|| {
            let report = eyes::view(self, from, eyes::Mood::default()).report();
            let said = self.reports.number(Some(report));
            self.words.insert(number, said);
            said
        });
        self.useful(said, from.me, to, document)
    }

    /// The part of a report that `to` can still make use of when it knows `document`.
    pub(crate) fn useful(&mut self, report: u32, from: u8, to: u8, document: u32) -> u32 {
        if report == 0 {
            return 0;
        }
        let key = (report, from, to, document);
        if let Some(known) = self.heard.get(&key) {
            return *known;
        }
        let said = self.reports.get(report).as_ref().clone();
        let words = Words {
            from: &self.names[from as usize],
            to: &self.names[to as usize],
            document: self.documents.get(document),
            mutation: self.mutation,
            may_switch: self.may_switch,
        };
        let useful = said.map(|report| {
            if self.reductions.heard {
                words.useful(report)
            } else {
                words.lasting(report)
            }
        });
        let number = self.reports.number(useful);
        self.heard.insert(key, number);
        number
    }
}

/// A document without what is for people and for the failover budget.
fn plain(document: &Document) -> Document {
    Document {
        last_change: None,
        strain: Vec::new(),
        ..document.clone()
    }
}

fn plain_action(action: Action) -> Action {
    match action {
        Action::Swap { next, intent } => Action::Swap {
            next: Box::new(plain(&next)),
            intent,
        },
        Action::EndWish(_) => Action::EndWish(None),
        other => other,
    }
}
