//! What somebody wrote on this node while it was a replica: a session with READ ONLY ADMIN, or while `read_only`
//! was off. Nobody else has it, so the node neither counts nor takes over before it has been put right.
//!
//! It shows in the state of the binlog, under the id that this node has taken for the epoch that it follows. And at its
//! end, beyond what replication has applied, when it was written under an earlier id.
//!
//! Why not at the end alone: with parallel applying (10.11.19) the transaction whose number was taken by hand fails with 1950, and
//! some that were received after it are applied all the same. `gtid_slave_pos` and the end of the binlog are then beyond both
//! the write and the gap.

use cluster::{Epoch, Position};
use mariadb::Status;
use wire::gtid::Gtid;

/// Node numbers are below this; a node's server ids differ by multiples of it.
const NUMBERS: u32 = 256;

/// The server id of a node that follows in `epoch`: another one than it has ever written under, or it
/// would pass over its own earlier transactions. Node numbers are below 256.
pub(crate) fn server_id(number: u32, epoch: Epoch) -> u32 {
    const EPOCHS: u64 = 1 << 23;
    number + NUMBERS * u32::try_from(epoch % EPOCHS).unwrap_or(0)
}

/// Finds them. Between two looks it remembers what may yet turn out to be its own old writes, come back.
#[derive(Default)]
pub(crate) struct OwnWrites {
    suspected: Option<Gtid>,
}

impl OwnWrites {
    /// The last transaction that was written here, if there is any. `followed` is the epoch that this node follows.
    pub(crate) fn look(&mut self, status: &Status, number: u32, followed: Epoch) -> Option<Gtid> {
        status.source.as_ref()?;
        let found = last(&status.binlog, &status.applied, number);
        let before = std::mem::replace(&mut self.suspected, found);
        // Why twice otherwise: what it wrote as primary and lost in a recovery comes back from its primary, and stands
        // in the binlog a moment before it counts as applied.
        let again = found.filter(|id| before == Some(*id));
        since_following(status, number, followed).or(again)
    }
}

/// The last transaction that was written here while this node has followed that epoch: under the id of that following
/// it has never been primary.
pub(crate) fn since_following(status: &Status, number: u32, followed: Epoch) -> Option<Gtid> {
    status.source.as_ref()?;
    let id = server_id(number, followed);
    let written = status.written.iter().rev();
    written.copied().find(|written| written.server == id)
}

fn last(binlog: &Position, applied: &Position, number: u32) -> Option<Gtid> {
    let is_own = |id: &Gtid| id.server % NUMBERS == number;
    let is_beyond = |id: &Gtid| id.sequence > applied.sequence(id.domain);
    binlog.iter().find(|id| is_own(id) && is_beyond(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(binlog: &str, applied: &str) -> Option<String> {
        let at = |text: &str| text.parse::<Position>().unwrap();
        last(&at(binlog), &at(applied), 2).map(|id| id.to_string())
    }

    #[test]
    fn own_writes_are_what_stands_beyond_what_was_applied_under_an_id_of_this_node() {
        assert_eq!(found("0-1-100", "0-1-100"), None);
        assert_eq!(found("0-1-101", "0-1-100"), None);
        assert_eq!(found("0-514-101", "0-1-100").unwrap(), "0-514-101");
        assert_eq!(found("0-1-100,7-2-1", "0-1-100").unwrap(), "7-2-1");
        assert_eq!(found("0-2-100", "0-2-100"), None);
    }

    #[test]
    fn an_id_differs_between_nodes_and_epochs() {
        assert_eq!(server_id(2, 2), 514);
        assert_ne!(server_id(2, 3), server_id(3, 2));
        assert_eq!(server_id(255, 1) % NUMBERS, 255);
    }
}
