//! One node: what its disk remembers, its server, its clocks, and its agent while that runs.

use cluster::{BootId, DataId, Epoch, Mark, Stamp};

use crate::agent::Agent;
use crate::clock::Clock;
use crate::event::{Life, Stir};
use crate::server::Server;

/// One node of the world.
pub(crate) struct Node {
    pub(crate) number: u32,
    pub(crate) clock: Clock,
    pub(crate) boot: BootId,
    pub(crate) data: DataId,
    /// The id that the data directory itself carries.
    pub(crate) tag: Option<DataId>,
    pub(crate) mark: Mark,
    pub(crate) followed: Epoch,
    /// None: a witness.
    pub(crate) server: Option<Server>,
    pub(crate) has_power: bool,
    /// None: it does not run.
    pub(crate) agent: Option<Agent>,
    /// How many agents it has had.
    pub(crate) lives: Life,
    /// Nothing in the agent's process moves.
    pub(crate) is_frozen: bool,
    /// A sign that something is new is on its way; more came while the agent looked at its server.
    pub(crate) is_stirred: bool,
    pub(crate) heard_more: bool,
    /// What waits for a frozen agent.
    pub(crate) waiting: Vec<(Life, Stir)>,
}

impl Node {
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            boot: self.boot,
            data: self.data,
        }
    }

    /// Its agent runs and is not frozen.
    pub(crate) fn moves(&self) -> bool {
        self.agent.is_some() && !self.is_frozen
    }

    pub(crate) fn runs(&self) -> bool {
        self.server.as_ref().is_some_and(Server::is_up)
    }
}
