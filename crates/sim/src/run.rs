//! One seed, from the founding of its cluster to its verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::clock::{MS, SECOND};
use crate::dice::Dice;
use crate::event::Event;
use crate::mutation::Mutation;
use crate::network::Network;
use crate::register::Register;
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::temper::Temper;
use crate::world::World;

/// Until the cluster is founded, its replicas cloned and in sync.
const FOUNDING: u64 = 12 * SECOND;

/// What came of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// The rule that was broken, and how; none: nothing was lost and everything healed.
    pub broken: Option<(&'static str, String)>,
    /// What was counted.
    pub tally: Tally,
    /// The timeline, when it was asked for.
    pub story: Vec<String>,
}

/// Runs one seed; with its timeline when `tells`.
pub fn run(seed: u64, mutation: Option<Mutation>, tells: bool) -> Verdict {
    let mut world = founded(seed, mutation, tells);
    world.run();
    let broken = world.broken.map(|broken| (broken.rule, broken.what));
    let mut tally = world.tally;
    tally.simulated = world.now;
    tally.decisions = world.decisions;
    tally.actions = world.actions;
    tally.letters = world.letters;
    tally.swaps = world.register.landed;
    tally.undecided = world.register.undecided;
    Verdict {
        seed,
        broken,
        tally,
        story: world.story,
    }
}

fn founded(seed: u64, mutation: Option<Mutation>, tells: bool) -> World {
    let mut dice = Dice::new(seed);
    let temper = Temper::of(&mut dice);
    let names = temper.names();
    let nodes = temper.nodes(&mut dice);
    let mut register = Register::new(temper.document(&names, &nodes));
    register.unsaid = temper.unsaid;
    let clients = temper.clients(&mut dice);
    let mut world = World {
        now: 0,
        schedule: Schedule::default(),
        dice,
        mutation,
        names: Rc::new(names),
        network: Network::new(nodes.len()),
        nodes,
        data: (0..temper.data).collect(),
        register,
        streams: BTreeMap::new(),
        copies: BTreeMap::new(),
        clients,
        waiters: BTreeMap::new(),
        faults: BTreeMap::new(),
        acked: Vec::new(),
        saved: BTreeSet::new(),
        forced: 0,
        serving: BTreeMap::new(),
        last_told: 0,
        safety_ends: FOUNDING + temper.safety,
        temper,
        mended_at: 0,
        quiet_at: 0,
        is_healing: false,
        is_quiet: false,
        is_over: false,
        broken: None,
        tells,
        story: Vec::new(),
        tally: Tally::default(),
        numbers: 10_000,
        letters: 0,
        decisions: 0,
        actions: 0,
    };
    begin(&mut world);
    world
}

fn begin(world: &mut World) {
    let temper = &world.temper;
    let text = format!(
        "{} nodes with data{}, {:?}, far {:?}, clocks and faults by the dice",
        temper.data,
        if temper.witness { " and a witness" } else { "" },
        temper.durability,
        temper.far.map(|far| world.names[far].to_string()),
    );
    let wishes = temper.wishes;
    world.tell("begin", || text);
    for me in 0..world.nodes.len() {
        let at = world.dice.between(0, 300 * MS);
        world.schedule.at(at, Event::StartAgent { me });
    }
    for who in 0..world.clients.len() {
        world.schedule.at(SECOND, Event::Client { who, turn: 0 });
    }
    world.schedule.at(0, Event::Spread);
    world.schedule.at(FOUNDING, Event::Fault);
    world.schedule.at(FOUNDING + wishes, Event::Operator);
}
