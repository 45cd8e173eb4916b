//! The numbers of a client's packets inside the compressed protocol. Nobody looks at them there: MariaDB's own client
//! numbers every part of a great command 0, and the packets of a file after the frames of the answers before
//! (Connector/C 3.3, `ma_net_write_command`, `ma_net_flush`). A server that is not asked in the compressed protocol does.

use wire::packet::{HEADER, MAX_PAYLOAD};

/// Where in its packets a client's stream stands.
#[derive(Debug, Default)]
pub(super) struct Renumber {
    /// Of the packet's length, as far as it has come.
    length: [u8; HEADER - 1],
    read: usize,
    /// Bytes of the packet that have not come.
    left: usize,
    /// Of the next packet, when it goes on with what came before.
    next: Option<u8>,
    /// A file is on its way: packets up to an empty one.
    is_file: bool,
}

impl Renumber {
    /// The next packets are a file, and the first of them has this number. Of no effect while they are on their way.
    pub(super) fn file(&mut self, number: u8) {
        if !self.is_file {
            self.is_file = true;
            self.next = Some(number);
        }
    }

    /// Gives the packets in the next bytes their numbers. What begins anew keeps its own.
    pub(super) fn pass(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let over = self.left.min(bytes.len());
                self.left -= over;
                bytes = &mut bytes[over..];
                continue;
            }
            let Some((byte, rest)) = bytes.split_first_mut() else {
                return;
            };
            match self.length.get_mut(self.read) {
                Some(place) => {
                    *place = *byte;
                    self.read += 1;
                }
                None => self.begin(byte),
            }
            bytes = rest;
        }
    }

    fn begin(&mut self, number: &mut u8) {
        let [a, b, c] = self.length.map(usize::from);
        self.read = 0;
        self.left = a | b << 8 | c << 16;
        if let Some(next) = self.next {
            *number = next;
        }
        self.is_file &= self.left > 0;
        let goes_on = self.is_file || self.left == MAX_PAYLOAD;
        self.next = goes_on.then(|| number.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use wire::packet::Header;

    use super::*;

    /// Packets of these lengths and numbers.
    fn packets(all: &[(usize, u8)]) -> Vec<u8> {
        let mut out = Vec::new();
        for &(length, sequence) in all {
            out.extend_from_slice(&Header { length, sequence }.to_bytes());
            out.resize(out.len() + length, 0);
        }
        out
    }

    #[test]
    fn packets_when_they_go_on_are_numbered_and_commands_are_left_alone() {
        let great = MAX_PAYLOAD;
        let sent = packets(&[(5, 0), (great, 0), (great, 0), (0, 0), (3, 0), (2, 9)]);
        let wanted = packets(&[(5, 0), (great, 0), (great, 1), (0, 2), (3, 0), (2, 9)]);
        let file = packets(&[(4, 7), (great, 8), (1, 9), (0, 10), (6, 0)]);
        let wanted_file = packets(&[(4, 254), (great, 255), (1, 0), (0, 1), (6, 0)]);
        for size in [1, 3, 4, 65_536] {
            let mut renumber = Renumber::default();
            let mut bytes = sent.clone();
            bytes
                .chunks_mut(size)
                .for_each(|piece| renumber.pass(piece));
            assert!(bytes == wanted, "{size}");
            let mut bytes = file.clone();
            renumber.file(254);
            bytes
                .chunks_mut(size)
                .for_each(|piece| renumber.pass(piece));
            assert!(bytes == wanted_file, "{size}, of a file");
        }
    }
}
