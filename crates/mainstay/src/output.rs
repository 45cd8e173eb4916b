//! What a verb says: data on standard output, talk on standard error, failures in three lines.

mod colour;
mod exit;
mod failure;
mod panic;
mod table;

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

pub(crate) use colour::{Colour, Style, paint};
pub(crate) use exit::Exit;
pub(crate) use failure::{Failure, Result};
pub(crate) use panic::tell_panics;
pub(crate) use table::Table;

/// Where a verb's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Data is wanted as JSON.
    pub(crate) json: bool,
    /// Standard output takes colour.
    pub(crate) is_data_coloured: bool,
    /// Standard error takes colour.
    is_talk_coloured: bool,
}

impl Output {
    /// As the global options want it.
    pub(crate) fn new(json: bool, colour: Colour) -> Self {
        Self {
            json,
            is_data_coloured: colour.is_on(io::stdout().is_terminal()),
            is_talk_coloured: colour.is_on(io::stderr().is_terminal()),
        }
    }

    /// Lines of data. A reader that has gone away is no failure.
    #[expect(
        clippy::unused_self,
        reason = "where words go is the output's business"
    )]
    pub(crate) fn data(self, text: &str) -> Result {
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::doing("write to standard output")(error))
            }
            _ => Ok(()),
        }
    }

    /// One JSON document.
    pub(crate) fn json<T: Serialize>(self, value: &T) -> Result {
        let text = serde_json::to_string_pretty(value).map_err(Failure::doing("print JSON"))?;
        self.data(&text)
    }

    /// Words for people; nobody reads them twice, so a failure to write them is passed over.
    #[expect(
        clippy::unused_self,
        reason = "where words go is the output's business"
    )]
    pub(crate) fn talk(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A failure, in up to three lines.
    pub(crate) fn failure(self, failure: &Failure) {
        let label = |text, style| paint(text, style, self.is_talk_coloured);
        self.talk(&format!("{} {}", label("error:", Style::Bad), failure.what));
        if let Some(cause) = &failure.cause {
            self.talk(&format!("  {} {cause}", label("cause:", Style::Quiet)));
        }
        if let Some(hint) = &failure.hint {
            self.talk(&format!("  {} {hint}", label("hint:", Style::Good)));
        }
    }

    /// Asks whether to go on; `yes` is the answer given beforehand.
    ///
    /// Errors: nobody is there to be asked (usage), or the answer is no.
    #[expect(
        clippy::unused_self,
        reason = "where words go is the output's business"
    )]
    pub(crate) fn confirm(self, yes: bool) -> Result {
        if yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage("there is no terminal to ask on")
                .hint("read the plan above, then repeat the command with `--yes`"));
        }
        let _ = write!(io::stderr().lock(), "proceed? [y/N] ");
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.map_err(Failure::doing("read the answer"))?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Failure::new("not confirmed, nothing was changed"))
    }
}
