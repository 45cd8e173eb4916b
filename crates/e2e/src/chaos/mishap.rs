//! What can happen, to whom, and how the dice choose. The same seed, shape and layout give the
//! same sequence; which node a victim is (the primary, a replica) depends on how it went so far.

use std::time::Duration;

use trial::Fault;

use crate::{Ground, dice::Dice};

/// Most misfortunes end within this.
const SHORT_MS: usize = 6_000;
/// Some last so long.
const LONG_MS: usize = 20_000;
/// One of so many is long.
const LONG_EVERY: usize = 8;
/// After the healing the next one comes within this.
const PAUSE_MS: usize = 2_000;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// To a node.
    Fault(Fault),
    /// The primary and another node no longer reach each other.
    Cut,
    /// What a node sends no longer reaches anybody.
    Mute,
    /// What others send no longer reaches a node.
    Deafen,
    /// Somebody ends the database server in order, past its agent.
    Terminate,
    /// Nothing bad: the primary is moved.
    Switchover,
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The node that is primary then.
    Primary,
    /// The replica of this number, by name.
    Replica(usize),
    /// The witness.
    Witness,
}

impl Victim {
    /// For reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica(_) => "replica",
            Self::Witness => "witness",
        }
    }
}

/// One round as the dice have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Draw {
    pub(super) mishap: Mishap,
    pub(super) victim: Victim,
    /// Until it is healed.
    pub(super) lasts: Duration,
    /// Between the last healing and this.
    pub(super) pause: Duration,
}

/// Everything that can happen on this ground.
pub(super) fn catalogue(ground: &Ground) -> Vec<Mishap> {
    let mut all: Vec<Mishap> = [
        Fault::KillServer,
        Fault::KillAgent,
        Fault::KillNode,
        Fault::FreezeServer,
        Fault::FreezeNode,
    ]
    .map(Mishap::Fault)
    .to_vec();
    all.extend([Mishap::Terminate, Mishap::Switchover]);
    if ground.has_cables() {
        all.extend([Fault::Vanish, Fault::PullCable, Fault::Silence].map(Mishap::Fault));
        all.extend([Mishap::Cut, Mishap::Mute, Mishap::Deafen]);
    }
    if ground.disk_mib.is_some() {
        let faults = [
            Fault::HangDisk,
            Fault::FillDisk,
            Fault::FailDisk,
            Fault::LosePower,
        ];
        all.extend(faults.map(Mishap::Fault));
    }
    all
}

impl Mishap {
    /// For reports.
    pub fn name(&self) -> String {
        match self {
            Self::Fault(fault) => fault_name(*fault),
            Self::Cut => "cut between two".to_owned(),
            Self::Mute => "nothing sent arrives".to_owned(),
            Self::Deafen => "nothing arrives".to_owned(),
            Self::Terminate => "server ended by hand".to_owned(),
            Self::Switchover => "switchover".to_owned(),
        }
    }

    /// It can happen to a node without a database, in another way than `KillNode` does.
    fn is_for_witness(self) -> bool {
        match self {
            Self::Fault(fault) => matches!(
                fault,
                Fault::KillNode
                    | Fault::Vanish
                    | Fault::FreezeNode
                    | Fault::PullCable
                    | Fault::Silence
            ),
            Self::Cut | Self::Mute | Self::Deafen => true,
            Self::Switchover | Self::Terminate => false,
        }
    }

    /// It ends by itself, without anybody healing it.
    pub(super) fn heals_itself(self) -> bool {
        let ends = Self::Fault(Fault::KillServer);
        matches!(self, Self::Switchover | Self::Terminate) || self == ends
    }
}

fn fault_name(fault: Fault) -> String {
    let name = match fault {
        Fault::KillServer => "server killed",
        Fault::KillAgent => "agent killed",
        Fault::KillNode => "node killed",
        Fault::Vanish => "node vanished",
        Fault::FreezeServer => "server frozen",
        Fault::FreezeNode => "node frozen",
        Fault::PullCable => "cable pulled",
        Fault::Silence => "packets vanish",
        Fault::HangDisk => "disk hung",
        Fault::FillDisk => "disk full",
        Fault::FailDisk => "disk read-only",
        Fault::LosePower => "power lost",
    };
    name.to_owned()
}

/// What happens in this round.
pub(super) fn draw(seed: u64, round: u64, catalogue: &[Mishap], ground: &Ground) -> Draw {
    // Why each throw in every round, used or not: what one means must not move the others.
    let mut dice = Dice::of(seed, round);
    let mishap = catalogue[dice.below(catalogue.len())];
    let role = dice.below(10);
    let replica = dice.below(ground.nodes - 1);
    let is_long = dice.below(LONG_EVERY) == 0;
    let share = dice.below(1_000);
    let pause = dice.below(PAUSE_MS);
    let victim = match role {
        0..5 => Victim::Primary,
        9 if ground.has_witness() && mishap.is_for_witness() => Victim::Witness,
        _ => Victim::Replica(replica),
    };
    let victim = match (mishap, victim) {
        (Mishap::Switchover, _) => Victim::Primary,
        (Mishap::Cut, Victim::Primary) => Victim::Replica(replica),
        _ => victim,
    };
    let longest = if is_long { LONG_MS } else { SHORT_MS };
    let millis = |ms: usize| Duration::from_millis(ms as u64);
    Draw {
        mishap,
        victim,
        lasts: millis(longest * share / 1_000),
        pause: millis(pause),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use trial::Layout;

    use super::*;

    fn ground(nodes: usize, layout: Layout) -> Ground {
        Ground {
            program: "mainstay".into(),
            dir: "none".into(),
            nodes,
            layout,
            disk_mib: Some(1_024),
        }
    }

    #[test]
    fn draw_when_seed_and_round_are_the_same_then_so_is_what_happens() {
        let ground = ground(2, Layout::Namespaces);
        let all = catalogue(&ground);
        for round in 0..50 {
            assert_eq!(draw(1, round, &all, &ground), draw(1, round, &all, &ground));
        }
        assert!(
            (0..50).any(|round| draw(1, round, &all, &ground) != draw(2, round, &all, &ground))
        );
    }

    #[test]
    fn draw_when_many_then_everything_happens_to_everybody_it_can_happen_to() {
        let ground = ground(2, Layout::Namespaces);
        let all = catalogue(&ground);
        let mut seen = BTreeSet::new();
        for round in 0..2_000 {
            let drawn = draw(5, round, &all, &ground);
            seen.insert((drawn.mishap.name(), drawn.victim.name()));
            assert!(drawn.lasts < Duration::from_secs(20));
        }
        let count = |who: &str| seen.iter().filter(|(_, victim)| *victim == who).count();
        assert_eq!(count("witness"), 8, "{seen:?}");
        assert_eq!(count("replica"), 16, "{seen:?}");
        assert_eq!(count("primary"), 16, "{seen:?}");
    }

    #[test]
    fn draw_when_there_is_no_witness_then_it_is_no_victim() {
        let ground = ground(3, Layout::Loopback);
        let all = catalogue(&ground);
        assert!(!all.contains(&Mishap::Cut));
        for round in 0..500 {
            let drawn = draw(5, round, &all, &ground);
            assert_ne!(drawn.victim, Victim::Witness);
        }
    }
}
