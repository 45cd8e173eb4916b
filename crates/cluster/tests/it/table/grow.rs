//! Rows of `decide/grow.rs`.

use cluster::{
    Action, Applying, Durability, EndOf, Grow, Health, Intent, Mark, Mode, Reason, Receiving, View,
};

use super::{
    NOW, admission, alone, at, check, hear, node, own, primary_of_two, replica_alone, stamp, swap,
    theirs,
};

fn waits() -> Reason {
    let node = node("bravo");
    Reason::GrowWaits { node }
}

fn growing(end: Option<&str>) -> View {
    let mut view = alone();
    view.memory.grow = Some(Grow {
        node: node("bravo"),
        stamp: stamp("bravo"),
        since: NOW - 100,
        end: end.map(at),
    });
    view.admissions
        .insert(node("bravo"), admission(Mode::Sync, "bravo"));
    hear(&mut view, &replica_alone("bravo", Mode::Sync));
    own(&mut view).semi_sync = true;
    view
}

#[test]
fn an_empty_set_is_grown_by_a_replica_that_is_ready() {
    let begin = Action::BeginGrow {
        node: node("bravo"),
        stamp: stamp("bravo"),
    };
    let steps = [begin, super::admit("bravo", Mode::Sync)];
    check(&alone(), &steps, &waits());
    let not: [fn(&mut View); 9] = [
        |view| view.memory.regrow = NOW + 1,
        |view| theirs(view, "bravo").lag_ms = Some(1_001),
        |view| theirs(view, "bravo").lag_ms = None,
        |view| theirs(view, "bravo").receiving = Receiving::Connecting,
        |view| theirs(view, "bravo").applying = Applying::Stopped,
        |view| theirs(view, "bravo").health = Health::DiskFull,
        |view| theirs(view, "bravo").source = None,
        |view| view.admissions.get_mut(&node("bravo")).unwrap().connected = false,
        |view| {
            let report = &mut view.peers.get_mut(&node("bravo")).unwrap().report;
            report.mark = Mark::Rewound { epoch: 2 };
        },
    ];
    for change in not {
        let mut view = alone();
        change(&mut view);
        check(&view, &[], &Reason::ServesAlone);
    }
}

#[test]
fn the_first_member_is_connected_then_waited_for_then_named() {
    let mut view = growing(None);
    own(&mut view).semi_sync = false;
    check(&view, &[Action::SemiSync(true)], &Reason::ServesAlone);
    let mut view = growing(None);
    view.admissions.get_mut(&node("bravo")).unwrap().connected = false;
    own(&mut view).semi_sync = false;
    check(&view, &[], &waits());
    let note = Action::NoteEnd(EndOf::Grow);
    check(&growing(None), &[note], &waits());
    check(&growing(Some("0-1-21")), &[], &waits());
    let view = growing(Some("0-1-20"));
    let grow = swap(&view, Intent::Grow, |next| {
        next.in_sync.insert(node("bravo"), stamp("bravo"));
    });
    let reason = Reason::Grows {
        node: node("bravo"),
    };
    check(&view, &[grow], &reason);
}

#[test]
fn a_growth_that_takes_too_long_is_given_up_in_order() {
    let mut view = growing(Some("0-1-21"));
    view.memory.grow.as_mut().unwrap().since = NOW - 3_000;
    let steps = [Action::Cut(node("bravo")), Action::SemiSync(false)];
    check(&view, &steps, &Reason::ServesAlone);
    view.admissions.clear();
    own(&mut view).semi_sync = false;
    let reason = Reason::GrowGivenUp {
        node: node("bravo"),
    };
    check(&view, &[Action::EndGrow], &reason);
    let mut view = growing(None);
    view.document.as_mut().unwrap().durability = Durability::Strict;
    view.peers.clear();
    check(&view, &[Action::Cut(node("bravo"))], &Reason::ServesAlone);
}

#[test]
fn a_set_with_members_is_grown_in_the_ledger_first() {
    let mut view = primary_of_two();
    view.document
        .as_mut()
        .unwrap()
        .in_sync
        .remove(&node("charlie"));
    view.admissions
        .insert(node("charlie"), admission(Mode::Async, "charlie"));
    hear(&mut view, &replica_alone("charlie", Mode::Async));
    let grow = swap(&view, Intent::Grow, |next| {
        next.in_sync.insert(node("charlie"), stamp("charlie"));
    });
    let reason = Reason::Grows {
        node: node("charlie"),
    };
    check(&view, &[grow], &reason);
}
