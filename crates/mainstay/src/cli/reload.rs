//! `mainstay reload`: the configuration file, read again by the running agent.

use std::time::Duration;

use clap::Args;

use super::Context;
use crate::config::{Change, Config};
use crate::control::Request;
use crate::output::{Exit, Result};

/// Read the configuration again, without refusing a connection
///
/// Addresses and limits of the gateway change at once; connections stay, also those of an address that is given up. Keys
/// that a running agent cannot follow are named: they wait for `mainstay upgrade` or a restart. A file that is
/// not in order changes nothing. SIGHUP to the agent does the same and logs what came of it.
#[derive(Args, Debug)]
pub(super) struct Reload {}

const LIMIT: Duration = Duration::from_secs(30);

impl Reload {
    #[expect(clippy::unused_self, reason = "every verb is run the same way")]
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        // Why here first: errors point at lines of this file, and the agent's socket is named in it.
        Config::load(&context.config_path)?;
        let change: Change = context.ask(&Request::Reload, LIMIT)?;
        if context.output.json {
            context.output.json(&change)?;
        } else {
            context.output.talk(&text(&change));
        }
        Ok(Exit::Done)
    }
}

fn text(change: &Change) -> String {
    let done = if change.live.is_empty() {
        "done  nothing to change at once".to_owned()
    } else {
        format!("done  changed: {}", change.live.join(", "))
    };
    if change.waiting.is_empty() {
        return done;
    }
    let waiting = change.waiting.join(", ");
    format!(
        "{done}\nnot yet  {waiting}: a running agent cannot follow that\n  hint: `mainstay upgrade` does, without refusing a connection"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_when_a_part_waits_then_it_is_named_with_the_way() {
        let change = Change {
            live: vec!["gateway.listen".to_owned()],
            waiting: vec!["timing.lag_limit".to_owned()],
        };
        let text = text(&change);
        assert!(text.starts_with("done  changed: gateway.listen\nnot yet  timing.lag_limit"));
        assert!(text.ends_with("`mainstay upgrade` does, without refusing a connection"));
    }
}
