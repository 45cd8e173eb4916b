//! The last letter of each other node. Letters of an agent's earlier life, or older ones of the
//! same life, are dropped: both directions of a conversation may overtake each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use cluster::{Document, Millis, NodeName, Peer, Position, Report, Rev, Server};
use tokio::sync::Notify;

use crate::format::{Extras, Letter};

#[derive(Default)]
pub(crate) struct Board {
    entries: Mutex<BTreeMap<NodeName, Entry>>,
    /// Told when a letter says something new.
    pub(crate) news: Notify,
}

struct Entry {
    letter: Letter,
    /// What of it others want to know at once.
    gist: Report,
    heard: Millis,
    /// When the last question that it answered was sent.
    round_trip: Option<Millis>,
    past_life: Option<u64>,
}

/// What is on the board.
pub(crate) struct Posted {
    pub(crate) peers: BTreeMap<NodeName, Peer>,
    /// The newest document that is newer than this node's own.
    pub(crate) newest: Option<Document>,
}

/// What is on the board beside the reports.
pub(crate) struct Margin {
    pub(crate) extras: BTreeMap<NodeName, Extras>,
    /// When the last question that a node answered was sent.
    pub(crate) round_trips: BTreeMap<NodeName, Millis>,
}

impl Board {
    /// Posts a letter that was just received; with the moment at which it was asked for, if it was.
    pub(crate) fn post(
        &self,
        from: &NodeName,
        mut letter: Letter,
        now: Millis,
        asked: Option<Millis>,
    ) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.get(from);
        let past_life = match known {
            Some(entry) if entry.letter.incarnation == letter.incarnation => {
                if letter.sequence <= entry.letter.sequence {
                    return;
                }
                entry.past_life
            }
            Some(entry) if entry.past_life == Some(letter.incarnation) => return,
            Some(entry) => Some(entry.letter.incarnation),
            None => None,
        };
        let same_life = known.is_some_and(|e| e.letter.incarnation == letter.incarnation);
        // A document left out is one that this node had told the sender it has.
        if letter.report.document.is_none() && letter.rev.is_some() {
            letter.report.document = known
                .and_then(|e| e.letter.report.document.clone())
                .filter(|d| Some(d.rev) == letter.rev);
        }
        let document = letter.report.document.take();
        let gist = without_time(letter.report.clone());
        letter.report.document = document;
        let is_news = !known
            .is_some_and(|entry| same_life && entry.letter.rev == letter.rev && entry.gist == gist);
        let round_trip = asked.or_else(|| known.filter(|_| same_life).and_then(|e| e.round_trip));
        let heard = known.map_or(now, |entry| entry.heard.max(now));
        entries.insert(
            from.clone(),
            Entry {
                letter,
                gist,
                heard,
                round_trip,
                past_life,
            },
        );
        drop(entries);
        if is_news {
            self.news.notify_one();
        }
    }

    /// The revision that `node` is known to have.
    pub(crate) fn rev_of(&self, node: &NodeName) -> Option<Rev> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(node).and_then(|entry| entry.letter.rev)
    }

    /// When `node` was last heard.
    pub(crate) fn heard(&self, node: &NodeName) -> Option<Millis> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(node).map(|entry| entry.heard)
    }

    /// What `node` said for people.
    pub(crate) fn extras_of(&self, node: &NodeName) -> Option<Extras> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(node).map(|entry| entry.letter.extras.clone())
    }

    /// What is there beside the reports.
    pub(crate) fn margin(&self) -> Margin {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let extras = entries
            .iter()
            .map(|(node, entry)| (node.clone(), entry.letter.extras.clone()));
        let round_trips = entries
            .iter()
            .filter_map(|(node, entry)| Some((node.clone(), entry.round_trip?)));
        Margin {
            extras: extras.collect(),
            round_trips: round_trips.collect(),
        }
    }

    /// All reports, with `own` filled in where a letter left out a document that is the same.
    pub(crate) fn read(&self, own: Option<&Document>) -> Posted {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut posted = Posted {
            peers: BTreeMap::new(),
            newest: None,
        };
        for (node, entry) in entries.iter() {
            let mut report = entry.letter.report.clone();
            if report.document.is_none() {
                report.document = own.filter(|own| Some(own.rev) == entry.letter.rev).cloned();
            }
            if let Some(document) = &report.document
                && posted
                    .newest
                    .as_ref()
                    .or(own)
                    .is_none_or(|newest| newest.rev < document.rev)
            {
                posted.newest = Some(document.clone());
            }
            posted.peers.insert(
                node.clone(),
                Peer {
                    report,
                    heard: entry.heard,
                },
            );
        }
        posted
    }
}

/// A report without what changes all the time by itself: what is left, others want to know at once.
pub(crate) fn without_time(mut report: Report) -> Report {
    report.document = None;
    report.hears.clear();
    if let Server::Running(running) = &mut report.server {
        running.waiting_ms = 0;
        running.written = Position::empty();
        running.applied = Position::empty();
        running.received = Position::empty();
        running.silent_ms = 0;
        running.lag_ms = running.lag_ms.map(|_| 0);
    }
    report
}
