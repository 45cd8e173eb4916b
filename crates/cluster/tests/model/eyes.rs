//! A node's compact state as the core's `View`. There is no clock: each timer is either far from its
//! end or long past it, and every combination that can make a difference is tried.

use std::collections::BTreeMap;

use cluster::{
    Admission, Applying, Gate, Health, Millis, Peer, Running, Server, Source, Timing, View, Wish,
};

use crate::bounds::Asked;
use crate::dice::Dice;
use crate::state::{Apply, Database, NODES, Node, stamp};
use crate::tables::Tables;

const NOW: Millis = 10_000_000;
/// Heard so long ago: just now; long enough to be given up as a member; long enough to be suspected.
const AGES: [Millis; 3] = [0, 1_200, 9_000_000];

/// What a node's clock says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mood {
    /// Index into `AGES` for each other node.
    ages: [u8; NODES],
    /// The server has long been as it is.
    settled: bool,
    /// What was begun has taken too long.
    late: bool,
    /// Members have been away, or clients have waited, for too long.
    apart: bool,
}

/// Every combination of timers.
pub(crate) fn moods(count: u8, node: &Node) -> Vec<Mood> {
    let mut moods = vec![Mood::default()];
    let mut widen = |change: &dyn Fn(&mut Mood)| {
        for at in 0..moods.len() {
            let mut mood = moods[at];
            change(&mut mood);
            moods.push(mood);
        }
    };
    widen(&|mood| mood.settled = true);
    widen(&|mood| mood.late = true);
    widen(&|mood| mood.apart = true);
    for other in (0..count as usize).filter(|other| *other != node.me as usize) {
        if node.reports[other] != 0 {
            let before = moods.clone();
            for age in 1..AGES.len() as u8 {
                let more = before.iter().copied().map(|mut mood| {
                    mood.ages[other] = age;
                    mood
                });
                moods.extend(more);
            }
        }
    }
    moods
}

/// One of them; mostly nothing is late.
pub(crate) fn mood(dice: &mut Dice) -> Mood {
    if dice.roll(4) > 0 {
        return Mood {
            settled: dice.roll(2) > 0,
            ..Mood::default()
        };
    }
    let ages = [0; NODES].map(|_| dice.roll(AGES.len()) as u8);
    Mood {
        ages,
        settled: dice.roll(2) > 0,
        late: dice.roll(2) > 0,
        apart: dice.roll(2) > 0,
    }
}

/// The node as the core sees it.
pub(crate) fn view(tables: &Tables, node: &Node, mood: Mood) -> View {
    let since = if mood.late { 0 } else { NOW };
    let mut memory = cluster::Memory::clone(tables.memories.get(node.memory));
    if let Some(grow) = &mut memory.grow {
        grow.since = since;
    }
    if let Some(handover) = &mut memory.handover {
        handover.since = since;
    }
    let wish = match tables.bounds.asked {
        Asked::Switchover => Wish::Switchover {
            to: None,
            asked: since,
        },
        Asked::Failover => Wish::Failover {
            accept_loss: false,
            asked: since,
        },
    };
    let wish = Some(wish).filter(|_| node.wish);
    let document =
        (node.document != 0).then(|| cluster::Document::clone(tables.documents.get(node.document)));
    let timing = Timing {
        budget: usize::MAX,
        ..Timing::default()
    };
    View {
        now: NOW,
        wall: 0,
        me: tables.names[node.me as usize].clone(),
        boot: node.stamp().boot,
        data: node.stamp().data,
        mark: node.mark,
        followed: node.followed.into(),
        server: server(tables, &node.database, mood),
        server_since: if mood.settled { 0 } else { NOW },
        document,
        peers: peers(tables, node, mood),
        admissions: admissions(tables, node, mood),
        gate: Gate::default(),
        wish,
        memory,
        timing,
    }
}

fn peers(tables: &Tables, node: &Node, mood: Mood) -> BTreeMap<cluster::NodeName, Peer> {
    let mut peers = BTreeMap::new();
    for (at, report) in node.reports.iter().enumerate() {
        if let Some(report) = tables.reports.get(*report).as_ref() {
            let peer = Peer {
                report: report.clone(),
                heard: NOW - AGES[mood.ages[at] as usize],
            };
            peers.insert(tables.names[at].clone(), peer);
        }
    }
    peers
}

fn admissions(tables: &Tables, node: &Node, mood: Mood) -> BTreeMap<cluster::NodeName, Admission> {
    let mut known = BTreeMap::new();
    for (at, admission) in node.admissions.iter().enumerate() {
        if let Some(admission) = admission.filter(|admission| admission.ghost.is_none()) {
            let value = Admission {
                epoch: admission.epoch.into(),
                mode: admission.mode,
                stamp: stamp(admission.boot, admission.data),
                connected: admission.connected,
                since: if mood.apart { 0 } else { NOW },
            };
            known.insert(tables.names[at].clone(), value);
        }
    }
    known
}

fn server(tables: &Tables, database: &Database, mood: Mood) -> Server {
    if !database.has_data {
        return Server::NoData;
    }
    if !database.running {
        return Server::Stopped;
    }
    let log = database.log.position();
    // From stopped, the server tells what it would ask for, not what lies in its files.
    let received = if database.replica_settings && database.applying != Apply::Stopped {
        database.holds().position()
    } else {
        log.clone()
    };
    let waits = database.waiting() && database.semi_sync && mood.apart;
    Server::Running(Box::new(Running {
        health: Health::Ok,
        read_only: database.read_only,
        semi_sync: database.semi_sync,
        waiting_ms: if waits { NOW } else { 0 },
        written: log.clone(),
        applied: log,
        received,
        receiving: database.receiving,
        applying: match database.applying {
            Apply::Stopped => Applying::Stopped,
            Apply::Running => Applying::Running,
            Apply::Failed => Applying::Failed("duplicate entry".into()),
        },
        source: database.source.map(|link| Source {
            node: tables.names[link.to as usize].clone(),
            epoch: link.epoch.into(),
            mode: link.mode,
        }),
        replica_settings: database.replica_settings,
        salvage: database.salvage,
        silent_ms: u64::MAX,
        lag_ms: Some(0),
        long_ddl: false,
    }))
}
