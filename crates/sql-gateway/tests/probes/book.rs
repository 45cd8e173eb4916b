//! All probes, by topic.

use crate::script::{Script, scripts};
use crate::stage::{Stage, Way};
use crate::{commands, large, logins, prepared, tracking};

/// What a probe does.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Script(Script),
    /// Code, and the ways it is run in.
    Code(fn(&mut Stage), &'static [Way]),
}

/// One probe.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) topic: &'static str,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) act: Act,
}

impl Probe {
    pub(crate) fn ways(&self) -> &'static [Way] {
        match self.act {
            Act::Script(_) => &Way::ALL,
            Act::Code(_, ways) => ways,
        }
    }

    pub(crate) fn play(&self, stage: &mut Stage) {
        match self.act {
            Act::Script(script) => script.play(stage),
            Act::Code(code, _) => code(stage),
        }
    }
}

/// A probe written as code: name, what it is about, the code.
pub(crate) type Coded = (&'static str, &'static str, fn(&mut Stage));

const SCRIPTS: &[(&str, &str)] = &[
    ("transactions", include_str!("scripts/transactions.probe")),
    ("temporary tables", include_str!("scripts/temporary.probe")),
    ("ids and counts", include_str!("scripts/insert_id.probe")),
    ("variables", include_str!("scripts/variables.probe")),
    ("locks", include_str!("scripts/locks.probe")),
    ("sequences", include_str!("scripts/sequences.probe")),
    ("routines", include_str!("scripts/routines.probe")),
    ("statements", include_str!("scripts/statements.probe")),
    (
        "administration",
        include_str!("scripts/administration.probe"),
    ),
];

const CODE: &[(&str, &[Coded])] = &[
    ("prepared statements", prepared::PROBES),
    ("commands", commands::PROBES),
    ("session tracking", tracking::PROBES),
    ("large things", large::PROBES),
    ("logins", logins::PROBES),
];

/// Every probe, in order.
pub(crate) fn all() -> Vec<Probe> {
    let mut all = Vec::new();
    for (topic, file) in SCRIPTS {
        all.extend(scripts(file).into_iter().map(|script| Probe {
            topic,
            name: script.name,
            about: script.about,
            act: Act::Script(script),
        }));
    }
    for (topic, probes) in CODE {
        all.extend(probes.iter().map(|(name, about, code)| Probe {
            topic,
            name,
            about,
            act: Act::Code(*code, &[Way::Plain, Way::Modern]),
        }));
    }
    all
}
