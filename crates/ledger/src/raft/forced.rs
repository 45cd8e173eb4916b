//! Founding the ledger anew on one node when the other voters are lost for good. Each founding has a
//! random id that goes with every call and that a store keeps for ever, so that what is left of
//! the old ledger can neither disturb the new one nor be mixed into it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::disk::{Disk, Write};
use super::format;
use super::types::{Member, Membership, StoredMembership, Vote};
use super::voter::{Identity, Voter};
use crate::{Error, Record, Result};

/// See [`Raft::force_new`](super::Raft::force_new). Blocks.
pub(crate) fn force_new(dir: &Path, me: &Identity, voter: Voter) -> Result<Option<Record>> {
    let (disk, loaded) = Disk::open(dir, me)?;
    let mut state = loaded.snapshot.unwrap_or_default();
    let applied = state.applied;
    for entry in loaded
        .log
        .into_values()
        .filter(|entry| Some(entry.log_id) > applied)
    {
        state.apply(entry);
    }
    let Some(last) = state.applied else {
        disk.close();
        return Err(Error::Members("this node's store holds no ledger".into()));
    };
    let Voter {
        name,
        address,
        witness,
        ..
    } = voter;
    let member = Member {
        name,
        address,
        witness,
        store: loaded.store,
    };
    let voters = BTreeSet::from([me.node]);
    let members = Membership::new(vec![voters], BTreeMap::from([(me.node, member)]));
    state.members = StoredMembership::new(Some(last), members);
    let founding = getrandom::u64().map_err(|error| Error::Random(error.to_string()))?;
    let term = loaded
        .vote
        .map_or(0, |vote| vote.leader_id.term)
        .max(last.leader_id.term)
        + 1;
    let restart = Write::Restart {
        founding: format::keep(&founding)?,
        vote: format::keep(&Vote::new(term, me.node))?,
        purged: format::keep(&last)?,
        snapshot: format::keep(&state)?,
    };
    let written = disk
        .begin(restart)
        .map_err(Error::StoreFailed)?
        .wait_blocking();
    disk.close();
    written.map_err(Error::StoreFailed)?;
    Ok(state.record)
}
