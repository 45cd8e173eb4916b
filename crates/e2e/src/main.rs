//! The program behind `cargo xtask chaos` and `cargo xtask bench`: reads the command line, sets the
//! ground up, runs, and prints what was found. Results on stdout, progress on stderr.

mod command;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    command::main().await
}
