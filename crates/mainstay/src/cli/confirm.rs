//! What switchover and failover share: look, show the plan, ask, do it only if the world is still
//! as it was shown, tell the measured pause.

use std::time::Duration;

use super::Context;
use crate::control::{Changed, Request};
use crate::output::{Exit, Failure, Result};
use crate::status::Status;

const LOOK: Duration = Duration::from_millis(1_800);
/// The keeper bounds its own waiting; this is more.
const CHANGE: Duration = Duration::from_secs(75);

/// The cluster as it is before the change.
pub(super) fn look(context: &Context) -> Result<Status> {
    context.ask(&Request::Status, LOOK)
}

/// Refuses a name that is no data node of the cluster.
pub(super) fn check_target(status: &Status, to: &str) -> Result {
    let node = status.nodes.iter().find(|node| node.name == to);
    match node {
        None => {
            let names: Vec<&str> = status.nodes.iter().map(|node| node.name.as_str()).collect();
            Err(Failure::usage(format!("there is no node `{to}`"))
                .hint(format!("the nodes are {}", names.join(", "))))
        }
        Some(node) if node.witness => Err(Failure::usage(format!(
            "`{to}` is a witness and holds no data"
        ))),
        Some(_) => Ok(()),
    }
}

/// Asks, does it, tells how it went.
pub(super) fn carry_out(
    context: &Context,
    plan: &[String],
    yes: bool,
    request: &Request,
) -> Result<Exit> {
    for line in plan {
        context.output.talk(line);
    }
    context.output.confirm(yes)?;
    let done: Changed = context.ask(request, CHANGE)?;
    if context.output.json {
        context.output.json(&done)?;
        return Ok(Exit::Done);
    }
    let Changed {
        epoch,
        to,
        write_pause_ms,
        ..
    } = done;
    context.output.data(&format!(
        "done  `{to}` is primary (epoch {epoch}), writes paused {write_pause_ms} ms"
    ))?;
    context.output.talk("next: `mainstay status`");
    Ok(Exit::Done)
}
