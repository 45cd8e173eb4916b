//! The program: parse, run, exit code. What each verb does is in `cli/`, one file per verb; what
//! `mainstay run` starts is in `agent.rs`.

mod agent;
mod cli;
mod config;
mod control;
mod demo;
mod docs;
mod metrics;
mod output;
mod setup;
mod status;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    output::tell_panics();
    let cli = cli::Cli::parse();
    let output = cli.output();
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}
