//! Random walks: messages late or lost, swaps undecided, crashes, power losses, cut cables, frozen
//! nodes, in any order; then everything is healed and must come to protected with nothing lost.
//! `WALKS=20000 cargo test --release -p cluster walk` for more; `WALK_SEED=n` for one.

use cluster::{Durability, NodeName, Wish};

use crate::database::Database;
use crate::round::Trace;
use crate::world::{Fate, World};

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn pick(&mut self, names: &[NodeName]) -> NodeName {
        names[self.roll(names.len() as u64) as usize].clone()
    }
}

const STEPS: usize = 500;

#[test]
fn random_walks_when_healed_have_lost_nothing() {
    let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse().ok());
    let starts = [
        World::protected(&["alpha", "bravo"], Some("carol")),
        World::protected(&["alpha", "bravo", "charlie"], None),
    ];
    let one: Option<u64> = number("WALK_SEED");
    let seeds = one.map_or(1..=number("WALKS").unwrap_or(400), |seed| seed..=seed);
    let mut epochs = 0;
    let mut walked = 0;
    for seed in seeds {
        let start = &starts[(seed % 2) as usize];
        let result = std::panic::catch_unwind(|| walk(start.clone(), seed));
        let Ok(ends_in) = result else {
            panic!("WALK_SEED={seed} finds a fault");
        };
        epochs += ends_in - 1;
        walked += 1;
    }
    assert!(
        epochs > walked,
        "only {epochs} changes of primary in {walked} walks"
    );
}

fn walk(mut world: World, seed: u64) -> u64 {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..16 {
        dice.roll(2);
    }
    let names = world.names();
    let with_data: Vec<_> = names
        .iter()
        .filter(|me| world.nodes[*me].database.is_some())
        .cloned()
        .collect();
    let mut faults = 3 + dice.roll(15);
    // Each walk has a temper of its own: rare meetings become common in some.
    let undecided = [0, 10, 40][dice.roll(3) as usize];
    let (bursts, kinds) = (dice.roll(4), dice.roll(1 << FAULTS));
    for _ in 0..STEPS {
        world.fate = match dice.roll(100) {
            sides if sides >= undecided => Fate::Answered,
            sides if sides % 4 == 0 => Fate::LandsUnsaid,
            _ => Fate::Floats,
        };
        world.drops = dice.roll(3) as usize;
        let (me, data) = (dice.pick(&names), dice.pick(&with_data));
        match dice.roll(100) {
            0..30 => drop(world.turn(&me, dice.roll(2) == 0)),
            30..45 => {
                let to = dice.pick(&names);
                if to != me {
                    world.tell(&me, &to);
                }
            }
            45..51 => world.connect(&data),
            51..58 => world.ship(&data, 1 + dice.roll(2) as usize),
            58..64 => world.ack(&data),
            64..70 => world.apply(&data),
            70..76 => drop(world.write(&data)),
            76..82 => world.now += 20 + dice.roll(300),
            82..87 => world.round(&mut Trace::default(), usize::MAX),
            87 if dice.roll(4) <= bursts => {
                let ms = 200 + dice.roll(2_500);
                world.run(&mut Trace::default(), ms, |_| false);
            }
            88..91 if !world.floating.is_empty() => {
                let at = dice.roll(world.floating.len() as u64) as usize;
                let document = world.floating.remove(at);
                world.land(document);
            }
            91..94 if faults > 0 => {
                faults -= 1;
                let primary = dice.roll(2) == 0;
                let victim = if primary {
                    world.ledger.primary.clone()
                } else {
                    data
                };
                let kind = dice.roll(FAULTS);
                if kinds >> kind & 1 == 1 {
                    fault(&mut world, &mut dice, kind, &victim);
                }
            }
            94..99 => mend(&mut world, &mut dice, &me),
            99 => wish(&mut world, &mut dice, &data),
            _ => {}
        }
        world.check();
    }
    finish(world, &mut dice, seed)
}

fn finish(mut world: World, dice: &mut Dice, seed: u64) -> u64 {
    let floating = std::mem::take(&mut world.floating);
    for document in floating {
        if dice.roll(2) == 0 {
            world.land(document);
        }
    }
    if world.ledger.paused {
        world.edit(|document| document.paused = false);
    }
    world.must_recover(&format!("walk {seed}"));
    world.ledger.epoch
}

const FAULTS: u64 = 8;

fn fault(world: &mut World, dice: &mut Dice, kind: u64, me: &NodeName) {
    match kind {
        0 => world.kill_server(me),
        1 => world.kill_node(me),
        2 => world.kill_agent(me),
        3 => {
            let names = world.names();
            let other = dice.pick(&names);
            if other != *me {
                world.set_link(me, &other, false);
            }
        }
        4 => world.node(me).frozen = Some(world.now),
        5 => {
            world.kill_agent(me);
            world.wake(me);
        }
        // The primary's is left, nobody else may have what it acknowledged alone; and that of one
        // that a swap on its way makes primary.
        6 if *me != world.ledger.primary && world.floating.is_empty() && idle(world) => {
            world.kill_server(me);
            let node = world.node(me);
            if node.database.is_some() {
                node.database = Some(Database::new(false));
            }
        }
        _ => {
            world.kill_node(me);
            world.wake(me);
        }
    }
}

fn idle(world: &World) -> bool {
    let mut agents = world.nodes.values().filter_map(|node| node.agent.as_ref());
    agents.all(|agent| agent.plan.is_empty())
}

fn mend(world: &mut World, dice: &mut Dice, me: &NodeName) {
    match dice.roll(3) {
        0 => world.links_cut.clear(),
        1 => world.node(me).frozen = None,
        _ if world.nodes[me].agent.is_none() => world.wake(me),
        _ => {}
    }
}

fn wish(world: &mut World, dice: &mut Dice, me: &NodeName) {
    let asked = world.now;
    let paused = world.ledger.paused;
    let names = world.names();
    let to = Some(dice.pick(&names)).filter(|_| dice.roll(2) == 0);
    let wish = match dice.roll(4) {
        0 | 1 => Wish::Switchover { to, asked },
        2 => Wish::Failover {
            accept_loss: false,
            asked,
        },
        _ if dice.roll(3) > 0 => return world.edit(|document| document.paused = !paused),
        _ => return world.set_durability(Durability::Strict),
    };
    if let Some(agent) = &mut world.node(me).agent {
        agent.view.wish = Some(wish);
    }
}
