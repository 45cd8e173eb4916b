//! Rows of `decide/primary.rs` and `decide/admission.rs`.

use cluster::{
    Action, Applying, DataId, EndOf, Health, Intent, Mark, Mode, NodeName, Reason, Server, Stamp,
    StartAs, Tenure, View, Wish,
};

use super::{NOW, admit, alone, at, check, node, own, primary, replica, silence, stamp, swap};

fn serves() -> Reason {
    let in_sync: Vec<NodeName> = vec![node("bravo")];
    Reason::Serves { in_sync }
}

fn stopped(view: &mut View, ms: u64) {
    view.server = Server::Stopped;
    view.memory.tenure = None;
    view.server_since = NOW - ms;
}

#[test]
fn a_primary_at_rest_serves() {
    check(&primary(), &[], &serves());
    let mut view = alone();
    view.peers.clear();
    view.admissions.clear();
    check(&view, &[], &Reason::ServesAlone);
}

#[test]
fn a_primary_without_its_data_has_no_claim() {
    let mut view = primary();
    view.data = DataId(99);
    check(&view, &[], &Reason::PrimaryDataReplaced);
    assert!(view.steps_down());
    view.server = Server::NoData;
    check(&view, &[], &Reason::PrimaryWithoutData);
    assert!(view.steps_down());
}

#[test]
fn a_stopped_primary_leaves_the_way_open_then_reclaims_then_starts() {
    let mut view = primary();
    stopped(&mut view, 1_000);
    check(&view, &[], &Reason::LeavesTheWayOpen { left_ms: 4_000 });
    assert!(view.steps_down());
    view.server_since = NOW - 5_000;
    let reclaim = swap(&view, Intent::Reclaim, |_| {});
    check(&view, std::slice::from_ref(&reclaim), &Reason::Reclaims);
    // A member with another boot cannot take over.
    view.server_since = NOW - 100;
    view.peers.get_mut(&node("bravo")).unwrap().report.stamp = stamp("other");
    check(&view, std::slice::from_ref(&reclaim), &Reason::Reclaims);
    // One that was never heard gets the time to be heard.
    view.peers.clear();
    check(&view, &[], &Reason::LeavesTheWayOpen { left_ms: 1_400 });
    view.document.as_mut().unwrap().in_sync.clear();
    let reclaim = swap(&view, Intent::Reclaim, |_| {});
    check(&view, &[reclaim], &Reason::Reclaims);
    view.memory.tenure = primary().memory.tenure;
    let start = Action::Start(StartAs::Ordinary);
    check(&view, &[start], &Reason::StartsAsPrimary);
}

#[test]
fn an_ill_primary_steps_down_when_it_can_be_taken_over() {
    let mut view = primary();
    own(&mut view).health = Health::DiskFull;
    view.server_since = NOW - 100;
    check(&view, &[], &serves());
    view.server_since = NOW - 500;
    let health = Health::DiskFull;
    let steps = [Action::Cut(node("bravo")), Action::Kill];
    check(
        &view,
        &steps,
        &Reason::StepsDown {
            health: health.clone(),
        },
    );
    assert!(view.steps_down());
    silence(&mut view, "bravo", 2_000);
    check(&view, &[], &Reason::IllAndAlone { health });
    assert!(!view.steps_down());
    own(&mut view).health = Health::Hung;
    let health = Health::Hung;
    check(&view, &steps, &Reason::StepsDown { health });
    view.server = Server::Busy(Server::ENDING.into());
    assert!(view.steps_down());
}

#[test]
fn a_woken_agent_confirms_its_office() {
    let mut view = primary();
    view.memory.tenure = None;
    view.memory.woke = Some((10, 3));
    let reclaim = swap(&view, Intent::Reclaim, |_| {});
    check(&view, &[reclaim], &Reason::Reclaims);
    assert!(view.steps_down(), "it could not confirm for a minute");
}

#[test]
fn an_office_learned_awake_is_assumed_once_all_is_applied() {
    let mut view = primary();
    view.memory.tenure = None;
    check(&view, &[Action::Assume], &Reason::TakesOffice { epoch: 3 });
    own(&mut view).applied = at("0-1-7");
    let contradicted = Reason::OfficeContradicted {
        cut: at("0-1-8"),
        has: at("0-1-7"),
    };
    check(&view, &[], &contradicted);
    own(&mut view).salvage = true;
    check(&view, &[Action::Salvage], &Reason::Salvages);
}

#[test]
fn a_new_primary_admits_promotes_waits_for_acknowledgements_and_opens() {
    let mut view = primary();
    view.admissions.clear();
    view.mark = Mark::Clean;
    let server = own(&mut view);
    (server.read_only, server.semi_sync, server.replica_settings) = (true, false, true);
    let steps = [
        admit("bravo", Mode::Sync),
        Action::Promote,
        Action::SemiSync(true),
        Action::SetMark(Mark::Opened { epoch: 3 }),
        Action::Open,
    ];
    check(&view, &steps, &Reason::Opens { epoch: 3 });
    // Somebody has opened it by hand: it is closed while it stops being a replica.
    own(&mut view).read_only = false;
    let steps = [
        admit("bravo", Mode::Sync),
        Action::Close,
        Action::Promote,
        Action::SemiSync(true),
    ];
    check(&view, &steps, &Reason::SetsRight);
}

#[test]
fn semi_sync_that_was_switched_off_by_hand_is_switched_on_again_and_said() {
    let mut view = primary();
    own(&mut view).semi_sync = false;
    check(&view, &[Action::SemiSync(true)], &Reason::SetsRight);
}

#[test]
fn a_reclaimed_primary_opens_when_a_member_has_the_end_of_its_log() {
    let mut view = primary();
    own(&mut view).read_only = true;
    view.memory.tenure = Some(Tenure {
        epoch: 3,
        reclaimed: true,
        end: None,
        opened: false,
    });
    let note = Action::NoteEnd(EndOf::Reclaim);
    check(&view, &[note], &Reason::Reclaims);
    view.memory.tenure.as_mut().unwrap().end = Some(at("0-1-21"));
    check(&view, &[], &Reason::WaitsForAMember { end: at("0-1-21") });
    view.memory.tenure.as_mut().unwrap().end = Some(at("0-1-20"));
    check(&view, &[Action::Open], &Reason::Opens { epoch: 3 });
}

#[test]
fn admissions_follow_the_ledger() {
    let mut view = primary();
    view.document.as_mut().unwrap().in_sync.insert(
        node("bravo"),
        Stamp {
            boot: stamp("other").boot,
            ..stamp("bravo")
        },
    );
    let other = Action::Admit {
        node: node("bravo"),
        epoch: 3,
        mode: Mode::Sync,
        stamp: Stamp {
            boot: stamp("other").boot,
            ..stamp("bravo")
        },
    };
    check(&view, &[other], &serves());
    let mut view = primary();
    let gone = super::admission(Mode::Async, "gone");
    view.admissions.insert(node("gone"), gone);
    check(&view, &[Action::Cut(node("gone"))], &serves());
    let mut view = alone();
    view.admissions.clear();
    check(&view, &[admit("bravo", Mode::Async)], &Reason::ServesAlone);
}

#[test]
fn failovers_are_counted_anew_after_a_while_of_protection() {
    let mut view = primary();
    view.document.as_mut().unwrap().strain = vec![NOW / 1_000];
    view.memory.protected_since = Some(NOW - 9_000);
    check(&view, &[], &serves());
    view.memory.protected_since = Some(NOW - 10_000);
    let relief = swap(&view, Intent::Relief, |next| next.strain.clear());
    check(&view, &[relief], &Reason::Relieved);
}

#[test]
fn a_switchover_that_cannot_begin_is_refused_in_the_end() {
    let mut view = primary();
    stopped(&mut view, 1_000);
    let asked = NOW - 10_000;
    view.wish = Some(Wish::Switchover { to: None, asked });
    let why = "this node does not serve as primary now".to_owned();
    let refuse = Action::EndWish(Some(why.clone()));
    check(&view, &[refuse], &Reason::SwitchoverRefused { why });
}

#[test]
fn a_replica_that_does_not_apply_is_no_primary() {
    let mut view = replica();
    own(&mut view).applying = Applying::Failed("x".into());
    let error = "x".to_owned();
    check(&view, &[], &Reason::ApplyStopped { error });
}
