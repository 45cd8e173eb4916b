//! What an exploration came to, as people read it.

use std::fmt::Write as _;

use crate::bounds::Bounds;
use crate::model::{Model, Step};
use crate::search::{Counterexample, Found};
use crate::sweep::Swept;

/// One line of figures.
pub(crate) fn figures(title: &str, bounds: &Bounds, found: &Found) {
    let Bounds {
        nodes,
        writes,
        revs,
        faults,
        wishes,
        start,
        ..
    } = bounds;
    let what = match (&found.counterexample, found.complete) {
        (Some(_), _) => "broken",
        (None, true) => "all",
        (None, false) => "not all",
    };
    println!(
        "{title}: {nodes} nodes, {writes} writes, {revs} revisions, {faults} faults, {wishes} switchovers, from {start:?}: \
         {} states, {} steps, depth {}, {what}, {:.1} s",
        found.states,
        found.steps,
        found.depth,
        found.took.as_secs_f64()
    );
}

/// One line of figures.
pub(crate) fn walks(bounds: &Bounds, found: &Found) {
    let Bounds {
        nodes,
        writes,
        revs,
        faults,
        wishes,
        start,
        ..
    } = bounds;
    let what = match (&found.counterexample, found.complete) {
        (Some(_), _) => "broken",
        (None, true) => "all of them",
        (None, false) => "not all: the time was over",
    };
    println!(
        "walks: {nodes} nodes, {writes} writes, {revs} revisions, {faults} faults, {wishes} switchovers, from {start:?}: \
         {} walks of {} steps, {} steps, {what}, {:.1} s",
        found.states,
        found.depth,
        found.steps,
        found.took.as_secs_f64()
    );
}

/// One line of figures.
pub(crate) fn swept(title: &str, bounds: &Bounds, swept: &Swept) {
    let Bounds {
        nodes,
        writes,
        revs,
        faults,
        wishes,
        asked,
        policy,
        start,
        ..
    } = bounds;
    let what = match (swept.broken.first(), swept.complete) {
        (Some(broken), _) => broken,
        (None, true) => "all",
        (None, false) => "NOT ALL: left out what lies beyond the limit of time or memory",
    };
    println!(
        "{title}: {nodes} nodes, {writes} writes, {revs} revisions, {faults} faults, {wishes} orders ({asked:?}), {policy:?}, from {start:?}: \
         {} states, {} steps, {what}, {:.1} s, {} MiB",
        swept.states,
        swept.steps,
        swept.took.as_secs_f64(),
        swept.bytes >> 20
    );
}

/// The path to a broken invariant.
pub(crate) fn path(model: &mut Model, counterexample: &Counterexample) -> String {
    let mut text = String::new();
    let start = model.start();
    let start = model.fold(&start);
    let mut full = model.unfold(&start);
    for (at, step) in counterexample.steps.iter().enumerate() {
        let what = named(model, *step);
        model.take(&mut full, *step);
        if model.bounds.reductions.names {
            let state = model.fold(&full);
            full = model.unfold(&state);
        }
        let ledger = model.tables.documents.get(full.rest.ledger);
        let in_sync: Vec<_> = ledger.in_sync.keys().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "{:>3}. {what}\n       rev {}, epoch {}, primary {}, in sync [{}], acknowledged {}",
            at + 1,
            1 + full.rest.used.revs,
            1 + full.rest.used.epochs,
            ledger.primary,
            in_sync.join(" "),
            full.rest.acked.count_ones()
        );
    }
    let _ = writeln!(text, "  => {}", counterexample.broken);
    text
}

fn named(model: &Model, step: Step) -> String {
    let name = |at: u8| model.tables.names[at as usize].as_str();
    match step {
        Step::Act { me, plan, choice } => {
            let action = format!("{:?}", model.tables.plans.get(plan)[0]);
            let intent = action.rsplit_once("intent: ");
            let short = intent.map_or(action.clone(), |(_, intent)| {
                format!("Swap for {}", intent.trim_end_matches(" }"))
            });
            format!("{}: {short}, ending {choice}", name(me))
        }
        Step::Tell(from, to) => format!("{} tells {}", name(from), name(to)),
        Step::Land(number) => {
            let next = model.tables.documents.get(number);
            format!(
                "a swap lands late: primary {}, in sync {:?}",
                next.primary,
                next.in_sync.keys()
            )
        }
        Step::Fault(me, fault) => format!("fault at {}: {fault:?}", name(me)),
        other => format!("{other:?}"),
    }
}
