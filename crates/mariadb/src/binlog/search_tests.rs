//! Searches over files made by hand: torn, damaged, out of order, of several domains.

use proptest::prelude::*;

use super::super::sample::Sample;
use super::*;

fn tag(session: u64) -> Tag {
    Tag { session, number: 1 }
}

fn annotated(sample: &mut Sample, id: &str, session: Option<u64>) {
    let text = session.map_or_else(
        || b"INSERT INTO t VALUES (1)".to_vec(),
        |session| tag(session).put(b"INSERT INTO t VALUES (1)", 6),
    );
    sample.gtid(id).event(ANNOTATE_ROWS, 1, &text).commit();
}

fn find(sample: &Sample, session: u64, since: u64, until: u64) -> Finding {
    let dir = tempfile::tempdir().unwrap();
    let files = [sample.write(dir.path(), "a")];
    let wanted = [Wanted {
        tag: tag(session),
        since,
    }];
    let mut found = Search::new(&wanted, until).run(&files).unwrap();
    found.pop().unwrap()
}

fn is_found(finding: &Finding) -> bool {
    matches!(finding, Finding::Found(..))
}

#[test]
fn a_mark_when_it_lies_in_the_stretch_is_found_and_outside_it_is_not() {
    let mut sample = Sample::begin(true);
    sample.list(&["0-1-4"]);
    for (sequence, session) in [(5, None), (6, Some(7)), (7, Some(8)), (8, None)] {
        annotated(&mut sample, &format!("0-1-{sequence}"), session);
    }
    assert!(is_found(&find(&sample, 7, 4, 8)));
    assert!(is_found(&find(&sample, 7, 5, 6)));
    for (session, since, until) in [(7, 6, 8), (8, 4, 6), (9, 4, 8), (9, 8, 8)] {
        assert_eq!(
            find(&sample, session, since, until),
            Finding::Absent,
            "{session}"
        );
    }
    assert!(matches!(find(&sample, 9, 3, 8), Finding::Unknown(why) if why.contains("reach back")));
    assert!(matches!(find(&sample, 9, 4, 9), Finding::Unknown(why) if why.contains("that far")));
}

#[test]
fn a_transaction_when_it_has_no_commit_of_the_engine_does_not_count() {
    let mut sample = Sample::begin(true);
    let text = tag(7).put(b"INSERT INTO t VALUES (1)", 6);
    sample.gtid("0-1-1").event(ANNOTATE_ROWS, 1, &text);
    assert!(!is_found(&find(&sample, 7, 0, 1)), "it is torn");
    let mut commit = vec![0; 13];
    commit.extend(b"\0COMMIT");
    sample.event(QUERY, 1, &commit);
    assert!(matches!(find(&sample, 7, 0, 1), Finding::Unknown(why) if why.contains("rolled back")));
}

#[test]
fn a_file_when_cut_or_altered_anywhere_is_never_taken_for_complete() {
    let mut sample = Sample::begin(true);
    sample.list(&["0-1-4"]);
    annotated(&mut sample, "0-1-5", Some(7));
    annotated(&mut sample, "0-1-6", None);
    let dir = tempfile::tempdir().unwrap();
    let wanted = [Wanted {
        tag: tag(7),
        since: 4,
    }];
    for length in 0..sample.bytes().len() {
        let path = dir.path().join("a");
        std::fs::write(&path, &sample.bytes()[..length]).unwrap();
        let found = Search::new(&wanted, 6).run(&[path]).unwrap();
        assert_ne!(found, [Finding::Absent], "{length}");
    }
}

#[test]
fn an_event_when_it_is_not_known_makes_what_is_not_found_unknown() {
    for (kind, body, known) in [
        (TABLE_MAP, &[0; 8][..], false),
        (200, &[0; 8], false),
        (ANNOTATE_ROWS, b"UPDATE t SET a=1", true),
    ] {
        let mut sample = Sample::begin(true);
        sample
            .list(&["0-1-4"])
            .gtid("0-1-5")
            .event(kind, 1, body)
            .commit();
        assert_eq!(find(&sample, 7, 4, 5) == Finding::Absent, known, "{kind}");
        assert_eq!(
            find(&sample, 7, 5, 5),
            Finding::Absent,
            "it is not in the stretch"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_searched_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), kind: u8) {
        let mut sample = Sample::begin(true);
        sample.event(GTID_LIST, 1, &bytes).gtid("0-1-1").event(ANNOTATE_ROWS, 1, &tag(7).put(b"DELETE ", 6));
        sample.event(kind, 1, &bytes).event(QUERY, 1, &bytes).event(TABLE_MAP, 1, &bytes).event(23, 1, &bytes).event(31, 1, &bytes);
        let dir = tempfile::tempdir().unwrap();
        let wanted = [Wanted { tag: tag(7), since: 0 }];
        let _ = Search::new(&wanted, 1).run(&[sample.write(dir.path(), "a")]);
        let path = dir.path().join("b");
        std::fs::write(&path, [b"\xfebin".as_slice(), &bytes].concat()).unwrap();
        let _ = Search::new(&[], 1).run(&[path]);
    }
}
