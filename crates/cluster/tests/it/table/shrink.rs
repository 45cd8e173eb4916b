//! Rows of `decide/shrink.rs`.

use cluster::{
    Action, Applying, Durability, EndOf, Health, Intent, Loss, Mode, Reason, Receiving, Server,
    Shrink, View,
};

use super::{
    NOW, admit, at, check, node, own, primary, primary_of_two, silence, stamp, swap, theirs,
};

fn begins(loss: Loss) -> (Vec<Action>, Reason) {
    let lost = vec![(node("bravo"), loss)];
    let note = Action::NoteEnd(EndOf::Shrink([node("bravo")].into()));
    (
        vec![Action::Cut(node("bravo")), note],
        Reason::Shrinks { lost },
    )
}

#[track_caller]
fn loses(change: impl FnOnce(&mut View), loss: Loss) {
    let mut view = primary();
    change(&mut view);
    let (actions, reason) = begins(loss);
    check(&view, &actions, &reason);
}

#[track_caller]
fn keeps(change: impl FnOnce(&mut View)) {
    let mut view = primary();
    change(&mut view);
    let in_sync = vec![node("bravo")];
    check(&view, &[], &Reason::Serves { in_sync });
}

#[test]
fn a_member_is_lost_for_one_of_these_reasons() {
    keeps(|view| silence(view, "bravo", 999));
    loses(
        |view| silence(view, "bravo", 1_000),
        Loss::Silent { ms: 1_000 },
    );
    loses(
        |view| silence(view, "bravo", 9_000),
        Loss::Silent { ms: 9_000 },
    );
    let report = |view: &mut View, change: fn(&mut cluster::Report)| {
        change(&mut view.peers.get_mut(&node("bravo")).unwrap().report);
    };
    loses(
        |view| report(view, |r| r.stamp = stamp("other")),
        Loss::OtherIds,
    );
    loses(
        |view| report(view, |r| r.server = Server::Stopped),
        Loss::ServerDown,
    );
    loses(
        |view| report(view, |r| r.server = Server::NoData),
        Loss::NoData,
    );
    keeps(|view| report(view, |r| r.server = Server::Busy("x".into())));
    keeps(|view| report(view, |r| r.server = Server::Unseen));
    let ill = Loss::Ill(Health::DiskHung);
    loses(|view| theirs(view, "bravo").health = Health::DiskHung, ill);
    let failed = Applying::Failed("x".into());
    loses(
        |view| theirs(view, "bravo").applying = failed,
        Loss::ApplyFailed,
    );
    loses(
        |view| theirs(view, "bravo").receiving = Receiving::Refused,
        Loss::ApplyFailed,
    );
    keeps(|view| theirs(view, "bravo").lag_ms = Some(59_999));
    loses(
        |view| theirs(view, "bravo").lag_ms = Some(60_000),
        Loss::Lags { ms: 60_000 },
    );
}

#[test]
fn a_member_that_does_not_acknowledge_is_lost_after_a_while() {
    let waits = |view: &mut View, end: &str, ms: u64| {
        own(view).written = at(end);
        own(view).waiting_ms = ms;
    };
    keeps(|view| waits(view, "0-1-21", 1_999));
    loses(
        |view| waits(view, "0-1-21", 2_000),
        Loss::TooSlow { ms: 2_000 },
    );
    keeps(|view| waits(view, "0-1-20", 4_999));
    loses(
        |view| waits(view, "0-1-20", 5_000),
        Loss::TooSlow { ms: 5_000 },
    );
}

#[test]
fn a_member_that_is_not_connected_is_lost_after_twice_the_time() {
    let apart = |view: &mut View, ms: u64| {
        let admission = view.admissions.get_mut(&node("bravo")).unwrap();
        (admission.connected, admission.since) = (false, NOW - ms);
    };
    keeps(|view| apart(view, 1_999));
    loses(|view| apart(view, 2_000), Loss::Disconnected { ms: 2_000 });
    keeps(|view| {
        apart(view, 999);
        view.peers.clear();
    });
    let silent = Loss::Silent { ms: 1_000 };
    loses(
        |view| {
            apart(view, 1_000);
            view.peers.clear();
        },
        silent,
    );
    loses(
        |view| {
            apart(view, 100);
            let report = &mut view.peers.get_mut(&node("bravo")).unwrap().report;
            report.server = Server::Busy("starting".into());
        },
        Loss::ServerDown,
    );
}

#[test]
fn the_last_member_is_taken_out_at_once_after_the_end_is_noted() {
    let mut view = primary();
    silence(&mut view, "bravo", 1_000);
    view.admissions.clear();
    view.memory.shrink = Some(Shrink {
        lost: [node("bravo")].into(),
        end: None,
    });
    let (actions, reason) = begins(Loss::Silent { ms: 1_000 });
    check(&view, &actions[1..], &reason);
    view.memory.shrink.as_mut().unwrap().end = Some(at("0-1-20"));
    let out = swap(&view, Intent::Shrink, |next| next.in_sync.clear());
    let lost = vec![node("bravo")];
    check(&view, &[out], &Reason::GoesOnWithout { lost });
}

#[test]
fn one_of_two_is_taken_out_when_the_other_has_the_end() {
    let mut view = primary_of_two();
    silence(&mut view, "charlie", 1_000);
    view.admissions.remove(&node("charlie"));
    view.memory.shrink = Some(Shrink {
        lost: [node("charlie")].into(),
        end: Some(at("0-1-21")),
    });
    check(&view, &[], &Reason::ShrinkWaits { end: at("0-1-21") });
    view.memory.shrink.as_mut().unwrap().end = Some(at("0-1-20"));
    let out = swap(&view, Intent::Shrink, |next| {
        next.in_sync.remove(&node("charlie"));
    });
    let lost = vec![node("charlie")];
    check(&view, &[out], &Reason::GoesOnWithout { lost });
    // The other is lost too: it is cut, and the end is noted again.
    silence(&mut view, "bravo", 1_000);
    let both = [node("bravo"), node("charlie")];
    let loss = Loss::Silent { ms: 1_000 };
    let lost = both.iter().map(|n| (n.clone(), loss.clone())).collect();
    let note = Action::NoteEnd(EndOf::Shrink(both.into()));
    let steps = [Action::Cut(node("bravo")), note];
    check(&view, &steps, &Reason::Shrinks { lost });
}

#[test]
fn with_strict_durability_the_last_member_stays_unless_it_cannot_come_back() {
    let mut view = primary();
    view.document.as_mut().unwrap().durability = Durability::Strict;
    silence(&mut view, "bravo", 1_000);
    check(&view, &[], &Reason::StrictWaits);
    view.memory.shrink = Some(Shrink {
        lost: [node("bravo")].into(),
        end: Some(at("0-1-20")),
    });
    view.admissions.clear();
    check(&view, &[admit("bravo", Mode::Sync)], &Reason::StrictWaits);
    silence(&mut view, "bravo", 0);
    view.peers.get_mut(&node("bravo")).unwrap().report.stamp = stamp("other");
    let out = swap(&view, Intent::Shrink, |next| next.in_sync.clear());
    let lost = vec![node("bravo")];
    check(&view, &[out], &Reason::GoesOnWithout { lost });
}

#[test]
fn a_member_that_was_removed_is_taken_out() {
    let mut view = primary();
    view.document
        .as_mut()
        .unwrap()
        .members
        .remove(&node("bravo"));
    let reason = Reason::Serves {
        in_sync: vec![node("bravo")],
    };
    check(&view, &[Action::Cut(node("bravo"))], &reason);
}
