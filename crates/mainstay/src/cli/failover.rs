//! `mainstay failover`: the operator's word that a node takes over without the primary's help.

use clap::Args;
use cluster::NodeName;

use super::{Context, confirm, node_name};
use crate::control::{Expected, Request};
use crate::output::{Exit, Failure, Result};
use crate::status::Status;

/// Make a node the primary without the old one's help
///
/// For when the primary is lost and nobody took over by itself. Refused when the node cannot be shown
/// to hold every acknowledged write, unless the loss is accepted.
#[derive(Args, Debug)]
pub(super) struct Failover {
    /// Which node takes over
    #[arg(long, value_name = "NODE", value_parser = node_name)]
    to: NodeName,
    /// Also when acknowledged writes may be lost
    #[arg(long)]
    accept_loss: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Failover {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let status = confirm::look(context)?;
        let plan = plan(&status, &self.to, self.accept_loss)?;
        let expected = Expected {
            epoch: status.epoch,
        };
        let request = Request::Failover {
            to: self.to,
            accept_loss: self.accept_loss,
            expected,
        };
        confirm::carry_out(context, &plan, self.yes, &request)
    }
}

fn plan(status: &Status, to: &NodeName, accept_loss: bool) -> Result<Vec<String>> {
    confirm::check_target(status, to.as_str())?;
    if status.primary.as_deref() == Some(to.as_str()) {
        return Err(Failure::usage(format!("`{to}` is the primary already")));
    }
    let mut plan = vec![match &status.primary {
        Some(primary) => format!(
            "plan  {to} takes over from `{primary}`, which still serves: `mainstay switchover` would be gentler"
        ),
        None => format!("plan  {to} takes over; there is no primary now"),
    }];
    let is_in_sync = status.in_sync.iter().any(|name| name == to.as_str());
    plan.push(match (is_in_sync, accept_loss) {
        (true, false) => {
            "  it takes over only if it and every node in sync vouch for all acknowledged writes"
                .to_owned()
        }
        (false, false) => {
            format!("  {to} is not in sync: this will be refused without `--accept-loss`")
        }
        (_, true) => loss(status, to),
    });
    plan.push(
        "  a former primary that comes back with other writes does not serve them".to_owned(),
    );
    Ok(plan)
}

/// How much may be lost, as far as it is known here.
fn loss(status: &Status, to: &NodeName) -> String {
    let gtid = |name: &str| {
        let node = status.nodes.iter().find(|node| node.name == name)?;
        Some((node.database.as_ref()?.gtid.clone(), node.seen_ms_ago?))
    };
    let held = gtid(to.as_str()).map_or_else(|| "nothing known".to_owned(), |(gtid, _)| gtid);
    let others = status
        .nodes
        .iter()
        .filter(|node| node.name != to.as_str() && !node.witness);
    let known: Vec<String> = others
        .filter_map(|node| {
            let (gtid, ms) = gtid(&node.name)?;
            Some(format!("{} had {gtid} ({} s ago)", node.name, ms / 1_000))
        })
        .collect();
    let known = if known.is_empty() {
        "what other nodes hold is not known".to_owned()
    } else {
        known.join(", ")
    };
    format!("  ACCEPTS LOSS: everything beyond {held} is given up; {known}")
}
