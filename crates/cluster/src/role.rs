//! What a node is and what it is becoming, in one word each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Mark, Mode, Receiving, Server, View};

/// A node's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Has no usable data yet.
    Joining,
    /// Follows the primary.
    Replica,
    /// On its way to be primary.
    Promoting,
    /// Takes writes.
    Primary,
    /// On its way to be a replica.
    Demoting,
    /// Has stopped receiving; takes no writes.
    Fenced,
    /// Votes, holds no data.
    Witness,
    /// Cannot be told.
    Unknown,
}

/// The two columns of `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// What the node is.
    pub is: Role,
    /// What it is becoming, when that differs.
    pub becoming: Option<Role>,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joining => "joining",
            Self::Replica => "replica",
            Self::Promoting => "promoting",
            Self::Primary => "primary",
            Self::Demoting => "demoting",
            Self::Fenced => "fenced",
            Self::Witness => "witness",
            Self::Unknown => "unknown",
        })
    }
}

/// This node's own standing.
pub fn standing(view: &View) -> Standing {
    let Some(document) = &view.document else {
        return Standing {
            is: Role::Unknown,
            becoming: None,
        };
    };
    if document.is_witness(&view.me) {
        return Standing {
            is: Role::Witness,
            becoming: None,
        };
    }
    if document.primary == view.me {
        return as_primary(view);
    }
    match &view.server {
        Server::NoData => Standing {
            is: Role::Joining,
            becoming: Some(Role::Replica),
        },
        Server::Running(running) => {
            let following = running
                .source
                .as_ref()
                .is_some_and(|s| s.node == document.primary);
            if following && running.receiving == Receiving::Streaming {
                let growing = running
                    .source
                    .as_ref()
                    .is_some_and(|s| s.mode == Mode::Async);
                let member = document.in_sync.contains_key(&view.me);
                let becoming = (member && growing).then_some(Role::Replica);
                Standing {
                    is: Role::Replica,
                    becoming,
                }
            } else if matches!(view.mark, Mark::Opened { .. }) {
                Standing {
                    is: Role::Demoting,
                    becoming: Some(Role::Replica),
                }
            } else if view.memory.promise.is_some() {
                Standing {
                    is: Role::Fenced,
                    becoming: None,
                }
            } else {
                Standing {
                    is: Role::Fenced,
                    becoming: Some(Role::Replica),
                }
            }
        }
        Server::Busy(_) | Server::Stopped => Standing {
            is: Role::Fenced,
            becoming: Some(Role::Replica),
        },
        Server::Unseen => Standing {
            is: Role::Unknown,
            becoming: None,
        },
    }
}

fn as_primary(view: &View) -> Standing {
    let open = view
        .server
        .running()
        .is_some_and(|running| !running.read_only);
    match (open && view.is_confirmed(), &view.memory.handover) {
        (true, None) => Standing {
            is: Role::Primary,
            becoming: None,
        },
        (true, Some(_)) => Standing {
            is: Role::Primary,
            becoming: Some(Role::Replica),
        },
        (false, Some(_)) => Standing {
            is: Role::Demoting,
            becoming: Some(Role::Replica),
        },
        (false, None) => Standing {
            is: Role::Promoting,
            becoming: Some(Role::Primary),
        },
    }
}
