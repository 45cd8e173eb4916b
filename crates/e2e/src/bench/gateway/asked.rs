//! What is asked for (issue 5), held against what was measured.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    cell::{Cell, Sample},
    peer::Peer,
    workload::Workload,
};

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// In words.
    pub what: String,
    /// What was measured.
    pub measured: f64,
    /// What it may be at most; at least where `at_least` is set.
    pub limit: f64,
    /// More is better.
    pub at_least: bool,
}

impl Asked {
    /// It is as asked.
    pub fn is_ok(&self) -> bool {
        if self.at_least {
            self.measured >= self.limit
        } else {
            self.measured <= self.limit
        }
    }

    pub(super) fn word(&self) -> &'static str {
        if self.is_ok() { "ok" } else { "OVER" }
    }
}

/// How late a frame is between two data centres of one city, at least: a round trip of half a millisecond.
pub(super) const CITY_US: u32 = 250;
/// Numbers of threads at which processor time is judged; at one it is noise.
const JUDGED: [u32; 2] = [8, 64];
/// Ways by which a point select goes as by itself. Not where every read is forced to the replica: at a lone connection that
/// includes a question to the primary, which is asked for nowhere.
const ORDINARY: [Peer; 3] = [Peer::Alone, Peer::Both, Peer::Mainstay];
/// Exact figures: key, limit. An agent has memory of its own and is held against the same.
const EXACT: [(&str, f64); 5] = [
    ("instructions point-text", 2_500.0),
    ("instructions point-prepared", 2_500.0),
    ("syscalls 1 connection", 6.5),
    ("KiB per idle client", 2.0),
    ("MiB with 10000 idle clients", 40.0),
];

/// Everything asked for that was measured. `exact` is by figure and peer.
pub(super) fn judge(cells: &[Cell], exact: &BTreeMap<String, BTreeMap<String, f64>>) -> Vec<Asked> {
    let cell = |workload: Workload, threads: u32, peer: Peer| {
        let mut cells = cells.iter().filter(|cell| cell.one_way_us.is_none());
        cells.find(|cell| {
            (cell.workload.as_str(), cell.threads, cell.peer.as_str())
                == (workload.key(), threads, peer.key())
        })
    };
    let mut all = Vec::new();
    let mut compare = |workload: Workload, threads: u32, own: Peer, other: Peer, limit: f64| {
        let pair = cell(workload, threads, own).zip(cell(workload, threads, other));
        let Some(measured) = pair.and_then(|(own, other)| own.ratio(other, Sample::cost_us)) else {
            return;
        };
        let (key, own, other) = (workload.key(), own.key(), other.key());
        all.push(Asked {
            what: format!("{key}, {threads} threads: processor time of {own} to {other}"),
            measured,
            limit,
            at_least: false,
        });
    };
    for workload in Workload::ALL {
        let limits: &[(Peer, f64)] = match workload {
            Workload::PointText | Workload::PointPrepared => &[
                (Peer::HaProxy, 0.92),
                (Peer::MaxScale, 0.75),
                (Peer::ProxySql, 0.60),
            ],
            Workload::ReadOnly | Workload::ReadWrite => &[(Peer::HaProxy, 0.95)],
            Workload::Connect | Workload::Php => &[],
        };
        for threads in JUDGED {
            for (other, limit) in limits {
                compare(workload, threads, Peer::Mainstay, *other, *limit);
            }
            if !limits.is_empty() {
                // Why at home: a statement that leaves the node leaves it by TCP, whatever its client's side is.
                compare(workload, threads, Peer::SocketHome, Peer::TcpHome, 0.70);
            }
        }
    }
    for workload in Workload::ALL {
        let ways = [Peer::Mainstay, Peer::HaProxy, Peer::Direct];
        let ways = ways.map(|peer| cell(workload, 1, peer));
        if let ([Some(own), Some(haproxy), Some(direct)], false) = (ways, workload.is_visit()) {
            all.extend(at_one_thread(workload, own, haproxy, direct));
        }
        all.extend(over_a_cable(workload, cells));
    }
    for (key, limit) in EXACT {
        let of = exact.get(key);
        for peer in ORDINARY {
            let measured = of.and_then(|of| of.get(peer.key()));
            all.extend(measured.map(|measured| Asked {
                what: format!("{key}, {}", peer.key()),
                measured: *measured,
                limit,
                at_least: false,
            }));
        }
    }
    all
}

/// Visits of one client, which are asked to be faster than direct ones where the primary is another node's.
fn over_a_cable(workload: Workload, cells: &[Cell]) -> Option<Asked> {
    let is_it = |cell: &&Cell| {
        let key = (cell.workload.as_str(), cell.threads, cell.one_way_us);
        workload.is_visit() && key == (workload.key(), 1, Some(CITY_US))
    };
    let of = |peer: Peer| {
        let mut cells = cells.iter().filter(is_it);
        cells.find(|cell| cell.peer == peer.key())
    };
    let (own, direct) = (of(Peer::Far)?, of(Peer::Direct)?);
    Some(Asked {
        what: format!(
            "{}, 1 thread: mainstay-far so many times as fast as direct",
            own.what()
        ),
        measured: direct.ratio(own, |sample| Some(sample.p50_us))?,
        limit: 2.0,
        at_least: true,
    })
}

/// One client: what is added to the median time.
fn at_one_thread(workload: Workload, own: &Cell, haproxy: &Cell, direct: &Cell) -> Option<Asked> {
    let p50 = |cell: &Cell| cell.median(|sample| Some(sample.p50_us));
    let (own, haproxy, direct) = (p50(own)?, p50(haproxy)?, p50(direct)?);
    Some(Asked {
        what: format!(
            "{}, 1 thread: added p50, us (limit: HAProxy's)",
            workload.key()
        ),
        measured: own - direct,
        limit: haproxy - direct,
        at_least: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(peer: Peer, threads: u32, cost: f64, p50: f64) -> Cell {
        Cell {
            workload: Workload::PointText.key().to_owned(),
            threads,
            peer: peer.key().to_owned(),
            one_way_us: None,
            rounds: vec![Sample {
                p50_us: p50,
                user_us: Some(cost),
                system_us: Some(0.0),
                ..Sample::default()
            }],
        }
    }

    #[test]
    fn figures_when_judged_then_each_limit_is_held_against_its_own_measure() {
        let cells = [
            cell(Peer::HaProxy, 8, 20.0, 0.0),
            cell(Peer::Mainstay, 8, 19.0, 0.0),
            cell(Peer::Socket, 8, 14.0, 0.0),
            cell(Peer::Tcp, 8, 19.0, 0.0),
            cell(Peer::SocketHome, 8, 9.5, 0.0),
            cell(Peer::TcpHome, 8, 19.0, 0.0),
            cell(Peer::Direct, 1, 0.0, 50.0),
            cell(Peer::HaProxy, 1, 20.0, 90.0),
            cell(Peer::Mainstay, 1, 20.0, 80.0),
        ];
        let of = |peer: Peer, value| BTreeMap::from([(peer.key().to_owned(), value)]);
        let exact = BTreeMap::from([
            (
                "syscalls 1 connection".to_owned(),
                BTreeMap::from([
                    (Peer::Alone.key().to_owned(), 6.0),
                    (Peer::There.key().to_owned(), 9.0),
                ]),
            ),
            ("something else".to_owned(), of(Peer::Alone, 6.0)),
        ]);
        let all = judge(&cells, &exact);
        let short: Vec<(f64, f64, bool)> = all
            .iter()
            .map(|asked| (asked.measured, asked.limit, asked.is_ok()))
            .collect();
        assert_eq!(
            short,
            [
                (0.95, 0.92, false),
                (0.5, 0.70, true),
                (30.0, 40.0, true),
                (6.0, 6.5, true),
            ]
        );
    }

    #[test]
    fn visits_when_over_a_cable_of_a_city_then_judged_and_over_no_other() {
        let visits = |peer, one_way_us, p50| Cell {
            workload: Workload::Connect.key().to_owned(),
            one_way_us,
            ..cell(peer, 1, 0.0, p50)
        };
        let cells = [
            visits(Peer::Direct, None, 100.0),
            visits(Peer::HaProxy, None, 200.0),
            visits(Peer::Far, None, 300.0),
            visits(Peer::Direct, Some(0), 200.0),
            visits(Peer::Far, Some(0), 300.0),
            visits(Peer::Direct, Some(CITY_US), 2_600.0),
            visits(Peer::HaProxy, Some(CITY_US), 2_700.0),
            visits(Peer::Far, Some(CITY_US), 1_000.0),
        ];
        let all = judge(&cells, &BTreeMap::new());
        assert_eq!(all.len(), 1);
        assert!((all[0].measured - 2.6).abs() < 1e-9 && all[0].is_ok());
        assert!(all[0].what.contains("250 us"), "{}", all[0].what);
    }
}
