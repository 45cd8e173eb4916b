//! What agents tell each other, and the board on which the last letter of each is kept. A mirror of the
//! keeper's `board.rs`: letters of an earlier life, or older ones of the same, are dropped.

use std::collections::BTreeMap;

use cluster::{Document, Millis, NodeName, Peer, Position, Report, Rev, Server};

use crate::event::{Id, Life};

/// A node's words on their way.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) incarnation: Life,
    pub(crate) sequence: u64,
    pub(crate) rev: Option<Rev>,
    pub(crate) report: Report,
}

#[derive(Default)]
pub(crate) struct Board {
    entries: BTreeMap<Id, Entry>,
    /// Something was posted since the last reading.
    pub(crate) is_new: bool,
}

struct Entry {
    letter: Letter,
    gist: Report,
    heard: Millis,
    past_life: Option<Life>,
}

impl Board {
    /// Posts a letter that was just received. True: it says something new.
    pub(crate) fn post(&mut self, from: Id, letter: &Letter, now: Millis) -> bool {
        let known = self.entries.get(&from);
        let past_life = match known {
            Some(entry) if entry.letter.incarnation == letter.incarnation => {
                if letter.sequence <= entry.letter.sequence {
                    return false;
                }
                entry.past_life
            }
            Some(entry) if entry.past_life == Some(letter.incarnation) => return false,
            Some(entry) => Some(entry.letter.incarnation),
            None => None,
        };
        let mut letter = letter.clone();
        let same_life = known.is_some_and(|e| e.letter.incarnation == letter.incarnation);
        // A document left out is one that this node had told the sender it has.
        if letter.report.document.is_none() && letter.rev.is_some() {
            letter.report.document = known
                .and_then(|e| e.letter.report.document.clone())
                .filter(|d| Some(d.rev) == letter.rev);
        }
        let gist = without_time(&letter.report);
        let is_news = !known
            .is_some_and(|entry| same_life && entry.letter.rev == letter.rev && entry.gist == gist);
        let heard = known.map_or(now, |entry| entry.heard.max(now));
        let entry = Entry {
            letter,
            gist,
            heard,
            past_life,
        };
        self.entries.insert(from, entry);
        self.is_new = true;
        is_news
    }

    /// The revision that a node is known to have.
    pub(crate) fn rev_of(&self, node: Id) -> Option<Rev> {
        self.entries.get(&node).and_then(|entry| entry.letter.rev)
    }

    /// When it was last heard.
    pub(crate) fn heard(&self, node: Id) -> Option<Millis> {
        self.entries.get(&node).map(|entry| entry.heard)
    }

    /// The newest document on the board that is newer than `own`.
    pub(crate) fn newest(&self, own: Option<&Document>) -> Option<Document> {
        let documents = self.entries.values();
        let documents = documents.filter_map(|entry| entry.letter.report.document.as_ref());
        let newest = documents.max_by_key(|document| document.rev)?;
        own.is_none_or(|own| own.rev < newest.rev)
            .then(|| newest.clone())
    }

    /// All reports, with `own` filled in where a letter left out a document that is the same.
    pub(crate) fn read(
        &mut self,
        own: Option<&Document>,
        names: &[NodeName],
    ) -> BTreeMap<NodeName, Peer> {
        self.is_new = false;
        let mut peers = BTreeMap::new();
        for (node, entry) in &self.entries {
            let mut report = entry.letter.report.clone();
            if report.document.is_none() {
                report.document = own.filter(|own| Some(own.rev) == entry.letter.rev).cloned();
            }
            let heard = entry.heard;
            peers.insert(names[*node].clone(), Peer { report, heard });
        }
        peers
    }
}

/// A report without what changes all the time by itself.
pub(crate) fn without_time(report: &Report) -> Report {
    let mut report = Report {
        document: None,
        hears: BTreeMap::new(),
        ..report.clone()
    };
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

/// How far a replica's data is behind: since when the primary has had something that is not applied
/// here. A mirror of the keeper's `lag.rs`.
#[derive(Default)]
pub(crate) struct Lag(std::collections::VecDeque<(Millis, Position)>);

impl Lag {
    pub(crate) fn primary_at(&mut self, now: Millis, position: &Position) {
        if self.0.back().is_none_or(|(_, last)| last != position) {
            self.0.push_back((now, position.clone()));
        }
    }

    pub(crate) fn reset(&mut self) {
        self.0.clear();
    }

    pub(crate) fn of(&mut self, now: Millis, applied: &Position) -> Option<Millis> {
        while self.0.len() > 1 && self.0.front().is_some_and(|(_, p)| applied.covers(p)) {
            self.0.pop_front();
        }
        let (since, position) = self.0.front()?;
        let reached = applied.covers(position);
        Some(if reached {
            0
        } else {
            now.saturating_sub(*since)
        })
    }
}
