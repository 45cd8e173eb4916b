//! Which step brings the ledger's members closer to those wanted: pure, one step at a time, worked
//! out anew from what is true now.

use std::collections::{BTreeMap, BTreeSet};

use super::types::Member;
use super::voter::Voter;

/// More voters than this make every swap slower and nothing safer.
const VOTERS_AT_MOST: usize = 7;

/// What the leader knows.
pub(crate) struct View {
    pub(crate) me: u64,
    pub(crate) voters: BTreeSet<u64>,
    /// A change of voters is half done.
    pub(crate) is_joint: bool,
    pub(crate) members: BTreeMap<u64, Member>,
    /// Members whose store is not the one they joined with.
    pub(crate) strangers: BTreeSet<u64>,
    /// Learners that answer and have nearly the whole log.
    pub(crate) ready: BTreeSet<u64>,
}

/// The next step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    Wait(String),
    Voters(BTreeSet<u64>),
    Remove(u64),
    Update(u64, Member),
    Add(Vec<u64>),
}

/// The next step towards `wanted`.
pub(crate) fn next_step(view: &View, wanted: &BTreeMap<u64, Voter>) -> Step {
    let target = choose(view, wanted);
    if target.is_empty() {
        return Step::Wait("none of the wanted nodes may vote".into());
    }
    if view.is_joint || target != view.voters {
        return Step::Voters(target);
    }
    let gone = view.members.keys().find(|id| {
        !view.voters.contains(id) && (!wanted.contains_key(id) || view.strangers.contains(id))
    });
    if let Some(id) = gone {
        return Step::Remove(*id);
    }
    for (id, voter) in wanted {
        if let Some(member) = view.members.get(id) {
            let Voter {
                name,
                address,
                witness,
                ..
            } = voter.clone();
            let right = Member {
                name,
                address,
                witness,
                store: member.store,
            };
            if right != *member {
                return Step::Update(*id, right);
            }
        }
    }
    let new: Vec<u64> = wanted
        .keys()
        .filter(|id| !view.members.contains_key(id))
        .copied()
        .collect();
    if new.is_empty() {
        Step::Nothing
    } else {
        Step::Add(new)
    }
}

/// Who should vote: one, or an odd number from three on. Witnesses come first, then those who vote
/// already, this leader before the others.
fn choose(view: &View, wanted: &BTreeMap<u64, Voter>) -> BTreeSet<u64> {
    let mut fit: Vec<u64> = wanted
        .iter()
        .filter(|(id, voter)| {
            let votes = view.voters.contains(id);
            let joins = voter.running && view.ready.contains(id);
            !view.strangers.contains(id) && (votes || joins)
        })
        .map(|(id, _)| *id)
        .collect();
    let mut count = fit.len().min(VOTERS_AT_MOST);
    if count < 3 {
        count = count.min(1);
    } else if count.is_multiple_of(2) {
        count -= 1;
    }
    let witness = |id: &u64| wanted.get(id).is_some_and(|voter| voter.witness);
    let later = |id: &u64| (!view.voters.contains(id), *id != view.me, *id);
    // Why: a single voter stays where the lead is; moving it would gain nothing.
    fit.sort_by_key(|id| (count > 1 && !witness(id), later(id)));
    fit.truncate(count);
    fit.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voter(name: &str, witness: bool) -> Voter {
        Voter {
            name: name.into(),
            address: format!("{name}:1"),
            witness,
            running: true,
        }
    }

    fn wanted(ids: &[u64], witness: &[u64]) -> BTreeMap<u64, Voter> {
        ids.iter()
            .map(|id| (*id, voter(&format!("n{id}"), witness.contains(id))))
            .collect()
    }

    fn view(voters: &[u64], members: &[u64], witness: &[u64]) -> View {
        let member = |id: &u64| Member {
            name: format!("n{id}"),
            address: format!("n{id}:1"),
            witness: witness.contains(id),
            store: 1,
        };
        View {
            me: voters[0],
            voters: voters.iter().copied().collect(),
            is_joint: false,
            members: members.iter().map(|id| (*id, member(id))).collect(),
            strangers: BTreeSet::new(),
            ready: members.iter().copied().collect(),
        }
    }

    fn voters(ids: &[u64]) -> Step {
        Step::Voters(ids.iter().copied().collect())
    }

    #[test]
    fn second_node_when_it_joins_then_stays_learner() {
        assert_eq!(
            next_step(&view(&[1], &[1], &[]), &wanted(&[1, 2], &[])),
            Step::Add(vec![2])
        );
        assert_eq!(
            next_step(&view(&[1], &[1, 2], &[]), &wanted(&[1, 2], &[])),
            Step::Nothing
        );
    }

    #[test]
    fn third_node_when_ready_then_all_three_vote() {
        let wanted = wanted(&[1, 2, 3], &[3]);
        assert_eq!(
            next_step(&view(&[1], &[1, 2, 3], &[3]), &wanted),
            voters(&[1, 2, 3])
        );
    }

    #[test]
    fn third_node_when_not_running_then_nothing_changes() {
        let mut wanted = wanted(&[1, 2, 3], &[]);
        wanted.get_mut(&3).unwrap().running = false;
        assert_eq!(
            next_step(&view(&[1], &[1, 2, 3], &[]), &wanted),
            Step::Nothing
        );
    }

    #[test]
    fn fourth_node_when_witness_then_takes_a_data_nodes_place() {
        let wanted = wanted(&[1, 2, 3, 4], &[4]);
        assert_eq!(
            next_step(&view(&[1, 2, 3], &[1, 2, 3, 4], &[4]), &wanted),
            voters(&[1, 2, 4])
        );
        assert_eq!(
            next_step(&view(&[1, 2, 4], &[1, 2, 3, 4], &[4]), &wanted),
            Step::Nothing
        );
    }

    #[test]
    fn voter_when_not_wanted_then_stops_voting_and_is_removed() {
        let wanted = wanted(&[1, 2], &[]);
        assert_eq!(
            next_step(&view(&[1, 2, 3], &[1, 2, 3], &[]), &wanted),
            voters(&[1])
        );
        assert_eq!(
            next_step(&view(&[1], &[1, 2, 3], &[]), &wanted),
            Step::Remove(3)
        );
    }

    #[test]
    fn voter_when_it_stops_running_then_stays_voter() {
        let mut wanted = wanted(&[1, 2, 3], &[]);
        wanted.get_mut(&3).unwrap().running = false;
        let mut view = view(&[1, 2, 3], &[1, 2, 3], &[]);
        view.ready.remove(&3);
        assert_eq!(next_step(&view, &wanted), Step::Nothing);
    }

    #[test]
    fn voter_when_its_store_was_replaced_then_must_join_anew() {
        let wanted = wanted(&[1, 2, 3], &[]);
        let mut view = view(&[1, 2, 3], &[1, 2, 3], &[]);
        view.strangers.insert(2);
        assert_eq!(next_step(&view, &wanted), voters(&[1]));
        view.voters = [1].into();
        assert_eq!(next_step(&view, &wanted), Step::Remove(2));
    }

    #[test]
    fn leader_when_not_wanted_then_the_others_vote() {
        let wanted = wanted(&[2, 3, 4], &[]);
        assert_eq!(
            next_step(&view(&[1, 2, 3], &[1, 2, 3, 4], &[]), &wanted),
            voters(&[2, 3, 4])
        );
    }

    #[test]
    fn voters_when_chosen_then_one_or_odd() {
        for count in 1..=10_u64 {
            let ids: Vec<u64> = (1..=count).collect();
            let chosen = choose(&view(&[1], &ids, &[2]), &wanted(&ids, &[2]));
            assert!(
                chosen.len() == 1 || chosen.len() >= 3 && chosen.len() % 2 == 1,
                "{chosen:?}"
            );
            assert!(chosen.contains(&1));
        }
    }

    #[test]
    fn change_when_half_done_then_is_finished_first() {
        let mut view = view(&[1, 2, 3], &[1, 2, 3], &[]);
        view.is_joint = true;
        assert_eq!(
            next_step(&view, &wanted(&[1, 2, 3], &[])),
            voters(&[1, 2, 3])
        );
    }
}
