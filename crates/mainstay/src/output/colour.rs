//! Colour adds, it never means: every word says the same without it.

use clap::ValueEnum;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Colour {
    /// Whether to colour what goes to a place that is a terminal or not.
    pub(crate) fn is_on(self, is_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                is_terminal
                    && !is_set("NO_COLOR")
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// The few styles there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// All is well.
    Good,
    /// Works, and someone should look.
    Warn,
    /// Does not work.
    Bad,
    /// Heads and labels.
    Quiet,
}

/// The text in this style, or as it is.
pub(crate) fn paint(text: &str, style: Style, is_on: bool) -> String {
    if !is_on {
        return text.to_owned();
    }
    let code = match style {
        Style::Good => 32,
        Style::Warn => 33,
        Style::Bad => 31,
        Style::Quiet => 2,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
