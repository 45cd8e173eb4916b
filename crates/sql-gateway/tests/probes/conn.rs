//! A client of packets: what it reads is kept as it came, nothing is hidden by a driver.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wire::flags;
use wire::greeting::Greeting;
use wire::login::{AuthSwitch, Login};
use wire::packet::{Header, put};
use wire::{command, native};

/// What a client of before 2010 asks for.
pub(crate) const PLAIN: u64 = flags::PROTOCOL_41
    | flags::SECURE_CONNECTION
    | flags::PLUGIN_AUTH
    | flags::TRANSACTIONS
    | flags::MULTI_RESULTS
    | flags::PS_MULTI_RESULTS
    | flags::MULTI_STATEMENTS
    | flags::CONNECT_WITH_DB
    | flags::LOCAL_FILES;

/// What a client of today asks for.
pub(crate) const MODERN: u64 = PLAIN
    | flags::DEPRECATE_EOF
    | flags::SESSION_TRACK
    | flags::CONNECT_ATTRS
    | flags::MARIADB_BULK
    | flags::MARIADB_EXTENDED_METADATA;

/// Who logs in, and how.
#[derive(Clone)]
pub(crate) struct Who<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) database: &'a str,
    pub(crate) plugin: &'a str,
    pub(crate) capabilities: u64,
    pub(crate) collation: u8,
}

impl Who<'static> {
    /// The account of the probes.
    pub(crate) fn app(capabilities: u64) -> Self {
        Self {
            user: "app",
            password: "pw",
            database: "probe",
            plugin: native::PLUGIN,
            capabilities,
            collation: 45,
        }
    }
}

pub(crate) struct Conn {
    reader: BufReader<TcpStream>,
    pub(crate) greeting: Greeting,
    pub(crate) capabilities: u64,
    sequence: u8,
    /// The command asked for a cursor. Why: in a procedure with a cursor the server sets the flag of one in
    /// the results of other statements too (10.11.19).
    pub(crate) wants_cursor: bool,
    /// What is sent when the server asks for a file.
    pub(crate) file: Option<Vec<u8>>,
}

impl Conn {
    /// Connects and reads the greeting.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(2)))?;
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        let mut header = [0; 4];
        reader.read_exact(&mut header)?;
        let mut payload = vec![0; Header::read(&header).unwrap().length];
        reader.read_exact(&mut payload)?;
        let greeting = Greeting::parse(&payload)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self {
            reader,
            greeting,
            capabilities: 0,
            sequence: 1,
            wants_cursor: false,
            file: None,
        })
    }

    /// Logs in; the last packet of the server.
    pub(crate) fn log_in(&mut self, who: &Who<'_>) -> io::Result<Vec<u8>> {
        self.capabilities = who.capabilities;
        let attributes = if who.capabilities & flags::CONNECT_ATTRS == 0 {
            Vec::new()
        } else {
            b"\x0cprogram_name\x05probe".to_vec()
        };
        let salt = self.greeting.salt;
        let login = Login {
            capabilities: who.capabilities,
            max_packet: 1 << 30,
            collation: who.collation,
            user: who.user.as_bytes().to_vec(),
            proof: prove(who, &salt),
            database: who.database.as_bytes().to_vec(),
            plugin: who.plugin.as_bytes().to_vec(),
            attributes,
        };
        self.write(&login.encode())?;
        self.finish_login(who)
    }

    /// COM_CHANGE_USER; the last packet of the server.
    pub(crate) fn change_user(&mut self, who: &Who<'_>) -> io::Result<Vec<u8>> {
        let proof = prove(who, &self.greeting.salt.clone());
        let mut payload = vec![command::code::CHANGE_USER];
        payload.extend_from_slice(who.user.as_bytes());
        payload.push(0);
        payload.push(proof.len() as u8);
        payload.extend_from_slice(&proof);
        payload.extend_from_slice(who.database.as_bytes());
        payload.push(0);
        payload.extend_from_slice(&[who.collation, 0]);
        payload.extend_from_slice(who.plugin.as_bytes());
        payload.push(0);
        if self.capabilities & flags::CONNECT_ATTRS != 0 {
            payload.push(0);
        }
        self.send(&payload)?;
        self.finish_login(who)
    }

    fn finish_login(&mut self, who: &Who<'_>) -> io::Result<Vec<u8>> {
        loop {
            let (_, answer) = self.read()?;
            let Some(switch) = AuthSwitch::parse(&answer) else {
                return Ok(answer);
            };
            let Some(salt) = switch.salt() else {
                return Ok(answer);
            };
            self.write(&prove(who, &salt))?;
        }
    }

    /// Begins a command.
    pub(crate) fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.sequence = 0;
        self.wants_cursor = payload.first() == Some(&command::code::STMT_EXECUTE)
            && payload.get(5).is_some_and(|cursor| *cursor != 0);
        self.write(payload)
    }

    /// Sends ready packets of several commands at once.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sequence = 1;
        self.reader.get_mut().write_all(bytes)
    }

    /// The next answer begins with the sequence number 1.
    pub(crate) fn begin_answer(&mut self) {
        self.sequence = 1;
    }

    /// Writes a payload as the next packets of what is going on.
    pub(crate) fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(payload.len() + 64);
        self.sequence = put(&mut out, self.sequence, payload);
        self.reader.get_mut().write_all(&out)
    }

    /// The next payload, put together from its packets; false when a sequence number was wrong.
    pub(crate) fn read(&mut self) -> io::Result<(bool, Vec<u8>)> {
        let (mut is_right, mut payload) = (true, Vec::new());
        loop {
            let mut header = [0; 4];
            self.reader.read_exact(&mut header)?;
            let header = Header::read(&header).unwrap();
            is_right &= header.sequence == self.sequence;
            self.sequence = header.sequence.wrapping_add(1);
            let start = payload.len();
            payload.resize(start + header.length, 0);
            self.reader.read_exact(&mut payload[start..])?;
            if !header.continues() {
                return Ok((is_right, payload));
            }
        }
    }

    /// True when the other side has closed the connection, perhaps after an error.
    pub(crate) fn is_ended(&mut self, patience: Duration) -> bool {
        let mut rest = Vec::new();
        let _ = self.reader.get_mut().set_read_timeout(Some(patience));
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
        }
    }
}

/// The proof of a password; for other plugins something that cannot be right.
fn prove(who: &Who<'_>, salt: &[u8; 20]) -> Vec<u8> {
    use sha1::Digest;
    if who.password.is_empty() {
        return Vec::new();
    }
    let secret: [u8; 20] = sha1::Sha1::digest(who.password.as_bytes()).into();
    native::prove(salt, &secret).to_vec()
}
