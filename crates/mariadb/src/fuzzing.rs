//! Doors for the fuzzer: what reads bytes of servers and of their files. Only with the feature `fuzzing`;
//! nothing else uses them.

use std::path::PathBuf;

use crate::backup::StreamCheck;
use crate::binlog;
use crate::version::Version;

/// A clone's stream: the same verdict in whatever pieces it comes.
pub fn clone_stream(bytes: &[u8]) {
    let verdict = |size: usize| {
        let mut check = StreamCheck::new();
        let fed = bytes.chunks(size).try_for_each(|part| check.feed(part));
        fed.and_then(|()| check.finish())
    };
    let whole = verdict(bytes.len().max(1));
    assert_eq!(whole, verdict(1), "it depends on the pieces");
}

/// A binary or relay log. Written to a file, as logs are only read from files.
pub fn log(bytes: &[u8]) {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let name = format!("mainstay-fuzz-{process}-{thread:?}");
    let path = std::env::temp_dir().join(name);
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let files: [PathBuf; 1] = [path];
    let _ = binlog::scan(&files, &mut |group| {
        let _ = format!("{group:?}");
    });
    let _ = binlog::covered_start(&files, &wire::gtid::Position::empty());
    let _ = std::fs::remove_file(&files[0]);
}

/// What programs and servers say of themselves.
pub fn texts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Version::of_program(&text);
    let _ = Version::parse(&text);
    let _ = crate::backup::read_position(&text);
}
