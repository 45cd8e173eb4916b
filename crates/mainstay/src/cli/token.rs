//! `mainstay token`: a one-time word with which another server may join.

use std::time::Duration;

use clap::Args;

use super::Context;
use crate::config::Span;
use crate::control::{Issued, Request};
use crate::output::{Exit, Result};

/// Print a one-time token with which another server may join
///
/// Must be asked on a data node; the agent of that node answers the join. The token is a secret
/// until it is used or has expired.
#[derive(Args, Debug)]
pub(super) struct Token {
    /// For a witness
    #[arg(long)]
    witness: bool,
    /// How long it may be used
    #[arg(long, value_name = "TIME", default_value = "1h")]
    valid_for: Span,
}

const LIMIT: Duration = Duration::from_secs(10);

impl Token {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let request = Request::Token {
            witness: self.witness,
            valid_for: self.valid_for,
        };
        let issued: Issued = context.ask(&request, LIMIT)?;
        if context.output.json {
            context.output.json(&issued)?;
            return Ok(Exit::Done);
        }
        context.output.data(&issued.token)?;
        let kind = if self.witness { " --witness" } else { "" };
        context
            .output
            .talk(&format!("usable once, until {}", issued.expires));
        context.output.talk(&format!(
            "next: on the other server, `mainstay join TOKEN --name NAME --address IP{kind}`"
        ));
        Ok(Exit::Done)
    }
}
