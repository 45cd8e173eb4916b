//! Watches an mbstream go by: names of files stay within the directory, every file and the whole are complete.
//! `mbstream -x` takes a stream that was cut between two chunks, or an empty one, for a good one.
//!
//! A chunk is `XBSTCK01`, flags, a type (`P` piece, `E` end of the file), the length of the path, the path; a
//! piece goes on with its length (8 bytes), its offset (8), a CRC-32 (4) and the bytes. Little endian.

use std::collections::BTreeSet;

const MAGIC: &[u8; 8] = b"XBSTCK01";
const HEAD_BYTES: usize = 14;
const PIECE_BYTES: usize = 20;
/// Limit: names of files in a data directory are far shorter.
const PATH_LIMIT: usize = 1024;
/// Limit: files in the making at the same time; mariadb-backup has one for each of its threads.
const OPEN_LIMIT: usize = 256;
/// The last file that mariadb-backup sends, once all is well; from 11.1 on under the second name.
const LAST_FILE: [&str; 2] = ["xtrabackup_info", "mariadb_backup_info"];
/// Without it nothing can be prepared.
const CHECKPOINTS: [&str; 2] = ["xtrabackup_checkpoints", "mariadb_backup_checkpoints"];

#[derive(Debug)]
enum Reading {
    Head,
    Path { bytes: usize, is_piece: bool },
    Piece,
    Bytes(u64),
}

/// Follows one stream.
#[derive(Debug)]
pub(crate) struct StreamCheck {
    reading: Reading,
    pending: Vec<u8>,
    path: String,
    open: BTreeSet<String>,
    files: u64,
    has_checkpoints: bool,
    has_last_file: bool,
}

impl StreamCheck {
    pub(crate) fn new() -> Self {
        Self {
            reading: Reading::Head,
            pending: Vec::new(),
            path: String::new(),
            open: BTreeSet::new(),
            files: 0,
            has_checkpoints: false,
            has_last_file: false,
        }
    }

    /// Takes the next bytes; an error says why the stream must not be used.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            if let Reading::Bytes(left) = &mut self.reading {
                let now = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                bytes = &bytes[now..];
                *left -= now as u64;
                if *left == 0 {
                    self.reading = Reading::Head;
                }
                continue;
            }
            let wanted = match self.reading {
                Reading::Head => HEAD_BYTES,
                Reading::Path { bytes, .. } => bytes,
                Reading::Piece => PIECE_BYTES,
                Reading::Bytes(_) => 0,
            };
            let now = (wanted - self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..now]);
            bytes = &bytes[now..];
            if self.pending.len() == wanted {
                let part = std::mem::take(&mut self.pending);
                self.part(&part)?;
            }
        }
        Ok(())
    }

    /// At the end of the bytes: how many files came, if all of them did.
    pub(crate) fn finish(self) -> Result<u64, String> {
        if !matches!(self.reading, Reading::Head) || !self.pending.is_empty() {
            return Err("it ends within a chunk".to_owned());
        }
        if let Some(path) = self.open.first() {
            return Err(format!("it ends within file `{path}`"));
        }
        if !self.has_checkpoints || !self.has_last_file {
            return Err(format!(
                "it ends after {} files, before the backup was complete",
                self.files
            ));
        }
        Ok(self.files)
    }

    fn part(&mut self, part: &[u8]) -> Result<(), String> {
        self.reading = match self.reading {
            Reading::Head => head(part)?,
            Reading::Path { is_piece, .. } => {
                self.path = safe_path(part)?;
                if is_piece {
                    self.open.insert(self.path.clone());
                    if self.open.len() > OPEN_LIMIT {
                        return Err("it has too many files open at once".to_owned());
                    }
                    Reading::Piece
                } else {
                    self.ended();
                    Reading::Head
                }
            }
            Reading::Piece => match part[..8].try_into().map(u64::from_le_bytes) {
                Ok(0) | Err(_) => Reading::Head,
                Ok(bytes) => Reading::Bytes(bytes),
            },
            Reading::Bytes(left) => Reading::Bytes(left),
        };
        Ok(())
    }

    fn ended(&mut self) {
        self.open.remove(&self.path);
        self.files += 1;
        self.has_checkpoints |= CHECKPOINTS.contains(&self.path.as_str());
        self.has_last_file |= LAST_FILE.contains(&self.path.as_str());
    }
}

fn head(part: &[u8]) -> Result<Reading, String> {
    if !part.starts_with(MAGIC) {
        return Err("it is not an mbstream".to_owned());
    }
    let is_piece = match part[9] {
        b'P' => true,
        b'E' => false,
        other => return Err(format!("it holds a chunk of unknown type {other}")),
    };
    let bytes = part[10..14]
        .iter()
        .rev()
        .fold(0, |sum, b| sum << 8 | usize::from(*b));
    if bytes == 0 || bytes > PATH_LIMIT {
        return Err(format!("it names a file with {bytes} bytes"));
    }
    Ok(Reading::Path { bytes, is_piece })
}

/// A path that stays below the directory it is unpacked in.
fn safe_path(part: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(part).into_owned();
    let is_plain = part
        .iter()
        .all(|b| b.is_ascii_graphic() || *b == b' ' || *b >= 0x80);
    if !is_plain || text.starts_with('/') || text.split('/').any(|step| step == "..") {
        return Err(format!(
            "it names a file outside of the data directory: `{}`",
            text.escape_debug()
        ));
    }
    // Such a file points at a table elsewhere on the sender's disks.
    if std::path::Path::new(&text)
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("isl"))
    {
        return Err(format!(
            "table `{text}` lies outside of the data directory (DATA DIRECTORY)"
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: u8, path: &str, bytes: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([0, kind]);
        out.extend((path.len() as u32).to_le_bytes());
        out.extend(path.as_bytes());
        if kind == b'P' {
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend([0; 12]);
            out.extend(bytes);
        }
        out
    }

    fn file(path: &str) -> Vec<u8> {
        [chunk(b'P', path, b"some bytes"), chunk(b'E', path, b"")].concat()
    }

    fn whole() -> Vec<u8> {
        [file("t/a.ibd"), file(CHECKPOINTS[0]), file(LAST_FILE[0])].concat()
    }

    fn check(bytes: &[u8], step: usize) -> Result<u64, String> {
        let mut check = StreamCheck::new();
        for piece in bytes.chunks(step) {
            check.feed(piece)?;
        }
        check.finish()
    }

    #[test]
    fn whole_stream_is_accepted_however_it_arrives() {
        for step in [1, 2, 7, 13, 14, 15, 64, 4096] {
            assert_eq!(check(&whole(), step), Ok(3), "{step}");
        }
    }

    #[test]
    fn stream_cut_anywhere_is_refused() {
        let whole = whole();
        for length in 0..whole.len() {
            assert!(check(&whole[..length], 4096).is_err(), "{length}");
        }
    }

    #[test]
    fn names_that_leave_the_directory_are_refused() {
        for bad in [
            "/etc/passwd",
            "../x",
            "t/../../x",
            "t/..",
            "a\0b",
            "a\nb",
            "t/x.isl",
        ] {
            assert!(
                check(&file(bad), 4096).unwrap_err().contains("outside"),
                "{bad:?}"
            );
        }
        assert!(check(&[file("./undo001"), whole()].concat(), 4096).is_ok());
    }

    #[test]
    fn bytes_that_are_no_stream_are_refused() {
        assert!(check(b"#!/bin/sh nothing of the kind", 4096).is_err());
        assert!(check(&chunk(b'Z', "a", b""), 4096).is_err());
        assert!(check(&chunk(b'P', &"x".repeat(2000), b""), 4096).is_err());
    }
}
