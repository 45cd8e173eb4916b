//! `cargo xtask model --only NODES/WRITES/REVISIONS/FAULTS/SWITCHOVERS`: one exploration of any size.

use std::time::{Duration, Instant};

use crate::bounds::Start;
use crate::exhaustive::{bounds, shortest};
use crate::model::Model;
use crate::search::Limits;
use crate::sweep::sweep;
use crate::told;

fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A limit that may be given.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    asked(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn what_was_asked_for_holds() {
    let Some(text) = asked("MODEL_ONLY") else {
        return;
    };
    let numbers: Vec<u8> = text
        .split('/')
        .map(|part| part.parse().expect("a number"))
        .collect();
    let start = match asked("MODEL_FROM").as_deref() {
        Some("alone") => Start::Alone,
        Some("half") => Start::Half,
        _ => Start::Protected,
    };
    let bounds = bounds(numbers.try_into().expect("five numbers"), start);
    let limits = Limits {
        states: number("MODEL_STATES", 400_000_000) as usize,
        until: None,
        time: Duration::from_mins(number("MODEL_MINUTES", 240)),
    };
    let mut model = Model::new(bounds, None);
    let begun = Instant::now();
    let mut states = 0_u64;
    let swept = sweep(&mut model, limits, |_, full| {
        states += 1;
        if states.is_multiple_of(10_000_000) {
            let minutes = begun.elapsed().as_secs() / 60;
            println!(
                "{states} states after {minutes} min, now at {:?}",
                full.rest.used
            );
        }
    });
    told::swept("asked", &bounds, &swept);
    if let Some(broken) = swept.broken.first() {
        panic!("{broken}\n{}", shortest(bounds, limits));
    }
    assert!(swept.complete, "not all");
}
