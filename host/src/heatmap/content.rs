//! The digest of a heatmap without its access times.
//!
//! Reads move access times all the time; what a standby holds changes only with the rest. Telling the two
//! apart by a digest of the rest needs no second document: it is taken over the columns, 74 bytes a layer.

use sha2::{Digest as _, Sha256};

use super::{HeatmapLayer, PolicyIdentity};
use crate::Digest;
use crate::layer::TimelineId;

/// Hashed at once: small enough for the first-level cache, large enough for the hash to run at full speed.
const BATCH_BYTES: usize = 16 << 10;

/// Digests everything that a heatmap says but its access times, in the order of the document.
///
/// The digest outlives the process, so its input is pinned: `thermocline heatmap content 1`, then the
/// generation, the period and the policy; a timeline as its id and number of layers; a layer as below.
/// Numbers are little-endian, texts carry their length.
#[derive(Debug)]
pub(super) struct ContentHasher {
    hasher: Sha256,
    batch: Vec<u8>,
}

impl ContentHasher {
    pub(super) fn new(generation: u32, upload_period_ms: Option<u128>, policy: Option<&PolicyIdentity>) -> Self {
        let mut batch = Vec::with_capacity(BATCH_BYTES + 128);
        batch.extend_from_slice(b"thermocline heatmap content 1");
        batch.extend_from_slice(&generation.to_le_bytes());
        batch.push(u8::from(upload_period_ms.is_some()));
        batch.extend_from_slice(&upload_period_ms.unwrap_or_default().to_le_bytes());
        batch.push(u8::from(policy.is_some()));
        for text in policy.iter().flat_map(|policy| [&policy.name, &policy.version, &policy.digest]) {
            batch.extend_from_slice(&(text.len() as u64).to_le_bytes());
            batch.extend_from_slice(text.as_bytes());
        }
        ContentHasher { hasher: Sha256::new(), batch }
    }

    pub(super) fn timeline(&mut self, timeline_id: TimelineId, layers: usize) {
        self.batch.extend_from_slice(timeline_id.as_bytes());
        self.batch.extend_from_slice(&(layers as u64).to_le_bytes());
    }

    #[inline]
    pub(super) fn layer(&mut self, layer: &HeatmapLayer) {
        let HeatmapLayer { name, metadata, access_time: _, cold, heat } = layer;
        let generation = metadata.generation.get();
        let flags = u8::from(name.is_delta())
            | u8::from(*cold) << 1
            | u8::from(generation.is_some()) << 2
            | u8::from(heat.is_some()) << 3;
        let batch = &mut self.batch;
        batch.push(flags);
        batch.extend_from_slice(name.key_start().as_bytes());
        batch.extend_from_slice(name.key_end().as_bytes());
        batch.extend_from_slice(&name.lsn_start().0.to_le_bytes());
        batch.extend_from_slice(&name.lsn_end().0.to_le_bytes());
        batch.extend_from_slice(&metadata.file_size.to_le_bytes());
        batch.extend_from_slice(&generation.unwrap_or_default().to_le_bytes());
        batch.extend_from_slice(&[metadata.shard.number, metadata.shard.count]);
        batch.extend_from_slice(&heat.unwrap_or_default().to_le_bytes());
        if batch.len() >= BATCH_BYTES {
            self.hasher.update(&batch);
            batch.clear();
        }
    }

    pub(super) fn finish(mut self) -> Digest {
        self.hasher.update(&self.batch);
        self.hasher.into()
    }
}
