//! `mainstay switchover`: a planned change of primary, nothing lost, no client error.

use clap::Args;
use cluster::NodeName;

use super::{Context, confirm, node_name};
use crate::control::{Expected, Request};
use crate::output::{Exit, Failure, Result};
use crate::status::Status;

/// Make another node the primary, as planned: nothing is lost, clients wait for a moment
#[derive(Args, Debug)]
pub(super) struct Switchover {
    /// To which node; to the best replica when none is named
    #[arg(long, value_name = "NODE", value_parser = node_name)]
    to: Option<NodeName>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Switchover {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let status = confirm::look(context)?;
        let plan = plan(&status, self.to.as_ref())?;
        let expected = Expected {
            epoch: status.epoch,
        };
        confirm::carry_out(
            context,
            &plan,
            self.yes,
            &Request::Switchover {
                to: self.to,
                expected,
            },
        )
    }
}

/// The plan in words; refuses what cannot be.
fn plan(status: &Status, to: Option<&NodeName>) -> Result<Vec<String>> {
    let Some(primary) = &status.primary else {
        return Err(Failure::new("there is no primary to switch over from")
            .hint("see `mainstay why`; an unplanned change is `mainstay failover --to NODE`")
            .exit(Exit::NoPrimary));
    };
    if let Some(to) = to {
        confirm::check_target(status, to.as_str())?;
        if to.as_str() == primary {
            return Err(Failure::usage(format!("`{to}` is the primary already")));
        }
    }
    if status.in_sync.is_empty() {
        return Err(
            Failure::refused("no replica is in sync: none could take over without loss")
                .hint("see `mainstay status`; wait until one is"),
        );
    }
    let is_in_sync = |to: &NodeName| status.in_sync.iter().any(|name| name == to.as_str());
    if let Some(to) = to.filter(|to| !is_in_sync(to)) {
        return Err(Failure::refused(format!("`{to}` is not in sync"))
            .hint(format!("in sync: {}", status.in_sync.join(", "))));
    }
    let to = to.map_or_else(|| status.in_sync.join(" or "), ToString::to_string);
    Ok(steps(primary, &to, status.epoch))
}

/// What will be done, in two columns.
fn steps(primary: &str, to: &str, epoch: u64) -> Vec<String> {
    let left = [
        "1 let open transactions end (at most 5 s), hold new ones".to_owned(),
        format!("2 make {primary} read-only"),
        format!("3 wait until {to} has everything"),
    ];
    let right = [
        format!("4 promote {to} (epoch {})", epoch + 1),
        format!("5 gateways go on at {to}"),
        format!("6 {primary} follows {to}"),
    ];
    let head = format!("plan  {primary} -> {to}, well under a second of held writes, no loss");
    let width = left
        .iter()
        .map(|step| step.chars().count())
        .max()
        .unwrap_or(0);
    let rows = left
        .iter()
        .zip(right)
        .map(|(left, right)| format!("  {left:<width$}   {right}"));
    [head].into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(primary: Option<&str>, in_sync: &[&str]) -> Status {
        let node = |name: &str, witness: bool| {
            serde_json::json!({ "name": name, "address": "10.0.0.1", "role": "replica", "becoming": null,
                "health": "ok", "witness": witness, "seen_ms_ago": 1, "database": null })
        };
        serde_json::from_value(serde_json::json!({ "version": 1, "cluster": "c", "epoch": 3, "primary": primary,
            "in_sync": in_sync, "protected": true, "paused": false,
            "ledger": { "kind": "raft", "members": [], "reachable": true },
            "nodes": [node("alpha", false), node("bravo", false), node("charlie", false), node("witness", true)],
            "last_change": null, "asked": "alpha", "reason": "", "concerns": [] }))
        .unwrap()
    }

    fn code(status: &Status, to: Option<&str>) -> u8 {
        let to = to.map(|to| to.parse().unwrap());
        plan(status, to.as_ref()).map_or_else(|failure| failure.exit.code(), |_| 0)
    }

    #[test]
    fn plan_when_the_change_cannot_be_then_the_exit_code_says_why() {
        let good = status(Some("alpha"), &["bravo"]);
        assert_eq!(code(&good, None), 0);
        assert_eq!(code(&good, Some("bravo")), 0);
        assert_eq!(code(&good, Some("alpha")), 2);
        assert_eq!(code(&good, Some("delta")), 2);
        assert_eq!(code(&good, Some("witness")), 2);
        assert_eq!(code(&good, Some("charlie")), 5);
        assert_eq!(code(&status(Some("alpha"), &[]), None), 5);
        assert_eq!(code(&status(None, &["bravo"]), None), 4);
    }

    #[test]
    fn plan_when_shown_then_names_both_and_the_next_epoch() {
        let plan = plan(&status(Some("alpha"), &["bravo"]), None)
            .unwrap()
            .join("\n");
        assert!(
            plan.starts_with("plan  alpha -> bravo") && plan.contains("epoch 4"),
            "{plan}"
        );
    }
}
