//! Rows of `decide/replica.rs` and `decide/deposed.rs`.

use cluster::{
    Action, Applying, ChangeKind, DataId, Intent, Mark, Mode, Reason, Receiving, Server, Source,
    StartAs, Suspicion, View, Wish,
};

use super::{NOW, admission, at, check, node, own, replica, silence, source, swap, theirs};

const OPENED: Mark = Mark::Opened { epoch: 2 };

fn follows() -> Reason {
    Reason::Follows {
        node: node("alpha"),
        epoch: 3,
    }
}

/// Bravo, out of the set.
fn outside() -> View {
    let mut view = replica();
    let document = view.document.as_mut().unwrap();
    document.in_sync.clear();
    own(&mut view).source = Some(source(Mode::Async));
    view
}

fn still(mut view: View) -> View {
    let server = own(&mut view);
    (server.receiving, server.source) = (Receiving::Stopped, None);
    view
}

#[test]
fn a_replica_at_rest_replicates() {
    let from = || Reason::Replicates {
        from: node("alpha"),
    };
    check(&replica(), &[], &from());
    check(&outside(), &[], &from());
}

#[test]
fn a_stopped_server_is_started_as_its_mark_and_the_ledger_say() {
    let mut view = replica();
    view.server = Server::Stopped;
    let ordinary = Action::Start(StartAs::Ordinary);
    let as_replica = || (std::slice::from_ref(&ordinary), Reason::StartsAsReplica);
    for mark in [Mark::Clean, OPENED, Mark::Rewound { epoch: 2 }] {
        view.mark = mark;
        check(&view, as_replica().0, &as_replica().1);
    }
    let mut view = outside();
    view.server = Server::Stopped;
    check(&view, as_replica().0, &as_replica().1);
    let steps = [
        Action::Renounce(Mark::Rewound { epoch: 2 }),
        Action::Start(StartAs::Destructive),
    ];
    for mark in [OPENED, Mark::Rewound { epoch: 2 }] {
        view.mark = mark;
        check(&view, &steps, &Reason::Rewinds { epoch: 2 });
    }
    // With another data id it is not the member that is named, and may still be made primary.
    let mut view = replica();
    (view.server, view.mark, view.data) = (Server::Stopped, OPENED, DataId(7));
    check(&view, &[], &Reason::WaitsToBeTakenOut);
    view.wish = Some(Wish::Failover {
        accept_loss: true,
        asked: 0,
    });
    check(&view, &steps, &Reason::Rewinds { epoch: 2 });
    view.wish = Some(Wish::Failover {
        accept_loss: false,
        asked: 0,
    });
    let why =
        "acknowledged writes may be held by alpha only; `--accept-loss` takes over without them";
    let refused = Action::EndWish(Some(why.into()));
    check(&view, &[refused], &Reason::WishRefused { why: why.into() });
}

#[test]
fn a_deposed_primary_is_ended_hard() {
    let mut view = still(outside());
    view.mark = OPENED;
    view.admissions
        .insert(node("charlie"), admission(Mode::Sync, "charlie"));
    let steps = [Action::Cut(node("charlie")), Action::Kill];
    check(&view, &steps, &Reason::Deposed { epoch: 2 });
    // One that handed over is not: it only lets nobody connect any more.
    let mut view = still(replica());
    view.mark = OPENED;
    view.admissions
        .insert(node("charlie"), admission(Mode::Sync, "charlie"));
    check(&view, &steps[..1], &follows());
    view.admissions.clear();
    let server = own(&mut view);
    (server.replica_settings, server.semi_sync) = (false, true);
    let steps = [Action::Demote, Action::Follow(source(Mode::Sync))];
    check(&view, &steps, &follows());
}

#[test]
fn the_mark_is_cleared_once_it_replicates() {
    let mut view = replica();
    for mark in [OPENED, Mark::Rewound { epoch: 2 }] {
        view.mark = mark;
        check(&view, &[Action::SetMark(Mark::Clean)], &Reason::MarkCleared);
    }
}

#[test]
fn what_was_changed_by_hand_on_a_replica_is_set_right_before_anything_else() {
    for mut view in [replica(), outside(), still(replica())] {
        own(&mut view).read_only = false;
        check(&view, &[Action::Close], &Reason::SetsRight);
        own(&mut view).semi_sync = true;
        check(&view, &[Action::SemiSync(false)], &Reason::SetsRight);
        // With semi-sync on and no settings of a replica it was primary.
        own(&mut view).replica_settings = false;
        own(&mut view).source = None;
        own(&mut view).receiving = Receiving::Stopped;
        let mode = view.document.as_ref().map(|d| d.in_sync.len());
        let mode = if mode == Some(0) {
            Mode::Async
        } else {
            Mode::Sync
        };
        check(
            &view,
            &[Action::Demote, Action::Follow(source(mode))],
            &follows(),
        );
    }
}

#[test]
fn a_relay_log_that_was_left_is_applied_first() {
    let mut view = still(replica());
    own(&mut view).salvage = true;
    check(&view, &[Action::Salvage], &Reason::Salvages);
    // One that cannot be applied is tried for as long as it may count, and given up after that.
    own(&mut view).applying = Applying::Failed("x".into());
    check(&view, &[Action::Salvage], &Reason::Salvages);
    let mut view = still(outside());
    (own(&mut view).salvage, own(&mut view).applying) = (true, Applying::Failed("x".into()));
    let why = "it cannot apply what it had received: x".to_owned();
    let wipe = swap(&view, Intent::Wipe, |_| {});
    check(&view, &[wipe], &Reason::NeedsClone { why });
}

#[test]
fn what_lies_beyond_the_cut_is_saved_and_the_data_replaced() {
    let mut view = still(outside());
    view.followed = 2;
    own(&mut view).received = at("0-1-9");
    let cut = || at("0-1-8");
    let save = [Action::SaveTail(cut())];
    check(&view, &save, &Reason::SavesTail { beyond: cut() });
    own(&mut view).receiving = Receiving::Connecting;
    let stop = [Action::StopReceiving { promise: None }];
    check(&view, &stop, &Reason::SavesTail { beyond: cut() });
    own(&mut view).receiving = Receiving::Stopped;
    view.memory.tail_saved = true;
    let why = "it holds transactions that the cluster does not have".to_owned();
    let needs = Reason::NeedsClone { why };
    let wipe = swap(&view, Intent::Wipe, |_| {});
    check(&view, &[wipe], &needs);
    view.memory.wipe = Some(11);
    let from = node("alpha");
    check(&view, &[Action::Clone { from }], &needs);
    silence(&mut view, "alpha", 2_000);
    check(&view, &[], &Reason::NoSource);
}

#[test]
fn a_node_without_data_or_known_past_is_cloned() {
    let mut view = outside();
    view.server = Server::NoData;
    let wipe = swap(&view, Intent::Wipe, |_| {});
    let why = "it has no data".to_owned();
    check(
        &view,
        std::slice::from_ref(&wipe),
        &Reason::NeedsClone { why },
    );
    let mut view = replica();
    view.server = Server::NoData;
    check(&view, &[], &Reason::WaitsToBeTakenOut);
    let mut view = still(outside());
    view.followed = 0;
    let why = "it was away for too many changes of primary".to_owned();
    check(&view, &[wipe], &Reason::NeedsClone { why });
}

#[test]
fn a_refused_replica_is_cloned_when_it_is_out_of_the_set() {
    let mut view = outside();
    own(&mut view).receiving = Receiving::Refused;
    let stop = Action::StopReceiving { promise: None };
    let wipe = swap(&view, Intent::Wipe, |_| {});
    let why = "its primary no longer has what it asks for".to_owned();
    let needs = Reason::NeedsClone { why };
    check(&view, &[stop, wipe], &needs);
    own(&mut view).source = None;
    view.memory.wipe = Some(11);
    let from = node("alpha");
    check(&view, &[Action::Clone { from }], &needs);
    // A refusal of an earlier primary says nothing of this one.
    view.memory.wipe = None;
    check(&view, &[Action::Follow(source(Mode::Async))], &follows());
}

#[test]
fn a_replica_that_cannot_apply_waits_to_be_taken_out_then_is_cloned() {
    let error = "x".to_owned();
    let mut view = replica();
    own(&mut view).applying = Applying::Failed(error.clone());
    check(
        &view,
        &[],
        &Reason::ApplyStopped {
            error: error.clone(),
        },
    );
    let mut view = outside();
    own(&mut view).applying = Applying::Failed(error);
    let stop = Action::StopReceiving { promise: None };
    let wipe = swap(&view, Intent::Wipe, |_| {});
    let why = "it cannot apply: x".to_owned();
    check(&view, &[stop, wipe], &Reason::NeedsClone { why });
}

#[test]
fn a_woken_member_is_fenced_until_the_ledger_has_moved() {
    let mut view = replica();
    view.memory.woke = Some((10, 3));
    let stop = Action::StopReceiving { promise: None };
    check(&view, &[stop], &Reason::WakesFenced);
    let mut view = still(view);
    let unfence = swap(&view, Intent::Unfence, |_| {});
    let returns = Reason::ReturnsTo {
        node: node("alpha"),
    };
    check(&view, &[unfence], &returns);
    theirs(&mut view, "alpha").health = cluster::Health::Hung;
    check(&view, &[], &Reason::WakesFenced);
    view.boot = cluster::BootId(9);
    check(&view, &[], &Reason::WaitsToBeTakenOut);
}

#[test]
fn a_server_that_hangs_for_long_is_ended() {
    let mut view = replica();
    own(&mut view).health = cluster::Health::Hung;
    view.server_since = NOW - 30_000;
    check(&view, &[Action::Kill], &Reason::EndsHungServer);
    // Not one that an overload or a frozen disk keeps from answering.
    view.server_since = NOW - 29_000;
    assert!(!cluster::decide(&view).actions.contains(&Action::Kill));
    view.server_since = NOW - 30_000;
    own(&mut view).health = cluster::Health::DiskHung;
    assert!(!cluster::decide(&view).actions.contains(&Action::Kill));
}

#[test]
fn a_member_suspects_and_promises() {
    let promise = [Action::StopReceiving { promise: Some(10) }];
    let suspects = |suspicion| Reason::Suspects {
        node: node("alpha"),
        suspicion,
    };
    let mut view = replica();
    let report = &mut view.peers.get_mut(&node("alpha")).unwrap().report;
    report.steps_down = true;
    check(&view, &promise, &suspects(Suspicion::SaysItStepsDown));
    let mut view = replica();
    silence(&mut view, "alpha", 1_500);
    let replicates = || Reason::Replicates {
        from: node("alpha"),
    };
    check(&view, &[], &replicates());
    own(&mut view).silent_ms = 1_500;
    check(&view, &promise, &suspects(Suspicion::Silent { ms: 1_500 }));
    let mut paused = view.clone();
    paused.document.as_mut().unwrap().paused = true;
    check(
        &paused,
        &[],
        &Reason::Paused {
            node: node("alpha"),
        },
    );
    // Another hears it.
    let mut heard = view.clone();
    let mut report = heard.peers[&node("alpha")].report.clone();
    report.hears = [(node("alpha"), 1_000)].into();
    let heard_at = NOW - 400;
    let peer = cluster::Peer {
        report,
        heard: heard_at,
    };
    heard.peers.insert(node("witty"), peer);
    check(&heard, &[], &replicates());
    heard.peers.get_mut(&node("witty")).unwrap().heard = NOW - 500;
    check(&heard, &promise, &suspects(Suspicion::Silent { ms: 1_500 }));
    view.peers.clear();
    check(&view, &promise, &suspects(Suspicion::NeverHeard));
    view.server_since = NOW - 1_000;
    check(&view, &[], &replicates());
}

#[test]
fn the_source_is_changed_while_nothing_is_received_and_all_is_applied() {
    let mut view = replica();
    own(&mut view).source = Some(Source {
        epoch: 2,
        ..source(Mode::Sync)
    });
    let stop = Action::StopReceiving { promise: None };
    check(&view, &[stop], &follows());
    let mut view = still(view);
    own(&mut view).received = at("0-1-22");
    check(&view, &[], &Reason::Drains { missing: 2 });
    own(&mut view).received = at("0-1-20");
    check(&view, &[Action::Follow(source(Mode::Sync))], &follows());
    let mut view = outside();
    own(&mut view).receiving = Receiving::Connecting;
    check(&view, &[], &Reason::Connects { to: node("alpha") });
    silence(&mut view, "alpha", 1_500);
    own(&mut view).silent_ms = 1_500;
    check(
        &view,
        &[],
        &Reason::NobodyMayPromote {
            node: node("alpha"),
        },
    );
}

#[test]
fn a_replica_is_sync_when_the_ledger_or_a_growing_primary_says_so() {
    let view = still(outside());
    check(&view, &[Action::Follow(source(Mode::Async))], &follows());
    let mut view = still(outside());
    let report = &mut view.peers.get_mut(&node("alpha")).unwrap().report;
    report.growing = Some(node("bravo"));
    check(&view, &[Action::Follow(source(Mode::Sync))], &follows());
    let document = view.document.as_mut().unwrap();
    document.members.get_mut(&node("bravo")).unwrap().far = true;
    check(&view, &[Action::Follow(source(Mode::Async))], &follows());
}

#[test]
fn a_switchover_asked_of_a_replica_is_answered() {
    let mut view = replica();
    let wish = |to: Option<&str>| Wish::Switchover {
        to: to.map(node),
        asked: NOW,
    };
    view.wish = Some(wish(None));
    let why = "bravo is not the primary: alpha is".to_owned();
    let refused = [Action::EndWish(Some(why.clone()))];
    let no = Reason::WishRefused { why };
    check(&view, &refused, &no);
    view.document.as_mut().unwrap().last_change = Some(cluster::Change {
        kind: ChangeKind::Switchover,
        from: node("bravo"),
        to: node("alpha"),
        at: 0,
        reason: "planned".into(),
    });
    check(&view, &[Action::EndWish(None)], &Reason::WishDone);
    view.wish = Some(wish(Some("charlie")));
    check(&view, &refused, &no);
    view.document
        .as_mut()
        .unwrap()
        .last_change
        .as_mut()
        .unwrap()
        .kind = ChangeKind::Failover;
    view.wish = Some(wish(Some("alpha")));
    check(&view, &refused, &no);
}
