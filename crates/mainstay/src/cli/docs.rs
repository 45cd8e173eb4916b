//! `mainstay docs`: what the program writes about itself, laid out as in the project's tree.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{Cli, Context};
use crate::docs;
use crate::output::{Exit, Result};

/// Write the reference, man pages and completions below a directory
#[derive(Args, Debug)]
pub(super) struct Docs {
    /// Where to
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

impl Docs {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        for path in docs::write(&self.dir, &Cli::command())? {
            context.output.talk(&format!("wrote {}", path.display()));
        }
        Ok(Exit::Done)
    }
}
