//! The timeline of a simulation, for people: when, who, what happened, and why in the core's own words.
//! Nothing is written down unless somebody wants to read it: a seed tells the same story each time.

use std::fmt::Write as _;

use cluster::{Action, Document, NodeName, Outcome};

use crate::clock::SECOND;
use crate::event::Id;
use crate::world::World;

impl World {
    /// A line of the story.
    pub(crate) fn tell(&mut self, who: &str, what: impl FnOnce() -> String) {
        if self.tells {
            let seconds = self.now as f64 / SECOND as f64;
            self.story
                .push(format!("{seconds:>10.4}  {who:<8} {}", what()));
        }
    }

    /// A line about a node.
    pub(crate) fn tell_of(&mut self, me: Id, what: impl FnOnce() -> String) {
        if self.tells {
            let who = self.names[me].clone();
            self.tell(who.as_str(), what);
        }
    }

    /// What came of an action, when it is not just done.
    pub(crate) fn story_of_action(&mut self, me: Id, action: &Action, outcome: &Outcome) {
        if !self.tells {
            return;
        }
        let text = brief(action);
        let came = match outcome {
            Outcome::Failed(why) => format!("not done: {why}"),
            Outcome::Lost(document) => format!("lost to revision {}", document.rev),
            Outcome::Undecided => "no answer: undecided".to_owned(),
            Outcome::At(position) => format!("at {position}"),
            Outcome::Won => "won".to_owned(),
            Outcome::Done | Outcome::Read(_) => "done".to_owned(),
        };
        self.tell_of(me, || format!("  {text}: {came}"));
    }

    /// What a swap that won has changed.
    pub(crate) fn story_of_landing(&mut self, before: &Document, next: &Document) {
        if !self.tells {
            return;
        }
        let set = |document: &Document| {
            let names = document.in_sync.keys().map(NodeName::as_str);
            format!("{{{}}}", names.collect::<Vec<_>>().join(", "))
        };
        let mut text = format!("revision {}", next.rev);
        if before.epoch != next.epoch {
            let _ = write!(text, ", epoch {}: primary {}", next.epoch, next.primary);
        }
        if before.in_sync != next.in_sync {
            let _ = write!(text, ", in sync {}", set(next));
        }
        if before.paused != next.paused {
            text += if next.paused { ", paused" } else { ", resumed" };
        }
        self.tell("ledger", || text);
    }
}

/// An action in a word or two.
pub(crate) fn brief(action: &Action) -> String {
    match action {
        Action::Swap { intent, .. } => format!("swap to {}", format!("{intent:?}").to_lowercase()),
        Action::Admit { node, mode, .. } => format!("admit {node} {mode:?}"),
        Action::Cut(node) => format!("cut {node}"),
        Action::Follow(source) => format!("follow {} {:?}", source.node, source.mode),
        Action::StopReceiving { promise: Some(rev) } => {
            format!("stop receiving, promise for {rev}")
        }
        Action::SetMark(mark) => format!("mark {mark:?}"),
        Action::Start(start_as) => format!("start {start_as:?}"),
        Action::SemiSync(on) => format!("semi-sync {}", if *on { "on" } else { "off" }),
        other => {
            let text = format!("{other:?}");
            let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
            text[..end].to_owned()
        }
    }
}
