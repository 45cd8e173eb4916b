//! This node's part of the ledger: another's, a later version's, damaged.

use super::bench::{Bench, Expected, copy, cut};

#[test]
fn ledger_when_it_is_another_clusters_then_refused_untouched() {
    let (bench, other) = (Bench::new(84), Bench::new(85));
    let foreign = || {
        copy(
            &other.data("ledger/ledger.redb"),
            &bench.data("ledger/ledger.redb"),
        );
    };
    bench.run_refuses(
        "another cluster's",
        foreign,
        &Expected {
            code: 5,
            said: &[
                "cannot open this node's part of the ledger",
                "belongs to node 1 of cluster",
                "hint: put",
            ],
        },
    );
}

#[test]
fn ledger_when_damaged_then_refused_without_a_panic() {
    let bench = Bench::new(86);
    let path = bench.data("ledger/ledger.redb");
    let bytes = std::fs::read(&path).unwrap();
    let expected = Expected {
        code: 1,
        said: &[
            "cannot open this node's part of the ledger",
            "is damaged",
            "hint: if the other nodes run, move",
        ],
    };
    bench.run_refuses("cut short", || cut(&path, 5_000), &expected);
    bench.run_refuses("one byte", || cut(&path, 1), &expected);
    let noise: Vec<u8> = (0..bytes.len()).map(|at| (at * 31 % 251) as u8).collect();
    bench.run_refuses(
        "noise",
        || std::fs::write(&path, &noise).unwrap(),
        &expected,
    );
    let torn = |from: usize| {
        let mut torn = bytes.clone();
        torn[from..].copy_from_slice(&noise[from..]);
        torn
    };
    for from in [64, 4_096, 8_192] {
        let case = format!("noise from byte {from} on");
        bench.run_refuses(
            &case,
            || std::fs::write(&path, torn(from)).unwrap(),
            &expected,
        );
    }
}
