//! What an agent remembers of its own doing since it woke. It is lost with the agent, on purpose:
//! whoever wakes knows nothing and promises nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wire::gtid::Position;

use crate::{Action, Document, EndOf, Epoch, Intent, Millis, NodeName, Outcome, Rev, Stamp, View};

/// From the sixth setback on the pause before a growth stays at 32 times the first.
const SETBACKS_COUNTED: u32 = 5;

/// The volatile part of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Revision and epoch of the first linearizable read since waking.
    pub woke: Option<(Rev, Epoch)>,
    /// This node's confirmed office.
    pub tenure: Option<Tenure>,
    /// Its word not to receive.
    pub promise: Option<Promise>,
    /// A swap on this revision got no answer and may still land.
    pub undecided: Option<Rev>,
    /// Members that have been cut and are to be taken out.
    pub shrink: Option<Shrink>,
    /// A replica that is becoming the first member.
    pub grow: Option<Grow>,
    /// No growth before this moment.
    pub regrow: Millis,
    /// Growths given up and members lost since the cluster was last protected for a while.
    pub setbacks: u32,
    /// A planned change of primary under way.
    pub handover: Option<Handover>,
    /// A swap won at this revision lets the data be touched.
    pub wipe: Option<Rev>,
    /// The transactions that the cluster lacks are safe in a file.
    pub tail_saved: bool,
    /// Since when the cluster has been protected.
    pub protected_since: Option<Millis>,
}

/// A confirmed office.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    /// Of which epoch.
    pub epoch: Epoch,
    /// It was confirmed after the agent or the server had been away: nothing is served before a
    /// member has all that the server held then.
    pub reclaimed: bool,
    /// That end, once noted.
    pub end: Option<Position>,
    /// It has been open for writes in this life of the server.
    pub opened: bool,
}

/// A member's word not to receive from the primary again while the ledger stands at `rev`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Promise {
    /// The revision.
    pub rev: Rev,
    /// The boot and data with which it was given.
    pub stamp: Stamp,
    /// Everything the member has received.
    pub received: Position,
}

/// Members on their way out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shrink {
    /// Who was cut.
    pub lost: BTreeSet<NodeName>,
    /// The end of the binlog after they were; not noted yet while `None`.
    pub end: Option<Position>,
}

/// A replica that is becoming the first member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grow {
    /// Which.
    pub node: NodeName,
    /// With which ids.
    pub stamp: Stamp,
    /// Since when.
    pub since: Millis,
    /// The end of the binlog after it was connected and semi-sync on.
    pub end: Option<Position>,
}

/// A planned change of primary, before its swap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handover {
    /// To whom.
    pub to: NodeName,
    /// Since when gateways have been asked to hold.
    pub since: Millis,
    /// The end of the binlog after the server was closed.
    pub end: Option<Position>,
}

impl Memory {
    /// Takes note of what came of an action that `view`'s node carried out.
    pub fn performed(&mut self, view: &View, action: &Action, outcome: &Outcome) {
        match (action, outcome) {
            (Action::ReadLedger, Outcome::Read(document)) => {
                self.woke.get_or_insert((document.rev, document.epoch));
                self.learned(&view.me, document);
            }
            (Action::Swap { next, intent }, outcome) => self.swapped(view, next, *intent, outcome),
            (Action::StopReceiving { promise: Some(rev) }, Outcome::At(received)) => {
                let (rev, received) = (*rev, received.clone());
                self.promise = Some(Promise {
                    rev,
                    stamp: view.stamp(),
                    received,
                });
            }
            (Action::Assume, Outcome::Done) => {
                let epoch = view.document.as_ref().map_or(0, |document| document.epoch);
                self.tenure = Some(Tenure {
                    epoch,
                    reclaimed: false,
                    end: None,
                    opened: false,
                });
            }
            // Why only then: another may have become primary while it was done.
            (Action::NoteEnd(end_of), Outcome::At(end)) if view.is_confirmed() => {
                self.noted(end_of, end);
            }
            (Action::Open, outcome) => {
                // Why whatever came of it: from then on writes may be acknowledged that lie beyond that end.
                self.forget_handover_end();
                if let (Outcome::Done, Some(tenure)) = (outcome, &mut self.tenure) {
                    tenure.opened = true;
                }
            }
            // Why: somebody may have opened it by hand since that end was noted.
            (Action::Close, _) => self.forget_handover_end(),
            (Action::BeginGrow { node, stamp }, Outcome::Done) if view.is_confirmed() => {
                let (node, stamp) = (node.clone(), *stamp);
                self.grow = Some(Grow {
                    node,
                    stamp,
                    since: view.now,
                    end: None,
                });
            }
            (Action::Cut(node), Outcome::Done) => self.gave_up(view, node),
            (Action::Admit { node, .. }, Outcome::Done) => {
                self.shrink.take_if(|shrink| shrink.lost.contains(node));
            }
            // Why whatever came of it: from then on writes may be acknowledged that lie beyond that end.
            (Action::SemiSync(false), _) => {
                if let Some(grow) = &mut self.grow {
                    grow.end = None;
                }
            }
            (Action::EndGrow, Outcome::Done) => {
                self.grow = None;
                self.set_back(view);
            }
            (Action::BeginHandover(to), Outcome::Done) if view.is_confirmed() => {
                self.handover = Some(Handover {
                    to: to.clone(),
                    since: view.now,
                    end: None,
                });
            }
            (Action::EndHandover, Outcome::Done) => self.handover = None,
            // Preparations to replace the data end when it is replaced, or used again.
            (Action::Follow(_) | Action::Clone { .. }, Outcome::Done) => {
                self.wipe = None;
                self.tail_saved = false;
            }
            (Action::SaveTail(_), Outcome::Done) => self.tail_saved = true,
            _ => {}
        }
    }

    /// Drops what a newer document has made void.
    pub fn learned(&mut self, me: &NodeName, document: &Document) {
        self.promise.take_if(|promise| promise.rev < document.rev);
        self.undecided.take_if(|rev| *rev < document.rev);
        self.tenure
            .take_if(|t| document.primary != *me || document.epoch != t.epoch);
        self.shrink.take_if(|shrink| {
            document.primary != *me || !shrink.lost.iter().any(|n| document.in_sync.contains_key(n))
        });
        self.grow
            .take_if(|grow| document.primary != *me || document.in_sync.contains_key(&grow.node));
        self.handover.take_if(|_| document.primary != *me);
        self.wipe.take_if(|_| document.in_sync.contains_key(me));
    }

    /// Takes note of the passing of time.
    pub fn passing(&mut self, now: Millis, document: &Document) {
        if document.in_sync.is_empty() {
            self.protected_since = None;
        } else {
            self.protected_since.get_or_insert(now);
        }
    }

    /// The server's process has ended: its office and its receiving ended with it, and like an
    /// agent that wakes, this one reads the ledger before it does anything.
    pub fn server_ended(&mut self) {
        let kept = Self {
            undecided: self.undecided,
            regrow: self.regrow,
            setbacks: self.setbacks,
            wipe: self.wipe,
            tail_saved: self.tail_saved,
            ..Self::default()
        };
        *self = kept;
    }

    fn swapped(&mut self, view: &View, next: &Document, intent: Intent, outcome: &Outcome) {
        match outcome {
            Outcome::Won => {
                self.learned(&view.me, next);
                match intent {
                    Intent::Reclaim => {
                        let epoch = next.epoch;
                        self.tenure = Some(Tenure {
                            epoch,
                            reclaimed: true,
                            end: None,
                            opened: false,
                        });
                    }
                    Intent::Promote | Intent::Force => {
                        let epoch = next.epoch;
                        self.tenure = Some(Tenure {
                            epoch,
                            reclaimed: false,
                            end: None,
                            opened: false,
                        });
                    }
                    Intent::Shrink => self.set_back(view),
                    Intent::Wipe => self.wipe = Some(next.rev),
                    _ => {}
                }
            }
            Outcome::Lost(document) => self.learned(&view.me, document),
            Outcome::Undecided => self.undecided = Some(next.rev - 1),
            _ => {}
        }
    }

    fn forget_handover_end(&mut self) {
        if let Some(handover) = &mut self.handover {
            handover.end = None;
        }
    }

    /// Why at the cut already: interrupted after it, the member is not let in again.
    fn gave_up(&mut self, view: &View, node: &NodeName) {
        let well = view.server.running().is_some_and(|r| r.health.is_ok());
        let document = view.document.as_ref().filter(|_| view.is_confirmed());
        if well && document.is_some_and(|document| document.in_sync.contains_key(node)) {
            let shrink = self.shrink.get_or_insert_with(|| Shrink {
                lost: BTreeSet::new(),
                end: None,
            });
            if shrink.lost.insert(node.clone()) {
                shrink.end = None;
            }
        }
    }

    /// Why the pause doubles: a replica that connects and never keeps up would hold every commit up
    /// again and again.
    fn set_back(&mut self, view: &View) {
        let was_protected = self
            .protected_since
            .is_some_and(|since| view.now.saturating_sub(since) >= view.timing.relief);
        self.setbacks = if was_protected {
            1
        } else {
            self.setbacks.saturating_add(1)
        };
        self.regrow = view.now + (view.timing.regrow << (self.setbacks - 1).min(SETBACKS_COUNTED));
    }

    fn noted(&mut self, end_of: &EndOf, end: &Position) {
        match end_of {
            EndOf::Reclaim => {
                if let Some(tenure) = &mut self.tenure {
                    tenure.end = Some(end.clone());
                }
            }
            EndOf::Shrink(lost) => {
                self.shrink = Some(Shrink {
                    lost: lost.clone(),
                    end: Some(end.clone()),
                });
            }
            EndOf::Grow => {
                if let Some(grow) = &mut self.grow {
                    grow.end = Some(end.clone());
                }
            }
            EndOf::Handover => {
                if let Some(handover) = &mut self.handover {
                    handover.end = Some(end.clone());
                }
            }
        }
    }
}
