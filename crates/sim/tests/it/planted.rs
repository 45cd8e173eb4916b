//! Tests for the tester: each planted fault breaks a rule in one of the first seeds.

use sim::{MUTATIONS, Mutation, run};

/// In how many seeds a planted fault must be found.
const SEEDS: u64 = 150;

fn found(mutation: Mutation) -> Option<&'static str> {
    (1..=SEEDS).find_map(|seed| {
        let (rule, what) = run(seed, Some(mutation), false).broken?;
        println!("{mutation:?}: seed {seed} breaks `{rule}`: {what}");
        Some(rule)
    })
}

#[test]
fn planted_faults_when_run_then_each_breaks_a_rule() {
    let missed: Vec<_> = MUTATIONS.iter().filter(|m| found(**m).is_none()).collect();
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}

#[test]
fn a_cluster_when_nobody_is_taken_back_then_does_not_heal() {
    assert_eq!(found(Mutation::NeverGrow), Some("everything heals"));
}
