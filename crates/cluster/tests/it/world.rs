//! A small deterministic world: two or three nodes with data, perhaps a witness, one register, links
//! that can be cut, replication between the servers. Time passes only when told.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{
    BootId, DataId, Document, Durability, Epoch, Mark, Member, MemberKind, Millis, Mode, NodeName,
    Peer, Receiving, Server, Stamp, decide,
};

use crate::database::Database;
use crate::node::Node;

/// What becomes of the next swaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// It lands at once and nobody says so.
    LandsUnsaid,
    /// It may land at any later time.
    Floats,
}

/// A replica's connection to its source.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) to: NodeName,
    pub(crate) epoch: Epoch,
    pub(crate) mode: Mode,
    pub(crate) stamp: Stamp,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) nodes: BTreeMap<NodeName, Node>,
    pub(crate) ledger: Document,
    /// Swaps without an answer that may still land.
    pub(crate) floating: Vec<Document>,
    pub(crate) fate: Fate,
    pub(crate) links_cut: BTreeSet<(NodeName, NodeName)>,
    /// Replicas that are connected and receive nothing by themselves.
    pub(crate) slow: BTreeSet<NodeName>,
    pub(crate) connections: BTreeMap<NodeName, Connection>,
    /// Place in the log and identity of every acknowledged write.
    pub(crate) acked: Vec<(usize, u64)>,
    pub(crate) saved: BTreeSet<u64>,
    pub(crate) forced: bool,
    /// How many acknowledged transactions a destructive start drops.
    pub(crate) drops: usize,
    pub(crate) ids: u64,
    /// Every action that was carried out.
    pub(crate) performed: Vec<(NodeName, String)>,
    /// Decide anew after each single action, and compare.
    pub(crate) one_by_one: bool,
}

pub(crate) fn name(text: &str) -> NodeName {
    text.parse().expect("a node's name")
}

/// One of two ends, in order.
fn link(a: &NodeName, b: &NodeName) -> (NodeName, NodeName) {
    (a.min(b).clone(), a.max(b).clone())
}

impl World {
    /// The first node is founder with data, the others wait to be cloned; the last may be a witness.
    pub(crate) fn new(names: &[&str], witness: Option<&str>) -> Self {
        let mut ids = 1;
        let mut nodes = BTreeMap::new();
        let mut members = BTreeMap::new();
        for (at, text) in names.iter().chain(&witness).enumerate() {
            let is_data = Some(*text) != witness;
            let number = at as u32 + 1;
            let kind = if is_data {
                MemberKind::Data
            } else {
                MemberKind::Witness
            };
            let member = Member {
                address: format!("10.0.0.{number}:7400"),
                number,
                kind,
                far: false,
                priority: 0,
            };
            members.insert(name(text), member);
            ids += 2;
            let node = Node {
                number,
                boot: BootId(ids.into()),
                data: DataId((ids + 1).into()),
                mark: Mark::Clean,
                followed: u64::from(at == 0),
                database: is_data.then(|| Database::new(at == 0)),
                agent: None,
                frozen: None,
            };
            nodes.insert(name(text), node);
        }
        let founder = name(names[0]);
        let data = nodes[&founder].data;
        let mut ledger = Document::founding(founder.clone(), members[&founder].clone(), data);
        ledger.members = members;
        let mut world = Self {
            now: 1_000_000,
            nodes,
            ledger,
            floating: Vec::new(),
            fate: Fate::Answered,
            links_cut: BTreeSet::new(),
            slow: BTreeSet::new(),
            connections: BTreeMap::new(),
            acked: Vec::new(),
            saved: BTreeSet::new(),
            forced: false,
            drops: 0,
            ids: ids + 2,
            performed: Vec::new(),
            one_by_one: false,
        };
        for me in world.names() {
            world.wake(&me);
        }
        world
    }

    pub(crate) fn names(&self) -> Vec<NodeName> {
        self.nodes.keys().cloned().collect()
    }

    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn node(&mut self, me: &NodeName) -> &mut Node {
        self.nodes.get_mut(me).expect("a node of this world")
    }

    pub(crate) fn linked(&self, a: &NodeName, b: &NodeName) -> bool {
        !self.links_cut.contains(&link(a, b))
    }

    /// Both agents move and hear each other.
    pub(crate) fn hears(&self, a: &NodeName, b: &NodeName) -> bool {
        self.nodes[a].moves() && self.nodes[b].moves() && self.linked(a, b)
    }

    /// It reaches a majority of the voters.
    pub(crate) fn reaches_ledger(&self, me: &NodeName) -> bool {
        let reached = self
            .nodes
            .keys()
            .filter(|other| *other == me || self.hears(me, other));
        reached.count() * 2 > self.nodes.len()
    }

    pub(crate) fn set_link(&mut self, a: &NodeName, b: &NodeName, up: bool) {
        if up {
            self.links_cut.remove(&link(a, b));
        } else {
            self.links_cut.insert(link(a, b));
        }
        self.settle_connections();
    }

    pub(crate) fn wake(&mut self, me: &NodeName) {
        let now = self.now;
        self.node(me).wake(me, now);
    }

    /// Ends an agent; its tunnels end with it, its server goes on.
    pub(crate) fn kill_agent(&mut self, me: &NodeName) {
        let node = self.node(me);
        node.agent = None;
        if let Some(server) = &mut node.database {
            server.source = None;
            if server.receiving != Receiving::Stopped {
                server.receiving = Receiving::Connecting;
            }
        }
        self.settle_connections();
    }

    pub(crate) fn kill_server(&mut self, me: &NodeName) {
        let node = self.node(me);
        if let Some(server) = node.database.as_mut().filter(|server| server.running) {
            server.kill();
            server.source = None;
            if let Some(agent) = &mut node.agent {
                agent.ended = true;
            }
        }
        self.settle_connections();
    }

    /// Power loss: what was not fsynced is gone, and the next boot is another one.
    pub(crate) fn kill_node(&mut self, me: &NodeName) {
        self.kill_server(me);
        self.kill_agent(me);
        let boot = BootId(self.fresh_id().into());
        let node = self.node(me);
        node.boot = boot;
        node.frozen = None;
        if let Some(server) = &mut node.database {
            server.relay.clear();
        }
    }

    /// `from`'s words reach `to`.
    pub(crate) fn tell(&mut self, from: &NodeName, to: &NodeName) {
        if !self.hears(from, to) {
            return;
        }
        let heard = self.now;
        let Some(mut view) = self.nodes[from].agent.as_ref().map(|a| a.view.clone()) else {
            return;
        };
        view.now = heard;
        let report = view.report();
        if let Some(agent) = &mut self.node(to).agent {
            if let Some(document) = &report.document {
                agent.learn(document);
            }
            agent
                .view
                .peers
                .insert(from.clone(), Peer { report, heard });
        }
    }

    /// What the keeper does before each decision: looks at everything.
    pub(crate) fn look(&mut self, me: &NodeName, reads_ledger: bool) {
        self.settle_connections();
        let now = self.now;
        let node = &self.nodes[me];
        let silent = self.silence(me);
        let lag = self.lag(me);
        let seen = match &node.database {
            None => Server::Unseen,
            Some(server) if server.running => {
                Server::Running(Box::new(server.words(now, silent, lag)))
            }
            Some(server) if server.has_data => Server::Stopped,
            Some(_) => Server::NoData,
        };
        let committed = (reads_ledger && self.reaches_ledger(me)).then(|| self.ledger.clone());
        let node = self.node(me);
        let (data, mark, followed) = (node.data, node.mark, node.followed);
        let Some(agent) = &mut node.agent else { return };
        if std::mem::take(&mut agent.ended) {
            agent.view.memory.server_ended();
        }
        if let Some(document) = &committed {
            agent.learn(document);
        }
        let view = &mut agent.view;
        let health = |server: &Server| server.running().map(|r| r.health.clone());
        let same_kind = std::mem::discriminant(&view.server) == std::mem::discriminant(&seen);
        if !same_kind || health(&view.server) != health(&seen) {
            view.server_since = now;
        }
        (view.now, view.wall, view.server) = (now, now / 1_000, seen);
        (view.data, view.mark, view.followed) = (data, mark, followed);
        view.admissions.clone_from(&agent.admissions);
        if let Some(document) = view.document.clone() {
            view.peers
                .retain(|node, _| document.members.contains_key(node));
            view.memory.passing(now, &document);
        }
    }

    fn silence(&self, me: &NodeName) -> Millis {
        let connection = self.connections.get(me);
        connection.map_or(Millis::MAX, |c| {
            self.nodes[&c.to].frozen.map_or(0, |since| self.now - since)
        })
    }

    fn lag(&self, me: &NodeName) -> Option<Millis> {
        let node = &self.nodes[me];
        let document = node.agent.as_ref()?.view.document.as_ref()?;
        let (ours, theirs) = (
            node.database.as_ref()?,
            self.nodes[&document.primary].database.as_ref()?,
        );
        let missing = theirs.log.get(ours.log.len());
        Some(missing.map_or(0, |txn| self.now - txn.at))
    }

    /// One turn of an agent: the next action of its plan, or a decision. True: it did something.
    pub(crate) fn turn(&mut self, me: &NodeName, reads_ledger: bool) -> bool {
        if !self.nodes[me].moves() {
            return false;
        }
        let agent = self.node(me).agent.as_mut().expect("it moves");
        if let Some(action) = agent.plan.pop_front() {
            let before = agent.plan.clone();
            self.step(me, &action);
            self.check_remaining(me, &before.into());
            return true;
        }
        self.look(me, reads_ledger);
        let agent = self.node(me).agent.as_mut().expect("it moves");
        let decision = decide(&agent.view);
        agent.reason = decision.reason.to_string();
        agent.plan = decision.actions.into();
        !agent.plan.is_empty()
    }

    /// The same remaining steps come out when decided anew.
    fn check_remaining(&mut self, me: &NodeName, remaining: &Vec<cluster::Action>) {
        let left = self.nodes[me]
            .agent
            .as_ref()
            .is_some_and(|a| !a.plan.is_empty());
        if !self.one_by_one || !left {
            return;
        }
        self.look(me, true);
        let view = &self.nodes[me].agent.as_ref().expect("it moves").view;
        let anew = decide(view);
        assert!(
            anew.actions.ends_with(remaining),
            "{me}: left were {remaining:?}, anew comes {:?}",
            anew.actions
        );
    }

    /// A new primary's durability, as the operator sets it.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Document)) {
        let mut next = self.ledger.bumped();
        change(&mut next);
        self.land(next);
    }

    pub(crate) fn set_durability(&mut self, durability: Durability) {
        self.edit(|document| document.durability = durability);
    }

    /// The cluster serves, and every near node with data is in sync and has everything.
    pub(crate) fn is_protected(&self) -> bool {
        let primary = &self.nodes[&self.ledger.primary];
        let serves = primary
            .agent
            .as_ref()
            .is_some_and(|agent| agent.view.serving() == Some(self.ledger.epoch));
        let all = self.ledger.data_members().all(|(me, member)| {
            let node = &self.nodes[me];
            let is_primary = *me == self.ledger.primary;
            let in_sync = self.ledger.vouches(me, node.stamp()) || member.far;
            let clean = is_primary || node.mark == Mark::Clean;
            (is_primary || in_sync)
                && clean
                && node.runs()
                && node.server().log == primary.server().log
        });
        serves && primary.runs() && all && self.floating.is_empty()
    }
}
