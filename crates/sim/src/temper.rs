//! Each seed has a temper of its own: which cluster it is, which faults happen and how often, how wrong the
//! clocks are. Rare meetings become common in some.

use cluster::{BootId, DataId, Document, Durability, Mark, Member, MemberKind, NodeName};

use crate::client::Client;
use crate::clock::{Clock, MS, Micros, SECOND};
use crate::dice::Dice;
use crate::event::Id;
use crate::fault::{KINDS, Kind};
use crate::node::Node;
use crate::server::Server;

/// What is special about a seed.
pub(crate) struct Temper {
    /// Nodes with data.
    pub(crate) data: usize,
    pub(crate) witness: bool,
    /// A replica that is far.
    pub(crate) far: Option<Id>,
    pub(crate) priorities: Vec<i32>,
    pub(crate) durability: Durability,
    /// Usual time between two faults, and between two wishes.
    pub(crate) gap: Micros,
    pub(crate) wishes: Micros,
    pub(crate) kinds: Vec<Kind>,
    /// So many swaps of a hundred get no answer.
    pub(crate) unsaid: u64,
    /// Its operator accepts a loss where the primary does not serve.
    pub(crate) accepts_loss: bool,
    /// How long faults happen.
    pub(crate) safety: Micros,
    drift: i64,
}

impl Temper {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        let witness = dice.percent(50);
        let three = !witness || dice.percent(20);
        let data = if three { 3 } else { 2 };
        let most: Vec<_> = KINDS.iter().copied().filter(|_| dice.percent(55)).collect();
        let (one, other) = (dice.pick(KINDS), dice.pick(KINDS));
        let kinds = match dice.below(4) {
            0 => one.into_iter().chain(other).collect(),
            1 => KINDS.to_vec(),
            _ => most,
        };
        Self {
            data,
            witness,
            far: (data == 3 && dice.percent(20)).then_some(2),
            priorities: (0..3).map(|_| dice.of([0, 0, 0, 5, 10])).collect(),
            durability: if dice.percent(15) {
                Durability::Strict
            } else {
                Durability::TwoCopies
            },
            gap: dice.of([400 * MS, 1_500 * MS, 4 * SECOND, 8 * SECOND]),
            wishes: dice.of([4 * SECOND, 12 * SECOND, 60 * SECOND]),
            kinds,
            unsaid: dice.of([0, 0, 3, 15, 40]),
            accepts_loss: dice.percent(25),
            safety: dice.between(15, 45) * SECOND,
            drift: dice.of([0, 300, 20_000, 100_000]),
        }
    }

    pub(crate) fn names(&self) -> Vec<NodeName> {
        let mut names = ["alpha", "bravo", "charlie"][..self.data].to_vec();
        if self.witness {
            names.push("witness");
        }
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The first node is founder with data, the others wait to be cloned.
    pub(crate) fn nodes(&self, dice: &mut Dice) -> Vec<Node> {
        let all = self.data + usize::from(self.witness);
        let one = |at: usize| {
            let drift = dice.between(0, 2 * self.drift.unsigned_abs());
            let clock = Clock {
                zero: dice.below(1 << 32),
                drift: drift.cast_signed() - self.drift,
                wrong_by: dice.of([0, 0, 0, -3_600, 3_600, 40]),
            };
            let data = DataId(1_000 + at as u128);
            Node {
                number: at as u32 + 1,
                clock,
                boot: BootId(2_000 + at as u128),
                data,
                tag: Some(data),
                mark: Mark::Clean,
                followed: u64::from(at == 0),
                server: (at < self.data).then(|| Server::new(at == 0)),
                has_power: true,
                agent: None,
                lives: 0,
                is_frozen: false,
                is_stirred: false,
                heard_more: false,
                waiting: Vec::new(),
            }
        };
        (0..all).map(one).collect()
    }

    pub(crate) fn document(&self, names: &[NodeName], nodes: &[Node]) -> Document {
        let member = |at: usize| Member {
            address: format!("10.0.0.{}:7400", at + 1),
            number: at as u32 + 1,
            kind: if at < self.data {
                MemberKind::Data
            } else {
                MemberKind::Witness
            },
            far: self.far == Some(at),
            priority: self.priorities.get(at).copied().unwrap_or(0),
        };
        let mut document = Document::founding(names[0].clone(), member(0), nodes[0].data);
        let members = names.iter().cloned().enumerate();
        document.members = members.map(|(at, name)| (name, member(at))).collect();
        document.durability = self.durability;
        document
    }

    pub(crate) fn clients(&self, dice: &mut Dice) -> Vec<Client> {
        let mut clients = Vec::new();
        for home in 0..self.data {
            clients.push(Client::new(home, None, dice.between(10, 120) * MS));
        }
        let straight = dice.below(self.data as u64) as Id;
        clients.push(Client::new(straight, Some(straight), 200 * MS));
        clients
    }
}
