//! Generations: which attachment of a tenant wrote something.

use std::fmt;

use super::hex;

/// The attachment that wrote a layer or an index. `NONE` is what was written before generations
/// existed, and sorts before all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(Option<u32>);

impl Generation {
    /// Written before generations existed.
    pub const NONE: Generation = Generation(None);

    /// Generation `number`.
    pub const fn new(number: u32) -> Self {
        Generation(Some(number))
    }

    /// Its number, if it has one.
    pub const fn get(self) -> Option<u32> {
        self.0
    }

    /// From eight hex digits, as in `-0000002a` at the end of an object's key.
    pub fn from_suffix_digits(text: &str) -> Option<Self> {
        hex::parse::<4>(text).map(|bytes| Generation(Some(u32::from_be_bytes(bytes))))
    }

    /// As at the end of a key in the bucket: nothing, or `-0000002a`.
    pub fn suffix(self) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.0 {
            None => Ok(()),
            Some(number) => write!(f, "-{number:08x}"),
        })
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_those_of_object_keys() {
        assert_eq!(Generation::NONE.suffix().to_string(), "");
        assert_eq!(Generation::new(0).suffix().to_string(), "-00000000");
        assert_eq!(Generation::new(u32::MAX).suffix().to_string(), "-ffffffff");
        assert_eq!(Generation::from_suffix_digits("0000002a"), Some(Generation::new(42)));
        assert_eq!(Generation::from_suffix_digits("2a"), None);
    }

    #[test]
    fn none_sorts_before_zero() {
        assert!(Generation::NONE < Generation::new(0));
        assert!(Generation::new(0) < Generation::new(1));
    }
}
