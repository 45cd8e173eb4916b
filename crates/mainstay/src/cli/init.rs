//! `mainstay init`: this server becomes the first node of a new cluster.

use clap::Args;

use super::{Context, small_runtime};
use crate::output::{Exit, Failure, Result};
use crate::setup::{Founding, Place, found};

/// Make this server the first node of a new cluster
///
/// Writes the configuration file, the cluster's identity and its ledger. MariaDB data in the database
/// directory are adopted, where there are none an empty database is made. Nothing is started.
#[derive(Args, Debug)]
pub(super) struct Init {
    #[command(flatten)]
    place: Place,
    /// The cluster's name, for people
    #[arg(long, value_name = "NAME", default_value = "mainstay")]
    cluster: String,
    /// Where the cluster's decisions are kept; this version knows `raft`: the agents themselves
    #[arg(long, value_name = "KIND", default_value = "raft")]
    ledger: String,
}

impl Init {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        if self.ledger != "raft" {
            return Err(
                Failure::usage(format!("this version knows no ledger `{}`", self.ledger)).hint(
                    "`--ledger raft` keeps it among the agents: two data nodes and a witness",
                ),
            );
        }
        let configured = self.place.config(&context.config_path, false)?;
        let name = configured.1.name.clone();
        small_runtime()?.block_on(async {
            let founding = Founding::prepare(&context.config_path, configured, self.cluster).await?;
            if self.place.plan {
                return founding.plan().print(context.output);
            }
            found(founding).await?;
            context.output.talk(&format!("done  this server is `{name}`, the first node"));
            context.output.talk("next: `systemctl enable --now mainstay` (or `mainstay run`), then `mainstay token`");
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}
