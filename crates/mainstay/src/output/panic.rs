//! A panic as people see it: a bug of ours, in two lines. Developers get the library's own words with
//! `RUST_BACKTRACE=1`.

use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};

/// On these threads a panic is a finding about a file, told as an error.
const QUIET: &[&str] = &[ledger::LOOK_THREAD];

/// From here on panics are told in our words.
pub(crate) fn tell_panics() {
    let wants_trace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    let long = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        if thread.name().is_some_and(|name| QUIET.contains(&name)) {
            return;
        }
        if wants_trace {
            long(info);
        } else {
            let _ = writeln!(io::stderr().lock(), "{}", words(info));
        }
    }));
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let said = info.payload_as_str().unwrap_or("it gave no reason");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    format!(
        "error: a bug in Mainstay: {said}\n  cause: `{place}`\n  hint: please report it with these lines"
    )
}
