//! The compressed protocol: the stream of packets cut into frames, each of them as it is or deflated. What clients
//! deflate is inflated; what goes to them is framed as it is, which the protocol allows and which costs nothing.
//!
//! A frame: its length here (3 bytes), its number, its length inflated (3 bytes, 0: it is not deflated). Its content
//! has no relation to where packets begin. Numbers go on from the client's, as a server's (`net_serv.cc`); those of the
//! packets inside are put right.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};

use super::renumber::Renumber;

const HEADER: usize = 7;
/// The most that is framed at a time.
const PIECE: usize = 64 * 1024;

/// What one client's compressed stream needs.
#[derive(Debug, Default)]
pub(super) struct Zipped {
    raw: Vec<u8>,
    at: usize,
    frame: Option<Frame>,
    /// More may come out of what was taken.
    has_more: bool,
    packets: Renumber,
    /// Of the next frame that is written.
    number: u8,
    out: Vec<u8>,
    sent: usize,
    accepted: usize,
}

/// A frame of which something has not been read yet.
#[derive(Debug)]
struct Frame {
    /// Bytes of it that have not been taken.
    raw: usize,
    /// Bytes that have not come out; of one that is deflated.
    plain: usize,
    stream: Option<Box<Decompress>>,
}

impl Zipped {
    /// With bytes that were read already.
    pub(super) fn new(raw: Vec<u8>) -> Self {
        Self {
            raw,
            ..Self::default()
        }
    }

    /// Takes bytes of the socket.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.raw.drain(..self.at);
        self.at = 0;
        self.raw.extend_from_slice(bytes);
    }

    /// False when reading on needs bytes of the socket.
    pub(super) fn is_readable(&self) -> bool {
        let there = self.raw.len() - self.at;
        match &self.frame {
            Some(_) => there > 0 || self.has_more,
            None => there >= HEADER,
        }
    }

    /// The client was asked for a file; see [`Renumber::file`].
    pub(super) fn asks_for_file(&mut self, number: u8) {
        self.packets.file(number);
    }

    /// Reads what there is, of one frame at the most; nothing: bytes of the socket are needed.
    ///
    /// # Errors
    /// It is not the compressed protocol.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.unframe(buffer)?;
        self.packets.pass(&mut buffer[..read]);
        Ok(read)
    }

    fn unframe(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = &self.raw[self.at..];
            let Some(frame) = &mut self.frame else {
                let Some(header) = rest.first_chunk::<HEADER>() else {
                    // An idle client holds no buffer.
                    self.raw = rest.to_vec();
                    self.at = 0;
                    return Ok(0);
                };
                let length = |at: usize| {
                    let [a, b, c] = [header[at], header[at + 1], header[at + 2]].map(usize::from);
                    a | b << 8 | c << 16
                };
                let (raw, plain) = (length(0), length(4));
                self.number = header[3].wrapping_add(1);
                self.at += HEADER;
                let stream = (plain > 0).then(|| Box::new(Decompress::new(true)));
                self.frame = Some(Frame { raw, plain, stream });
                continue;
            };
            let input = &rest[..rest.len().min(frame.raw)];
            let (used, made) = match &mut frame.stream {
                None => {
                    let count = input.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&input[..count]);
                    (count, count)
                }
                Some(stream) => inflate(stream, input, buffer)?,
            };
            self.at += used;
            frame.raw -= used;
            if frame.stream.is_some() {
                frame.plain = frame.plain.checked_sub(made).ok_or_else(broken)?;
            }
            let is_over = frame.raw == 0 && frame.plain == 0;
            if is_over {
                self.frame = None;
            }
            self.has_more = made > 0;
            if made > 0 {
                return Ok(made);
            }
            if used == 0 && !is_over {
                let is_stuck = frame_is_stuck(self.frame.as_ref(), self.raw.len() > self.at);
                return if is_stuck { Err(broken()) } else { Ok(0) };
            }
        }
    }

    /// The rest of the frame that is on its way; made of these bytes when none is.
    pub(super) fn frame(&mut self, bytes: &[u8]) -> &[u8] {
        if self.out.is_empty() {
            let piece = &bytes[..bytes.len().min(PIECE)];
            let length = u32::try_from(piece.len()).unwrap_or(0).to_le_bytes();
            self.out.extend_from_slice(&length[..3]);
            self.out.extend_from_slice(&[self.number, 0, 0, 0]);
            self.out.extend_from_slice(piece);
            self.number = self.number.wrapping_add(1);
            self.accepted = piece.len();
        }
        &self.out[self.sent..]
    }

    /// So many bytes of the frame have left; when it has left whole, how many bytes were in it.
    pub(super) fn left(&mut self, count: usize) -> Option<usize> {
        self.sent += count;
        if self.sent < self.out.len() {
            return None;
        }
        self.sent = 0;
        self.out = Vec::new();
        Some(self.accepted)
    }
}

/// Nothing came of it although bytes are there, or none are to come.
fn frame_is_stuck(frame: Option<&Frame>, has_bytes: bool) -> bool {
    frame.is_some_and(|frame| has_bytes || frame.raw == 0)
}

/// How many bytes were taken, and how many came out.
fn inflate(stream: &mut Decompress, input: &[u8], buffer: &mut [u8]) -> io::Result<(usize, usize)> {
    let (read, written) = (stream.total_in(), stream.total_out());
    let status = stream
        .decompress(input, buffer, FlushDecompress::None)
        .map_err(|_| broken())?;
    let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
    let (used, made) = (
        count(stream.total_in(), read),
        count(stream.total_out(), written),
    );
    if status == Status::StreamEnd && used == 0 && made == 0 && !input.is_empty() {
        return Err(broken());
    }
    Ok((used, made))
}

/// Reads bytes as they come, in two pieces; nothing is made up, and little is kept.
#[cfg(feature = "fuzzing")]
pub(crate) fn unzip(bytes: &[u8]) {
    let mut zipped = Zipped::new(Vec::new());
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut buffer = vec![0; PIECE];
    for piece in [first, second] {
        zipped.feed(piece);
        loop {
            match zipped.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => assert!(n <= buffer.len(), "more than fits"),
                Err(_) => return,
            }
        }
        assert!(zipped.raw.len() <= bytes.len(), "more is kept than came");
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not the compressed protocol")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn deflated(plain: &[u8], told: usize) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        let raw = encoder.finish().unwrap();
        let mut out = raw.len().to_le_bytes()[..3].to_vec();
        out.push(7);
        out.extend_from_slice(&told.to_le_bytes()[..3]);
        [out, raw].concat()
    }

    /// Feeds pieces of this size; what came out.
    fn read_all(bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut zipped = Zipped::new(Vec::new());
        let (mut buffer, mut out) = ([0; 1000], Vec::new());
        for piece in bytes.chunks(size) {
            zipped.feed(piece);
            loop {
                let before = zipped.is_readable();
                let read = zipped.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                assert!(before, "it said that there is nothing");
                out.extend_from_slice(&buffer[..read]);
            }
        }
        Ok(out)
    }

    #[test]
    fn read_when_frames_come_in_any_pieces_then_their_contents_come_out() {
        let long: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[1] ^ 5).collect();
        let mut zipped = Zipped::new(Vec::new());
        let stored = zipped.frame(&long[..3000]).to_vec();
        let all = [
            stored.clone(),
            deflated(&long, long.len()),
            vec![0, 0, 0, 1, 0, 0, 0],
            deflated(b"x", 1),
            stored,
        ]
        .concat();
        let wanted = [&long[..3000], &long, b"x", &long[..3000]].concat();
        for size in [1, 6, 7, 100, 4096, all.len()] {
            assert_eq!(read_all(&all, size).unwrap(), wanted, "{size}");
        }
    }

    #[test]
    fn read_when_a_frame_lies_then_it_is_refused() {
        let bomb = vec![0; 1 << 24];
        for (what, bytes) in [
            ("more than it says", deflated(&bomb, 100)),
            ("less than it says", deflated(b"abc", 100)),
            ("nothing deflated", vec![0, 0, 0, 0, 9, 0, 0]),
            ("not deflated", vec![4, 0, 0, 0, 9, 0, 0, 1, 2, 3, 4]),
        ] {
            assert!(read_all(&bytes, bytes.len()).is_err(), "{what}");
        }
    }

    #[test]
    fn frame_when_it_leaves_in_pieces_then_it_is_one_and_numbered_after_the_question() {
        let mut zipped = Zipped::new(Vec::new());
        zipped.feed(&deflated(b"question", 8));
        assert_eq!(zipped.read(&mut [0; 64]).unwrap(), 8);
        let first = zipped.frame(b"answer").to_vec();
        assert_eq!(first[..7], [6, 0, 0, 8, 0, 0, 0]);
        assert_eq!(zipped.left(9), None);
        assert_eq!(zipped.frame(b"answer and more"), b"swer");
        assert_eq!(zipped.left(4), Some(6));
        assert_eq!(zipped.frame(b" and more")[3], 9);
    }
}
