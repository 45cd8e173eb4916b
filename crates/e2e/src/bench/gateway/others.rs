//! What the threads of the primary's agent beside the gateway's own do whoever carries the statements: each write goes on to the
//! replica through the agent's tunnel. A gateway answers only for what they do beyond that.

use super::{
    cell::{Cell, Sample},
    peer::Peer,
};

/// The ways past every gateway whose rounds say what these threads do anyway; the first that there is counts.
const PAST: [Peer; 2] = [Peer::HaProxy, Peer::Direct];

/// Charges each gateway of the primary's node for its agent's other threads, less what these spent for each query in the same round
/// of the same cell when a way past the gateway carried the load: never less than nothing. Returns for how many samples there
/// was no such round, so that nothing was taken off.
pub(super) fn charge(cells: &mut [Cell]) -> usize {
    let mut whole = 0;
    for at in 0..cells.len() {
        let peer = Peer::of(&cells[at].peer);
        if !peer.is_some_and(Peer::is_agent) {
            continue;
        }
        for round in 0..cells[at].rounds.len() {
            let Some(others) = spent(&cells[at], round) else {
                continue;
            };
            // Why not for the replica's node: only its own gateway gives its agent anything to carry.
            let anyway = match peer {
                Some(Peer::Far) => Some(0.0),
                _ => anyway(cells, &cells[at], round),
            };
            whole += usize::from(anyway.is_none());
            cells[at].rounds[round].beside_us = Some((others - anyway.unwrap_or(0.0)).max(0.0));
        }
    }
    whole
}

/// What these threads spent in this round of the same cell, when no gateway of ours was asked.
fn anyway(cells: &[Cell], of: &Cell, round: usize) -> Option<f64> {
    let of_peer = |peer: &Peer| {
        let mut cells = cells.iter().filter(|cell| cell.is_beside(of));
        let cell = cells.find(|cell| cell.peer == peer.key())?;
        spent(cell, round)
    };
    PAST.iter().find_map(of_peer)
}

fn spent(cell: &Cell, round: usize) -> Option<f64> {
    let is_good = |sample: &&Sample| sample.failure.is_none();
    cell.rounds.get(round).filter(is_good)?.others_us
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(peer: Peer, threads: u32, others: &[Option<f64>]) -> Cell {
        let sample = |others: &Option<f64>| Sample {
            user_us: Some(1.0),
            system_us: Some(9.0),
            others_us: *others,
            failure: others.is_none().then(|| "why".to_owned()),
            ..Sample::default()
        };
        Cell {
            workload: "read-write".to_owned(),
            threads,
            peer: peer.key().to_owned(),
            one_way_us: None,
            rounds: others.iter().map(sample).collect(),
        }
    }

    fn beside(cell: &Cell) -> Vec<Option<f64>> {
        cell.rounds.iter().map(|sample| sample.beside_us).collect()
    }

    #[test]
    fn gateway_when_haproxy_had_the_same_work_done_then_only_the_rest_is_charged_and_never_less_than_nothing()
     {
        let mut cells = [
            cell(Peer::Mainstay, 8, &[Some(3.5), Some(1.0), None]),
            cell(Peer::Direct, 8, &[Some(9.0); 3]),
            cell(Peer::HaProxy, 8, &[Some(1.5), Some(2.0), Some(1.0)]),
            cell(Peer::HaProxy, 64, &[Some(3.5); 3]),
        ];
        assert_eq!(charge(&mut cells), 0);
        assert_eq!(beside(&cells[0]), [Some(2.0), Some(0.0), None]);
        assert_eq!(beside(&cells[2]), [None; 3], "a proxy has no agent");
        assert_eq!(cells[0].rounds[0].cost_us(), Some(12.0));
        assert_eq!(cells[2].rounds[0].cost_us(), Some(10.0));
        assert_eq!(
            cells[0].rounds[0].others_us,
            Some(3.5),
            "as it was measured"
        );
        assert_eq!(charge(&mut cells), 0);
        assert_eq!(beside(&cells[0])[0], Some(2.0), "once more is the same");
    }

    #[test]
    fn gateway_when_haproxy_failed_in_a_round_then_direct_counts_and_without_it_nothing_is_taken_off()
     {
        let mut cells = [
            cell(Peer::HaProxy, 8, &[None, None, Some(1.0)]),
            cell(Peer::Direct, 8, &[Some(0.5), None]),
            cell(Peer::Socket, 8, &[Some(2.0); 4]),
        ];
        assert_eq!(charge(&mut cells), 2);
        let expected = [Some(1.5), Some(2.0), Some(1.0), Some(2.0)];
        assert_eq!(beside(&cells[2]), expected);
    }

    #[test]
    fn gateway_when_it_is_the_replicas_then_all_of_its_agent_is_charged() {
        let mut cells = [
            cell(Peer::HaProxy, 8, &[Some(1.0)]),
            cell(Peer::Far, 8, &[Some(2.0)]),
        ];
        assert_eq!(charge(&mut cells), 0);
        assert_eq!(beside(&cells[1]), [Some(2.0)]);
    }
}
