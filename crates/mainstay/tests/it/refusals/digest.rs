//! A directory tree as it is: names, kinds, modes, owners, sizes, times and contents. Two are equal when
//! nothing has touched anything in between.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Of a longer file only this much is read; its size and time tell the rest.
const CONTENT: u64 = 512 * 1024;

/// What is known of one entry.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    mode: u32,
    owner: (u32, u32),
    size: u64,
    changed: (i64, i64),
    content: u64,
}

/// Everything below a directory, and the directory itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digest(BTreeMap<PathBuf, Entry>);

impl Digest {
    /// Of the tree as it is now.
    pub(super) fn of(root: &Path) -> Self {
        let mut entries = BTreeMap::new();
        add(root, &mut entries);
        Self(entries)
    }

    /// The entries that differ, for the message of a failing test.
    pub(super) fn difference(&self, later: &Self) -> Vec<String> {
        let all: BTreeSet<_> = self.0.keys().chain(later.0.keys()).collect();
        let differs = all
            .into_iter()
            .filter(|path| self.0.get(*path) != later.0.get(*path));
        let shown = differs.map(|path| {
            let (before, after) = (self.0.get(path), later.0.get(path));
            format!("{}: {before:?} then {after:?}", path.display())
        });
        shown.collect()
    }
}

fn add(path: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let entry = Entry {
        mode: meta.mode(),
        owner: (meta.uid(), meta.gid()),
        size: meta.size(),
        changed: (meta.mtime(), meta.mtime_nsec()),
        content: if meta.is_file() { content(path) } else { 0 },
    };
    entries.insert(path.to_owned(), entry);
    if meta.is_dir() {
        for child in std::fs::read_dir(path).unwrap() {
            add(&child.unwrap().path(), entries);
        }
    }
}

fn content(path: &Path) -> u64 {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    file.take(CONTENT).read_to_end(&mut bytes).unwrap();
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    hasher.finish()
}

#[test]
fn digest_when_anything_is_touched_then_differs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a");
    std::fs::write(&file, "one").unwrap();
    let before = Digest::of(dir.path());
    assert_eq!(before, Digest::of(dir.path()));
    let times = std::fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_times(times)
        .unwrap();
    assert_eq!(before.difference(&Digest::of(dir.path())).len(), 1);
    std::fs::write(dir.path().join("b"), "").unwrap();
    assert!(before.difference(&Digest::of(dir.path())).len() > 1);
}
