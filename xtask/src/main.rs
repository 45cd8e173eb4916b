//! The project's own commands: the gate, the demonstration, repairs and generated documents.
//! One tool in the project's language instead of shell scripts; `gate.rs` lists the steps of
//! the gate, `tidy.rs` and `dependencies.rs` the house rules that the compiler cannot check.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

mod demo;
mod dependencies;
mod documents;
mod finding;
mod fix;
mod gate;
mod metadata;
mod model;
mod packages;
mod process;
mod proof;
mod sim;
mod stories;
mod suites;
mod tidy;
mod weather;
mod wordpress;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--only STEP]... [--list]   everything that must hold before a change goes in
  demo [ARGS...]                   build, then `mainstay demo ARGS`: a whole cluster on this machine
  stories [--all] [--long] [PART]  stories on real servers; all: in both layouts; long: the long variants too
  chaos [--seed N] [--minutes M]   random misfortunes, everything checked; `--help` for more
  bench failover [--times N]       the failover figures beside what is asked; `--help` for more
  bench gateway [--rounds N]       the gateway's figures beside other proxies'; `--help` for more
  model [--deep | --only SIZE]     the model check with its figures; deep: up to some hours
  sim [--seed N] [--seeds K]       the simulator: the story of a seed, or the figures of many
  suites [NAME]...                 other people's client tests, directly and through the gateway; WordPress
  fix                              formatting, machine-applicable lints, generated documents
  docs [--check]                   generate docs/reference from the program, or only compare
  packages                         install the Debian packages that tests and the demo need";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let outcome = match command {
        "test" => gate::run(rest),
        "demo" => demo::run(rest),
        "stories" => stories::run(rest),
        "chaos" => proof::chaos(rest),
        "bench" => proof::bench(rest),
        "model" => model::run(rest),
        "sim" => sim::run(rest),
        "suites" => suites::run(rest),
        "fix" => fix::run(),
        "docs" => documents::run(rest),
        "packages" => packages::ensure(packages::FOR_TESTS),
        "help" | "-h" | "--help" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("error: no command `{other}`\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
