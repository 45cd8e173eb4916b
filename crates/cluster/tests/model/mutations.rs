//! Each mutation, and the smallest cluster in which it breaks an invariant.

use std::time::Duration;

use crate::bounds::{Asked, Bounds, Policy, Reductions, Start};
use crate::model::Model;
use crate::mutation::Mutation;
use crate::search::{self, Limits};
use crate::told;

const LIMITS: Limits = Limits {
    states: 8_000_000,
    until: None,
    time: Duration::from_mins(4),
};

fn bounds(nodes: u8, start: Start) -> Bounds {
    Bounds {
        nodes,
        writes: 1,
        revs: 1,
        epochs: 2,
        faults: 0,
        wishes: 0,
        asked: Asked::Switchover,
        policy: Policy::TwoCopies,
        undecided: false,
        delayed: false,
        start,
        reductions: Reductions::ALL,
    }
}

fn must_be_caught(mutation: Mutation, bounds: Bounds) {
    let mut model = Model::new(bounds, Some(mutation));
    let found = search::exhaust(&mut model, LIMITS);
    let title = format!("{} {mutation:?}", mutation as u8);
    told::figures(&title, &bounds, &found);
    let counterexample = found
        .counterexample
        .expect("the mutation breaks an invariant");
    println!("{}", told::path(&mut model, &counterexample));
}

macro_rules! mutations {
    ($($test:ident: $mutation:ident in $bounds:expr;)*) => {
        $(
            #[test]
            fn $test() {
                must_be_caught(Mutation::$mutation, $bounds);
            }
        )*

        /// Where it is caught.
        pub(crate) fn small(mutation: Mutation) -> Bounds {
            match mutation {
                $(Mutation::$mutation => $bounds,)*
            }
        }

        #[test]
        fn every_mutation_has_its_test() {
            let tested = [$(Mutation::$mutation),*];
            assert!(crate::mutation::ALL.iter().all(|mutation| tested.contains(mutation)));
        }
    };
}

mutations! {
    m01_shrink_without_cutting_is_caught: ShrinkWithoutCutting in bounds(3, Start::Protected);
    m02_shrink_without_refusing_reconnection_is_caught: ShrinkWithoutRefusing in bounds(3, Start::Protected);
    m03_shrink_without_waiting_is_caught: ShrinkWithoutWaiting in bounds(3, Start::Protected);
    m04_semi_sync_off_before_the_swap_is_caught: SemiSyncOffBeforeTheSwap in bounds(2, Start::Protected);
    m05_admitting_before_the_swap_is_caught: AdmitBeforeTheSwap in bounds(3, Start::Half);
    m06_unfencing_without_moving_the_ledger_is_caught: UnfenceWithoutMoving
        in Bounds { faults: 1, undecided: true, ..bounds(2, Start::Protected) };
    m07_promoting_on_ones_own_promise_is_caught: OwnPromiseAlone in bounds(3, Start::Protected);
    m08_waking_unfenced_is_caught: WakeUnfenced
        in Bounds { faults: 1, undecided: true, ..bounds(2, Start::Protected) };
    m09_reclaiming_a_truncated_log_is_caught: ReclaimTruncated
        in Bounds { faults: 1, revs: 2, ..bounds(2, Start::Protected) };
    m10_promises_with_other_ids_are_caught: OtherIds
        in Bounds { faults: 1, ..bounds(2, Start::Protected) };
    m11_undecided_taken_for_lost_is_caught: UndecidedIsLost
        in Bounds { revs: 2, undecided: true, ..bounds(2, Start::Protected) };
    m12_admitting_after_waking_without_a_bump_is_caught: AdmitWithoutBump
        in Bounds { faults: 1, wishes: 1, undecided: true, ..bounds(2, Start::Protected) };
    m13_async_that_counts_is_caught: AsyncCounts in bounds(3, Start::Half);
    m14_swap_before_all_is_applied_is_caught: SwapBeforeApplied in bounds(2, Start::Protected);
    m15_destructive_start_of_a_member_is_caught: DestructiveKeepsId
        in Bounds { faults: 1, wishes: 1, ..bounds(2, Start::Protected) };
    m16_wipe_without_a_swap_is_caught: WipeWithoutSwap
        in Bounds { faults: 1, undecided: true, ..bounds(2, Start::Alone) };
    m17_waking_on_a_stale_read_is_caught: StaleRead
        in Bounds { faults: 1, revs: 2, undecided: true, ..bounds(2, Start::Protected) };
    m18_switchover_to_one_not_connected_is_caught: SwitchoverUnconnected
        in Bounds { faults: 1, wishes: 1, ..bounds(2, Start::Protected) };
}
