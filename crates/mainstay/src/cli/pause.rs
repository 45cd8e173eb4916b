//! `mainstay pause` and `mainstay resume`: automatic changes of primary, off and on.

use std::time::Duration;

use clap::Args;

use super::Context;
use crate::control::Request;
use crate::output::{Exit, Result};

/// Suspend automatic changes of primary
#[derive(Args, Debug)]
pub(super) struct Pause {}

/// Allow automatic changes of primary again
#[derive(Args, Debug)]
pub(super) struct Resume {}

const LIMIT: Duration = Duration::from_secs(15);

impl Pause {
    #[expect(clippy::unused_self, reason = "every verb is run the same way")]
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        context.ask::<()>(&Request::Pause { paused: true }, LIMIT)?;
        context
            .output
            .talk("done  no replica is promoted by itself until `mainstay resume`");
        Ok(Exit::Done)
    }
}

impl Resume {
    #[expect(clippy::unused_self, reason = "every verb is run the same way")]
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        context.ask::<()>(&Request::Pause { paused: false }, LIMIT)?;
        context
            .output
            .talk("done  automatic changes of primary are allowed");
        Ok(Exit::Done)
    }
}
