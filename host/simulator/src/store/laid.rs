//! Layers laid over the pages of a trace.

use std::collections::BTreeMap;

use thermocline::layer::{Key, LayerName, Lsn};

use super::{Partition, Rules, Store};
use crate::dense::Dense;
use crate::trace::{Fork, Op, PAGE_BYTES, Page, PageId, Trace, next_key};

/// LSNs between two images of the beginning.
const LSNS_BETWEEN_IMAGES: u64 = 0x1000;

impl Store {
    /// The database as it was before the trace, in images alone, and as if all its relations had grown side by side:
    /// the further back in its relation, the newer. What the trace reads before it writes it was there, and all before that in the same fork of a relation.
    pub(crate) fn laid(trace: &Trace, rules: Rules) -> Self {
        let keys: Dense<PageId, Key> = trace.pages().iter().map(|(_, page)| page.key()).collect();
        let end = keys.as_slice().last().map_or(Key::MAX, |last| next_key(*last));
        let mut store = Store::new(rules, keys, end);
        let blocks = initial_blocks(trace);
        for (id, page) in trace.pages().iter() {
            store.exists[id] = blocks.get(&page.fork).is_some_and(|count| page.block < *count);
        }
        store.partitions = partitions(&blocks, rules.pages_of_a_layer());
        if let Some(first) = store.partitions.first_mut() {
            // Whatever the trace adds before it belongs to it.
            first.start = store.keys.as_slice().first().map_or(first.start, |key| first.start.min(*key));
        } else {
            store.partitions.push(Partition { start: Key::MIN, blocks: 0, image: None });
        }
        for index in by_age(&store.partitions, &blocks) {
            let (lsn, to) = (store.lsn, store.partition_end(index));
            let Some(&Partition { start, blocks, .. }) = store.partitions.get(index) else { continue };
            if blocks == 0 {
                continue;
            }
            let image = store.add(LayerName::image(start, to, lsn), blocks * PAGE_BYTES);
            let need = store.needs.number(vec![image]);
            let keys = store.keys.as_slice();
            let range = keys.partition_point(|key| *key < start)..keys.partition_point(|key| *key < to);
            for page in store.keys.ids().skip(range.start).take(range.len()) {
                if store.exists[page] {
                    store.need_of[page] = need;
                }
            }
            if let Some(partition) = store.partitions.get_mut(index) {
                partition.image = Some(image);
            }
            store.lsn = Lsn(lsn.0 + LSNS_BETWEEN_IMAGES);
        }
        store.flushed = store.lsn;
        store
    }
}

/// The indices of the partitions, the one that was full first before the others.
fn by_age(partitions: &[Partition], blocks: &BTreeMap<Fork, u32>) -> Vec<usize> {
    let full = |partition: &Partition| {
        let place = Page::of_key(partition.start)?;
        let count = blocks.get(&place.fork).copied()?.max(1);
        // Thousandths of thousandths of the relation, in integers.
        Some(u64::from(place.block).saturating_add(partition.blocks) * 1_000_000 / u64::from(count))
    };
    let mut indices: Vec<usize> = (0..partitions.len()).collect();
    indices.sort_by_key(|index| (partitions.get(*index).and_then(full), *index));
    indices
}

/// How many blocks each fork had at the beginning.
fn initial_blocks(trace: &Trace) -> BTreeMap<Fork, u32> {
    let mut seen = Dense::<PageId, bool>::filled(false, trace.page_count());
    let mut blocks = BTreeMap::new();
    for access in trace.accesses() {
        if !std::mem::replace(&mut seen[access.page], true) && access.op == Op::Read {
            let Page { fork, block } = trace.pages()[access.page];
            let count = blocks.entry(fork).or_default();
            *count = (block + 1).max(*count);
        }
    }
    blocks
}

/// The key space in parts of `pages` blocks.
fn partitions(blocks: &BTreeMap<Fork, u32>, pages: u64) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = Vec::new();
    for (&fork, &count) in blocks {
        let mut block = 0;
        while block < count {
            let room = partitions.last().map_or(0, |last| pages - last.blocks.min(pages));
            if room == 0 {
                partitions.push(Partition { start: Page { fork, block }.key(), blocks: 0, image: None });
                continue;
            }
            let taken = u32::try_from(room).unwrap_or(u32::MAX).min(count - block);
            if let Some(last) = partitions.last_mut() {
                last.blocks += u64::from(taken);
            }
            block += taken;
        }
    }
    partitions
}
