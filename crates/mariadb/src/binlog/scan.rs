//! Goes through a row of log files and shows each whole transaction in them.
//! It stops at the first damage: what lies behind a torn event cannot be trusted to follow it.

use std::path::PathBuf;

use super::event::{EventReader, Next, START_ENCRYPTION};
use super::group::{Group, Grouping};
use crate::error::{Error, Result};

/// Where and why a log cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The file.
    pub(crate) file: PathBuf,
    /// Offset at which whole events end.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) why: &'static str,
}

/// How a scan ended.
#[derive(Debug, Default)]
pub(crate) struct ScanEnd {
    /// Set when the files could not be read to their end.
    pub(crate) damage: Option<Damage>,
}

/// Shows `visit` every whole transaction of `files`, in order. Blocks.
pub(crate) fn scan(files: &[PathBuf], visit: &mut dyn FnMut(Group)) -> Result<ScanEnd> {
    let mut grouping = Grouping::default();
    for (number, path) in files.iter().enumerate() {
        let failed = |e| Error::file(format!("read log `{}`", path.display()))(e);
        let damaged = |offset, why| ScanEnd {
            damage: Some(Damage {
                file: path.clone(),
                offset,
                why,
            }),
        };
        let Some(mut reader) = EventReader::open(path).map_err(failed)? else {
            return Ok(damaged(0, "it does not start as a log does"));
        };
        let mut end = 4;
        loop {
            match reader.next().map_err(failed)? {
                Next::End => break,
                Next::Damaged(why) => return Ok(damaged(end, why)),
                Next::Event(event) if event.kind == START_ENCRYPTION => {
                    return Err(Error::LogEncrypted(path.clone()));
                }
                Next::Event(event) => {
                    end = event.end;
                    if let Some(group) = grouping.add(number, &event) {
                        visit(group);
                    }
                }
            }
        }
    }
    Ok(ScanEnd::default())
}

#[cfg(test)]
mod tests {
    use super::super::event;
    use super::super::sample::Sample;
    use super::super::{covered_start, start_of_server};
    use super::*;
    use proptest::prelude::*;

    fn ids(files: &[PathBuf]) -> (Vec<String>, ScanEnd) {
        let mut seen = Vec::new();
        let end = scan(files, &mut |group| {
            let torn = if group.follows_torn { "!" } else { "" };
            seen.push(format!("{}{torn}", group.id));
        });
        (seen, end.unwrap())
    }

    #[test]
    fn transaction_over_two_files_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Sample::begin(true);
        first.groups(&["0-1-1"]).gtid("0-1-2");
        let mut second = Sample::begin(false);
        second.commit().groups(&["0-1-3"]);
        let files = [first.write(dir.path(), "a"), second.write(dir.path(), "b")];
        assert_eq!(ids(&files).0, ["0-1-1", "0-1-2", "0-1-3"]);
    }

    #[test]
    fn open_transaction_is_dropped_at_a_restart_and_marked_without_one() {
        let dir = tempfile::tempdir().unwrap();
        for (restarted, expected) in [(true, "0-1-2"), (false, "0-1-2!")] {
            let mut first = Sample::begin(true);
            first.groups(&["0-1-1"]).gtid("0-1-2");
            let mut second = Sample::begin(restarted);
            second.groups(&["0-1-2"]);
            let files = [first.write(dir.path(), "a"), second.write(dir.path(), "b")];
            assert_eq!(ids(&files).0, ["0-1-1", expected]);
        }
    }

    #[test]
    fn file_cut_anywhere_shows_whole_transactions_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut sample = Sample::begin(true);
        sample.groups(&["0-1-1"]);
        let after_first = sample.bytes().len();
        sample.groups(&["0-1-2"]);
        for length in 0..sample.bytes().len() {
            let path = dir.path().join("a");
            std::fs::write(&path, &sample.bytes()[..length]).unwrap();
            let (seen, _) = ids(&[path]);
            assert_eq!(seen.len(), usize::from(length >= after_first), "{length}");
        }
    }

    #[test]
    fn byte_changed_anywhere_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let mut sample = Sample::begin(true);
        let begun = sample.bytes().len();
        sample.groups(&["0-1-1", "0-1-2"]);
        for at in begun..sample.bytes().len() {
            let mut bytes = sample.bytes().to_vec();
            bytes[at] ^= 0x20;
            let path = dir.path().join("a");
            std::fs::write(&path, bytes).unwrap();
            assert!(ids(&[path]).1.damage.is_some(), "{at}");
        }
    }

    #[test]
    fn encrypted_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut sample = Sample::begin(true);
        sample.event(event::START_ENCRYPTION, 1, &[0; 17]);
        let files = [sample.write(dir.path(), "a")];
        assert!(matches!(
            scan(&files, &mut |_| {}),
            Err(Error::LogEncrypted(_))
        ));
    }

    #[test]
    fn reading_begins_at_the_last_file_that_can_hold_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, before: &[&str]| {
            let mut sample = Sample::begin(true);
            sample.list(before);
            sample.write(dir.path(), name)
        };
        let lists = [&[][..], &["0-1-10"], &["0-1-15", "0-2-20"], &["0-2-30"]];
        let files: Vec<PathBuf> = lists
            .iter()
            .enumerate()
            .map(|(n, list)| file(&n.to_string(), list))
            .collect();
        for (position, expected) in [
            ("", 0),
            ("0-1-9", 0),
            ("0-1-10", 1),
            ("0-2-19", 1),
            ("0-2-20", 2),
            ("0-3-99", 3),
        ] {
            let found = covered_start(&files, &position.parse().unwrap())
                .unwrap()
                .unwrap();
            assert_eq!(found.file, expected, "{position}");
        }
        assert!(
            covered_start(&files[1..], &"0-1-9".parse().unwrap())
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_one_server_wrote_begins_in_the_last_file_before_which_it_had_written_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let lists = [
            &[][..],
            &["0-1-10"],
            &["0-1-10", "0-7-12"],
            &["0-1-20", "0-7-12"],
        ];
        let files = lists.iter().enumerate().map(|(n, list)| {
            let mut sample = Sample::begin(true);
            sample.list(list);
            sample.write(dir.path(), &n.to_string())
        });
        let files: Vec<PathBuf> = files.collect();
        for (server, expected) in [(7, 1), (1, 0), (8, 3)] {
            assert_eq!(
                start_of_server(&files, server).unwrap(),
                expected,
                "{server}"
            );
        }
        assert_eq!(start_of_server(&files[2..], 7).unwrap(), 0);
        assert_eq!(start_of_server(&[], 7).unwrap(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in any::<u8>()) {
            let dir = tempfile::tempdir().unwrap();
            let mut sample = Sample::begin(true);
            sample.gtid("0-1-1").event(kind, 1, &bytes).event(event::QUERY, 1, &bytes).event(event::TABLE_MAP, 1, &bytes);
            sample.event(31, 1, &bytes).event(event::GTID_LIST, 1, &bytes).commit();
            let path = sample.write(dir.path(), "a");
            let _ = scan(&[path], &mut |_| {});
            let path = dir.path().join("b");
            std::fs::write(&path, [b"\xfebin".as_slice(), &bytes].concat()).unwrap();
            let _ = scan(&[path], &mut |_| {});
        }
    }
}
