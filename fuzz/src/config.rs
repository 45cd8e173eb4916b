//! The configuration file, read as `mainstay` reads it. The program is no library, so its module is taken
//! in by its path.

use std::path::Path;

#[path = "../../crates/mainstay/src/config/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the program uses the rest")]
mod program;

/// A file of any bytes, and the same text as `--set`.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = program::Config::parse(Path::new("mainstay.toml"), text) {
        let told = error.to_string();
        assert!(told.len() < 4_000, "{} bytes are said", told.len());
        let _ = error.hint();
    }
    for line in text.lines().take(8) {
        let _ = program::set(&mut toml::Table::new(), line);
        let _ = line.parse::<program::Span>();
    }
}
