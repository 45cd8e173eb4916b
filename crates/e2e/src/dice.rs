//! Numbers that a seed repeats (SplitMix64). Each round has dice of its own, so that one round
//! can be repeated without those before it.

pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of one round.
    pub(crate) fn of(seed: u64, round: u64) -> Self {
        let mut dice = Self(seed);
        let start = dice.next() ^ round.wrapping_mul(0xd134_2543_de82_ef95);
        Self(start)
    }

    /// From 0 to below `limit`, which is at least 1.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throws(seed: u64, round: u64) -> Vec<usize> {
        let mut dice = Dice::of(seed, round);
        (0..20).map(|_| dice.below(1_000)).collect()
    }

    #[test]
    fn dice_when_seed_and_round_are_the_same_then_so_are_the_numbers() {
        assert_eq!(throws(7, 3), throws(7, 3));
        assert_ne!(throws(7, 3), throws(7, 4));
        assert_ne!(throws(7, 3), throws(8, 3));
    }
}
