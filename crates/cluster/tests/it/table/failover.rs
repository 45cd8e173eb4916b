//! Rows of `decide/failover.rs`.

use cluster::{
    Action, Applying, Change, ChangeKind, Cut, Document, Intent, Mark, Promise, Reason, Receiving,
    Server, Suspicion, View, Wish,
};

use super::{NOW, at, check, node, own, replica, replica_of_two, silence, stamp, swap, theirs};

fn promise(of: &str, received: &str) -> Promise {
    Promise {
        rev: 10,
        stamp: stamp(of),
        received: at(received),
    }
}

/// Bravo has promised, alpha is silent.
fn fenced(mut view: View) -> View {
    silence(&mut view, "alpha", 2_000);
    view.memory.promise = Some(promise("bravo", "0-1-20"));
    let server = own(&mut view);
    server.receiving = Receiving::Stopped;
    (server.source, server.silent_ms) = (None, u64::MAX);
    view
}

fn both_promised(of_charlie: &str) -> View {
    let mut view = fenced(replica_of_two());
    let report = &mut view.peers.get_mut(&node("charlie")).unwrap().report;
    report.promise = Some(promise("charlie", of_charlie));
    view
}

fn takes_over() -> Reason {
    Reason::TakesOver {
        from: node("alpha"),
        suspicion: Suspicion::Silent { ms: 2_000 },
    }
}

fn new_epoch(next: &mut Document, kind: ChangeKind, reason: &str) {
    next.epoch = 4;
    next.primary = node("bravo");
    next.primary_data = stamp("bravo").data;
    next.in_sync.clear();
    let position = at("0-1-20");
    next.cuts.push(Cut { epoch: 4, position });
    next.last_change = Some(Change {
        kind,
        from: node("alpha"),
        to: node("bravo"),
        at: NOW / 1_000,
        reason: reason.to_owned(),
    });
}

fn promotes(view: &View, in_sync: &[&str]) -> Action {
    swap(view, Intent::Promote, |next| {
        let suspicion = Suspicion::Silent { ms: 2_000 };
        new_epoch(next, ChangeKind::Failover, &suspicion.to_string());
        next.in_sync = in_sync.iter().map(|n| (node(n), stamp(n))).collect();
        next.strain.push(NOW / 1_000);
    })
}

fn returns(view: &View) -> ([Action; 1], Reason) {
    let unfence = swap(view, Intent::Unfence, |_| {});
    (
        [unfence],
        Reason::ReturnsTo {
            node: node("alpha"),
        },
    )
}

#[test]
fn the_only_member_takes_over_when_all_is_applied() {
    let mut view = fenced(replica());
    check(&view, &[promotes(&view, &[])], &takes_over());
    own(&mut view).received = at("0-1-23");
    check(&view, &[], &Reason::Drains { missing: 3 });
    own(&mut view).received = at("0-1-20");
    // Its applying threads are stopped, and it promised more than it can see.
    own(&mut view).applying = Applying::Stopped;
    view.memory.promise = Some(promise("bravo", "0-1-21"));
    check(&view, &[], &Reason::Drains { missing: 0 });
    own(&mut view).applying = Applying::Failed("x".into());
    let error = "x".to_owned();
    check(&view, &[], &Reason::ApplyStopped { error });
}

#[test]
fn a_failed_apply_is_no_candidate_even_with_nothing_left_to_apply() {
    let mut view = fenced(replica());
    own(&mut view).applying = Applying::Failed("it holds writes of its own: 0-2-21".into());
    let error = "it holds writes of its own: 0-2-21".to_owned();
    check(&view, &[], &Reason::ApplyStopped { error });
    own(&mut view).applying = Applying::Stopped;
    check(&view, &[promotes(&view, &[])], &takes_over());
}

#[test]
fn a_promise_counts_for_its_revision_and_ids_only() {
    let waits = || Reason::WaitsForPromises {
        of: vec![node("charlie")],
    };
    check(&fenced(replica_of_two()), &[], &waits());
    let of_charlie = |view: &mut View, change: fn(&mut Promise)| {
        let report = &mut view.peers.get_mut(&node("charlie")).unwrap().report;
        change(report.promise.as_mut().unwrap());
    };
    let changes: [fn(&mut Promise); 3] = [
        |promise| promise.rev = 9,
        |promise| promise.stamp.boot = cluster::BootId(1),
        |promise| promise.stamp.data = cluster::DataId(1),
    ];
    for change in changes {
        let mut view = both_promised("0-1-20");
        of_charlie(&mut view, change);
        check(&view, &[], &waits());
        silence(&mut view, "alpha", 0);
        check(&view, &returns(&view).0, &returns(&view).1);
    }
}

#[test]
fn who_holds_most_takes_over_with_those_that_hold_the_same() {
    let view = both_promised("0-1-20");
    check(&view, &[promotes(&view, &["charlie"])], &takes_over());
    let view = both_promised("0-1-19");
    check(&view, &[promotes(&view, &[])], &takes_over());
    let mut view = both_promised("0-1-21");
    let waits = || Reason::WaitsForCandidate {
        node: node("charlie"),
    };
    check(&view, &[], &waits());
    silence(&mut view, "alpha", 0);
    check(&view, &returns(&view).0, &returns(&view).1);
    // Among equals: the priority, but first that it can.
    let mut view = both_promised("0-1-20");
    let document = view.document.as_mut().unwrap();
    document.members.get_mut(&node("charlie")).unwrap().priority = 1;
    check(&view, &[], &waits());
    theirs(&mut view, "charlie").applying = Applying::Failed("x".into());
    check(&view, &[promotes(&view, &["charlie"])], &takes_over());
}

#[test]
fn a_pause_or_a_spent_budget_holds() {
    let mut view = fenced(replica());
    view.document.as_mut().unwrap().strain = vec![NOW / 1_000 - 3_599; 3];
    check(&view, &[], &Reason::BudgetSpent { failovers: 3 });
    let mut old = view.clone();
    old.document.as_mut().unwrap().strain[0] -= 1;
    check(&old, &[promotes(&old, &[])], &takes_over());
    silence(&mut view, "alpha", 0);
    check(&view, &returns(&view).0, &returns(&view).1);
    let mut view = fenced(replica());
    view.document.as_mut().unwrap().paused = true;
    check(
        &view,
        &[],
        &Reason::Paused {
            node: node("alpha"),
        },
    );
    silence(&mut view, "alpha", 0);
    check(&view, &returns(&view).0, &returns(&view).1);
}

#[test]
fn a_promise_outside_the_set_leads_nowhere() {
    let mut view = fenced(replica());
    view.document.as_mut().unwrap().in_sync.clear();
    check(
        &view,
        &[],
        &Reason::NobodyMayPromote {
            node: node("alpha"),
        },
    );
}

fn ordered(mut view: View, accept_loss: bool, ago: u64) -> View {
    let asked = NOW - ago;
    view.wish = Some(Wish::Failover { accept_loss, asked });
    view
}

#[track_caller]
fn refused(view: &View, why: &str) {
    let why = why.to_owned();
    let end = Action::EndWish(Some(why.clone()));
    check(view, &[end], &Reason::WishRefused { why });
}

#[test]
fn by_order_it_fences_then_takes_over_when_nothing_can_be_lost() {
    let well = ordered(replica(), true, 0);
    refused(&well, "alpha is well: use `mainstay switchover --to bravo`");
    let mut view = ordered(fenced(replica()), false, 0);
    check(&view, &[promotes(&view, &[])], &takes_over());
    view.document.as_mut().unwrap().paused = true;
    check(&view, &[promotes(&view, &[])], &takes_over());
    view.memory.promise = None;
    let stop = Action::StopReceiving { promise: Some(10) };
    let suspects = Reason::Suspects {
        node: node("alpha"),
        suspicion: Suspicion::OperatorsWord,
    };
    check(&view, &[stop], &suspects);
}

#[test]
fn by_order_it_waits_for_promises_and_then_refuses() {
    let of = vec![node("charlie")];
    let view = ordered(fenced(replica_of_two()), false, 9_999);
    check(&view, &[], &Reason::WaitsForPromises { of });
    let view = ordered(fenced(replica_of_two()), false, 10_000);
    let why =
        "acknowledged writes may be held by charlie only; `--accept-loss` takes over without them";
    refused(&view, why);
    let view = ordered(both_promised("0-1-21"), false, 0);
    refused(&view, "another member holds more: name that one");
    let mut view = ordered(fenced(replica()), false, 0);
    view.document.as_mut().unwrap().in_sync.clear();
    let why = "alpha went on alone, so this node may lack acknowledged writes; \
               `--accept-loss` takes over without them";
    refused(&view, why);
}

#[test]
fn by_order_it_takes_over_with_a_loss_that_is_told() {
    let forced = |view: &View, missing: u64, cut: &str| {
        let loss = match missing {
            0 => "how much is lost is not known".to_owned(),
            _ => format!("at least {missing} known transactions are lost"),
        };
        let reason = format!("the operator's word; {loss}");
        swap(view, Intent::Force, |next| {
            new_epoch(next, ChangeKind::Forced, &reason);
            next.cuts.last_mut().unwrap().position = at(cut);
        })
    };
    let mut view = ordered(fenced(replica()), true, 0);
    view.document.as_mut().unwrap().in_sync.clear();
    theirs(&mut view, "alpha").written = at("0-1-24");
    let lost = Reason::ForcedFailover { missing: 4 };
    check(&view, &[forced(&view, 4, "0-1-20")], &lost);
    own(&mut view).received = at("0-1-21");
    check(&view, &[], &Reason::Drains { missing: 1 });
    own(&mut view).applying = Applying::Failed("x".into());
    refused(&view, "it cannot apply what it received: x");
    // Nothing is left to apply: what it holds alone is the operator's to take.
    own(&mut view).received = at("0-1-20");
    check(&view, &[forced(&view, 4, "0-1-20")], &lost);
    view.wish = Some(Wish::Failover {
        accept_loss: false,
        asked: 0,
    });
    refused(&view, "x; `--accept-loss` takes over all the same");
    // A node with a tail of its own: the part before the fork is common history.
    let mut view = ordered(fenced(replica()), true, 0);
    view.followed = 2;
    view.document.as_mut().unwrap().in_sync.clear();
    let none = Reason::ForcedFailover { missing: 0 };
    check(&view, &[forced(&view, 0, "0-1-8")], &none);
    let Some(Wish::Failover { accept_loss, .. }) = &mut view.wish else {
        panic!("no wish");
    };
    *accept_loss = false;
    let why = "it holds transactions that the cluster does not have, or was away for too long; \
               `--accept-loss` takes over with them";
    refused(&view, why);
    view.server = Server::NoData;
    refused(&view, "it has no data");
    view.mark = Mark::Clean;
}
