//! Tables of decisions: a view, the actions expected, the reason. Each file has the rows of one file of
//! `decide`. All views are built from two, a primary at rest and a replica at rest.

mod failover;
mod grow;
mod handover;
mod primary;
mod replica;
mod shrink;

use std::collections::BTreeMap;

use cluster::{
    Action, Admission, Applying, BootId, Cut, DataId, Document, Gate, Health, Intent, Mark, Member,
    MemberKind, Memory, Millis, Mode, NodeName, Peer, Position, Reason, Receiving, Running, Server,
    Source, Stamp, Tenure, Timing, View, decide,
};

pub(crate) use crate::world::name;

pub(crate) const NOW: Millis = 10_000_000;

pub(crate) fn at(text: &str) -> Position {
    text.parse().unwrap()
}

pub(crate) fn stamp(of: &str) -> Stamp {
    let number = u128::from(of.as_bytes()[0]);
    Stamp {
        boot: BootId(number),
        data: DataId(number << 8),
    }
}

/// Expects these steps and this reason.
#[track_caller]
pub(crate) fn check(view: &View, actions: &[Action], reason: &Reason) {
    let decision = decide(view);
    assert_eq!(
        &decision.reason, reason,
        "the reason; actions {:?}",
        decision.actions
    );
    assert_eq!(decision.actions, actions, "the actions, because {reason}");
}

/// A swap of the view's document for the next one, changed so.
pub(crate) fn swap(view: &View, intent: Intent, change: impl FnOnce(&mut Document)) -> Action {
    let mut next = Box::new(view.document.as_ref().unwrap().bumped());
    change(&mut next);
    Action::Swap { next, intent }
}

fn member(number: u32, kind: MemberKind) -> Member {
    Member {
        address: format!("10.0.0.{number}:7400"),
        number,
        kind,
        far: false,
        priority: 0,
    }
}

/// Epoch 3, revision 10: alpha is primary, bravo in sync, charlie a third with data, witty a witness.
fn document() -> Document {
    let mut document = Document::founding(
        name("alpha"),
        member(1, MemberKind::Data),
        stamp("alpha").data,
    );
    (document.rev, document.epoch) = (10, 3);
    let others = [
        ("bravo", MemberKind::Data),
        ("charlie", MemberKind::Data),
        ("witty", MemberKind::Witness),
    ];
    for (number, (node, kind)) in (2..).zip(others) {
        document.members.insert(name(node), member(number, kind));
    }
    document.in_sync = BTreeMap::from([(name("bravo"), stamp("bravo"))]);
    for (epoch, position) in [(2, "0-1-5"), (3, "0-1-8")] {
        let position = at(position);
        document.cuts.push(Cut { epoch, position });
    }
    document
}

fn running(position: &str) -> Running {
    Running {
        health: Health::Ok,
        read_only: true,
        semi_sync: false,
        waiting_ms: 0,
        written: at(position),
        applied: at(position),
        received: at(position),
        receiving: Receiving::Stopped,
        applying: Applying::Stopped,
        source: None,
        replica_settings: false,
        salvage: false,
        silent_ms: Millis::MAX,
        lag_ms: Some(0),
        long_ddl: false,
    }
}

pub(crate) fn source(mode: Mode) -> Source {
    Source {
        node: name("alpha"),
        epoch: 3,
        mode,
    }
}

fn replicating(mode: Mode) -> Running {
    Running {
        receiving: Receiving::Streaming,
        applying: Applying::Running,
        source: Some(source(mode)),
        replica_settings: true,
        silent_ms: 0,
        ..running("0-1-20")
    }
}

fn view_of(me: &str, server: Option<Running>) -> View {
    View {
        now: NOW,
        wall: NOW / 1_000,
        me: name(me),
        boot: stamp(me).boot,
        data: stamp(me).data,
        mark: Mark::Clean,
        followed: 3,
        server: server.map_or(Server::Unseen, |running| Server::Running(Box::new(running))),
        server_since: NOW - 60_000,
        document: Some(document()),
        peers: BTreeMap::new(),
        admissions: BTreeMap::new(),
        gate: Gate::default(),
        wish: None,
        memory: Memory {
            woke: Some((4, 2)),
            ..Memory::default()
        },
        timing: Timing::default(),
    }
}

fn primary_alone() -> View {
    let mut view = view_of("alpha", Some(running("0-1-20")));
    view.memory.tenure = Some(Tenure {
        epoch: 3,
        reclaimed: false,
        end: None,
        opened: true,
    });
    view.mark = Mark::Opened { epoch: 3 };
    own(&mut view).read_only = false;
    own(&mut view).semi_sync = true;
    view
}

fn replica_alone(me: &str, mode: Mode) -> View {
    view_of(me, Some(replicating(mode)))
}

/// `view` hears what `of` says of itself, just now.
pub(crate) fn hear(view: &mut View, of: &View) {
    let mut report = of.report();
    report.hears = BTreeMap::new();
    let peer = Peer { report, heard: NOW };
    view.peers.insert(of.me.clone(), peer);
}

pub(crate) fn own(view: &mut View) -> &mut Running {
    match &mut view.server {
        Server::Running(running) => running,
        other => panic!("{other:?} does not run"),
    }
}

/// What `view` last heard of `node`'s server.
pub(crate) fn theirs<'a>(view: &'a mut View, node: &str) -> &'a mut Running {
    match &mut view.peers.get_mut(&name(node)).unwrap().report.server {
        Server::Running(running) => running,
        other => panic!("{other:?} does not run"),
    }
}

pub(crate) fn silence(view: &mut View, node: &str, ms: Millis) {
    view.peers.get_mut(&name(node)).unwrap().heard = NOW - ms;
}

pub(crate) fn admission(mode: Mode, of: &str) -> Admission {
    Admission {
        epoch: 3,
        mode,
        stamp: stamp(of),
        connected: true,
        since: NOW - 60_000,
    }
}

pub(crate) fn admit(node: &str, mode: Mode) -> Action {
    Action::Admit {
        node: name(node),
        epoch: 3,
        mode,
        stamp: stamp(node),
    }
}

/// Alpha serves; bravo is in sync and connected; charlie is marked far and away.
pub(crate) fn primary() -> View {
    let mut view = primary_alone();
    charlie_is_away(&mut view);
    hear(&mut view, &replica_alone("bravo", Mode::Sync));
    view.admissions
        .insert(name("bravo"), admission(Mode::Sync, "bravo"));
    view
}

/// Alpha serves alone; bravo replicates asynchronously.
pub(crate) fn alone() -> View {
    let mut view = primary();
    view.document.as_mut().unwrap().in_sync.clear();
    own(&mut view).semi_sync = false;
    hear(&mut view, &replica_alone("bravo", Mode::Async));
    view.admissions
        .insert(name("bravo"), admission(Mode::Async, "bravo"));
    view
}

/// Bravo replicates from alpha in sync and hears it.
pub(crate) fn replica() -> View {
    let mut view = replica_alone("bravo", Mode::Sync);
    charlie_is_away(&mut view);
    hear(&mut view, &primary());
    view
}

/// Alpha, bravo and charlie, both in sync; bravo's view.
pub(crate) fn replica_of_two() -> View {
    let mut view = replica();
    let document = view.document.as_mut().unwrap();
    document.members.get_mut(&name("charlie")).unwrap().far = false;
    document.in_sync.insert(name("charlie"), stamp("charlie"));
    let document = view.document.clone();
    let mut charlie = replica_alone("charlie", Mode::Sync);
    charlie.document.clone_from(&document);
    hear(&mut view, &charlie);
    view.peers.get_mut(&name("alpha")).unwrap().report.document = document;
    view
}

/// Alpha's view of the same.
pub(crate) fn primary_of_two() -> View {
    let mut view = primary();
    let document = view.document.as_mut().unwrap();
    document.members.get_mut(&name("charlie")).unwrap().far = false;
    document.in_sync.insert(name("charlie"), stamp("charlie"));
    hear(&mut view, &replica_alone("charlie", Mode::Sync));
    view.admissions
        .insert(name("charlie"), admission(Mode::Sync, "charlie"));
    view
}

fn charlie_is_away(view: &mut View) {
    let document = view.document.as_mut().unwrap();
    document.members.get_mut(&name("charlie")).unwrap().far = true;
}

pub(crate) fn node(text: &str) -> NodeName {
    name(text)
}

#[test]
fn nothing_is_decided_before_the_ledger_is_read() {
    let mut view = primary();
    view.memory.woke = None;
    check(&view, &[Action::ReadLedger], &Reason::LedgerUnknown);
    view.document = None;
    check(&view, &[Action::ReadLedger], &Reason::LedgerUnknown);
}

#[test]
fn who_has_no_part_waits() {
    let mut view = view_of("witty", None);
    check(&view, &[], &Reason::Witness);
    view.me = name("stranger");
    check(&view, &[], &Reason::NotAMember);
    let mut view = primary();
    view.server = Server::Unseen;
    check(&view, &[], &Reason::LooksAtItsServer);
    view.server = Server::Busy("cloning".into());
    let with = "cloning".to_owned();
    check(&view, &[], &Reason::Busy { with });
}

#[test]
fn an_undecided_swap_is_settled_before_anything_else() {
    let mut view = primary();
    silence(&mut view, "bravo", 5_000);
    view.memory.undecided = Some(10);
    let settle = swap(&view, Intent::Settle, |_| {});
    check(&view, &[settle], &Reason::Undecided { rev: 10 });
}
