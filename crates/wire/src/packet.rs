//! Packets: three bytes of length, one of sequence, then the payload. A payload of 16 MiB or more is several
//! packets, all but the last of the greatest length.

/// Length of a packet's header.
pub const HEADER: usize = 4;
/// The greatest payload of one packet; such a packet is continued by the next.
pub const MAX_PAYLOAD: usize = 0xff_ffff;

/// A packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Payload length, up to [`MAX_PAYLOAD`].
    pub length: usize,
    /// Sequence number within one command.
    pub sequence: u8,
}

impl Header {
    /// The header at the start of `bytes`, if there are four of them.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, sequence] = *bytes.first_chunk()?;
        Some(Self {
            length: u32::from_le_bytes([a, b, c, 0]) as usize,
            sequence,
        })
    }

    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER] {
        let [a, b, c, _] = (self.length as u32).to_le_bytes();
        [a, b, c, self.sequence]
    }

    /// True when the payload goes on in the next packet.
    pub fn continues(self) -> bool {
        self.length == MAX_PAYLOAD
    }
}

/// Appends `payload` as one packet, or as several when it is 16 MiB or longer. Returns the next sequence number.
pub fn put(out: &mut Vec<u8>, mut sequence: u8, payload: &[u8]) -> u8 {
    let mut rest = payload;
    loop {
        let (head, tail) = rest.split_at(rest.len().min(MAX_PAYLOAD));
        let header = Header {
            length: head.len(),
            sequence,
        };
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(head);
        sequence = sequence.wrapping_add(1);
        rest = tail;
        if !header.continues() {
            return sequence;
        }
    }
}

/// One payload as a new vector of packets.
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + payload.len());
    put(&mut out, sequence, payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_exactly_the_greatest_length_when_put_is_followed_by_an_empty_packet() {
        let mut out = Vec::new();
        assert_eq!(put(&mut out, 255, &vec![7; MAX_PAYLOAD]), 1);
        assert_eq!(out.len(), HEADER + MAX_PAYLOAD + HEADER);
        assert_eq!(
            Header::read(&out),
            Some(Header {
                length: MAX_PAYLOAD,
                sequence: 255
            })
        );
        assert_eq!(
            Header::read(&out[HEADER + MAX_PAYLOAD..]),
            Some(Header {
                length: 0,
                sequence: 0
            })
        );
    }
}
