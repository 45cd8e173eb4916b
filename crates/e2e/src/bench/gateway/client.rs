//! A client as small as one can be: it connects, logs in, asks, and stays or leaves. So thousands of
//! them fit in this process, and its own time hardly counts.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sha1::{Digest, Sha1};
use wire::{
    command::code,
    flags,
    greeting::Greeting,
    login::{AuthSwitch, Login},
    native,
    packet::{Header, put},
};

/// Nobody waits longer for an answer.
const LIMIT: Duration = Duration::from_mins(1);
/// No answer asked for here is longer.
const LONGEST: usize = 1 << 20;
const CAPABILITIES: u64 = flags::MYSQL
    | flags::PROTOCOL_41
    | flags::SECURE_CONNECTION
    | flags::PLUGIN_AUTH
    | flags::TRANSACTIONS
    | flags::CONNECT_WITH_DB;

/// Where a client connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

/// Who it is.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) schema: String,
}

trait Line: Read + Write + Send {}
impl<T: Read + Write + Send> Line for T {}

/// A connection that is logged in.
pub(super) struct Client(Box<dyn Line>);

impl Client {
    /// Connects and logs in.
    pub(super) fn connect(at: &At, who: &Who) -> Result<Self> {
        let line: Box<dyn Line> = match at {
            At::Tcp(address) => {
                let stream = TcpStream::connect(address).context("connect")?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LIMIT))?;
                Box::new(stream)
            }
            At::Socket(path) => {
                let stream = UnixStream::connect(path).context("connect")?;
                stream.set_read_timeout(Some(LIMIT))?;
                Box::new(stream)
            }
        };
        let mut client = Self(line);
        client.log_in(who).context("log in")?;
        Ok(client)
    }

    fn log_in(&mut self, who: &Who) -> Result<()> {
        let secret: [u8; 20] = Sha1::digest(who.password.as_bytes()).into();
        let (_, greeting) = self.read()?;
        let greeting = Greeting::parse(&refuse(greeting)?)?;
        let login = Login {
            capabilities: CAPABILITIES,
            max_packet: 1 << 24,
            collation: 45,
            user: who.user.as_bytes().to_vec(),
            proof: native::prove(&greeting.salt, &secret).to_vec(),
            database: who.schema.as_bytes().to_vec(),
            plugin: native::PLUGIN.as_bytes().to_vec(),
            attributes: Vec::new(),
        };
        self.write(1, &login.encode())?;
        let (mut sequence, mut answer) = self.read()?;
        if answer.first() == Some(&0xfe) {
            let switch = AuthSwitch::parse(&answer).context("another way to log in")?;
            let salt = switch.salt().context("another way to log in")?;
            self.write(sequence.wrapping_add(1), &native::prove(&salt, &secret))?;
            (sequence, answer) = self.read()?;
        }
        let _ = sequence;
        refuse(answer).map(drop)
    }

    /// Asks and reads the whole answer; the last packet but the end is returned (the last row).
    pub(super) fn ask(&mut self, sql: &[u8]) -> Result<Vec<u8>> {
        let mut command = Vec::with_capacity(sql.len() + 1);
        command.push(code::QUERY);
        command.extend_from_slice(sql);
        self.write(0, &command)?;
        let first = refuse(self.read()?.1)?;
        if first.first() == Some(&0) {
            return Ok(first);
        }
        let (mut ends, mut last) = (0, first);
        while ends < 2 {
            let packet = refuse(self.read()?.1)?;
            if packet.first() == Some(&0xfe) && packet.len() < 9 {
                ends += 1;
            } else {
                last = packet;
            }
        }
        Ok(last)
    }

    /// Leaves as one should.
    pub(super) fn leave(mut self) -> Result<()> {
        self.write(0, &[code::QUIT])
    }

    fn write(&mut self, sequence: u8, payload: &[u8]) -> Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 8);
        put(&mut bytes, sequence, payload);
        self.0.write_all(&bytes).context("send")
    }

    fn read(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut header = [0; 4];
        self.0.read_exact(&mut header).context("receive")?;
        let header = Header::read(&header).context("a header")?;
        let length = header.length;
        if length > LONGEST {
            bail!("an answer of {length} bytes");
        }
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).context("receive")?;
        Ok((header.sequence, payload))
    }
}

/// An error that the server sent is one.
fn refuse(packet: Vec<u8>) -> Result<Vec<u8>> {
    if packet.first() == Some(&0xff) {
        let text = packet.get(3..).unwrap_or_default();
        bail!("{}", String::from_utf8_lossy(text));
    }
    Ok(packet)
}
