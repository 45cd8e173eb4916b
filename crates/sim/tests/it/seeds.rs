//! A thousand seeds; `SIM_SEEDS=n` for more, `SIM_SEED=x` for one with its story:
//! `SIM_SEED=7 cargo test -p sim --test it -- --nocapture seeds`.

use sim::{Tally, Verdict, run};

fn number(key: &str) -> Option<u64> {
    std::env::var(key).ok().and_then(|text| text.parse().ok())
}

fn story(verdict: &Verdict) -> String {
    let told = run(verdict.seed, None, true);
    let (rule, what) = verdict.broken.clone().expect("it is broken");
    let seed = verdict.seed;
    let story = told.story.join("\n");
    format!("{story}\nSIM_SEED={seed} breaks `{rule}`: {what}")
}

#[test]
fn seeds_when_faults_end_then_nothing_is_lost_and_everything_heals() {
    let seeds = match number("SIM_SEED") {
        Some(one) => one..=one,
        None => 1..=number("SIM_SEEDS").unwrap_or(1_000),
    };
    let is_one = seeds.start() == seeds.end();
    let mut total = Tally::default();
    for seed in seeds {
        let verdict = run(seed, None, is_one);
        if is_one {
            println!("{}", verdict.story.join("\n"));
        }
        assert!(verdict.broken.is_none(), "{}", story(&verdict));
        total.add(&verdict.tally);
    }
    println!("{total:#?}");
    assert!(is_one || total.failovers > 0 && total.switchovers > 0);
}

#[test]
fn a_seed_when_run_again_then_tells_the_same_story() {
    for seed in [3, 40, 77] {
        assert_eq!(run(seed, None, true), run(seed, None, true));
    }
}
