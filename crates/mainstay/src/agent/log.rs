//! The log: to standard error, one line per event. Under systemd the journal keeps the time.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::output::Colour;

/// Libraries that say more than anybody wants to know.
const CHATTY: &str = "openraft=off,rustls=warn,mio=warn,mysql_async=warn,hyper=warn";

/// Starts it; `RUST_LOG` has the last word on what is said.
pub(crate) fn start(verbose: u8, colour: Colour) {
    let level = match verbose {
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{level},{CHATTY}")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colour.is_on(io::stderr().is_terminal()));
    // Errors: somebody has set a subscriber before; there is none to lose but ours.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.without_time().try_init()
    } else {
        builder.try_init()
    };
}
