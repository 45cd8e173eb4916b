//! Man pages and completions, for packages.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::write_completions;
use crate::output::{Failure, Result};

/// `packaging/man/mainstay.1` and one page per verb.
pub(super) fn pages(command: &Command) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut built = command.clone().disable_help_subcommand(true);
    built.build();
    let mut pages = vec![page("mainstay", built.clone())?];
    for verb in built.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("mainstay-{}", verb.get_name());
        pages.push(page(&name, verb.clone())?);
    }
    Ok(pages)
}

fn page(name: &str, command: Command) -> Result<(PathBuf, Vec<u8>)> {
    let mut bytes = Vec::new();
    // Why no date: the page must come out the same on every day.
    let man = Man::new(command).date("");
    man.render(&mut bytes)
        .map_err(Failure::doing("write a man page"))?;
    // Why: what stands after the options of this program is its exit codes.
    let text = String::from_utf8_lossy(&bytes).replace(".SH EXTRA", ".SH \"EXIT STATUS\"");
    let path = PathBuf::from(format!("packaging/man/{name}.1"));
    Ok((path, text.into_bytes()))
}

/// Completions for the usual shells.
pub(super) fn completions() -> Vec<(PathBuf, Vec<u8>)> {
    let shells = [
        (Shell::Bash, "mainstay.bash"),
        (Shell::Zsh, "_mainstay"),
        (Shell::Fish, "mainstay.fish"),
    ];
    let of = |(shell, name): (Shell, &str)| {
        let mut bytes = Vec::new();
        write_completions(shell, &mut bytes);
        (
            PathBuf::from(format!("packaging/completions/{name}")),
            bytes,
        )
    };
    shells.into_iter().map(of).collect()
}
