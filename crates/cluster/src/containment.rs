//! Is what this node holds part of the cluster's history? The cuts decide, never a comparison with
//! the present primary's sequence numbers: two primaries may have used the same numbers.

use wire::gtid::Position;

use crate::{Document, Epoch};

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Containment {
    /// Everything it holds is common history: it may replicate.
    Contained,
    /// It holds transactions beyond this position that the cluster does not have.
    Beyond(Position),
    /// The cut that would tell is no longer kept.
    Unknown,
}

/// Judges a node whose last transactions came from `epoch` and reach `position`.
pub fn contained(document: &Document, epoch: Epoch, position: &Position) -> Containment {
    if epoch >= document.epoch {
        return Containment::Contained;
    }
    let mut later = document.cuts.iter().skip_while(|cut| cut.epoch <= epoch);
    // Why exactly the next one first: a later cut may lie beyond a fork that happened before it. The
    // others lie at or beyond it, but for one that the operator's word set back.
    match later.next() {
        Some(next) if next.epoch == epoch + 1 => std::iter::once(next)
            .chain(later)
            .find(|cut| !cut.position.covers(position))
            .map_or(Containment::Contained, |cut| {
                Containment::Beyond(cut.position.clone())
            }),
        _ => Containment::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cut, DataId, Member, MemberKind};

    fn document(cuts: &[(Epoch, &str)]) -> Document {
        let member = Member {
            address: "127.0.0.1:7400".into(),
            number: 1,
            kind: MemberKind::Data,
            far: false,
            priority: 0,
        };
        let mut document = Document::founding("alpha".parse().unwrap(), member, DataId(1));
        for (epoch, position) in cuts {
            document.cuts.push(Cut {
                epoch: *epoch,
                position: position.parse().unwrap(),
            });
            document.epoch = *epoch;
        }
        document
    }

    #[test]
    fn the_first_cut_after_its_own_epoch_decides() {
        let document = document(&[(2, "0-1-10"), (3, "0-2-50")]);
        let judge = |epoch, text: &str| contained(&document, epoch, &text.parse().unwrap());
        assert_eq!(judge(1, "0-1-10"), Containment::Contained);
        assert_eq!(
            judge(1, "0-1-11"),
            Containment::Beyond("0-1-10".parse().unwrap())
        );
        assert_eq!(judge(2, "0-2-50"), Containment::Contained);
        assert_eq!(judge(3, "0-3-999"), Containment::Contained);
    }

    #[test]
    fn a_cut_that_was_set_back_decides_too() {
        let document = document(&[(2, "0-1-10"), (3, "0-3-8")]);
        let judge = |epoch, text: &str| contained(&document, epoch, &text.parse().unwrap());
        assert_eq!(judge(1, "0-1-8"), Containment::Contained);
        assert_eq!(
            judge(1, "0-1-9"),
            Containment::Beyond("0-3-8".parse().unwrap())
        );
    }

    #[test]
    fn a_node_older_than_every_kept_cut_is_not_trusted() {
        let document = document(&[(7, "0-1-10")]);
        let judge = |text: &str| contained(&document, 2, &text.parse().unwrap());
        assert_eq!(judge("0-1-11"), Containment::Unknown);
        assert_eq!(judge("0-1-9"), Containment::Unknown);
    }
}
