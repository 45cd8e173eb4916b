//! What a node keeps of another's words: what can still make a difference to it. The core compares each
//! promise, source and office with its own document, which only moves forward.

use cluster::{
    Applying, Document, Durability, Health, Mark, Mode, NodeName, Position, Receiving, Report,
    Role, Running, Server,
};

use crate::mutation::Mutation;

/// From whom and to whom, and what the hearer knows.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) from: &'a NodeName,
    pub(crate) to: &'a NodeName,
    pub(crate) document: &'a Document,
    pub(crate) mutation: Option<Mutation>,
    /// A switchover may be asked for: what is applied there counts.
    pub(crate) may_switch: bool,
}

impl Words<'_> {
    /// The part that can make a difference. What is left out leaves every decision possible that it
    /// allowed: silence is possible at any time, and lets a member be given up and a primary be suspected
    /// as well as any words do.
    ///
    /// * To the primary: the ids; whether it could be taken in; if it follows as sync, what it received.
    /// * From the primary: the ids; whether it asks `to` to become the first member.
    /// * From a member to another: the ids; a promise for this very revision, and whether it can apply.
    pub(crate) fn useful(self, report: Report) -> Report {
        // With strict durability it counts why a member is lost.
        let strict = self.document.durability == Durability::Strict;
        if strict || self.mutation == Some(Mutation::SwitchoverUnconnected) {
            return self.lasting(report);
        }
        let mut useful = Report {
            stamp: report.stamp,
            mark: Mark::Clean,
            server: Server::Stopped,
            promise: None,
            confirmed: None,
            growing: None,
            ..silent(report.clone())
        };
        let said = report.server.running();
        if self.document.primary == *self.to {
            // Why one that is down seems to run: the primary may give it up as silent, or wait.
            let flow = said.and_then(|said| self.flow(&report, said));
            useful.server = Server::Running(Box::new(flow.unwrap_or_else(plain)));
        } else if self.document.primary == *self.from {
            // Why it always seems well: who finds it so asks the ledger or copies its data, and both fail
            // by themselves when it is not; and who finds it silent does neither.
            let asks = report.confirmed == Some(self.document.epoch);
            useful.confirmed = Some(self.document.epoch);
            useful.growing = report.growing.filter(|node| asks && node == self.to);
            useful.server = well(Applying::Running);
        } else {
            let named = self.document.in_sync.get(self.from);
            useful.promise = report.promise.filter(|promise| {
                let counts =
                    self.mutation == Some(Mutation::OtherIds) || named == Some(&promise.stamp);
                promise.rev == self.document.rev && counts
            });
            let able = said.filter(|said| !matches!(said.applying, Applying::Failed(_)));
            if able.is_some() && useful.promise.is_some() {
                useful.server = well(Applying::Running);
            }
        }
        useful
    }

    /// What a primary can use of the words of one that follows it.
    fn flow(self, report: &Report, said: &Running) -> Option<Running> {
        let source = said.source.as_ref()?;
        if source.node != *self.to || source.epoch != self.document.epoch {
            return None;
        }
        let clean = report.mark == Mark::Clean;
        let counts = source.mode == Mode::Sync;
        if !clean && !counts {
            return None;
        }
        let mut flow = plain();
        flow.source.clone_from(&said.source);
        flow.applying = Applying::Running;
        // Why one that does not stream or apply seems to: the primary asks for its connection too, and then
        // for what it has received; and it may wait all the same.
        if clean {
            flow.receiving = Receiving::Streaming;
        }
        if counts {
            flow.received = said.received.clone();
            if self.may_switch {
                flow.applied = said.applied.clone();
            }
        }
        Some(flow)
    }

    /// Only what can certainly make no difference is left out: promises for revisions that have passed,
    /// words about a source of an epoch that has passed, offices but the present primary's.
    pub(crate) fn lasting(self, report: Report) -> Report {
        let keeps_old = self.mutation == Some(Mutation::SwitchoverUnconnected);
        let Self {
            from, to, document, ..
        } = self;
        let mut report = silent(report);
        let to_primary = document.primary == *to;
        report
            .promise
            .take_if(|promise| to_primary || promise.rev < document.rev);
        if document.primary != *from || report.confirmed != Some(document.epoch) {
            report.confirmed = None;
            report.growing = None;
        }
        let mut flows = false;
        report.server = match report.server {
            Server::Running(said) => {
                let mut running = Running::unknown();
                running.health = Health::Ok;
                running.lag_ms = Some(0);
                let source = said.source.filter(|s| s.epoch >= document.epoch);
                flows = to_primary && (keeps_old || source.as_ref().is_some_and(|s| s.node == *to));
                if flows {
                    running.source = source;
                    running.received = said.received;
                    running.applied = said.applied;
                    running.applying = said.applying;
                    // Any other is to a primary as if it were stopped.
                    running.receiving = match said.receiving {
                        Receiving::Connecting => Receiving::Stopped,
                        known => known,
                    };
                } else {
                    running.applying = match said.applying {
                        Applying::Failed(error) => Applying::Failed(error),
                        _ => Applying::Running,
                    };
                    if to_primary && said.receiving == Receiving::Refused {
                        running.receiving = Receiving::Refused;
                    }
                }
                Server::Running(Box::new(running))
            }
            Server::NoData => Server::NoData,
            _ => Server::Stopped,
        };
        if !flows {
            report.mark = Mark::Clean;
        }
        report
    }
}

/// Without what is for people, and without the word that it steps down: a primary that says so is, for
/// the core, one that is silent.
fn silent(mut report: Report) -> Report {
    report.steps_down = false;
    report.document = None;
    report.serving = None;
    report.holding = None;
    report.hears.clear();
    report.role = Role::Unknown;
    report.becoming = None;
    report
}

fn plain() -> Running {
    Running {
        health: Health::Ok,
        lag_ms: Some(0),
        received: Position::empty(),
        ..Running::unknown()
    }
}

fn well(applying: Applying) -> Server {
    Server::Running(Box::new(Running {
        applying,
        ..plain()
    }))
}
