//! The layers of a database over time, as a pageserver would make them.
//!
//! Changes are kept in memory until there is enough for an L0 layer; enough L0 layers are sorted by key into L1 layers;
//! and where enough of those lie over an image, a new image takes their place. What no read needs any more goes at the
//! compaction after that.

mod compaction;
mod given;
mod laid;

use std::collections::BTreeSet;

use thermocline::layer::{Key, LayerName, Lsn, visibility};

use crate::dense::{Dense, id};
use crate::needs::{NeedId, Needs};
use crate::trace::{PAGE_BYTES, PageId};

pub use given::{GivenError, GivenLayer};

/// Where the LSNs of layers begin that are made up.
const FIRST_LSN: Lsn = Lsn(0x0169_6070);

id! {
    /// A layer that there is or was.
    LayerId
}

/// When a pageserver makes which layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Size of an image layer, and of an L1 layer, bytes.
    pub layer_bytes: u64,
    /// Changes that make an L0 layer, bytes.
    pub checkpoint_distance_bytes: u64,
    /// Changes are made an L0 layer after so long, however few.
    pub checkpoint_timeout_ms: u32,
    /// What a write of a page adds to a delta layer, bytes.
    pub change_bytes: u64,
    /// So many L0 layers are compacted.
    pub compaction_threshold: usize,
    /// So many L1 layers over an image make a new one.
    pub image_creation_threshold: usize,
}

impl Rules {
    /// The least size of a layer.
    pub const MIN_LAYER_BYTES: u64 = PAGE_BYTES;

    fn pages_of_a_layer(&self) -> u64 {
        (self.layer_bytes / PAGE_BYTES).max(1)
    }
}

/// What happened to a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The pageserver wrote it: it has it on its disk.
    Written(LayerId),
    /// It is no more, neither here nor in the bucket.
    Gone(LayerId),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredLayer {
    pub(crate) name: LayerName,
    pub(crate) size_bytes: u64,
}

/// A part of the key space that one image covers.
#[derive(Clone, Copy, Debug)]
struct Partition {
    /// Up to the start of the next one.
    start: Key,
    /// Blocks that there are, also those that the trace does not touch.
    blocks: u64,
    /// Its newest image; `None` where all its pages are younger than any image.
    image: Option<LayerId>,
}

/// Changes that are in no layer yet.
#[derive(Clone, Debug)]
struct Open {
    pages: Vec<PageId>,
    holds: Dense<PageId, bool>,
    bytes: u64,
    since_ms: u32,
}

/// A layer of changes as they came.
#[derive(Clone, Debug)]
struct L0 {
    layer: LayerId,
    /// In their order.
    pages: Vec<PageId>,
}

/// All layers, and which of them each page needs.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    rules: Rules,
    layers: Dense<LayerId, StoredLayer>,
    live: BTreeSet<LayerId>,
    keys: Dense<PageId, Key>,
    needs: Needs,
    need_of: Dense<PageId, NeedId>,
    exists: Dense<PageId, bool>,
    /// In the order of keys; never empty.
    partitions: Vec<Partition>,
    /// Behind the last key.
    end: Key,
    open: Open,
    l0s: Vec<L0>,
    l1s: Vec<LayerId>,
    lsn: Lsn,
    /// All before it is in layers.
    flushed: Lsn,
    changes: Vec<Change>,
}

impl Store {
    fn new(rules: Rules, keys: Dense<PageId, Key>, end: Key) -> Self {
        let count = keys.len();
        Store {
            rules,
            layers: Dense::default(),
            live: BTreeSet::new(),
            keys,
            needs: Needs::new(),
            need_of: Dense::filled(NeedId::NOTHING, count),
            exists: Dense::filled(false, count),
            partitions: Vec::new(),
            end,
            open: Open { pages: Vec::new(), holds: Dense::filled(false, count), bytes: 0, since_ms: 0 },
            l0s: Vec::new(),
            l1s: Vec::new(),
            lsn: FIRST_LSN,
            flushed: FIRST_LSN,
            changes: Vec::new(),
        }
    }

    fn add(&mut self, name: LayerName, size_bytes: u64) -> LayerId {
        let layer = self.layers.push(StoredLayer { name, size_bytes });
        self.live.insert(layer);
        self.changes.push(Change::Written(layer));
        layer
    }

    fn remove(&mut self, layer: LayerId) {
        if self.live.remove(&layer) {
            self.changes.push(Change::Gone(layer));
        }
    }

    /// A compute changes a page.
    pub(crate) fn write(&mut self, page: PageId, at_ms: u32) {
        if !self.exists[page] {
            self.exists[page] = true;
            let index = self.partition_of(self.keys[page]);
            if let Some(partition) = self.partitions.get_mut(index) {
                partition.blocks += 1;
            }
        }
        if self.open.bytes == 0 {
            self.open.since_ms = at_ms;
        }
        self.open.bytes += self.rules.change_bytes;
        self.lsn.0 += self.rules.change_bytes;
        if !std::mem::replace(&mut self.open.holds[page], true) {
            self.open.pages.push(page);
        }
        if self.open.bytes >= self.rules.checkpoint_distance_bytes {
            self.flush();
        }
    }

    /// Time has come to `now_ms`: what waits in memory for too long becomes a layer.
    pub(crate) fn pass(&mut self, now_ms: u32) {
        if self.open.bytes > 0 && now_ms - self.open.since_ms >= self.rules.checkpoint_timeout_ms {
            self.flush();
        }
    }

    /// What a read of the page needs now.
    pub(crate) fn need(&self, page: PageId) -> NeedId {
        self.need_of[page]
    }

    /// What pages need, by number.
    pub(crate) const fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Whether there is such a layer now.
    pub(crate) fn is_live(&self, layer: LayerId) -> bool {
        self.live.contains(&layer)
    }

    /// A layer that there is or was.
    pub(crate) fn layer(&self, layer: LayerId) -> &StoredLayer {
        &self.layers[layer]
    }

    /// How many layers there are or were.
    pub(crate) fn layers_ever(&self) -> usize {
        self.layers.len()
    }

    /// The layers that there are.
    pub(crate) const fn live(&self) -> &BTreeSet<LayerId> {
        &self.live
    }

    /// Their sizes together.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.iter().map(|layer| self.layers[*layer].size_bytes).sum()
    }

    /// What happened to layers since this was last asked.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The layers that there are, and whether a read may need each, as the host tells.
    pub(crate) fn visible(&self) -> Vec<(LayerId, bool)> {
        let names: Vec<LayerName> = self.live.iter().map(|layer| self.layers[*layer].name).collect();
        let visible = visibility::visible(&names, &[self.lsn]);
        self.live.iter().copied().zip(visible).collect()
    }

    /// Index of the partition that a key lies in.
    fn partition_of(&self, key: Key) -> usize {
        self.partitions.partition_point(|partition| partition.start <= key).saturating_sub(1)
    }

    /// Where a partition's keys end.
    fn partition_end(&self, index: usize) -> Key {
        self.partitions.get(index + 1).map_or(self.end, |next| next.start)
    }
}
