//! Keys of pages.

use std::fmt;
use std::str::FromStr;

use super::hex;

/// The key of a page: kind, tablespace, database, relation, fork and block, in 1, 4, 4, 4, 1 and 4
/// bytes. Keys compare field by field, which is the order of these bytes and of their hex digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 18]);

/// A text that is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key: expected 36 hex digits")]
pub struct ParseKeyError(String);

impl Key {
    /// The first key.
    pub const MIN: Key = Key([0; 18]);
    /// As the end of a key range: all keys.
    pub const MAX: Key = Key([0xff; 18]);

    /// From its 18 bytes.
    pub const fn from_bytes(bytes: [u8; 18]) -> Self {
        Key(bytes)
    }

    /// Its 18 bytes, in the order of its hex digits.
    pub const fn as_bytes(&self) -> &[u8; 18] {
        &self.0
    }

    /// The key of a block of a relation that is nobody's: for tables that are made up.
    pub fn of_block(block: u64) -> Self {
        let mut bytes = [0; 18];
        let (_, low) = bytes.split_at_mut(10);
        low.copy_from_slice(&block.to_be_bytes());
        Key(bytes)
    }

    /// The key in 128 bits, as policies see it: 8 bits of kind, 16 of tablespace, 32 of database, 32 of
    /// relation, 8 of fork, 32 of block. Keeps the order of keys. A tablespace of over 16 bits, which no
    /// database uses, counts as the last key of its kind.
    pub fn compact(self) -> u128 {
        let [kind, s0, s1, s2, s3, rest @ ..] = self.0;
        let kind = u128::from(kind) << 120;
        if (s0, s1) != (0, 0) {
            return kind | (u128::MAX >> 8);
        }
        let mut low = [0; 16];
        let (_, tail) = low.split_at_mut(3);
        tail.copy_from_slice(&rest);
        let space = u128::from(u16::from_be_bytes([s2, s3])) << 104;
        kind | space | u128::from_be_bytes(low)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::with_capacity(36);
        hex::write_upper(&mut digits, &self.0);
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        hex::parse(text).map(Key).ok_or_else(|| ParseKeyError(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_compact_form_holds_each_field() {
        let key: Key = "000000067F00000001000004DF0000000006".parse().unwrap();
        assert_eq!(key.compact(), 0x067F << 104 | 1 << 72 | 0x04DF << 40 | 6);
        assert_eq!(key.to_string(), "000000067F00000001000004DF0000000006");
        assert_eq!(Key::MAX.compact(), u128::MAX);
        assert_eq!(Key::MIN.compact(), 0);
    }

    proptest! {
        #[test]
        fn the_compact_form_keeps_the_order(mut a: [u8; 18], mut b: [u8; 18], narrow: bool) {
            if narrow {
                a[1..3].fill(0);
                b[1..3].fill(0);
            }
            let (a, b) = (Key::from_bytes(a), Key::from_bytes(b));
            if narrow {
                prop_assert_eq!(a.cmp(&b), a.compact().cmp(&b.compact()));
            } else if a < b {
                prop_assert!(a.compact() <= b.compact());
            }
        }

        #[test]
        fn a_key_reads_back(bytes: [u8; 18]) {
            let key = Key::from_bytes(bytes);
            prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
            prop_assert_eq!(key.to_string().to_lowercase().parse::<Key>().unwrap(), key);
        }
    }
}
