//! Answers as lines: every packet of a reply in a form that can be compared and read.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use wire::codec::Reader;
use wire::command::Shape;
use wire::flags;
use wire::reply::{ErrPacket, OkPacket, eof_status};

use crate::conn::Conn;

/// Everything that came back for one command.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) lines: Vec<String>,
    /// The last error's number.
    pub(crate) error: Option<u16>,
    pub(crate) rows: usize,
    /// The first value of the first row (text protocol).
    pub(crate) value: Option<String>,
    /// The connection ended.
    pub(crate) is_ended: bool,
    /// Of COM_STMT_PREPARE.
    pub(crate) statement: Option<Statement>,
}

/// A prepared statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement {
    pub(crate) id: u32,
}

/// Bytes as text; long ones by their beginning, length and hash.
pub(crate) fn show(bytes: &[u8]) -> String {
    if bytes.len() <= 400 {
        return bytes.escape_ascii().to_string();
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!(
        "{}… {} bytes, hash {:x}",
        bytes[..60].escape_ascii(),
        bytes.len(),
        hasher.finish()
    )
}

/// What changed, sorted: a server tells variables in the order of their addresses.
fn entries(changes: &[u8]) -> String {
    let mut reader = wire::codec::Reader::new(changes);
    let mut all = Vec::new();
    while let (Some(kind), Some(data)) = (reader.u8(), reader.counted()) {
        all.push(format!("{kind} {}", show(data)));
    }
    all.sort();
    all.join(", ")
}

/// A line of an OK or EOF packet without the flag 0x4000 and the changes.
fn hidden(line: &str) -> String {
    let line = line.split(", changes ").next().unwrap_or(line);
    let Some((head, tail)) = line.split_once("status ") else {
        return line.to_owned();
    };
    let (flags, rest) = tail.split_at(4);
    let flags = u16::from_str_radix(flags, 16).unwrap_or(0) & !flags::STATE_CHANGED;
    format!("{head}status {flags:04x}{rest}")
}

impl Answer {
    /// Reads the whole answer to a command of this shape.
    pub(crate) fn read(conn: &mut Conn, shape: Shape) -> Self {
        let mut answer = Self::default();
        if let Err(error) = answer.take(conn, shape) {
            answer.is_ended = true;
            let text = if error.kind() == io::ErrorKind::WouldBlock {
                "no answer"
            } else {
                "the connection ended"
            };
            answer.lines.push(text.to_owned());
        }
        answer
    }

    /// Takes the session's changes, and the flag that tells of them, out of the lines.
    pub(crate) fn and_hide_changes(mut self, hide: bool) -> Self {
        if hide {
            for line in &mut self.lines {
                if let Some(end) = line.strip_prefix("end ") {
                    *line = format!("end {}", hidden(end));
                } else if line.starts_with("ok ") {
                    *line = hidden(line);
                }
            }
        }
        self
    }

    fn take(&mut self, conn: &mut Conn, shape: Shape) -> io::Result<()> {
        match shape {
            Shape::Nothing => Ok(()),
            Shape::Simple => {
                let packet = self.packet(conn)?;
                self.status_line(&packet);
                Ok(())
            }
            Shape::Text => {
                let packet = self.packet(conn)?;
                if packet.first() == Some(&0xff) {
                    self.status_line(&packet);
                } else {
                    self.lines.push(format!("text {}", show(&packet)));
                }
                Ok(())
            }
            Shape::Query => {
                while self.result(conn)? {}
                Ok(())
            }
            Shape::Prepare => self.prepared(conn),
            Shape::Rows => self.rows(conn, false).map(|_| ()),
        }
    }

    fn packet(&mut self, conn: &mut Conn) -> io::Result<Vec<u8>> {
        let (is_right, packet) = conn.read()?;
        if !is_right {
            self.lines.push("a wrong sequence number".to_owned());
        }
        Ok(packet)
    }

    /// One result; true when another follows.
    fn result(&mut self, conn: &mut Conn) -> io::Result<bool> {
        let first = self.packet(conn)?;
        match first.first() {
            Some(0xff) => {
                self.status_line(&first);
                Ok(false)
            }
            Some(0x00) => Ok(self.status_line(&first) & flags::MORE_RESULTS != 0),
            Some(0xfb) => {
                self.lines.push(format!("asks for {}", show(&first[1..])));
                if let Some(file) = conn.file.clone() {
                    conn.write(&file)?;
                }
                conn.write(&[])?;
                self.result(conn)
            }
            _ => {
                let columns = Reader::new(&first).length().unwrap_or(0);
                self.lines.push(format!("{columns} columns"));
                let status = self.columns(conn, columns)?;
                if conn.wants_cursor && status & flags::CURSOR_EXISTS != 0 {
                    return Ok(false);
                }
                Ok(self.rows(conn, true)? & flags::MORE_RESULTS != 0)
            }
        }
    }

    /// Column definitions and, for old clients, what ends them; the status of that.
    fn columns(&mut self, conn: &mut Conn, count: u64) -> io::Result<u16> {
        for _ in 0..count {
            let packet = self.packet(conn)?;
            self.lines.push(format!("column {}", show(&packet)));
        }
        if count == 0 || conn.capabilities & flags::DEPRECATE_EOF != 0 {
            return Ok(0);
        }
        let packet = self.packet(conn)?;
        Ok(self.status_line(&packet))
    }

    /// Rows and what ends them; the status of that.
    fn rows(&mut self, conn: &mut Conn, is_new: bool) -> io::Result<u16> {
        let mut count = 0_usize;
        let mut hasher = DefaultHasher::new();
        loop {
            let packet = self.packet(conn)?;
            let modern = conn.capabilities & flags::DEPRECATE_EOF != 0;
            let is_end = packet.first() == Some(&0xfe)
                && (packet.len() < 9 || modern && packet.len() < 0xff_ffff);
            if is_end || packet.first() == Some(&0xff) {
                if count > 20 {
                    let hash = hasher.finish();
                    self.lines.push(format!("… {count} rows, hash {hash:x}"));
                }
                return Ok(self.status_line(&packet));
            }
            if is_new && self.rows == 0 {
                let value = Reader::new(&packet).counted();
                self.value = value.map(|value| String::from_utf8_lossy(value).into_owned());
            }
            count += 1;
            self.rows += 1;
            packet.hash(&mut hasher);
            if count <= 20 {
                self.lines.push(format!("row {}", show(&packet)));
            }
        }
    }

    fn prepared(&mut self, conn: &mut Conn) -> io::Result<()> {
        let first = self.packet(conn)?;
        if first.first() == Some(&0xff) {
            self.status_line(&first);
            return Ok(());
        }
        let mut reader = Reader::new(&first[1..]);
        let id = reader.u32().unwrap();
        let (columns, parameters) = (reader.u16().unwrap(), reader.u16().unwrap());
        let warnings = show(reader.rest());
        let text = format!("prepared: {columns} columns, {parameters} parameters, {warnings}");
        self.lines.push(text);
        self.statement = Some(Statement { id });
        self.columns(conn, u64::from(parameters))?;
        self.columns(conn, u64::from(columns))?;
        Ok(())
    }

    /// A line for OK, EOF or ERR; returns the status flags.
    fn status_line(&mut self, packet: &[u8]) -> u16 {
        if let Some(error) = ErrPacket::parse(packet) {
            self.error = Some(error.code);
            let state = String::from_utf8_lossy(&error.sql_state).into_owned();
            let text = format!("error {} {state} {}", error.code, show(error.message));
            self.lines.push(text);
            return 0;
        }
        if packet.first() == Some(&0xfe) && packet.len() == 5 {
            let status = eof_status(packet).unwrap_or(0);
            let warnings = u16::from_le_bytes([packet[1], packet[2]]);
            let text = format!("end status {status:04x}, warnings {warnings}");
            self.lines.push(text);
            return status;
        }
        let Ok(ok) = OkPacket::parse(packet) else {
            self.lines.push(format!("odd packet {}", show(packet)));
            return 0;
        };
        let mut line = format!(
            "ok {:02x}: affected {}, id {}, status {:04x}, warnings {}",
            ok.header, ok.affected, ok.insert_id, ok.status, ok.warnings
        );
        if !ok.info.is_empty() {
            let _ = write!(line, ", info {}", show(ok.info));
        }
        if !ok.changes.is_empty() {
            let _ = write!(line, ", changes {}", entries(ok.changes));
        }
        self.lines.push(line);
        ok.status
    }
}
