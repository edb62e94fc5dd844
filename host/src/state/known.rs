//! What is known of one shard's heatmap in the bucket.

use super::record::Reader;
use crate::Digest;
use crate::remote::ETag;

/// Longest ETag that is kept. Stores use 34 to some hundred bytes; a heatmap with a longer one is read from the bucket
/// once more after a restart.
const MAX_ETAG_BYTES: usize = 1024;

/// The heatmap that this location has put into the bucket, or found there and had nothing to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The generation in which the shard was attached here, and which the heatmap carries.
    pub(crate) generation: u32,
    /// SHA-256 of its bytes.
    pub(crate) digest: Digest,
    /// Of all but access times.
    pub(crate) content_digest: Digest,
    /// What the bucket calls this version.
    pub(crate) etag: ETag,
    /// When it was written, seconds since the Unix epoch.
    pub(crate) written_unix_s: i64,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// Layers that it lists for download.
    pub(crate) hot_layers: u64,
    /// Layers that it lists as cold.
    pub(crate) cold_layers: u64,
    /// Sizes of the hot layers together.
    pub(crate) hot_bytes: u64,
}

impl Known {
    /// As it is kept; nothing where the ETag is too long to be.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let etag = self.etag.0.as_bytes();
        if etag.len() > MAX_ETAG_BYTES {
            return None;
        }
        let mut body = Vec::with_capacity(108 + etag.len());
        body.extend_from_slice(&self.generation.to_le_bytes());
        body.extend_from_slice(self.digest.as_bytes());
        body.extend_from_slice(self.content_digest.as_bytes());
        body.extend_from_slice(&self.written_unix_s.to_le_bytes());
        for number in [self.size_bytes, self.hot_layers, self.cold_layers, self.hot_bytes] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(etag);
        Some(body)
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let known = Known {
            generation: u32::from_le_bytes(reader.take()?),
            digest: Digest::from_bytes(reader.take()?),
            content_digest: Digest::from_bytes(reader.take()?),
            written_unix_s: i64::from_le_bytes(reader.take()?),
            size_bytes: u64::from_le_bytes(reader.take()?),
            hot_layers: u64::from_le_bytes(reader.take()?),
            cold_layers: u64::from_le_bytes(reader.take()?),
            hot_bytes: u64::from_le_bytes(reader.take()?),
            etag: ETag(str::from_utf8(reader.0).ok()?.to_owned()),
        };
        (known.etag.0.len() <= MAX_ETAG_BYTES).then_some(known)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::state) fn arbitrary() -> impl Strategy<Value = Known> {
        let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        let digests = (any::<[u8; 32]>(), any::<[u8; 32]>());
        (any::<u32>(), digests, "\\PC{0,40}", any::<i64>(), numbers).prop_map(
            |(generation, (digest, content_digest), etag, written_unix_s, numbers)| Known {
                generation,
                digest: Digest::from_bytes(digest),
                content_digest: Digest::from_bytes(content_digest),
                etag: ETag(etag),
                written_unix_s,
                size_bytes: numbers.0,
                hot_layers: numbers.1,
                cold_layers: numbers.2,
                hot_bytes: numbers.3,
            },
        )
    }

    pub(in crate::state) fn known(generation: u32, etag: &str) -> Known {
        Known {
            generation,
            digest: Digest::of(etag.as_bytes()),
            content_digest: Digest::of(b"content"),
            etag: ETag(etag.to_owned()),
            written_unix_s: 1_715_107_956,
            size_bytes: 1000,
            hot_layers: 3,
            cold_layers: 1,
            hot_bytes: 3 << 20,
        }
    }

    #[test]
    fn the_limit_on_an_etag_is_obeyed_and_violated() {
        let longest = known(1, &"e".repeat(MAX_ETAG_BYTES));
        assert_eq!(Known::decode(&longest.encode().unwrap()), Some(longest));
        assert_eq!(known(1, &"e".repeat(MAX_ETAG_BYTES + 1)).encode(), None);
    }

    proptest! {
        #[test]
        fn what_is_kept_reads_back(known in arbitrary()) {
            prop_assert_eq!(Known::decode(&known.encode().unwrap()), Some(known));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Known::decode(&bytes);
        }
    }
}
