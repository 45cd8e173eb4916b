//! Tests for the tester: each planted fault breaks a rule in one of the first seeds.

use sim::{MUTATIONS, Mutation, run};

/// In how many seeds a planted fault must be found.
const SEEDS: u64 = 400;

fn found(mutation: Mutation) -> (u64, &'static str) {
    let first = (1..=SEEDS).find_map(|seed| {
        let (rule, what) = run(seed, Some(mutation), false).broken?;
        println!("{mutation:?}: seed {seed} breaks `{rule}`: {what}");
        Some((seed, rule))
    });
    first.unwrap_or_else(|| panic!("{mutation:?} is not found in {SEEDS} seeds"))
}

#[test]
fn planted_faults_when_run_then_each_breaks_a_rule() {
    for mutation in MUTATIONS {
        found(mutation);
    }
}

#[test]
fn a_cluster_when_nobody_is_taken_back_then_does_not_heal() {
    assert_eq!(found(Mutation::NeverGrow).1, "everything heals");
}
