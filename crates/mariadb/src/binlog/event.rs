//! One event of a binlog or relay log file: its header, checked against its checksum, and the head of its body.
//! Layout: 19 bytes of header, body, 4 bytes of CRC-32 when the last format description says so.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use crc32fast::Hasher;

/// First bytes of each file.
pub(super) const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];
pub(super) const HEADER_BYTES: usize = 19;
pub(super) const CHECKSUM_BYTES: usize = 4;
/// Bytes of a body that are kept; names of tables and ends of transactions lie well within.
const HEAD_LIMIT: usize = 64 * 1024;
/// Header flag of a file still open; the server clears it in place without a new checksum.
const IN_USE: u8 = 1;

pub(super) const QUERY: u8 = 2;
pub(super) const STOP: u8 = 3;
pub(super) const ROTATE: u8 = 4;
pub(super) const INTVAR: u8 = 5;
pub(super) const RAND: u8 = 13;
pub(super) const USER_VAR: u8 = 14;
pub(super) const FORMAT: u8 = 15;
pub(super) const XID: u8 = 16;
pub(super) const TABLE_MAP: u8 = 19;
pub(super) const HEARTBEAT: u8 = 27;
pub(super) const XA_PREPARE: u8 = 38;
pub(super) const ANNOTATE_ROWS: u8 = 160;
pub(super) const CHECKPOINT: u8 = 161;
pub(super) const GTID: u8 = 162;
pub(super) const GTID_LIST: u8 = 163;
pub(super) const START_ENCRYPTION: u8 = 164;

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: u8,
    pub(super) timestamp: u32,
    pub(super) server: u32,
    /// Offset of its first byte in the file.
    pub(super) start: u64,
    /// Offset behind its last byte.
    pub(super) end: u64,
    /// Body without header and checksum, cut to 64 KiB.
    pub(super) head: Vec<u8>,
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Next {
    Event(Event),
    /// The file ends with a whole event.
    End,
    /// What follows is torn, zeroed or altered.
    Damaged(&'static str),
}

/// The events of one file, in order.
pub(super) struct EventReader {
    file: BufReader<File>,
    offset: u64,
    checksums: bool,
}

impl EventReader {
    /// Opens a file; `None` when it does not start as a binlog does (power loss leaves empty files).
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        if fill(&mut file, &mut magic)? < magic.len() || magic != MAGIC {
            return Ok(None);
        }
        Ok(Some(Self {
            file,
            offset: MAGIC.len() as u64,
            checksums: false,
        }))
    }

    /// The next event.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let mut header = [0; HEADER_BYTES];
        match fill(&mut self.file, &mut header)? {
            0 => return Ok(Next::End),
            HEADER_BYTES => {}
            _ => return Ok(Next::Damaged("a header is cut short")),
        }
        let kind = header[4];
        let size = read_u32(&header, 9) as usize;
        let Some(body_bytes) = size.checked_sub(HEADER_BYTES) else {
            return Ok(Next::Damaged("an event has an impossible length"));
        };
        if kind == FORMAT {
            header[17] &= !IN_USE;
        }
        let mut sum = Hasher::new();
        sum.update(&header);
        let Some(body) = self.body(body_bytes, &mut sum)? else {
            return Ok(Next::Damaged("an event is cut short"));
        };
        if kind == FORMAT {
            self.checksums = describes_checksums(&body.head);
        }
        if self.checksums && body.checksum != Some(sum.finalize()) {
            return Ok(Next::Damaged("an event does not match its checksum"));
        }
        let mut head = body.head;
        if self.checksums {
            head.truncate(body_bytes.saturating_sub(CHECKSUM_BYTES));
        }
        let start = self.offset;
        self.offset += size as u64;
        Ok(Next::Event(Event {
            kind,
            timestamp: read_u32(&header, 0),
            server: read_u32(&header, 5),
            start,
            end: self.offset,
            head,
        }))
    }

    /// Reads a body through; `None` when the file ends within it.
    fn body(&mut self, bytes: usize, sum: &mut Hasher) -> io::Result<Option<Body>> {
        let summed = bytes.saturating_sub(CHECKSUM_BYTES);
        let mut head = Vec::new();
        let mut chunk = vec![0; summed.clamp(1, HEAD_LIMIT)];
        let mut left = summed;
        while left > 0 {
            let want = left.min(chunk.len());
            if fill(&mut self.file, &mut chunk[..want])? < want {
                return Ok(None);
            }
            sum.update(&chunk[..want]);
            if head.is_empty() {
                head.extend_from_slice(&chunk[..want]);
            }
            left -= want;
        }
        let mut last = [0; CHECKSUM_BYTES];
        let rest = bytes - summed;
        if fill(&mut self.file, &mut last[..rest])? < rest {
            return Ok(None);
        }
        if summed <= HEAD_LIMIT {
            head.extend_from_slice(&last[..rest]);
        }
        let checksum = (rest == CHECKSUM_BYTES).then(|| u32::from_le_bytes(last));
        Ok(Some(Body { head, checksum }))
    }
}

struct Body {
    /// With the last four bytes, if the whole fits.
    head: Vec<u8>,
    checksum: Option<u32>,
}

/// The byte before the checksum of a format description names the algorithm: 1 is CRC-32.
pub(super) fn describes_checksums(body: &[u8]) -> bool {
    body.len()
        .checked_sub(CHECKSUM_BYTES + 1)
        .is_some_and(|at| body[at] == 1)
}

/// Reads until `buffer` is full or the file ends; says how many bytes came.
pub(super) fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

pub(super) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}
