//! `mainstay completions`: what the shell can complete.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Context};
use crate::output::{Exit, Result};

/// Print completions for a shell
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let mut bytes = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "mainstay", &mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        context.output.data(text.trim_end())?;
        Ok(Exit::Done)
    }
}

/// Completions for one shell, as a file.
pub(crate) fn write(shell: Shell, into: &mut impl io::Write) {
    clap_complete::generate(shell, &mut Cli::command(), "mainstay", into);
}
