//! Rows of `decide/handover.rs`.

use cluster::{
    Action, Applying, Change, ChangeKind, Cut, EndOf, Gate, Handover, Health, Intent, Outcome,
    Reason, View, Wish,
};

use super::{NOW, at, check, node, own, primary, primary_of_two, silence, stamp, swap, theirs};

/// What makes a switchover impossible for now.
type Spoil = fn(&mut View);

fn wished(mut view: View, to: Option<&str>, ago: u64) -> View {
    view.wish = Some(Wish::Switchover {
        to: to.map(node),
        asked: NOW - ago,
    });
    view
}

fn held(ago: u64, end: Option<&str>) -> View {
    let mut view = wished(primary(), Some("bravo"), ago);
    view.memory.handover = Some(Handover {
        to: node("bravo"),
        since: NOW - ago,
        end: end.map(at),
    });
    own(&mut view).read_only = end.is_some();
    view
}

fn holds(open: u32) -> Reason {
    let to = node("bravo");
    Reason::SwitchoverHolds { to, open }
}

#[track_caller]
fn refused(view: &View, why: &str) {
    let why = why.to_owned();
    let end = Action::EndWish(Some(why.clone()));
    check(view, &[end], &Reason::SwitchoverRefused { why });
}

#[test]
fn a_wish_that_cannot_be_is_refused_at_once() {
    let view = wished(primary(), Some("alpha"), 0);
    refused(&view, "alpha is the primary already");
    let mut view = wished(primary(), None, 0);
    silence(&mut view, "bravo", 1_500);
    // It is being given up first; without it nobody is left.
    view.document.as_mut().unwrap().in_sync.clear();
    own(&mut view).semi_sync = false;
    view.admissions.clear();
    view.peers.clear();
    refused(&view, "no replica is in sync");
    let mut view = primary();
    view.wish = Some(Wish::Failover {
        accept_loss: true,
        asked: NOW,
    });
    refused(&view, "this node is the primary already");
}

#[test]
fn an_obstacle_is_waited_for_then_told() {
    let rows: [(Spoil, &str); 6] = [
        (
            |view| theirs(view, "bravo").applying = Applying::Stopped,
            "it does not apply what it receives",
        ),
        (
            |view| theirs(view, "bravo").lag_ms = Some(1_500),
            "its data is 1500 ms behind",
        ),
        (
            |view| theirs(view, "bravo").lag_ms = None,
            "its lag cannot be told",
        ),
        (
            |view| own(view).long_ddl = true,
            "a statement that changes a table's structure is running",
        ),
        (
            |view| view.admissions.get_mut(&node("bravo")).unwrap().connected = false,
            "it is not connected",
        ),
        (
            |view| {
                view.admissions.get_mut(&node("bravo")).unwrap().since = NOW;
                let report = &mut view.peers.get_mut(&node("bravo")).unwrap().report;
                report.server = cluster::Server::Unseen;
            },
            "its agent or its server does not answer",
        ),
    ];
    for (change, obstacle) in rows {
        let mut view = wished(primary(), Some("bravo"), 100);
        view.admissions.get_mut(&node("bravo")).unwrap().since = NOW;
        change(&mut view);
        let waits = Reason::SwitchoverWaits {
            to: node("bravo"),
            obstacle: obstacle.to_owned(),
        };
        check(&view, &[], &waits);
        view.wish = wished(primary(), Some("bravo"), 10_000).wish;
        refused(&view, &format!("bravo cannot take over: {obstacle}"));
    }
    let late = |to| wished(primary(), Some(to), 10_000);
    refused(
        &late("nobody"),
        "nobody cannot take over: it is no member of the cluster",
    );
    let far = "charlie cannot take over: it is far and replicates without being in sync";
    refused(&late("charlie"), far);
    refused(&late("witty"), "witty cannot take over: it is not in sync");
    refused(&late("bravo"), "bravo could not take over in time");
}

#[test]
fn the_member_of_the_highest_priority_is_chosen() {
    let mut view = wished(primary_of_two(), None, 0);
    let begin = |to: &str| [Action::BeginHandover(node(to))];
    check(&view, &begin("bravo"), &holds(0));
    let document = view.document.as_mut().unwrap();
    document.members.get_mut(&node("charlie")).unwrap().priority = 5;
    let to = node("charlie");
    check(
        &view,
        &begin("charlie"),
        &Reason::SwitchoverHolds { to, open: 0 },
    );
}

#[test]
fn open_transactions_get_their_time_then_the_server_is_closed() {
    let steps = [Action::Close, Action::NoteEnd(EndOf::Handover)];
    check(&held(100, None), &steps, &holds(0));
    let mut view = held(4_999, None);
    view.gate = Gate {
        present: true,
        holding: Some(3),
        open: 2,
    };
    check(&view, &[], &holds(2));
    view.gate = Gate {
        present: true,
        ..Gate::default()
    };
    check(&view, &[], &holds(1));
    view.memory.handover = held(5_000, None).memory.handover;
    check(&view, &steps, &holds(1));
    let mut view = held(100, None);
    own(&mut view).read_only = true;
    check(&view, &steps[1..], &holds(0));
}

#[test]
fn the_swap_waits_until_the_target_has_applied_everything() {
    let catches_up = |missing| Reason::SwitchoverCatchesUp {
        to: node("bravo"),
        missing,
    };
    check(&held(100, Some("0-1-22")), &[], &catches_up(2));
    let mut view = held(100, Some("0-1-20"));
    theirs(&mut view, "bravo").applied = at("0-1-19");
    check(&view, &[], &catches_up(1));
    theirs(&mut view, "bravo").applied = at("0-1-20");
    view.admissions.get_mut(&node("bravo")).unwrap().connected = false;
    view.admissions.get_mut(&node("bravo")).unwrap().since = NOW;
    check(&view, &[], &catches_up(0));
    let view = held(100, Some("0-1-20"));
    let hand_over = swap(&view, Intent::Handover, |next| {
        next.epoch = 4;
        next.primary = node("bravo");
        next.primary_data = stamp("bravo").data;
        next.in_sync = [(node("alpha"), stamp("alpha"))].into();
        let position = at("0-1-20");
        next.cuts.push(Cut { epoch: 4, position });
        next.last_change = Some(Change {
            kind: ChangeKind::Switchover,
            from: node("alpha"),
            to: node("bravo"),
            at: NOW / 1_000,
            reason: "planned".into(),
        });
    });
    check(
        &view,
        &[hand_over],
        &Reason::HandsOver { to: node("bravo") },
    );
}

#[test]
fn an_end_that_was_noted_before_the_server_was_opened_or_closed_is_void() {
    let attempts = [
        (Action::Open, Outcome::Done),
        (Action::Open, Outcome::Failed("it is frozen".to_owned())),
        (Action::Close, Outcome::Done),
    ];
    for (action, outcome) in attempts {
        let mut view = held(100, Some("0-1-20"));
        let seen = view.clone();
        view.memory.performed(&seen, &action, &outcome);
        check(&view, &[Action::NoteEnd(EndOf::Handover)], &holds(0));
    }
}

#[test]
fn a_switchover_that_takes_too_long_is_undone_in_order() {
    let undone = || Reason::SwitchoverUndone { to: node("bravo") };
    let why = "bravo was not ready in time, nothing was changed".to_owned();
    let steps = [
        Action::Open,
        Action::EndWish(Some(why)),
        Action::EndHandover,
    ];
    let mut view = held(10_000, Some("0-1-22"));
    check(&view, &steps, &undone());
    own(&mut view).read_only = false;
    check(&view, &steps[1..], &undone());
    view.wish = None;
    check(&view, &steps[2..], &undone());
    let mut view = held(100, Some("0-1-22"));
    view.document.as_mut().unwrap().in_sync.clear();
    check(&view, &steps, &undone());
    // Also while a member is being given up.
    let mut view = held(10_000, Some("0-1-22"));
    silence(&mut view, "bravo", 3_000);
    check(&view, &steps, &undone());
}

#[test]
fn a_target_that_fails_is_given_up_like_any_member() {
    let mut view = held(100, Some("0-1-22"));
    theirs(&mut view, "bravo").health = Health::Hung;
    let note = Action::NoteEnd(EndOf::Shrink([node("bravo")].into()));
    let lost = vec![(node("bravo"), cluster::Loss::Ill(Health::Hung))];
    let steps = [Action::Cut(node("bravo")), note];
    check(&view, &steps, &Reason::Shrinks { lost });
}
