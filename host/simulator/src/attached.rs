//! The attached pageserver's disk: what of the layers is on it, and how often each was read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::sync::Arc;

use thermocline::layer::{Generation, Layer, LayerMetadata, LayerTable, Marks, TableError, TimelineId};

use crate::dense::Dense;
use crate::store::{Change, LayerId, Store};

/// When traces begin, seconds since the Unix epoch.
pub(crate) const EPOCH_S: u32 = 1_700_000_000;

/// The generation in which the location is attached.
pub(crate) const GENERATION: u32 = 1;

/// What the pageserver knows of a layer.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    resident: bool,
    since_ms: u32,
    read_ms: u32,
    /// Reads since it became resident.
    reads: u64,
    /// Orders uses of one millisecond.
    used: u64,
}

/// The attached side. Whatever is read is on disk after that; what was not used for longest makes room.
#[derive(Debug)]
pub(crate) struct Attached {
    room_bytes: u64,
    resident_bytes: u64,
    seen: Dense<LayerId, Seen>,
    /// Each resident layer at least once, by a use of it that may not be its last.
    oldest: BinaryHeap<Reverse<(u64, LayerId)>>,
    uses: u64,
    downloaded_bytes: u64,
}

impl Attached {
    pub(crate) fn new(room_bytes: u64) -> Self {
        Attached {
            room_bytes,
            resident_bytes: 0,
            seen: Dense::default(),
            oldest: BinaryHeap::new(),
            uses: 0,
            downloaded_bytes: 0,
        }
    }

    /// Sizes of the resident layers together.
    pub(crate) const fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    /// What happened to layers.
    pub(crate) fn follow(&mut self, changes: &[Change], store: &Store, at_ms: u32) {
        self.seen.reach(store.layers_ever());
        for change in changes {
            match *change {
                Change::Written(layer) => self.make_resident(layer, store, at_ms),
                Change::Gone(layer) => self.drop(layer, store),
            }
        }
    }

    /// A read went through this layer.
    pub(crate) fn read(&mut self, layer: LayerId, store: &Store, at_ms: u32) {
        if !self.seen[layer].resident {
            self.downloaded_bytes += store.layer(layer).size_bytes;
            self.make_resident(layer, store, at_ms);
        }
        self.uses += 1;
        let uses = self.uses;
        let seen = &mut self.seen[layer];
        seen.read_ms = at_ms;
        seen.reads += 1;
        seen.used = uses;
    }

    fn make_resident(&mut self, layer: LayerId, store: &Store, at_ms: u32) {
        self.uses += 1;
        self.seen[layer] = Seen { resident: true, since_ms: at_ms, read_ms: at_ms, reads: 0, used: self.uses };
        self.oldest.push(Reverse((self.uses, layer)));
        self.resident_bytes += store.layer(layer).size_bytes;
        while self.resident_bytes > self.room_bytes {
            let Some(Reverse((used, oldest))) = self.oldest.pop() else { break };
            let seen = &self.seen[oldest];
            if !seen.resident {
                continue;
            }
            if seen.used != used {
                self.oldest.push(Reverse((seen.used, oldest)));
            } else if oldest == layer {
                // It alone is larger than the disk, and needed.
                self.oldest.push(Reverse((used, oldest)));
                break;
            } else {
                self.drop(oldest, store);
            }
        }
    }

    fn drop(&mut self, layer: LayerId, store: &Store) {
        let seen = &mut self.seen[layer];
        if seen.resident {
            // When it was last read stays known, as the file's name in the index does.
            *seen = Seen { read_ms: seen.read_ms, ..Seen::default() };
            self.resident_bytes -= store.layer(layer).size_bytes;
        }
    }

    /// The layers as the host sees them now.
    pub(crate) fn table(&self, store: &Store) -> Result<Arc<LayerTable>, TableError> {
        let mut table = LayerTable::builder();
        for (id, visible) in store.visible() {
            let (layer, seen) = (store.layer(id), self.seen[id]);
            let resident = if seen.resident { Marks::RESIDENT } else { Marks::NONE };
            table.layer(Layer {
                timeline: timeline(),
                name: layer.name,
                metadata: metadata(layer.size_bytes),
                access_time: i64::from(seconds(seen.read_ms)),
                access_count: seen.reads,
                resident_since: NonZeroU32::new(seconds(seen.since_ms)),
                marks: if visible { resident | Marks::VISIBLE } else { resident },
            });
        }
        table.build().map(Arc::new)
    }
}

/// Seconds since the Unix epoch.
pub(crate) const fn seconds(at_ms: u32) -> u32 {
    EPOCH_S + at_ms / 1000
}

fn timeline() -> TimelineId {
    TimelineId::from_bytes([0x5e; 16])
}

fn metadata(file_size: u64) -> LayerMetadata {
    LayerMetadata { file_size, generation: Generation::new(GENERATION), ..LayerMetadata::default() }
}
