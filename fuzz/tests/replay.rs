//! The gate's half of fuzzing: every kept input through its target, and a few thousand mutations of them
//! from a fixed seed. Whatever a fuzzer has found stays found.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers too"
)]

use std::path::{Path, PathBuf};

use fuzz::{TARGETS, Target};

/// Of each target; a few seconds in all.
const MUTATIONS: usize = 3_000;
/// An input grows no longer than this by mutations.
const LONGEST: usize = 16 * 1024;
/// What is kept must stay small.
const FILES: usize = 300;
const BYTES: usize = 500_000;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    files.into_iter().map(read).collect()
}

/// Small and the same everywhere (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 12] = [
            0, 1, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, b'"', b'{',
        ];
        if self.below(3) == 0 {
            TELLING[self.below(TELLING.len())]
        } else {
            u8::try_from(self.below(256)).unwrap()
        }
    }
}

/// One to four small changes; sometimes the end of another input.
fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.insert(at, dice.byte()),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            3 => {
                let end = bytes.len().min(at + dice.below(32));
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[dice.below(other.len() + 1).min(other.len())..]);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = dice.byte();
                }
            }
        }
    }
    bytes.truncate(LONGEST);
}

#[test]
fn corpus_when_replayed_then_nothing_panics() {
    for target in TARGETS {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for (path, bytes) in inputs {
            let ran = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(ran.is_ok(), "{} fails on {}", target.name, path.display());
        }
    }
}

#[test]
fn corpus_when_mutated_from_a_fixed_seed_then_nothing_panics() {
    for (number, target) in TARGETS.iter().enumerate() {
        let inputs = corpus(target);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        for round in 0..MUTATIONS {
            let mut bytes = inputs[dice.below(inputs.len())].1.clone();
            let other = &inputs[dice.below(inputs.len())].1;
            mutate(&mut dice, &mut bytes, other);
            let ran = std::panic::catch_unwind(|| (target.run)(&bytes));
            let shown = bytes.escape_ascii();
            assert!(ran.is_ok(), "{}, mutation {round}: {shown}", target.name);
        }
    }
}

#[test]
fn corpus_when_it_is_kept_then_it_is_small_and_every_directory_has_its_target() {
    let all: Vec<_> = TARGETS.iter().flat_map(corpus).collect();
    let bytes: usize = all.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(
        all.len() <= FILES && bytes <= BYTES,
        "{} files, {bytes} bytes",
        all.len()
    );
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name();
        let known = TARGETS.iter().any(|target| name == target.name);
        assert!(known, "{} has no target", name.display());
    }
    let binaries = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer/fuzz_targets");
    for target in TARGETS {
        let path = binaries.join(target.name).with_extension("rs");
        assert!(path.exists(), "{} is missing", path.display());
    }
}
