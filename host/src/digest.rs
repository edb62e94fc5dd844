//! SHA-256 digests, of heatmaps and of policies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest. Prints as 64 lower-case hex digits, which is what it is in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// One that was kept, from its 32 bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As S3 writes checksums: its bytes in base64.
    pub(crate) fn to_base64(self) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digit = |bits: u32| DIGITS.get(bits as usize % DIGITS.len()).copied().map_or('=', char::from);
        let mut text = String::with_capacity(44);
        for bytes in self.0.chunks(3) {
            let bits = (0..3).fold(0, |bits, place| bits << 8 | bytes.get(place).map_or(0, |byte| u32::from(*byte)));
            // So many bytes take one digit more; the rest of four is padded.
            text.extend((0..=bytes.len()).map(|place| digit(bits >> (18 - 6 * place))));
            text.extend((bytes.len()..3).map(|_| '='));
        }
        text
    }
}

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SHA-256 digest: expected 64 hex digits")]
pub struct ParseDigestError(String);

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        match bytes.and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) if rest.is_empty() => Ok(Digest(bytes)),
            _ => Err(ParseDigestError(text.into())),
        }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, ParseDigestError> {
        text.parse()
    }
}

impl From<Sha256> for Digest {
    fn from(hasher: Sha256) -> Self {
        Digest(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_as_others_print_it() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), expected);
        assert_eq!(format!("{digest:?}"), expected);
        assert_eq!(expected.parse(), Ok(digest));
        assert_eq!(expected.to_uppercase().parse(), Ok(digest));
        assert_eq!(Digest::from(Sha256::new().chain_update(b"a").chain_update(b"bc")), digest);
    }

    #[test]
    fn a_digest_is_the_checksum_that_s3_computes() {
        assert_eq!(Digest::of(b"abc").to_base64(), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
        assert_eq!(Digest::from_bytes([0xff; 32]).to_base64(), format!("{}8=", "/".repeat(42)));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in ["", "ab", &"a".repeat(63), &"a".repeat(65), &"a".repeat(66), &"g".repeat(64), &"é".repeat(32)] {
            let error = text.parse::<Digest>().unwrap_err().to_string();
            assert!(error.contains("expected 64 hex digits"), "{error}");
        }
    }
}
