//! A client of bytes, for what drivers do not do: odd plugins, garbage, no tracking, no DEPRECATE_EOF.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wire::flags;
use wire::greeting::Greeting;
use wire::login::{AuthSwitch, Login};
use wire::packet::{Header, packet};
use wire::{native, reply};

pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    pub(crate) greeting: Greeting,
    sequence: u8,
}

/// Capabilities of an old client.
pub(crate) const PLAIN: u64 = flags::PROTOCOL_41
    | flags::SECURE_CONNECTION
    | flags::PLUGIN_AUTH
    | flags::TRANSACTIONS
    | flags::MULTI_RESULTS
    | flags::MULTI_STATEMENTS
    | flags::CONNECT_WITH_DB
    | flags::LOCAL_FILES;

impl Raw {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::behind(TcpStream::connect(address).unwrap(), &[])
    }

    /// A client on this stream, after `header`.
    pub(crate) fn behind(mut stream: TcpStream, header: &[u8]) -> Self {
        stream.write_all(header).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut raw = Self {
            stream,
            greeting: Greeting::parse(crate::raw::EMPTY).unwrap(),
            sequence: 0,
        };
        let greeting = raw.read().unwrap();
        raw.greeting = Greeting::parse(&greeting).unwrap();
        raw
    }

    /// Logs in as `app` with password `pw`, naming `plugin` first; returns the last packet.
    pub(crate) fn log_in(&mut self, capabilities: u64, plugin: &str, user: &str) -> Vec<u8> {
        let secret = sha1(b"pw");
        let proof = if plugin == native::PLUGIN {
            native::prove(&self.greeting.salt, &secret).to_vec()
        } else {
            vec![1; 32]
        };
        let login = Login {
            capabilities,
            max_packet: 1 << 24,
            collation: 45,
            user: user.as_bytes().to_vec(),
            proof,
            database: b"shop".to_vec(),
            plugin: plugin.as_bytes().to_vec(),
            attributes: Vec::new(),
        };
        self.write(&login.encode());
        let answer = self.read().unwrap();
        if answer[0] != 0xfe {
            return answer;
        }
        let salt = AuthSwitch::parse(&answer).unwrap().salt().unwrap();
        self.write(&native::prove(&salt, &secret));
        self.read().unwrap()
    }

    /// Logs in as a user without a password; returns the last packet.
    pub(crate) fn log_in_empty(&mut self, user: &str) -> Vec<u8> {
        let login = Login {
            capabilities: PLAIN,
            collation: 45,
            user: user.as_bytes().to_vec(),
            plugin: native::PLUGIN.as_bytes().to_vec(),
            ..Login::default()
        };
        self.write(&login.encode());
        self.read().unwrap()
    }

    /// Sends a statement and does not wait for its answer.
    pub(crate) fn write_command(&mut self, text: &str) {
        self.stream_command(&[b"\x03", text.as_bytes()].concat());
    }

    /// A plain client, logged in.
    pub(crate) fn ready(address: SocketAddr) -> Self {
        let mut raw = Self::open(address);
        assert_eq!(raw.log_in(PLAIN, native::PLUGIN, "app")[0], 0);
        raw
    }

    /// Sends a command; returns the first packet of its answer.
    pub(crate) fn command(&mut self, payload: &[u8]) -> Vec<u8> {
        self.sequence = 0;
        self.write(payload);
        self.read().unwrap()
    }

    /// Sends a command that has no answer.
    pub(crate) fn stream_command(&mut self, payload: &[u8]) {
        self.sequence = 0;
        self.write(payload);
    }

    /// Runs a statement and returns all packets of a single result.
    pub(crate) fn query(&mut self, text: &str) -> Vec<Vec<u8>> {
        let mut payload = vec![3];
        payload.extend_from_slice(text.as_bytes());
        let mut packets = vec![self.command(&payload)];
        if !matches!(packets[0][0], 0 | 0xff) {
            let mut ends = 0;
            while ends < 2 {
                let packet = self.read().unwrap();
                ends += usize::from(packet[0] == 0xfe && packet.len() < 9);
                ends += 2 * usize::from(packet[0] == 0xff);
                packets.push(packet);
            }
        }
        packets
    }

    /// The first column of the first row.
    pub(crate) fn value(&mut self, text: &str) -> String {
        let packets = self.query(text);
        assert_ne!(
            packets[0][0],
            0xff,
            "{text}: {}",
            String::from_utf8_lossy(&packets[0])
        );
        let columns = usize::from(packets[0][0]);
        let row = &packets[columns + 2];
        String::from_utf8(wire::codec::Reader::new(row).counted().unwrap().to_vec()).unwrap()
    }

    /// Number and text of the error a statement gets.
    pub(crate) fn error(&mut self, text: &str) -> (u16, String) {
        let packets = self.query(text);
        let last = packets.last().unwrap();
        let err =
            reply::ErrPacket::parse(last).unwrap_or_else(|| panic!("{text}: no error, {last:?}"));
        (err.code, String::from_utf8_lossy(err.message).into_owned())
    }

    pub(crate) fn write(&mut self, payload: &[u8]) {
        self.stream
            .write_all(&packet(self.sequence, payload))
            .unwrap();
        self.sequence = self.sequence.wrapping_add(1);
    }

    pub(crate) fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header)?;
        let header = Header::read(&header).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
        let mut payload = vec![0; header.length];
        self.stream.read_exact(&mut payload)?;
        // The server's own error for an unwelcome host (1130) has the number 1.
        let unwelcome = payload.starts_with(&[0xff, 0x6a, 0x04]);
        assert!(
            header.sequence.wrapping_add(1) == self.sequence || unwelcome,
            "the sequence number"
        );
        Ok(payload)
    }

    /// True when the other side has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    use sha1::Digest;
    sha1::Sha1::digest(bytes).into()
}

const EMPTY: &[u8] = b"\n1\x00\x05\x00\x00\x005lAAbI(*\x00\xfe\xf7\x08\x02\x00\xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00:%K('(4j<-iL\x00x\x00";
