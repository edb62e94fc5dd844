//! Positions in the write-ahead log.

use std::fmt;
use std::str::FromStr;

use super::hex;

/// A position in the write-ahead log, bytes. Prints as Postgres prints it: `1BC/B5734CD8`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// A text that is not an LSN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an LSN: expected two hex numbers of up to 8 digits, as in 1BC/B5734CD8")]
pub struct ParseLsnError(String);

impl Lsn {
    /// From the hex digits in a layer's name: 16 of them, though fewer are understood.
    pub(super) fn from_name_digits(text: &str) -> Option<Self> {
        hex::parse_u64(text).map(Lsn)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, ParseLsnError> {
        let half = |digits: &str| hex::parse_u64(digits).filter(|_| digits.len() <= 8);
        text.split_once('/')
            .and_then(|(high, low)| Some(Lsn(half(high)? << 32 | half(low)?)))
            .ok_or_else(|| ParseLsnError(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0/0", 0)]
    #[case("1BC/B5734CD8", 0x1BC_B573_4CD8)]
    #[case("FFFFFFFF/FFFFFFFF", u64::MAX)]
    fn an_lsn_prints_as_it_was_read(#[case] text: &str, #[case] number: u64) {
        assert_eq!(text.parse(), Ok(Lsn(number)));
        assert_eq!(Lsn(number).to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("0")]
    #[case("/")]
    #[case("1/123456789")]
    #[case("0/-1")]
    #[case("0/0/0")]
    fn anything_else_is_an_error(#[case] text: &str) {
        assert!(text.parse::<Lsn>().is_err());
    }
}
