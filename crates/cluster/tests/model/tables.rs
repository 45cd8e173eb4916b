//! The core's own values by number, and what the core says about them, asked once for each value:
//! its functions are pure, so that the same question always has the same answer.

use std::rc::Rc;

use cluster::{Action, DataId, Document, Member, MemberKind, Memory, NodeName, Outcome, Report};

use crate::bounds::{Bounds, Reductions};
use crate::heard::Words;
use crate::intern::{Interner, Map};
use crate::mutation::Mutation;
use crate::rename::{Mentions, Renaming};
use crate::state::{NODES, Node, Rest};
use crate::{eyes, mutation};

pub(crate) struct Tables {
    pub(crate) count: u8,
    pub(crate) mutation: Option<Mutation>,
    /// A switchover may be asked for.
    may_switch: bool,
    pub(crate) reductions: Reductions,
    pub(crate) names: [NodeName; NODES],
    pub(crate) documents: Interner<Document>,
    pub(crate) memories: Interner<Memory>,
    pub(crate) plans: Interner<Vec<Action>>,
    pub(crate) reports: Interner<Option<Report>>,
    pub(crate) nodes: Interner<Node>,
    /// What each of them mentions.
    pub(crate) mentions: Vec<Option<Mentions>>,
    pub(crate) renamings: Interner<Renaming>,
    pub(crate) renamed: Map<(u32, u32), u32>,
    pub(crate) rests: Interner<Rest>,
    outcomes: Interner<Outcome>,
    decisions: Map<Node, Rc<[u32]>>,
    learned: Map<(u8, u32, u32), u32>,
    words: Map<Node, u32>,
    heard: Map<(u32, u8, u8, u32), u32>,
    performed: Map<(Node, u32, u32), u32>,
}

impl Tables {
    pub(crate) fn new(bounds: &Bounds, mutation: Option<Mutation>) -> Self {
        let names = ["alpha", "bravo", "charlie"].map(|text| text.parse().expect("a name"));
        let mut tables = Self {
            count: bounds.nodes,
            mutation,
            may_switch: bounds.wishes > 0,
            reductions: bounds.reductions,
            names,
            documents: Interner::new(),
            memories: Interner::new(),
            plans: Interner::new(),
            reports: Interner::new(),
            nodes: Interner::new(),
            mentions: Vec::new(),
            renamings: Interner::new(),
            renamed: Map::default(),
            rests: Interner::new(),
            outcomes: Interner::new(),
            decisions: Map::default(),
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
        document
    }

    pub(crate) fn index(&self, name: &NodeName) -> usize {
        let found = self.names.iter().position(|own| own == name);
        found.expect("a node of this cluster")
    }

    pub(crate) fn document(&mut self, document: &Document) -> u32 {
        self.documents.number(plain(document))
    }

    /// What is kept for speed has grown large: time to begin with new tables.
    pub(crate) fn is_full(&self) -> bool {
        self.decisions.len() + self.performed.len() + self.words.len() > 4_000_000
    }

    /// Every plan that the node may come to now, whatever its clock says.
    pub(crate) fn decisions(&mut self, node: &Node) -> Rc<[u32]> {
        if let Some(known) = self.decisions.get(node) {
            return Rc::clone(known);
        }
        let mut plans = Vec::new();
        for mood in eyes::moods(self.count, node) {
            let view = eyes::view(self, node, mood);
            let actions = mutation::decide(self.mutation, &view);
            let actions: Vec<_> = actions.into_iter().map(plain_action).collect();
            let plan = self.plans.number(actions);
            if plan != 0 && !plans.contains(&plan) {
                plans.push(plan);
            }
        }
        let plans: Rc<[u32]> = plans.into();
        self.decisions.insert(*node, Rc::clone(&plans));
        plans
    }

    /// The memory after an action, the head of `plan`, came to this outcome.
    pub(crate) fn performed(&mut self, node: &Node, plan: u32, outcome: &Outcome) -> u32 {
        let key = (*node, plan, self.outcomes.number(outcome.clone()));
        if let Some(known) = self.performed.get(&key) {
            return *known;
        }
        let view = eyes::view(self, node, eyes::Mood::default());
        let mut memory = view.memory.clone();
        let action = &self.plans.get(plan)[0];
        memory.performed(&view, action, outcome);
        let number = self.memory(memory, node.document);
        self.performed.insert(key, number);
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

    /// What `from` says of itself now, as far as `to`, knowing `document`, can ever make use of it.
    pub(crate) fn words(&mut self, from: &Node, to: u8, document: u32) -> u32 {
        let known = self.words.get(from).copied();
        let said = known.unwrap_or_else(|| {
            let report = eyes::view(self, from, eyes::Mood::default()).report();
            let number = self.reports.number(Some(report));
            self.words.insert(*from, number);
            number
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
