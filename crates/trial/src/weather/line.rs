//! Which frame goes where, and when: addresses learned as a switch does, a line of frames on
//! their way, ordered by when they are due, and dice for loss and jitter. No IO here.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::{Duration, Instant},
};

use super::Weather;

/// Before each frame stands what the kernel says of it (`struct virtio_net_hdr`); it is handed on as it is.
pub(super) const HEADER_BYTES: usize = 10;
/// More frames on their way than this and further ones are lost, as in a router whose memory is full.
const CAPACITY: usize = 20_000;

type Address = [u8; 6];

/// A frame on its way; ordered by when it is due, then by when it came.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Frame {
    pub(super) due: Instant,
    serial: u64,
    pub(super) to: usize,
    pub(super) bytes: Vec<u8>,
}

/// All frames on their way between so many ports.
#[derive(Debug)]
pub(super) struct Line {
    weather: Weather,
    dice: Dice,
    ports: usize,
    known: HashMap<Address, usize>,
    /// When the last frame of each sender is due: none overtakes it.
    last: Vec<Option<Instant>>,
    on_the_way: BinaryHeap<Reverse<Frame>>,
    carried: u64,
    lost: u64,
}

impl Line {
    pub(super) fn new(ports: usize, weather: Weather, seed: u64) -> Self {
        Self {
            weather,
            dice: Dice(seed),
            ports,
            known: HashMap::new(),
            last: vec![None; ports],
            on_the_way: BinaryHeap::new(),
            carried: 0,
            lost: 0,
        }
    }

    pub(super) fn set(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Takes what came from a port; what is too short to be a frame is nothing.
    pub(super) fn take(&mut self, from: usize, bytes: &[u8], now: Instant) {
        let Some((to, source)) = addresses(bytes) else {
            return;
        };
        self.known.insert(source, from);
        let is_for_one = to[0] & 1 == 0;
        match self.known.get(&to).copied().filter(|_| is_for_one) {
            Some(port) => self.send(from, port, bytes, now),
            None => (0..self.ports).for_each(|port| self.send(from, port, bytes, now)),
        }
    }

    fn send(&mut self, from: usize, to: usize, bytes: &[u8], now: Instant) {
        if from == to {
            return;
        }
        if self.dice.below(100) < u64::from(self.weather.loss) || self.on_the_way.len() >= CAPACITY
        {
            self.lost += 1;
            return;
        }
        let jitter = u64::try_from(self.weather.jitter.as_micros()).unwrap_or(u64::MAX);
        let jitter = Duration::from_micros(self.dice.below(jitter.saturating_add(1)));
        let due = self.last[from].max(Some(now + self.weather.delay + jitter));
        self.last[from] = due;
        self.carried += 1;
        self.on_the_way.push(Reverse(Frame {
            due: due.unwrap_or(now),
            serial: self.carried,
            to,
            bytes: bytes.to_vec(),
        }));
    }

    /// The next frame that is due by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Frame> {
        self.next_due().filter(|due| *due <= now)?;
        self.on_the_way.pop().map(|Reverse(frame)| frame)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.on_the_way.peek().map(|Reverse(frame)| frame.due)
    }

    /// How many frames were sent on their way, and how many lost.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.carried, self.lost)
    }
}

/// The frame's receiver and sender; nothing if it is too short to have them.
fn addresses(bytes: &[u8]) -> Option<(Address, Address)> {
    let frame = bytes.get(HEADER_BYTES..)?;
    let (to, rest) = frame.split_first_chunk()?;
    Some((*to, *rest.first_chunk()?))
}

/// Random numbers that a seed fixes (SplitMix64).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// Less than this, at least 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn frame(to: u8, from: u8) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0]);
        bytes
    }

    fn line(weather: Weather) -> (Line, Instant) {
        (Line::new(3, weather, 1), Instant::now())
    }

    fn ports(line: &mut Line, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| line.pop(now).map(|frame| frame.to)).collect()
    }

    #[test]
    fn frame_when_its_receiver_is_unknown_then_it_goes_everywhere_else_and_later_only_there() {
        let (mut line, now) = line(Weather::new(Duration::ZERO, 0));
        line.take(0, &frame(2, 1), now);
        assert_eq!(ports(&mut line, now), [1, 2]);
        line.take(2, &frame(1, 2), now);
        assert_eq!(ports(&mut line, now), [0]);
        line.take(0, &frame(2, 1), now);
        assert_eq!(ports(&mut line, now), [2]);
        line.take(0, &[0; HEADER_BYTES + 11], now);
        assert_eq!(line.counts(), (4, 0));
    }

    #[test]
    fn frame_when_it_is_delayed_then_it_is_not_due_before() {
        let (mut line, now) = line(Weather::new(SECOND, 0));
        line.take(0, &frame(2, 1), now);
        line.take(1, &frame(1, 2), now);
        assert_eq!(line.next_due(), Some(now + SECOND));
        assert!(ports(&mut line, now + SECOND / 2).is_empty());
        assert_eq!(ports(&mut line, now + SECOND), [1, 2, 0]);
    }

    #[test]
    fn frames_when_they_jitter_then_none_overtakes_another_of_its_sender() {
        let (mut line, now) = line(Weather {
            delay: SECOND,
            jitter: SECOND,
            loss: 0,
        });
        let sent: Vec<Vec<u8>> = (10..60).map(|number| frame(number, 1)).collect();
        for bytes in &sent {
            line.take(0, bytes, now);
        }
        let mut came = Vec::new();
        let mut dues = Vec::new();
        while let Some(frame) = line.pop(now + 2 * SECOND) {
            dues.push(frame.due);
            came.extend((frame.to == 1).then_some(frame.bytes));
        }
        assert!(came == sent, "in order");
        assert!(dues[0] >= now + SECOND && dues[0] < dues[99], "it jitters");
    }

    #[test]
    fn frames_when_some_are_lost_then_about_so_many_are() {
        let (mut line, now) = line(Weather::new(SECOND, 5));
        for _ in 0..4_000 {
            line.take(0, &frame(2, 1), now);
        }
        let (carried, lost) = line.counts();
        assert_eq!(carried + lost, 8_000);
        assert!((300..500).contains(&lost), "{lost} of 8000");
    }

    #[test]
    fn frames_when_the_weather_changes_then_later_ones_do_not_overtake() {
        let (mut line, now) = line(Weather::new(SECOND, 0));
        line.take(0, &frame(2, 1), now);
        line.set(Weather::new(Duration::ZERO, 100));
        line.take(0, &frame(2, 1), now);
        line.set(Weather::new(Duration::ZERO, 0));
        line.take(0, &frame(3, 1), now);
        assert!(ports(&mut line, now).is_empty());
        assert_eq!(ports(&mut line, now + SECOND).len(), 4);
        assert_eq!(line.counts(), (4, 2));
    }
}
