//! The first document of a cluster, and new members.

use std::sync::Arc;

use cluster::{DataId, Document, Member, MemberKind, NodeName, Outcome};
use ledger::Register;

use crate::scribe::Scribe;
use crate::{Error, Result};

/// Most nodes of a cluster.
const MEMBERS_LIMIT: usize = 32;

/// Writes the first document: `founder` is primary, alone, with the data directory `data`.
pub async fn found(
    register: Arc<dyn Register>,
    founder: NodeName,
    member: Member,
    data: DataId,
) -> Result<()> {
    let document = Document::founding(founder, member, data);
    match Scribe::new(register).swap(&document).await {
        Outcome::Won => Ok(()),
        Outcome::Lost(_) => Err(Error::AlreadyFounded),
        Outcome::Failed(why) => Err(Error::Ledger(why)),
        _ => Err(Error::Ledger("no answer in time".into())),
    }
}

/// The document with a new member, and its number. The same name at the same address is the same
/// member: a join may be repeated.
pub(crate) fn with_member(
    document: &Document,
    name: &NodeName,
    address: &str,
    kind: MemberKind,
) -> Result<(Option<Document>, u32)> {
    if let Some(known) = document.members.get(name) {
        if known.address == address && known.kind == kind {
            return Ok((None, known.number));
        }
        let told = format!(
            "`{name}` is the name of another member, at {}",
            known.address
        );
        return Err(Error::Refused(told));
    }
    if let Some((other, _)) = document.members.iter().find(|(_, m)| m.address == address) {
        return Err(Error::Refused(format!(
            "{address} is the address of `{other}`"
        )));
    }
    if document.members.len() >= MEMBERS_LIMIT {
        return Err(Error::Refused(format!(
            "a cluster has at most {MEMBERS_LIMIT} nodes"
        )));
    }
    let number = document
        .members
        .values()
        .map(|m| m.number)
        .max()
        .unwrap_or(0)
        + 1;
    let member = Member {
        address: address.to_owned(),
        number,
        kind,
        far: false,
        priority: 0,
    };
    let mut next = document.bumped();
    next.members.insert(name.clone(), member);
    Ok((Some(next), number))
}
