//! Golden answers of a real server, cut into every possible pair of chunks, and any bytes at all.

use proptest::prelude::*;

use super::*;
use crate::packet;

fn frames(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = first;
    for payload in payloads {
        sequence = packet::put(&mut out, sequence, payload);
    }
    out
}

/// As [`walk`], and the first of the packets in each chunk are stepped over fast.
fn stride(mut walker: Walker, chunks: &[&[u8]]) -> (Vec<u8>, Vec<Kind>, usize, bool) {
    let (mut out, mut kinds) = (Vec::new(), Vec::new());
    let mut left = 0;
    for chunk in chunks {
        let mut rest = *chunk;
        while !rest.is_empty() && !walker.done() {
            let Stride { over, end } = walker.stride(rest);
            out.extend_from_slice(&rest[..over]);
            rest = &rest[over..];
            kinds.extend(end.map(|end| Kind::Eof(end.status)));
            if rest.is_empty() || walker.done() {
                continue;
            }
            let used = match walker.step(rest).unwrap() {
                Step::Pass { pass, used } => {
                    out.extend_from_slice(&rest[..pass]);
                    used
                }
                Step::Kept { bytes, used } => {
                    out.extend_from_slice(&bytes);
                    used
                }
                Step::Packet { kind, length } => {
                    kinds.push(kind);
                    out.extend_from_slice(&rest[..length]);
                    length
                }
                Step::KeptPacket { kind, bytes, used } => {
                    kinds.push(kind);
                    out.extend_from_slice(&bytes);
                    used
                }
            };
            rest = &rest[used..];
        }
        left += rest.len();
    }
    (out, kinds, left, walker.done())
}

/// Feeds `chunks`; returns what a client would get, the packets met, and the bytes left over after the end.
fn walk(mut walker: Walker, chunks: &[&[u8]]) -> (Vec<u8>, Vec<Kind>, usize, bool) {
    let (mut out, mut kinds, mut left) = (Vec::new(), Vec::new(), 0);
    for chunk in chunks {
        let mut rest = *chunk;
        while !rest.is_empty() && !walker.done() {
            match walker.step(rest).unwrap() {
                Step::Pass { pass, used } => {
                    out.extend_from_slice(&rest[..pass]);
                    assert!(used > 0, "no progress");
                    rest = &rest[used..];
                }
                Step::Kept { bytes, used } => {
                    out.extend_from_slice(&bytes);
                    rest = &rest[used..];
                }
                Step::Packet { kind, length } => {
                    kinds.push(kind);
                    out.extend_from_slice(&rest[..length]);
                    rest = &rest[length..];
                }
                Step::KeptPacket { kind, bytes, used } => {
                    kinds.push(kind);
                    out.extend_from_slice(&bytes);
                    rest = &rest[used..];
                }
            }
        }
        left += rest.len();
    }
    (out, kinds, left, walker.done())
}

fn check(shape: Shape, deprecate_eof: bool, answer: &[u8], expected: &[Kind]) {
    for cut in 0..=answer.len() {
        let (head, tail) = answer.split_at(cut);
        let (out, kinds, left, done) = walk(Walker::new(shape, deprecate_eof), &[head, tail]);
        assert_eq!(out, answer, "cut at {cut}");
        assert_eq!(kinds, expected, "cut at {cut}");
        assert!(done && left == 0, "cut at {cut}");
        let fast = stride(Walker::new(shape, deprecate_eof), &[head, tail]);
        assert_eq!(fast, (out, kinds, left, done), "fast, cut at {cut}");
    }
    let single: Vec<&[u8]> = answer.chunks(1).collect();
    let (out, kinds, _, done) = walk(Walker::new(shape, deprecate_eof), &single);
    assert_eq!(
        (out.as_slice(), kinds.as_slice(), done),
        (answer, expected, true)
    );
}

/// Found by fuzzing: it was taken for the packet at the beginning of the chunk.
#[test]
fn an_error_when_it_stands_in_place_of_an_eof_is_seen_where_it_is() {
    let prepared = [0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0].as_slice();
    let error = b"\xff\x15\x04#28000no".as_slice();
    let answer = frames(1, &[prepared, COLUMN, error]);
    check(Shape::Prepare, false, &answer, &[Kind::Prepared, Kind::Err]);
}

const COLUMN: &[u8] =
    b"\x03def\x05test1\x01t\x01t\x01a\x01a\x0c?\x00\x0b\x00\x00\x00\x03\x03B\x00\x00";
const EOF: &[u8] = b"\xfe\x00\x00\x02\x00";
const OK: &[u8] = b"\x00\x00\x00\x02\x00\x00\x00";

#[test]
fn a_result_set_when_walked_in_any_chunks_ends_at_its_second_eof() {
    let answer = frames(
        1,
        &[
            b"\x02",
            COLUMN,
            COLUMN,
            EOF,
            b"\x011\xfb",
            b"\xfb\x012",
            EOF,
        ],
    );
    check(Shape::Query, false, &answer, &[Kind::Eof(2)]);
}

#[test]
fn a_result_set_when_eof_is_deprecated_ends_at_its_ok() {
    let end = b"\xfe\x00\x00\x02@\x00\x00\x00\x03\x02\x011";
    let answer = frames(1, &[b"\x01", COLUMN, b"\x011", end]);
    check(Shape::Query, true, &answer, &[Kind::Ok(0x4002)]);
}

#[test]
fn several_results_when_walked_end_at_the_last() {
    let more = b"\xfe\x00\x00\x0a\x00";
    let answer = frames(1, &[b"\x01", COLUMN, EOF, b"\x011", more, OK]);
    check(Shape::Query, false, &answer, &[Kind::Eof(10), Kind::Ok(2)]);
}

#[test]
fn a_cursor_when_opened_has_no_rows_after_its_definitions() {
    let answer = frames(1, &[b"\x01", COLUMN, b"\xfe\x00\x00\x42\x00"]);
    let walker = Walker::new(Shape::Query, false).may_open_cursor(true);
    let (_, kinds, _, done) = walk(walker, &[&answer]);
    assert!(done && kinds == [Kind::Eof(0x42)]);
    let walker = Walker::new(Shape::Query, false).may_open_cursor(true);
    let (_, kinds, _, done) = stride(walker, &[&answer]);
    assert!(done && kinds == [Kind::Eof(0x42)]);
    // A procedure's own cursor.
    let end = b"\xfe\x00\x00\x42\x00";
    let answer = frames(1, &[b"\x01", COLUMN, end, b"\x011", end]);
    check(Shape::Query, false, &answer, &[Kind::Eof(0x42)]);
}

#[test]
fn a_prepared_statement_when_walked_ends_after_both_lists() {
    let head = b"\x00\x03\x00\x00\x00\x02\x00\x01\x00\x00\x00\x00";
    let answer = frames(1, &[head, COLUMN, EOF, COLUMN, COLUMN, EOF]);
    check(Shape::Prepare, false, &answer, &[Kind::Prepared]);
    let answer = frames(1, &[head, COLUMN, COLUMN, COLUMN]);
    check(Shape::Prepare, true, &answer, &[Kind::Prepared]);
    let none = b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    check(
        Shape::Prepare,
        false,
        &frames(1, &[none]),
        &[Kind::Prepared],
    );
}

#[test]
fn an_error_in_the_middle_of_rows_when_walked_ends_the_answer() {
    let err = b"\xff\x25\x05#70100Query execution was interrupted";
    check(
        Shape::Query,
        false,
        &frames(1, &[b"\x01", COLUMN, EOF, b"\x011", err]),
        &[Kind::Err],
    );
}

#[test]
fn a_progress_report_when_met_does_not_end_the_answer() {
    let progress = b"\xff\xff\xff\x01\x01\x02\x00\x00\x00\x04copy";
    check(
        Shape::Query,
        false,
        &frames(1, &[progress, OK]),
        &[Kind::Progress, Kind::Ok(2)],
    );
}

#[test]
fn fetched_rows_when_walked_end_at_the_eof() {
    let row = b"\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00";
    check(
        Shape::Rows,
        false,
        &frames(1, &[row, row, b"\xfe\x00\x00B\x00"]),
        &[Kind::Eof(0x42)],
    );
}

#[test]
fn a_row_of_16_mib_when_walked_is_not_mistaken_for_an_end() {
    // Why: the second packet of the row starts with the byte of an EOF and is short.
    let mut row = vec![b'x'; packet::MAX_PAYLOAD];
    row[0] = 0xfe;
    row.extend_from_slice(&[0xfe, 0, 0]);
    let answer = frames(1, &[b"\x01", COLUMN, EOF, &row, EOF]);
    let chunks: Vec<&[u8]> = answer.chunks(65_536).collect();
    let (out, kinds, left, done) = walk(Walker::new(Shape::Query, false), &chunks);
    assert!(out == answer && done && left == 0);
    assert_eq!(kinds, [Kind::Eof(2)]);
    let fast = stride(Walker::new(Shape::Query, false), &chunks);
    assert!(fast == (out, kinds, left, done));
}

#[test]
fn a_second_answer_in_the_same_chunk_when_walked_is_left_alone() {
    let mut answer = frames(1, &[OK]);
    let length = answer.len();
    answer.extend_from_slice(&frames(1, &[OK]));
    let (out, _, left, done) = walk(Walker::new(Shape::Simple, false), &[&answer]);
    assert_eq!((out.len(), left, done), (length, length, true));
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Simple),
        Just(Shape::Text),
        Just(Shape::Query),
        Just(Shape::Prepare),
        Just(Shape::Rows)
    ]
}

/// Packets that may follow one another in an answer, and some that may not.
fn any_packets() -> impl Strategy<Value = Vec<u8>> {
    let some = prop_oneof![
        (0u8..4).prop_map(|columns| vec![columns]),
        Just(COLUMN.to_vec()),
        Just(EOF.to_vec()),
        Just(b"\xfe\x00\x00\x42\x00".to_vec()),
        Just(OK.to_vec()),
        Just(b"\xff\x15\x04#28000no".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let all = prop::collection::vec(some, 0..8);
    all.prop_map(|all| frames(1, &all.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

proptest! {
    #[test]
    fn any_packets_when_stepped_over_fast_come_to_the_same(
        shape in any_shape(), deprecate: bool, cursor: bool, bytes in any_packets(), cut in 0_usize..100,
    ) {
        let walker = || Walker::new(shape, deprecate).may_open_cursor(cursor);
        let (mut slow, mut fast) = (walker(), walker());
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        for chunk in [head, tail] {
            let Stride { over, end } = fast.stride(chunk);
            let (mut at, mut seen) = (0, None);
            while at < over {
                at += match slow.step(&chunk[at..over]).unwrap() {
                    Step::Pass { pass, used } => {
                        prop_assert_eq!(pass, used);
                        used
                    }
                    Step::Packet { kind: Kind::Eof(status), length } => {
                        seen = Some(status);
                        length
                    }
                    _ => panic!("stepped over what should have been seen"),
                };
            }
            prop_assert_eq!(end.map(|end| end.status), seen);
            prop_assert!(fast.state == slow.state && fast.next_sequence == slow.next_sequence);
            if fast.done() || fast.step(&chunk[over..]) != slow.step(&chunk[over..]) {
                break;
            }
        }
    }

    #[test]
    fn any_bytes_when_walked_never_panic_and_stay_bounded(
        shape in any_shape(), deprecate: bool, chunks: Vec<Vec<u8>>, small in prop::collection::vec(0u8..6, 0..60)
    ) {
        for input in chunks.iter().chain([&small]) {
            let mut walker = Walker::new(shape, deprecate);
            for chunk in input.chunks(3) {
                let mut rest = chunk;
                while !rest.is_empty() && !walker.done() {
                    let used = match walker.step(rest) {
                        Ok(Step::Pass { used, .. } | Step::Kept { used, .. } | Step::KeptPacket { used, .. }) => used,
                        Ok(Step::Packet { length, .. }) => length,
                        Err(_) => return Ok(()),
                    };
                    prop_assert!(used <= rest.len());
                    prop_assert!(walker.held.len() <= MAX_HELD);
                    rest = &rest[used..];
                }
            }
        }
    }
}
