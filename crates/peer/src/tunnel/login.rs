//! Reads what a replica's server says to the primary's, up to the point where it asks for the binlog,
//! to find out whether it announces itself as a semi-sync replica. Pure: bytes in, a finding out.
//!
//! MariaDB (seen on 10.11.19) announces by the statement `SET @rpl_semi_sync_slave= 1` (COM_QUERY) and acknowledges,
//! after COM_BINLOG_DUMP, by packets that begin with 0xef. What cannot be read (TLS or compression
//! inside the tunnel, packets that no login has) is a finding too: the caller must not let it through
//! where an announcement would be forbidden.

const NEEDLE: &[u8] = b"rpl_semi_sync_slave";
const CLIENT_COMPRESS: u32 = 0x20;
const CLIENT_SSL: u32 = 0x800;
const COM_QUIT: u8 = 0x01;
const COM_BINLOG_DUMP: u8 = 0x12;
const ACKNOWLEDGEMENT: u8 = 0xef;
/// No packet of a replica's login comes near this.
const MAX_PACKET: usize = 1024 * 1024;
const CAPABILITIES: usize = 4;

/// What the bytes so far show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing that matters.
    Nothing,
    /// It says that it is a semi-sync replica.
    Announces,
    /// It acknowledges a transaction.
    Acknowledges,
    /// The conversation cannot be followed; the reason.
    Unreadable(&'static str),
}

/// Follows the client's half of one connection.
#[derive(Debug, Default)]
pub struct LoginWatch {
    header: [u8; 4],
    header_seen: usize,
    /// Bytes of the present packet still to come.
    remaining: usize,
    /// Bytes of the present packet seen.
    seen: usize,
    sequence: u8,
    first_bytes: [u8; CAPABILITIES],
    matched: Window,
    greeted: bool,
    announced: bool,
    dumping: bool,
}

impl LoginWatch {
    /// A watch for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the replica has asked for the binlog: the login is over.
    pub fn is_dumping(&self) -> bool {
        self.dumping
    }

    /// Whether it announced itself as a semi-sync replica.
    pub fn has_announced(&self) -> bool {
        self.announced
    }

    /// Takes the next bytes, in pieces of any size. An announcement is told once and the watch goes on;
    /// after any other finding it must not be used again.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Finding {
        let announced_before = self.announced;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.header_seen < self.header.len() {
                bytes = rest;
                if let Some(finding) = self.header_byte(byte) {
                    return finding;
                }
                continue;
            }
            let (part, rest) = bytes.split_at(self.remaining.min(bytes.len()));
            bytes = rest;
            if let Some(finding) = self.payload(part) {
                return finding;
            }
        }
        if self.announced && !announced_before {
            Finding::Announces
        } else {
            Finding::Nothing
        }
    }

    fn header_byte(&mut self, byte: u8) -> Option<Finding> {
        self.header[self.header_seen] = byte;
        self.header_seen += 1;
        if self.header_seen < self.header.len() {
            return None;
        }
        let [low, middle, high, sequence] = self.header;
        self.remaining = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        self.sequence = sequence;
        self.seen = 0;
        self.matched = Window::default();
        if self.remaining > MAX_PACKET {
            return Some(Finding::Unreadable("a packet is too long for a login"));
        }
        if !self.greeted && sequence != 1 {
            return Some(Finding::Unreadable("it does not begin as a client does"));
        }
        if self.remaining > 0 {
            return None;
        }
        self.header_seen = 0;
        (!self.greeted || self.dumping).then_some(Finding::Unreadable("it sends an empty packet"))
    }

    fn payload(&mut self, part: &[u8]) -> Option<Finding> {
        for (&byte, at) in part.iter().zip(self.seen..CAPABILITIES) {
            self.first_bytes[at] = byte;
        }
        self.seen += part.len();
        self.remaining -= part.len();
        if self.matched.feed(part) {
            self.announced = true;
        }
        if self.dumping && self.seen > 0 {
            return self.after_dump();
        }
        if self.remaining > 0 {
            return None;
        }
        self.header_seen = 0;
        self.end_of_packet()
    }

    fn end_of_packet(&mut self) -> Option<Finding> {
        if !self.greeted {
            self.greeted = true;
            return self.end_of_greeting();
        }
        if self.sequence == 0 && self.first_bytes[0] == COM_BINLOG_DUMP && self.seen > 0 {
            self.dumping = true;
        }
        None
    }

    fn end_of_greeting(&self) -> Option<Finding> {
        if self.seen < CAPABILITIES {
            return Some(Finding::Unreadable("it does not begin as a client does"));
        }
        let capabilities = u32::from_le_bytes(self.first_bytes);
        if capabilities & CLIENT_SSL != 0 {
            return Some(Finding::Unreadable("it asks for TLS inside the tunnel"));
        }
        if capabilities & CLIENT_COMPRESS != 0 {
            return Some(Finding::Unreadable(
                "it asks for compression inside the tunnel",
            ));
        }
        None
    }

    /// After the dump began a replica sends acknowledgements, or says that it goes.
    fn after_dump(&mut self) -> Option<Finding> {
        match self.first_bytes[0] {
            ACKNOWLEDGEMENT => Some(Finding::Acknowledges),
            COM_QUIT if self.seen == 1 && self.remaining == 0 => {
                self.header_seen = 0;
                None
            }
            _ => Some(Finding::Unreadable(
                "it sends something else than a replica does",
            )),
        }
    }
}

/// Finds the needle in a packet that comes in pieces, whatever the case of its letters.
#[derive(Debug, Default)]
struct Window {
    tail: Vec<u8>,
}

impl Window {
    fn feed(&mut self, part: &[u8]) -> bool {
        self.tail.extend(part.iter().map(u8::to_ascii_lowercase));
        let found = self
            .tail
            .windows(NEEDLE.len())
            .any(|window| window == NEEDLE);
        let excess = self.tail.len().saturating_sub(NEEDLE.len() - 1);
        self.tail.drain(..excess);
        found
    }
}
