//! Goes through a binlog file from header to header and reads of each body only what is asked for: a hundred megabytes
//! take a fraction of a second. For a server's own binlog while it is being written; checksums are not looked at,
//! but each event must lie where its header says.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use super::event::{
    CHECKSUM_BYTES, FORMAT, HEADER_BYTES, MAGIC, describes_checksums, fill, read_u32,
};

/// Longer than any format description.
const FORMAT_LIMIT: usize = 64 * 1024;

/// One event's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) server: u32,
    /// Bytes of its body, without the checksum.
    pub(super) bytes: usize,
}

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Step {
    Event(Header),
    /// Nothing more, or an event that is being written.
    End,
    /// An event does not lie where its header says.
    Damaged,
}

/// Reads one file.
pub(super) struct Skimmer {
    file: BufReader<File>,
    /// Where the next header begins.
    next: u64,
    /// Bytes from here to there.
    left: u32,
    checksums: bool,
    body: Vec<u8>,
}

impl Skimmer {
    /// Opens a file; `None` when it does not start as a binlog does.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        if fill(&mut file, &mut magic)? < magic.len() || magic != MAGIC {
            return Ok(None);
        }
        Ok(Some(Self {
            file,
            next: MAGIC.len() as u64,
            left: 0,
            checksums: false,
            body: Vec::new(),
        }))
    }

    /// The next event; what was not read of the one before is stepped over.
    pub(super) fn next(&mut self) -> io::Result<Step> {
        self.file.seek_relative(i64::from(self.left))?;
        self.left = 0;
        let start = self.next;
        let mut header = [0; HEADER_BYTES];
        if fill(&mut self.file, &mut header)? < HEADER_BYTES {
            return Ok(Step::End);
        }
        let size = read_u32(&header, 9);
        let position = read_u32(&header, 13);
        let end = start + u64::from(size);
        if (size as usize) < HEADER_BYTES + CHECKSUM_BYTES || position != end as u32 {
            return Ok(Step::Damaged);
        }
        self.next = end;
        self.left = size - HEADER_BYTES as u32;
        let kind = header[4];
        if kind == FORMAT {
            let body = (self.left as usize).min(FORMAT_LIMIT);
            self.read(body)?;
            self.checksums = describes_checksums(&self.body);
        }
        let checksum = if self.checksums { CHECKSUM_BYTES } else { 0 };
        Ok(Step::Event(Header {
            kind,
            server: read_u32(&header, 5),
            bytes: size as usize - HEADER_BYTES - checksum,
        }))
    }

    /// The first bytes of the event's body, at most `most`; fewer when the file ends. Once for each event.
    pub(super) fn body(&mut self, header: Header, most: usize) -> io::Result<&[u8]> {
        if header.kind != FORMAT {
            self.read(header.bytes.min(most))?;
        }
        Ok(&self.body)
    }

    fn read(&mut self, bytes: usize) -> io::Result<()> {
        self.body.resize(bytes, 0);
        let got = fill(&mut self.file, &mut self.body)?;
        self.body.truncate(got);
        self.left = self.left.saturating_sub(got as u32);
        Ok(())
    }
}
