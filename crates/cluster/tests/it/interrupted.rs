//! Every plan, interrupted after every single action by the end of an agent, of a server or of a whole
//! node: the world must heal to protected with nothing lost. And with the memory kept, the same
//! remaining steps come out when decided anew after each step.

use cluster::{NodeName, Wish};

use crate::database::Database;
use crate::round::Trace;
use crate::world::{World, name};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Agent,
    Server,
    Node,
}

const FAULTS: [Fault; 3] = [Fault::Agent, Fault::Server, Fault::Node];
/// The longest that a plan takes without a fault, in milliseconds.
const LIMIT: u64 = 8_000;

fn strike(world: &mut World, victim: &NodeName, fault: Fault) {
    match fault {
        Fault::Agent => world.kill_agent(victim),
        Fault::Server => world.kill_server(victim),
        Fault::Node => world.kill_node(victim),
    }
    if world.nodes[victim].agent.is_none() {
        world.wake(victim);
    }
}

/// Runs the plan once undisturbed, then once for each action, victim and fault.
fn interrupt(story: &str, start: &World, begin: impl Fn(&mut World)) {
    let mut whole = start.clone();
    begin(&mut whole);
    whole.one_by_one = true;
    let before = whole.performed.len();
    whole.run(&mut Trace::default(), LIMIT, |_| false);
    let steps = whole.performed.len() - before;
    assert!(steps > 2, "{story}: nothing happened");
    whole.must_recover(story);
    let victims: Vec<_> = start
        .names()
        .into_iter()
        .filter(|me| start.nodes[me].database.is_some())
        .collect();
    for step in 0..steps {
        for victim in &victims {
            for fault in FAULTS {
                let mut world = start.clone();
                begin(&mut world);
                let mut trace = Trace::default();
                let begun = world.now;
                while world.performed.len() < before + step && world.now - begun < LIMIT {
                    world.round(&mut trace, before + step);
                }
                strike(&mut world, victim, fault);
                let told = format!("{story}, {fault:?} of {victim} after step {step}");
                world.run(&mut trace, 500, |_| false);
                for me in &victims {
                    world.write(me);
                }
                world.must_recover(&told);
            }
        }
    }
}

fn two() -> World {
    World::protected(&["alpha", "bravo"], Some("carol"))
}

fn three() -> World {
    World::protected(&["alpha", "bravo", "charlie"], None)
}

fn switchover(world: &mut World) {
    let wish = Wish::Switchover {
        to: Some(name("bravo")),
        asked: world.now,
    };
    world.write(&name("alpha"));
    let agent = world.node(&name("alpha")).agent.as_mut().unwrap();
    agent.view.wish = Some(wish);
}

#[test]
fn founding_and_growing_when_interrupted_ends_protected() {
    interrupt(
        "founding",
        &World::new(&["alpha", "bravo"], Some("carol")),
        |_| {},
    );
    interrupt(
        "founding",
        &World::new(&["alpha", "bravo", "charlie"], None),
        |_| {},
    );
}

#[test]
fn shrinking_when_interrupted_ends_protected() {
    let cut = |world: &mut World| {
        world.set_link(&name("alpha"), &name("bravo"), false);
        world.write(&name("alpha"));
    };
    interrupt("shrink of two", &two(), cut);
    interrupt("shrink of three", &three(), cut);
    interrupt("shrink and growth", &two(), |world| {
        world.kill_node(&name("bravo"));
        world.wake(&name("bravo"));
    });
}

#[test]
fn failing_over_when_interrupted_ends_protected() {
    let kill = |world: &mut World| {
        world.write(&name("alpha"));
        world.kill_server(&name("alpha"));
    };
    interrupt("failover of two", &two(), kill);
    interrupt("failover of three", &three(), kill);
}

#[test]
fn deposing_when_interrupted_ends_protected() {
    let freeze = |world: &mut World| {
        world.write(&name("alpha"));
        world.node(&name("alpha")).frozen = Some(world.now);
        world.write(&name("alpha"));
        world.run(&mut Trace::default(), 2_000, |_| false);
        world.node(&name("alpha")).frozen = None;
    };
    let mut start = two();
    freeze(&mut start);
    interrupt("rejoin", &start, |_| {});
}

#[test]
fn switching_over_when_interrupted_ends_protected() {
    interrupt("switchover of two", &two(), switchover);
    interrupt("switchover of three", &three(), switchover);
}

#[test]
fn cloning_when_interrupted_ends_protected() {
    interrupt("clone", &two(), |world| {
        world.kill_server(&name("bravo"));
        world.node(&name("bravo")).database = Some(Database::new(false));
    });
    interrupt("clone after a failed apply", &two(), |world| {
        let failed = cluster::Applying::Failed("duplicate entry".into());
        world.node(&name("bravo")).server_mut().applying = failed;
    });
}

#[test]
fn an_errant_replica_when_interrupted_ends_protected() {
    let mut start = World::new(&["alpha", "bravo", "charlie"], None);
    start.edit(|document| document.members.get_mut(&name("charlie")).unwrap().far = true);
    start.run(&mut Trace::default(), 3_000, |_| false);
    start.set_link(&name("alpha"), &name("bravo"), false);
    start.write(&name("alpha"));
    start.run(&mut Trace::default(), 200, |_| false);
    start.kill_node(&name("alpha"));
    start.run(&mut Trace::default(), 1_300, |_| false);
    start.links_cut.clear();
    interrupt("errant", &start, |_| {});
}
