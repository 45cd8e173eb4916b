//! The server's first packet (protocol 10): version, thread id, salt, capabilities.

use crate::codec::{Malformed, Reader};
use crate::flags;
use crate::native;

/// What a server says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Server version, as MariaDB sends it (`5.5.5-10.11.19-MariaDB`).
    pub version: Vec<u8>,
    /// Thread id.
    pub thread: u32,
    /// Salt for the authentication.
    pub salt: [u8; native::LENGTH],
    /// Capabilities; MariaDB's extended ones from bit 32 on.
    pub capabilities: u64,
    /// Default collation (low byte of its id).
    pub collation: u8,
    /// Status flags.
    pub status: u16,
    /// Default authentication plugin.
    pub plugin: Vec<u8>,
}

const MALFORMED: Malformed = Malformed { what: "greeting" };

impl Greeting {
    /// Reads a greeting's payload.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        Self::read(payload).ok_or(MALFORMED)
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != 10 {
            return None;
        }
        let version = reader.terminated()?.to_vec();
        let thread = reader.u32()?;
        let mut salt = [0; native::LENGTH];
        salt[..8].copy_from_slice(reader.bytes(8)?);
        reader.u8()?;
        let low = reader.u16()?;
        let collation = reader.u8()?;
        let status = reader.u16()?;
        let high = reader.u16()?;
        reader.u8()?;
        let filler = reader.bytes(6)?;
        let extended = reader.u32()?;
        let _ = filler;
        salt[8..].copy_from_slice(reader.bytes(12)?);
        reader.u8()?;
        let plugin = reader.terminated().unwrap_or_default().to_vec();
        let mut capabilities = u64::from(low) | u64::from(high) << 16;
        if capabilities & flags::MYSQL == 0 {
            capabilities |= u64::from(extended) << 32;
        }
        Some(Self {
            version,
            thread,
            salt,
            capabilities,
            collation,
            status,
            plugin,
        })
    }

    /// The greeting's payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![10];
        out.extend_from_slice(&self.version);
        out.push(0);
        out.extend_from_slice(&self.thread.to_le_bytes());
        out.extend_from_slice(&self.salt[..8]);
        out.push(0);
        let bytes = self.capabilities.to_le_bytes();
        out.extend_from_slice(&bytes[..2]);
        out.push(self.collation);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&bytes[2..4]);
        out.push(native::LENGTH as u8 + 1);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&bytes[4..8]);
        out.extend_from_slice(&self.salt[8..]);
        out.push(0);
        out.extend_from_slice(&self.plugin);
        out.push(0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // MariaDB 10.11.19 (Debian).
    const REAL: &[u8] = b"\n5.5.5-10.11.19-MariaDB-0+deb12u1\x00\x05\x00\x00\x005lAAbI(*\x00\xfe\xf7\x08\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00:%K('(4j<-iL\x00mysql_native_password\x00";

    #[test]
    fn a_real_greeting_when_parsed_and_encoded_is_the_same() {
        let greeting = Greeting::parse(REAL).unwrap();
        assert_eq!(greeting.thread, 5);
        assert_eq!(&greeting.salt, b"5lAAbI(*:%K('(4j<-iL");
        assert_eq!(greeting.capabilities, 0x1d_81ff_f7fe);
        assert_eq!(greeting.encode(), REAL);
    }

    proptest! {
        #[test]
        fn any_bytes_when_parsed_as_a_greeting_never_panic(bytes: Vec<u8>) {
            let _ = Greeting::parse(&bytes);
        }
    }
}
