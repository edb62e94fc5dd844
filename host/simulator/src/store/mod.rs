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
    pub(crate) LayerId
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
    /// What a write of a page adds to a delta layer, bytes. The first write of a new page adds all of the page.
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
        let mut change_bytes = self.rules.change_bytes;
        if !self.exists[page] {
            self.exists[page] = true;
            // A new page is written whole, record by record.
            change_bytes = change_bytes.max(PAGE_BYTES);
            let index = self.partition_of(self.keys[page]);
            if let Some(partition) = self.partitions.get_mut(index) {
                partition.blocks += 1;
            }
        }
        if self.open.bytes == 0 {
            self.open.since_ms = at_ms;
        }
        self.open.bytes += change_bytes;
        self.lsn.0 += change_bytes;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::dense::Id;
    use crate::trace::{Fork, Op, Page, Trace};

    const RULES: Rules = Rules {
        layer_bytes: 4 * PAGE_BYTES,
        checkpoint_distance_bytes: 6_000,
        checkpoint_timeout_ms: 1_000,
        change_bytes: 1_000,
        compaction_threshold: 3,
        image_creation_threshold: 2,
    };

    fn page(block: u32) -> Page {
        Page { fork: Fork { db: 1, rel: 2, fork: 0 }, block }
    }

    /// A database of so many blocks, each read once, and then the writes.
    fn trace(blocks: u32, writes: &[(u32, u32)]) -> Trace {
        let reads = (0..blocks).map(|block| (0, Op::Read, page(block)));
        let writes = writes.iter().map(|&(at_ms, block)| (at_ms, Op::Write, page(block)));
        Trace::new("t".into(), reads.chain(writes).collect())
    }

    fn named(store: &Store, page: PageId) -> Vec<String> {
        store.needs().layers(store.need(page)).iter().map(|layer| store.layer(*layer).name.to_string()).collect()
    }

    #[test]
    fn a_database_begins_as_images_of_its_blocks() {
        let trace = trace(10, &[]);
        let store = Store::laid(&trace, RULES);
        let sizes: Vec<u64> = store.live().iter().map(|layer| store.layer(*layer).size_bytes / PAGE_BYTES).collect();
        assert_eq!(sizes, [4, 4, 2]);
        for (id, _) in trace.pages().iter() {
            assert_eq!(named(&store, id).len(), 1);
        }
        assert!(store.visible().iter().all(|(_, visible)| *visible));
    }

    #[test]
    fn changes_wait_in_memory_for_their_distance_or_their_time() {
        let trace = trace(4, &[]);
        let mut store = Store::laid(&trace, RULES);
        let first = PageId::new(0);
        (0..5).for_each(|at_ms| store.write(first, at_ms));
        assert_eq!(store.live().len(), 1);
        store.write(first, 5);
        assert_eq!(store.live().len(), 2);
        assert_eq!(named(&store, first).len(), 2);
        assert_eq!(named(&store, PageId::new(1)).len(), 1);
        store.write(first, 10);
        store.pass(1_009);
        assert_eq!(store.live().len(), 2);
        store.pass(1_010);
        assert_eq!(store.live().len(), 3);
    }

    /// What a plain map of the changes says.
    #[derive(Default)]
    struct Model {
        changed: BTreeMap<PageId, Vec<Lsn>>,
    }

    proptest! {
        /// Whatever is written: every page finds its newest image and all its later changes in layers that are there,
        /// visible, and hold its key; and what was reported of layers adds up.
        #[test]
        fn every_page_finds_what_it_needs(
            blocks in 0_u32..30,
            writes in vec((0_u32..40, 0_u32..30), 0..300),
        ) {
            let mut at_ms = 0;
            let writes: Vec<(u32, u32)> = writes.into_iter().map(|(block, wait_ms)| { at_ms += wait_ms; (at_ms, block) }).collect();
            let trace = trace(blocks, &writes);
            let mut store = Store::laid(&trace, RULES);
            let mut model = Model::default();
            let mut live = BTreeSet::new();
            for access in trace.accesses().iter().filter(|access| access.op == Op::Write) {
                store.write(access.page, access.at_ms);
                store.pass(access.at_ms);
                model.changed.entry(access.page).or_default().push(Lsn(store.lsn.0 - 1));
                for change in store.take_changes() {
                    match change {
                        Change::Written(layer) => prop_assert!(live.insert(layer)),
                        Change::Gone(layer) => prop_assert!(live.remove(&layer)),
                    }
                }
                prop_assert_eq!(&live, store.live());
            }
            let visible: BTreeMap<LayerId, bool> = store.visible().into_iter().collect();
            for (id, page) in trace.pages().iter() {
                let layers: Vec<_> = store.needs().layers(store.need(id)).to_vec();
                let names: Vec<LayerName> = layers.iter().map(|layer| store.layer(*layer).name).collect();
                prop_assert!(layers.iter().all(|layer| visible.get(layer) == Some(&true)), "{:?}", names);
                let key = page.key();
                prop_assert!(names.iter().all(|name| name.key_start() <= key && key < name.key_end()));
                let images: Vec<_> = names.iter().filter(|name| !name.is_delta()).collect();
                prop_assert!(images.len() <= 1);
                let from = images.first().map_or(Lsn(0), |image| image.lsn_start());
                let changes = model.changed.get(&id).map_or(&[][..], Vec::as_slice);
                for lsn in changes.iter().filter(|lsn| **lsn >= from && **lsn < store.flushed) {
                    let found = names.iter().any(|name| name.is_delta() && name.lsn_start() <= *lsn && *lsn < name.lsn_end());
                    prop_assert!(found, "the change at {lsn} of block {} is in none of {names:?}", page.block);
                }
                if page.block < blocks {
                    prop_assert_eq!(images.len(), 1);
                }
            }
            // Images lie side by side.
            let mut ends = Key::MIN;
            for (index, partition) in store.partitions.iter().enumerate() {
                prop_assert!(partition.start >= ends);
                ends = store.partition_end(index);
            }
        }
    }
}
