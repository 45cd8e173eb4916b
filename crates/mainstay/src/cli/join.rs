//! `mainstay join`: this server becomes a node of a running cluster.

use std::io::{self, Read};

use clap::Args;

use super::{Context, small_runtime};
use crate::output::{Exit, Failure, Result};
use crate::setup::{Entry, Place, enter};

/// Make this server a node of a running cluster
///
/// Shows the token to the node that made it, gets a certificate, and writes the configuration file.
/// The data are copied when the agent runs for the first time.
#[derive(Args, Debug)]
pub(super) struct Join {
    /// A token of `mainstay token`; `-` reads it from standard input
    #[arg(value_name = "TOKEN")]
    token: String,
    #[command(flatten)]
    place: Place,
    /// This node votes and holds no data
    #[arg(long)]
    witness: bool,
    /// Move data that are in the database directory aside instead of refusing
    #[arg(long)]
    replace_data: bool,
}

/// A longer input is no token.
const TOKEN_LIMIT: u64 = 4096;

impl Join {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let token = if self.token == "-" {
            read_token()?
        } else {
            self.token
        };
        let configured = self.place.config(&context.config_path, self.witness)?;
        let name = configured.1.name.clone();
        small_runtime()?.block_on(async {
            let path = &context.config_path;
            let entry = Entry::prepare(path, configured, &token, self.replace_data).await?;
            if self.place.plan {
                return entry.plan().print(context.output);
            }
            let (cluster, number) = enter(entry).await?;
            let output = context.output;
            output.talk(&format!("done  this server is `{name}`, node {number} of cluster `{cluster}`"));
            output.talk("next: `systemctl enable --now mainstay` (or `mainstay run`), then `mainstay status`");
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}

fn read_token() -> Result<String> {
    let mut text = String::new();
    let read = io::stdin()
        .lock()
        .take(TOKEN_LIMIT)
        .read_to_string(&mut text);
    read.map_err(Failure::doing("read the token from standard input"))?;
    Ok(text)
}
