//! `cargo run -p sim -- --seed N [--seeds K]`: the story of one seed, or the figures of many.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

use std::process::ExitCode;

const USAGE: &str =
    "usage: sim [--seed N] [--seeds K]: the story of seed N, or the figures of K seeds from N on";

fn main() -> ExitCode {
    let Some((seed, seeds)) = asked() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut total = sim::Tally::default();
    let mut broken = 0;
    for seed in seed..seed + seeds {
        let verdict = sim::run(seed, None, seeds == 1);
        for line in &verdict.story {
            println!("{line}");
        }
        if let Some((rule, what)) = &verdict.broken {
            broken += 1;
            println!("seed {seed} breaks `{rule}`: {what}");
        }
        total.add(&verdict.tally);
    }
    println!("{seeds} seeds, {broken} broken; {total:#?}");
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The first seed and how many.
fn asked() -> Option<(u64, u64)> {
    let (mut seed, mut seeds) = (1, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = arguments.next()?.parse().ok()?;
        match argument.as_str() {
            "--seed" => seed = number,
            "--seeds" => seeds = number,
            _ => return None,
        }
    }
    Some((seed, seeds))
}
