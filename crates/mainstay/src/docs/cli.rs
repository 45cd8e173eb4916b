//! `docs/reference/cli.md`: every verb with its options.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::generated;

/// The page.
pub(super) fn page(command: &Command) -> String {
    let mut page = generated("Command line");
    let mut built = command.clone();
    built.build();
    let _ = writeln!(page, "\n{}\n", text(&built));
    page.push_str("Standard output is data, standard error is talk. ");
    if let Some(after) = built.get_after_long_help() {
        let _ = writeln!(page, "{after}\n");
    }
    page.push_str("## Options of every verb\n\n");
    options(
        &mut page,
        built.get_arguments().filter(|arg| arg.is_global_set()),
    );
    for verb in built
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
    {
        let mut usage = verb.clone();
        let usage = usage.render_usage().to_string();
        let _ = writeln!(
            page,
            "\n## `mainstay {}`\n\n{}\n",
            verb.get_name(),
            text(verb)
        );
        let _ = writeln!(page, "```\n{}\n```\n", usage.trim_start_matches("Usage: "));
        options(
            &mut page,
            verb.get_arguments().filter(|arg| !arg.is_global_set()),
        );
    }
    page.trim_end().to_owned() + "\n"
}

fn text(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    about.map(ToString::to_string).unwrap_or_default()
}

fn options<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let shown = arguments
        .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"));
    for arg in shown {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|v| v.to_string_lossy())
            .collect();
        let default = match defaults.as_slice() {
            [] => String::new(),
            _ if matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count) => String::new(),
            all => format!(" (default `{}`)", all.join(" ")),
        };
        let _ = writeln!(page, "* `{}`: {help}{default}", spelled(arg));
    }
}

/// `-y`, `--yes`, `--to NODE`, `NODE`.
fn spelled(arg: &Arg) -> String {
    let names: Vec<&str> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(clap::builder::Str::as_str)
        .collect();
    let value = if arg.get_action().takes_values() {
        names.join(" ")
    } else {
        String::new()
    };
    match (arg.get_short(), arg.get_long()) {
        (_, None) => value,
        (None, Some(long)) => format!("--{long} {value}").trim_end().to_owned(),
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}").trim_end().to_owned(),
    }
}
