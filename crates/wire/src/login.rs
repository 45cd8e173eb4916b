//! What a client says about itself: the handshake response, COM_CHANGE_USER, and the switch of the plugin.

use crate::codec::{Malformed, Reader, put_counted};
use crate::{command, flags};

/// A handshake response.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Login {
    /// Capabilities the client wants; MariaDB's extended ones from bit 32 on.
    pub capabilities: u64,
    /// The greatest packet the client takes.
    pub max_packet: u32,
    /// Collation (low byte of its id).
    pub collation: u8,
    /// User name.
    pub user: Vec<u8>,
    /// The plugin's data: a proof, or empty.
    pub proof: Vec<u8>,
    /// Default database; empty for none.
    pub database: Vec<u8>,
    /// The plugin that made `proof`; empty when the client does not say.
    pub plugin: Vec<u8>,
    /// Connection attributes, as they stand in the packet without their length.
    pub attributes: Vec<u8>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &String::from_utf8_lossy(&self.user))
            .finish_non_exhaustive()
    }
}

const MALFORMED: Malformed = Malformed {
    what: "handshake response",
};

impl Login {
    /// Reads a handshake response of the 4.1 protocol.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        Self::read(payload).ok_or(MALFORMED)
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let low = reader.u32()?;
        let max_packet = reader.u32()?;
        let collation = reader.u8()?;
        reader.bytes(19)?;
        let extended = reader.u32()?;
        let mut capabilities = u64::from(low);
        if capabilities & flags::PROTOCOL_41 == 0 {
            return None;
        }
        if capabilities & flags::MYSQL == 0 {
            capabilities |= u64::from(extended) << 32;
        }
        let mut login = Self {
            capabilities,
            max_packet,
            collation,
            ..Self::default()
        };
        login.user = reader.terminated()?.to_vec();
        login.proof = if capabilities & flags::PLUGIN_AUTH_LENENC != 0 {
            reader.counted()?.to_vec()
        } else if capabilities & flags::SECURE_CONNECTION != 0 {
            let length = reader.u8()?;
            reader.bytes(usize::from(length))?.to_vec()
        } else {
            reader.terminated()?.to_vec()
        };
        login.read_tail(&mut reader)?;
        Some(login)
    }

    fn read_tail(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        if self.capabilities & flags::CONNECT_WITH_DB != 0 {
            self.database = terminated_or_rest(reader).to_vec();
        }
        if self.capabilities & flags::PLUGIN_AUTH != 0 {
            self.plugin = terminated_or_rest(reader).to_vec();
        }
        if self.capabilities & flags::CONNECT_ATTRS != 0 && !reader.rest().is_empty() {
            self.attributes = reader.counted()?.to_vec();
        }
        Some(())
    }

    /// The payload of this response, as it is sent to a server.
    pub fn encode(&self) -> Vec<u8> {
        let mut capabilities =
            self.capabilities & !flags::PLUGIN_AUTH_LENENC & !flags::CONNECT_WITH_DB;
        if !self.database.is_empty() {
            capabilities |= flags::CONNECT_WITH_DB;
        }
        if self.attributes.is_empty() {
            capabilities &= !flags::CONNECT_ATTRS;
        }
        let mut out = Vec::with_capacity(128);
        let bytes = capabilities.to_le_bytes();
        out.extend_from_slice(&bytes[..4]);
        out.extend_from_slice(&self.max_packet.to_le_bytes());
        out.push(self.collation);
        out.extend_from_slice(&[0; 19]);
        out.extend_from_slice(&bytes[4..]);
        out.extend_from_slice(&self.user);
        out.push(0);
        out.push(self.proof.len() as u8);
        out.extend_from_slice(&self.proof);
        if !self.database.is_empty() {
            out.extend_from_slice(&self.database);
            out.push(0);
        }
        out.extend_from_slice(&self.plugin);
        out.push(0);
        if !self.attributes.is_empty() {
            put_counted(&mut out, &self.attributes);
        }
        out
    }

    /// Reads COM_CHANGE_USER (with its command byte) of a client that logged in with `capabilities`.
    pub fn parse_change_user(payload: &[u8], capabilities: u64) -> Result<Self, Malformed> {
        Self::read_change_user(payload, capabilities).ok_or(Malformed {
            what: "change of user",
        })
    }

    fn read_change_user(payload: &[u8], capabilities: u64) -> Option<Self> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != command::code::CHANGE_USER {
            return None;
        }
        let user = reader.terminated()?.to_vec();
        let length = reader.u8()?;
        let proof = reader.bytes(usize::from(length))?.to_vec();
        let database = terminated_or_rest(&mut reader).to_vec();
        let mut login = Self {
            capabilities,
            user,
            proof,
            database,
            ..Self::default()
        };
        if let Some(collation) = reader.u16() {
            login.collation = collation as u8;
        }
        if capabilities & flags::PLUGIN_AUTH != 0 {
            login.plugin = terminated_or_rest(&mut reader).to_vec();
        }
        if capabilities & flags::CONNECT_ATTRS != 0 && !reader.rest().is_empty() {
            login.attributes = reader.counted()?.to_vec();
        }
        Some(login)
    }
}

fn terminated_or_rest<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    if let Some(text) = reader.terminated() {
        return text;
    }
    let rest = reader.rest();
    reader.bytes(rest.len()).unwrap_or_default()
}

/// A server's wish for another plugin, with that plugin's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthSwitch<'a> {
    /// The plugin's name on the client's side.
    pub plugin: &'a [u8],
    /// Its data (a salt and a zero byte for the native one).
    pub data: &'a [u8],
}

impl<'a> AuthSwitch<'a> {
    /// Reads the request's payload (which starts with 0xfe).
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        (reader.u8()? == 0xfe).then_some(())?;
        let plugin = reader.terminated()?;
        Some(Self {
            plugin,
            data: reader.rest(),
        })
    }

    /// The salt in it, when the data is one.
    pub fn salt(&self) -> Option<[u8; 20]> {
        self.data.first_chunk().copied()
    }

    /// A request to use the native plugin with `salt`.
    pub fn native(salt: &[u8; 20]) -> Vec<u8> {
        let mut out = vec![0xfe];
        out.extend_from_slice(crate::native::PLUGIN.as_bytes());
        out.push(0);
        out.extend_from_slice(salt);
        out.push(0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_login_when_encoded_and_parsed_is_the_same() {
        let login = Login {
            capabilities: flags::PROTOCOL_41
                | flags::SECURE_CONNECTION
                | flags::PLUGIN_AUTH
                | flags::CONNECT_ATTRS
                | flags::CONNECT_WITH_DB
                | flags::MARIADB_PROGRESS,
            max_packet: 1 << 24,
            collation: 45,
            user: b"app".to_vec(),
            proof: vec![9; 20],
            database: b"shop".to_vec(),
            plugin: b"mysql_native_password".to_vec(),
            attributes: b"\x04_pid\x0242".to_vec(),
        };
        assert_eq!(Login::parse(&login.encode()), Ok(login));
    }

    #[test]
    fn a_switch_for_ed25519_of_a_real_server_when_parsed_names_the_plugin() {
        let switch = AuthSwitch::parse(b"\xfeclient_ed25519\x00\xb1|\x07").unwrap();
        assert_eq!(switch.plugin, b"client_ed25519");
        assert_eq!(switch.salt(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_when_parsed_as_a_login_never_panic(bytes: Vec<u8>, capabilities: u64) {
            let _ = Login::parse(&bytes);
            let _ = Login::parse_change_user(&bytes, capabilities);
            let _ = AuthSwitch::parse(&bytes);
        }
    }
}
