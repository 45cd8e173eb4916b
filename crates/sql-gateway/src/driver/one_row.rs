//! An answer of one row with one short text, taken as it comes: for questions that are asked all the time.

use wire::packet::{HEADER, Header};

/// A greater answer is something else.
const MAX: usize = 16 * 1024;

/// One such answer.
#[derive(Debug)]
pub(super) struct OneRow {
    bytes: Vec<u8>,
    /// How the answer before has ended: while this is here, `bytes` are that one.
    before: Option<End>,
    /// The end of the columns is told by a packet of its own.
    marks_ends: bool,
    end: End,
}

/// How it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    /// Where the text is.
    Text(usize, usize),
    Refused,
}

impl OneRow {
    pub(super) fn new(marks_ends: bool) -> Self {
        Self {
            bytes: Vec::new(),
            before: None,
            marks_ends,
            end: End::NotYet,
        }
    }

    /// Another answer begins.
    pub(super) fn begin(&mut self) {
        self.before = self.is_over().then_some(self.end);
        if self.before.is_none() {
            self.bytes.clear();
        }
        self.end = End::NotYet;
    }

    /// Takes bytes of it; none are the end of the connection.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<(), &'static str> {
        if chunk.is_empty() {
            return Err("the connection has ended");
        }
        if let Some(before) = self.before.take() {
            // Why looked for: as long as nobody writes, each answer is the one before.
            if self.bytes == chunk {
                self.end = before;
                return Ok(());
            }
            self.bytes.clear();
        }
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > MAX {
            return Err("its answer is too long");
        }
        self.end = self.look().ok_or("its answer makes no sense")?;
        Ok(())
    }

    /// All of it is here.
    pub(super) fn is_over(&self) -> bool {
        self.end != End::NotYet
    }

    /// The text; `None` when it was an error, or is not over.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self.end {
            End::Text(from, to) => self.bytes.get(from..to),
            End::NotYet | End::Refused => None,
        }
    }

    fn look(&self) -> Option<End> {
        // The number of columns, the column, perhaps their end; then the row, and the end.
        let row = 2 + usize::from(self.marks_ends);
        let (mut at, mut text) = (0, (0, 0));
        for number in 0..=row + 1 {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Some(header) = Header::read(rest) else {
                return Some(End::NotYet);
            };
            let Some(payload) = rest.get(HEADER..HEADER + header.length) else {
                return Some(End::NotYet);
            };
            if payload.first() == Some(&0xff) {
                return Some(End::Refused);
            }
            let begin = at + HEADER;
            at = begin + header.length;
            if number == row {
                // Longer than 250 bytes its length takes more than a byte.
                let length = match payload.first()? {
                    0xfc => 3,
                    0..=0xfa => 1,
                    _ => return None,
                };
                text = (begin + length, at);
            }
        }
        (at == self.bytes.len() && text.0 <= text.1).then_some(End::Text(text.0, text.1))
    }
}

#[cfg(test)]
mod tests {
    use wire::packet::packet;

    use super::*;

    fn answer(marks_ends: bool, row: &[u8]) -> Vec<u8> {
        let end: &[u8] = &[0xfe, 0, 0, 2, 0];
        let mut payloads = vec![&[1][..], b"\x03def@@gtid_binlog_pos"];
        payloads.extend(marks_ends.then_some(end));
        payloads.extend([row, end]);
        let numbered = payloads.iter().zip(1_u8..);
        numbered
            .flat_map(|(payload, number)| packet(number, payload))
            .collect()
    }

    #[test]
    fn text_when_it_comes_whole_or_byte_by_byte_is_found_again_and_again() {
        let long = [&[0xfc, 0x2c, 0x01][..], &[b'7'; 300]].concat();
        for marks_ends in [true, false] {
            let mut one = OneRow::new(marks_ends);
            for (row, text) in [
                (&b"\x050-1-9"[..], &b"0-1-9"[..]),
                (b"\0", b""),
                (b"\0", b""),
                (&long, &[b'7'; 300]),
            ] {
                let answer = answer(marks_ends, row);
                one.begin();
                one.take(&answer).unwrap();
                assert_eq!(one.text(), Some(text));
                one.begin();
                for byte in &answer {
                    assert!(!one.is_over());
                    one.take(std::slice::from_ref(byte)).unwrap();
                }
                assert_eq!(one.text(), Some(text));
            }
        }
    }

    #[test]
    fn answer_when_it_is_an_error_or_nonsense_is_no_text() {
        let mut one = OneRow::new(false);
        for _ in 0..2 {
            one.begin();
            one.take(&packet(1, b"\xff\x15\x04no")).unwrap();
            assert!(one.is_over());
            assert_eq!(one.text(), None);
        }
        one.begin();
        assert!(!one.is_over());
        assert!(one.take(b"").is_err());
        for wrong in [
            answer(false, b"\xfb"),
            answer(false, b""),
            answer(true, b"\x011"),
        ] {
            one.begin();
            assert!(one.take(&wrong).is_err(), "{wrong:?}");
        }
        one.begin();
        let much = [&[0xff, 0xff, 0xff, 1][..], &[b'x'; MAX]].concat();
        assert!(one.take(&much).is_err());
    }
}
