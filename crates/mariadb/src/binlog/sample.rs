//! Log files made by hand, for tests of what real servers seldom write.

use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use wire::gtid::Gtid;

use super::event;

/// Bytes of a log file in the making, each event with its checksum.
pub(crate) struct Sample(Vec<u8>);

impl Sample {
    /// A file as a server begins it; `created` marks the first one after its start.
    pub(crate) fn begin(created: bool) -> Self {
        let mut sample = Self(vec![0xfe, b'b', b'i', b'n']);
        let mut body = vec![0; 57];
        body[0] = 4;
        body[52] = u8::from(created);
        body[56] = 19;
        body.push(1);
        sample.event(event::FORMAT, 1, &body);
        sample
    }

    pub(crate) fn event(&mut self, kind: u8, server: u32, body: &[u8]) -> &mut Self {
        let mut bytes = vec![0; 4];
        bytes.push(kind);
        bytes.extend(server.to_le_bytes());
        let size = 19 + body.len() as u32 + 4;
        bytes.extend(size.to_le_bytes());
        bytes.extend((self.0.len() as u32 + size).to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(body);
        let mut sum = Hasher::new();
        sum.update(&bytes);
        bytes.extend(sum.finalize().to_le_bytes());
        self.0.extend(bytes);
        self
    }

    /// The first event of a transaction of InnoDB rows.
    pub(crate) fn gtid(&mut self, id: &str) -> &mut Self {
        let id: Gtid = id.parse().unwrap();
        let mut body = id.sequence.to_le_bytes().to_vec();
        body.extend(id.domain.to_le_bytes());
        body.extend([4, 0, 0, 0, 0, 0, 0]);
        self.event(event::GTID, id.server, &body)
    }

    /// The last event of one.
    pub(crate) fn commit(&mut self) -> &mut Self {
        self.event(event::XID, 1, &[0; 8])
    }

    /// Whole transactions.
    pub(crate) fn groups(&mut self, ids: &[&str]) -> &mut Self {
        for id in ids {
            self.gtid(id).commit();
        }
        self
    }

    /// What was in the log before this file.
    pub(crate) fn list(&mut self, ids: &[&str]) -> &mut Self {
        let mut body = (ids.len() as u32).to_le_bytes().to_vec();
        for id in ids {
            let id: Gtid = id.parse().unwrap();
            body.extend(id.domain.to_le_bytes());
            body.extend(id.server.to_le_bytes());
            body.extend(id.sequence.to_le_bytes());
        }
        self.event(event::GTID_LIST, 1, &body)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn write(&self, dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, &self.0).unwrap();
        path
    }
}
