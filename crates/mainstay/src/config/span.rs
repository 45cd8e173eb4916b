//! Lengths of time as people write them: a number with its unit, `500ms`, `10s`, `2m`, `1h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time; whole milliseconds, up to a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Span(pub(crate) Duration);

/// Text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no length of time: write a whole number and a unit, as in `500ms`, `10s`, `2m`, `1h`"
)]
pub(crate) struct NotASpan(String);

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const LONGEST_MS: u64 = 366 * 24 * 3_600_000;

impl Span {
    /// So many milliseconds.
    pub(crate) const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// So many seconds.
    pub(crate) const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same in milliseconds.
    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(LONGEST_MS)
    }
}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let wrong = || NotASpan(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
        let ms = unit.and_then(|(_, ms)| number.checked_mul(*ms));
        let ms = ms.filter(|ms| *ms <= LONGEST_MS).ok_or_else(wrong)?;
        Ok(Self::from_millis(ms))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.millis();
        let whole = |(_, unit): &&(&str, u64)| ms > 0 && ms.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().rev().find(whole).unwrap_or(&UNITS[0]);
        write!(f, "{}{name}", ms / unit)
    }
}

impl TryFrom<String> for Span {
    type Error = NotASpan;

    fn try_from(text: String) -> Result<Self, NotASpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_when_written_with_a_unit_then_read_and_printed_in_the_largest_whole_one() {
        for (text, ms, back) in [
            ("500ms", 500, "500ms"),
            ("10s", 10_000, "10s"),
            ("120s", 120_000, "2m"),
            ("0s", 0, "0ms"),
            ("1h", 3_600_000, "1h"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.millis(), span.to_string().as_str()), (ms, back));
        }
    }

    #[test]
    fn span_when_unit_is_missing_or_number_absurd_then_refused() {
        for bad in [
            "10",
            "",
            "s",
            "1.5s",
            "-1s",
            "10 years",
            "99999999999999999999h",
            "9999999h",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
