//! Runs all probes directly and through both gateways, and compares what was said.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::book::{self, Probe};
use crate::known::KNOWN;
use crate::stage::Way;
use crate::stand::{Side, Stand};

/// Where two transcripts part; `None` when they are the same.
fn difference(direct: &[String], gateway: &[String]) -> Option<String> {
    let length = direct.len().max(gateway.len());
    let at = (0..length).find(|at| direct.get(*at) != gateway.get(*at))?;
    let line = |lines: &[String], at: usize| lines.get(at).map_or("-", String::as_str).to_owned();
    let asked = direct[..direct.len().min(at + 1)]
        .iter()
        .rfind(|line| !line.starts_with(' '))
        .map_or("", String::as_str);
    Some(format!(
        "after `{asked}`\n      direct:  {}\n      gateway: {}",
        line(direct, at).trim(),
        line(gateway, at).trim()
    ))
}

fn transcript(stand: &Stand, probe: &Probe, side: Side, way: Way) -> Vec<String> {
    let begun = Instant::now();
    let mut stage = stand.stage(side, way);
    if side != Side::Direct && is_known(probe) {
        // Why: what is known not to happen needs no long wait.
        stage.patience = Duration::from_millis(300);
    }
    probe.play(&mut stage);
    stand.took(side, begun.elapsed());
    let broken = &stage.broken;
    assert!(
        broken.is_empty(),
        "{}: the probe is wrong: {broken:#?}",
        probe.name
    );
    stage.transcript
}

fn is_known(probe: &Probe) -> bool {
    KNOWN.iter().any(|(name, _)| *name == probe.name)
}

/// What differs between the sides, way by way.
fn differences(stand: &Stand, probe: &Probe) -> Vec<String> {
    let differs = |way: &Way| {
        let direct = transcript(stand, probe, Side::Direct, *way);
        let against = |side: &Side| {
            let gateway = transcript(stand, probe, *side, *way);
            let text = difference(&direct, &gateway)?;
            Some(format!("{}, {}: {text}", way.word(), side.word()))
        };
        [Side::Alone, Side::Split]
            .iter()
            .filter_map(against)
            .collect::<Vec<_>>()
    };
    // Why: one way is enough to see that what is known still holds, and some of it takes its time.
    let ways = if is_known(probe) { 1 } else { 3 };
    let ways = probe.ways().iter().take(ways);
    ways.flat_map(differs).collect()
}

#[test]
fn every_probe_when_run_through_the_gateway_is_answered_as_by_the_server_itself() {
    let stand = Stand::start();
    let filter = std::env::var("PROBES").unwrap_or_default();
    let mut topics: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let probes: Vec<Probe> = book::all()
        .into_iter()
        .filter(|probe| probe.name.contains(&filter))
        .collect();
    for probe in &probes {
        let begun = Instant::now();
        let run = AssertUnwindSafe(|| differences(&stand, probe));
        let found = catch_unwind(run).unwrap_or_else(|_| vec!["it could not be run".to_owned()]);
        if !filter.is_empty() || begun.elapsed().as_millis() > 1500 {
            println!("{:>6} ms  {}", begun.elapsed().as_millis(), probe.name);
        }
        let count = topics.entry(probe.topic).or_default();
        count.1 += 1;
        count.0 += usize::from(found.is_empty());
        if is_known(probe) == found.is_empty() {
            let text = if found.is_empty() {
                "is answered as by a server now: take it off `known.rs` and the document".to_owned()
            } else {
                format!("{}\n    {}", probe.about, found.join("\n    "))
            };
            println!("{}: {text}", probe.name);
            wrong.push(probe.name);
        }
    }
    let (same, all) = topics
        .values()
        .fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    for (topic, (same, of)) in &topics {
        println!("{topic:<22}{same:>4} of {of:>3} as direct");
    }
    println!("{:<22}{same:>4} of {all:>3} as direct", "all");
    println!("{:<22}{:>4} on the replica", "reads", stand.reads());
    for side in [Side::Direct, Side::Alone, Side::Split] {
        println!("{:<22}{:>4.0?}", side.word(), stand.time(side));
    }
    assert_eq!(stand.replication_error(), "", "replication goes on");
    assert!(all > 0, "there is no such probe");
    assert!(
        wrong.is_empty(),
        "{} probes:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn difference_when_one_packet_differs_then_it_and_its_statement_are_named() {
    let lines = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let direct = lines(&["1> SELECT 1", "    row 1", "1> SELECT 2", "    row 2"]);
    assert_eq!(difference(&direct, &direct), None);
    let other = lines(&["1> SELECT 1", "    row 1", "1> SELECT 2", "    row 3"]);
    let text = difference(&direct, &other).unwrap();
    assert!(text.contains("SELECT 2") && text.contains("row 2") && text.contains("row 3"));
    assert!(
        difference(&direct, &direct[..3])
            .unwrap()
            .contains("gateway: -")
    );
}

#[test]
fn book_when_read_then_names_are_unique_and_known_ones_exist_and_are_documented() {
    let mut names: Vec<&str> = book::all().iter().map(|probe| probe.name).collect();
    let document = include_str!("../../../../docs/reference/gateway-probes.md");
    for (name, _) in KNOWN {
        assert!(names.contains(name), "`{name}` is no probe");
        assert!(
            document.contains(&format!("`{name}`")),
            "`{name}` is not in the document"
        );
    }
    let count = names.len();
    assert!(
        document.contains(&format!("{count} probes")),
        "there are {count} probes"
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two probes have one name");
}
