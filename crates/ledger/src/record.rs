//! One revision of the register. The body is opaque here: what it says is the `cluster` crate's
//! business. The nonce makes two records with the same body different, so that a writer whose
//! answer was lost can tell its own record from another's.

use crate::{Error, Result};

/// The largest body a register takes, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;

/// One revision of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counts the won swaps: 1 at creation, then one more each time.
    pub rev: u64,
    /// Random, new for every swap that is tried; the same in a retry of the same swap.
    pub nonce: u128,
    /// What is stored; at most [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
}

impl Record {
    /// The record that follows `expected` (`None`: the first one), with a new random nonce.
    ///
    /// Errors: the system's random source failed.
    pub fn following(expected: Option<u64>, body: Vec<u8>) -> Result<Self> {
        Ok(Self {
            rev: next_rev(expected),
            nonce: random_nonce()?,
            body,
        })
    }

    /// Whether this record may follow `expected` and keeps to the limits.
    pub(crate) fn follows(&self, expected: Option<u64>) -> bool {
        self.rev == next_rev(expected) && self.body.len() <= BODY_LIMIT
    }
}

fn next_rev(expected: Option<u64>) -> u64 {
    expected.unwrap_or(0).saturating_add(1)
}

fn random_nonce() -> Result<u128> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(u128::from_le_bytes(bytes))
}
