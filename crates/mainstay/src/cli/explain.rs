//! `mainstay explain`: where the gateway may run a statement, and why.

use std::time::Duration;

use clap::Args;
use sql_gateway::Freshness;

use super::Context;
use crate::control::{Explained, Question, Request};
use crate::output::{Exit, Failure, Result};

/// Tell where a statement may run, on the primary only or on a replica too, and why
///
/// Reads are spread unless `gateway.split` is switched off, or they are to be as fresh as on the `primary`. An address for reads only sends all that it takes to one replica.
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The statement
    #[arg(value_name = "SQL")]
    text: String,
    /// The default database of the session
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// The user name of the session
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The address or socket of the gateway by which it came in
    #[arg(long, value_name = "LISTENER")]
    at: Option<String>,
    /// A transaction is open
    #[arg(long)]
    in_transaction: bool,
    /// The session has set `autocommit=0`
    #[arg(long)]
    no_autocommit: bool,
    /// The session's `sql_mode` has `NO_BACKSLASH_ESCAPES`
    #[arg(long)]
    no_backslash_escapes: bool,
}

const LIMIT: Duration = Duration::from_secs(30);
/// What the agent takes.
const MAX_TEXT: usize = 8 * 1024;

impl Explain {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        if self.text.len() > MAX_TEXT {
            return Err(Failure::new("the statement is longer than 8 KiB")
                .hint("shorten its values: numbers and strings do not matter"));
        }
        let request = Request::Explain(Question {
            text: self.text,
            database: self.database.unwrap_or_default(),
            user: self.user,
            at: self.at,
            in_transaction: self.in_transaction,
            autocommit: !self.no_autocommit,
            no_backslash_escapes: self.no_backslash_escapes,
        });
        let explained: Explained = context.ask(&request, LIMIT)?;
        if context.output.json {
            context.output.json(&explained)?;
        } else {
            context.output.data(&text(&explained))?;
        }
        Ok(Exit::Done)
    }
}

fn text(explained: &Explained) -> String {
    let place = match explained.may_run.as_str() {
        "anywhere" => "may run on a replica",
        "follows" => "runs where the statement before it ran",
        _ => "runs on the primary",
    };
    let part = explained.part.as_ref();
    let part = part.map_or_else(String::new, |part| format!(" (`{part}`)"));
    let now = match explained.freshness {
        Freshness::Primary => {
            "\nnow goes to the primary: reads of this account, or at this address, stay there (`primary`)"
        }
        _ if !explained.spread => "\nnow goes to the primary: this gateway does not spread reads",
        _ => "",
    };
    let sees = match (explained.may_run.as_str(), explained.freshness) {
        ("anywhere", Freshness::Site) => {
            "\nsees there what was acknowledged to anybody before (`site`)"
        }
        ("anywhere", Freshness::Connection) => {
            "\nsees there what its own connection has written (`connection`)"
        }
        ("anywhere", Freshness::Nothing) => "\nwaits there for no write (`none`)",
        _ => "",
    };
    let refused = explained.refused.as_ref().map_or_else(
        || "runs on one replica".to_owned(),
        |why| format!("is refused, because {why}"),
    );
    format!(
        "{place}\nbecause {}{part}{sees}{now}\nat an address for reads only: {refused}",
        explained.because
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanation_when_printed_then_place_reason_and_part() {
        for (freshness, now) in [
            (Freshness::Site, "this gateway does not spread reads"),
            (
                Freshness::Primary,
                "reads of this account, or at this address, stay there (`primary`)",
            ),
        ] {
            let explained = Explained {
                may_run: "primary".to_owned(),
                because: "it uses a user variable".to_owned(),
                part: Some("@x".to_owned()),
                spread: false,
                freshness,
                refused: None,
            };
            assert_eq!(
                text(&explained),
                format!(
                    "runs on the primary\nbecause it uses a user variable (`@x`)\n\
                     now goes to the primary: {now}\n\
                     at an address for reads only: runs on one replica"
                )
            );
        }
    }
}
