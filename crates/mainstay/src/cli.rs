//! The command line: what can be typed. Each verb has a file of its own, with its options and
//! what it does.

mod completions;
mod confirm;
mod demo;
mod docs;
mod explain;
mod failover;
mod init;
mod join;
mod pause;
mod reload;
mod run;
mod status;
mod switchover;
mod token;
mod upgrade;
mod why;

pub(crate) use completions::write as write_completions;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::config::Config;
use crate::control::{self, Request};
use crate::output::{Colour, Exit, Failure, Output, Result};

/// A database that survives the loss of any one server
///
/// Mainstay keeps a MariaDB database in service on two servers and a witness: replication, failover,
/// and one local SQL address that always leads to the primary.
#[derive(Debug, Parser)]
#[command(
    name = "mainstay",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 works but not protected, \
    4 no primary, 5 refused for safety, 130 interrupted.";

/// Options of every verb.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every verb")]
struct Global {
    /// The configuration file of this node
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "/etc/mainstay/mainstay.toml"
    )]
    config: PathBuf,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say more; twice: say everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// When to colour; `NO_COLOR` is respected
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    color: Colour,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Init(init::Init),
    Token(token::Token),
    Join(join::Join),
    Run(run::Run),
    Status(status::Status),
    Why(why::Why),
    Explain(explain::Explain),
    Switchover(switchover::Switchover),
    Failover(failover::Failover),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Reload(reload::Reload),
    Upgrade(upgrade::Upgrade),
    Completions(completions::Completions),
    #[command(hide = true)]
    Docs(docs::Docs),
}

/// What every verb is given besides its own options.
#[derive(Clone, Debug)]
struct Context {
    output: Output,
    config_path: PathBuf,
    verbose: u8,
    colour: Colour,
}

impl Context {
    /// The node's configuration.
    fn config(&self) -> Result<Config> {
        Ok(Config::load(&self.config_path)?)
    }

    /// Asks this server's agent.
    fn ask<T: DeserializeOwned>(&self, request: &Request, limit: Duration) -> Result<T> {
        let socket = self.config()?.control_socket();
        small_runtime()?.block_on(control::ask(&socket, request, limit))
    }
}

impl Cli {
    /// Where this call's words go.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.global.json, self.global.color)
    }

    /// Does what was typed.
    pub(crate) fn run(self) -> Result<Exit> {
        let context = Context {
            output: self.output(),
            config_path: self.global.config,
            verbose: self.global.verbose,
            colour: self.global.color,
        };
        match self.verb {
            Verb::Demo(verb) => verb.run(&context),
            Verb::Init(verb) => verb.run(&context),
            Verb::Token(verb) => verb.run(&context),
            Verb::Join(verb) => verb.run(&context),
            Verb::Run(verb) => verb.run(&context),
            Verb::Status(verb) => verb.run(&context),
            Verb::Why(verb) => verb.run(&context),
            Verb::Explain(verb) => verb.run(&context),
            Verb::Switchover(verb) => verb.run(&context),
            Verb::Failover(verb) => verb.run(&context),
            Verb::Pause(verb) => verb.run(&context),
            Verb::Resume(verb) => verb.run(&context),
            Verb::Reload(verb) => verb.run(&context),
            Verb::Upgrade(verb) => verb.run(&context),
            Verb::Completions(verb) => verb.run(&context),
            Verb::Docs(verb) => verb.run(&context),
        }
    }
}

/// A runtime for a verb that waits for one thing.
fn small_runtime() -> Result<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    built.map_err(Failure::doing("start"))
}

/// Names that are typed are names of nodes.
fn node_name(text: &str) -> Result<cluster::NodeName, cluster::NotAName> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_when_checked_by_clap_then_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn verbs_when_listed_then_only_those_that_work() {
        let verbs: Vec<String> = Cli::command()
            .get_subcommands()
            .map(|verb| verb.get_name().to_owned())
            .collect();
        assert_eq!(
            verbs,
            [
                "demo",
                "init",
                "token",
                "join",
                "run",
                "status",
                "why",
                "explain",
                "switchover",
                "failover",
                "pause",
                "resume",
                "reload",
                "upgrade",
                "completions",
                "docs"
            ]
        );
    }
}
