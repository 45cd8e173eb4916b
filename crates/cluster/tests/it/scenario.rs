//! Stories in `tests/scenarios/*.txt`: commands at the margin, below each, indented, what came of it.
//! `UPDATE_SCENARIOS=1 cargo test -p cluster` writes anew what comes of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cluster::{Durability, Health, Mark, Wish};

use crate::round::Trace;
use crate::world::{Fate, World, name};

const LIMIT: u64 = 60_000;

struct Story {
    world: Option<World>,
    trace: Trace,
}

#[test]
fn every_story_ends_as_it_is_told() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 15, "the stories are not where they were");
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let mut wrong = String::new();
    for file in files {
        let told = std::fs::read_to_string(&file).unwrap();
        let Ok(happened) = std::panic::catch_unwind(|| play(&told)) else {
            let _ = writeln!(wrong, "--- {}: broken", file.display());
            continue;
        };
        if update {
            std::fs::write(&file, &happened).unwrap();
        } else if told != happened {
            let _ = writeln!(
                wrong,
                "--- {}\n{}",
                file.display(),
                difference(&told, &happened)
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn difference(told: &str, happened: &str) -> String {
    let pairs = told.lines().zip(happened.lines());
    let first = pairs.take_while(|(a, b)| a == b).count();
    let at = |text: &str| text.lines().nth(first).unwrap_or("(the end)").to_owned();
    format!(
        "line {}\n  told:     {}\n  happened: {}",
        first + 1,
        at(told),
        at(happened)
    )
}

fn play(told: &str) -> String {
    let mut story = Story {
        world: None,
        trace: Trace::default(),
    };
    let mut out = String::new();
    for line in told.lines().filter(|line| !line.starts_with("    ")) {
        let _ = writeln!(out, "{line}");
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let result = story.command(line);
        for said in story.trace.lines.drain(..).chain(result) {
            let _ = writeln!(out, "    {said}");
        }
    }
    out
}

impl Story {
    fn command(&mut self, line: &str) -> Option<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["nodes", rest @ ..] = words.as_slice() {
            let witness = rest.iter().find_map(|word| word.strip_prefix("witness:"));
            let data: Vec<_> = rest.iter().filter(|w| !w.contains(':')).copied().collect();
            self.world = Some(World::new(&data, witness));
            return None;
        }
        let world = self.world.as_mut().expect("`nodes` comes first");
        match words.as_slice() {
            ["wait", rest @ ..] => return Some(wait(world, &mut self.trace, rest)),
            // As `wait`, without what was said meanwhile.
            ["given", "protected"] => {
                let mut quiet = Trace::default();
                let took = world.run(&mut quiet, LIMIT, World::is_protected);
                assert!(took.is_some(), "never protected: {:#?}", quiet.lines);
                self.trace = quiet;
                self.trace.lines.clear();
            }
            ["run", time] => {
                let ms = time.strip_suffix("ms").unwrap().parse().unwrap();
                world.run(&mut self.trace, ms, |_| false);
                return Some(summary(world));
            }
            // Stops right after that action, in the midst of its plan.
            ["until", me, action] => {
                let wanted = (name(me), (*action).to_owned());
                let begun = world.now;
                let done = world.performed.len();
                while world.now - begun < LIMIT && !world.performed[done..].contains(&wanted) {
                    let next = world.performed.len() + 1;
                    world.round(&mut self.trace, next);
                }
                return Some(summary(world));
            }
            ["write", count] => return Some(write(world, count.parse().unwrap())),
            ["status"] => return Some(summary(world)),
            ["logs"] => return Some(logs(world)),
            _ => change(world, line, &words),
        }
        None
    }
}

fn change(world: &mut World, line: &str, words: &[&str]) {
    match words {
        ["kill", "server", me] => world.kill_server(&name(me)),
        ["kill", "node", me] => world.kill_node(&name(me)),
        ["kill", "agent", me] => world.kill_agent(&name(me)),
        ["start", me] => world.wake(&name(me)),
        ["cut", a, b] => world.set_link(&name(a), &name(b), false),
        ["mend", a, b] => world.set_link(&name(a), &name(b), true),
        ["heal"] => world.heal(),
        ["freeze", me] => world.node(&name(me)).frozen = Some(world.now),
        ["thaw", me] => world.node(&name(me)).frozen = None,
        ["drops", count] => world.drops = count.parse().unwrap(),
        ["slow", me] => drop(world.slow.insert(name(me))),
        ["fast", me] => drop(world.slow.remove(&name(me))),
        ["receive", me, count] => world.ship(&name(me), count.parse().unwrap()),
        ["ill", me] => world.node(&name(me)).server_mut().health = Health::DiskFull,
        ["well", me] => world.node(&name(me)).server_mut().health = Health::Ok,
        ["apply-fails", me] => {
            let error = "duplicate entry".to_owned();
            world.node(&name(me)).server_mut().applying = cluster::Applying::Failed(error);
        }
        ["empty", me] => {
            world.kill_server(&name(me));
            world.node(&name(me)).database = Some(crate::database::Database::new(false));
        }
        ["pause"] => world.edit(|document| document.paused = true),
        ["resume"] => world.edit(|document| document.paused = false),
        ["strict"] => world.set_durability(Durability::Strict),
        ["two-copies"] => world.set_durability(Durability::TwoCopies),
        ["far", me] => world.edit(|d| d.members.get_mut(&name(me)).unwrap().far = true),
        ["answers", "lost"] => world.fate = Fate::LandsUnsaid,
        ["answers", "late"] => world.fate = Fate::Floats,
        ["answers", "come"] => {
            world.fate = Fate::Answered;
            let floating = std::mem::take(&mut world.floating);
            for document in floating {
                world.land(document);
            }
        }
        ["switchover", rest @ ..] => {
            let (me, asked) = (world.ledger.primary.clone(), world.now);
            let to = rest.first().map(|to| name(to));
            let agent = world.node(&me).agent.as_mut().unwrap();
            agent.view.wish = Some(Wish::Switchover { to, asked });
        }
        ["failover", me, rest @ ..] => {
            let accept_loss = rest == ["accept-loss"];
            world.forced |= accept_loss;
            let asked = world.now;
            let agent = world.node(&name(me)).agent.as_mut().unwrap();
            agent.view.wish = Some(Wish::Failover { accept_loss, asked });
        }
        _ => panic!("`{line}` is no command"),
    }
}

fn write(world: &mut World, count: usize) -> String {
    let before = world.acked.len();
    let open: Vec<_> = world
        .names()
        .into_iter()
        .filter(|me| {
            let agent = world.nodes[me].agent.as_ref();
            agent.is_some_and(|agent| agent.view.serving().is_some())
        })
        .collect();
    let Some(me) = open.first() else {
        return "nobody takes writes".into();
    };
    let taken = (0..count).filter(|_| world.write(me)).count();
    if world.acked.len() == before + taken {
        format!("{me} took {taken} and acknowledged them")
    } else {
        format!("{me} took {taken}")
    }
}

fn wait(world: &mut World, trace: &mut Trace, words: &[&str]) -> String {
    let took = match words {
        ["protected"] => world.run(trace, LIMIT, World::is_protected),
        ["primary", me] => world.run(trace, LIMIT, |world| {
            let node = &world.nodes[&name(me)];
            world.ledger.primary == name(me)
                && node
                    .agent
                    .as_ref()
                    .is_some_and(|agent| agent.view.serving() == Some(world.ledger.epoch))
        }),
        ["alone"] => world.run(trace, LIMIT, |world| {
            let node = &world.nodes[&world.ledger.primary];
            let serving = node
                .agent
                .as_ref()
                .is_some_and(|a| a.view.serving().is_some());
            world.ledger.in_sync.is_empty() && serving
        }),
        ["acked"] => world.run(trace, LIMIT, |world| {
            world.nodes.values().all(|node| {
                node.database
                    .as_ref()
                    .is_none_or(|s| !s.running || s.waiting() == 0)
            })
        }),
        ["until", me, "wishes", "nothing"] => world.run(trace, LIMIT, |world| {
            let agent = world.nodes[&name(me)].agent.as_ref();
            agent.is_some_and(|agent| agent.view.wish.is_none())
        }),
        _ => panic!("nobody knows how to wait for {words:?}"),
    };
    match took {
        Some(ms) => format!("after {ms} ms: {}", summary(world)),
        None => format!("in vain: {}", summary(world)),
    }
}

fn summary(world: &World) -> String {
    let ledger = &world.ledger;
    let in_sync: Vec<_> = ledger.in_sync.keys().map(ToString::to_string).collect();
    let mut text = format!(
        "epoch {}, primary {}, in sync [{}]",
        ledger.epoch,
        ledger.primary,
        in_sync.join(" ")
    );
    for (me, node) in &world.nodes {
        let role = node
            .agent
            .as_ref()
            .map(|agent| cluster::standing(&agent.view).is.to_string());
        let role = match (&node.frozen, role) {
            (Some(_), _) => "frozen".into(),
            (None, role) => role.unwrap_or_else(|| "down".into()),
        };
        let _ = write!(text, "; {me} {role}");
    }
    text
}

fn logs(world: &World) -> String {
    let held: Vec<_> = world
        .nodes
        .iter()
        .filter_map(|(me, node)| Some((me, node, node.database.as_ref()?)))
        .map(|(me, node, server)| {
            let mark = if node.mark == Mark::Clean {
                ""
            } else {
                " (marked)"
            };
            format!("{me} {}{mark}", server.position(server.total()))
        })
        .collect();
    format!(
        "{}; {} acknowledged, {} saved",
        held.join(", "),
        world.acked.len(),
        world.saved.len()
    )
}
