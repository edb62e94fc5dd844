//! From memory to L0 layers, from these to L1 layers, from these to images.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use thermocline::layer::{Key, LayerName, Lsn};

use super::{L0, LayerId, Partition, Store};
use crate::dense::Id;
use crate::needs::NeedId;
use crate::trace::{PAGE_BYTES, PageId, next_key};

impl Store {
    /// Makes an L0 layer of what is in memory, and compacts if that was one too many.
    pub(super) fn flush(&mut self) {
        let Some(name) = LayerName::delta(Key::MIN, Key::MAX, self.flushed, self.lsn) else { return };
        let layer = self.add(name, self.open.bytes);
        let mut pages = std::mem::take(&mut self.open.pages);
        pages.sort_unstable();
        for page in &pages {
            self.open.holds[*page] = false;
        }
        self.open.bytes = 0;
        self.flushed = self.lsn;
        self.replace(pages.iter().copied(), &HashSet::new(), Some(layer));
        self.l0s.push(L0 { layer, pages });
        if self.l0s.len() >= self.rules.compaction_threshold.max(1) {
            self.collect_garbage();
            self.compact();
            self.make_images();
        }
    }

    /// What no read needs any more.
    fn collect_garbage(&mut self) {
        let covered: Vec<LayerId> =
            self.visible().into_iter().filter(|(_, visible)| !visible).map(|(layer, _)| layer).collect();
        covered.into_iter().for_each(|layer| self.remove(layer));
        let live = &self.live;
        self.l1s.retain(|layer| live.contains(layer));
    }

    /// All L0 layers, sorted by key, cut into L1 layers.
    fn compact(&mut self) {
        let l0s = std::mem::take(&mut self.l0s);
        let gone: HashSet<LayerId> = l0s.iter().map(|l0| l0.layer).collect();
        let lsns = l0s.iter().map(|l0| self.layers[l0.layer].name).fold(None, |lsns: Option<Range<Lsn>>, name| {
            let (start, end) = (name.lsn_start(), name.lsn_end());
            Some(lsns.map_or(start..end, |lsns| lsns.start.min(start)..lsns.end.max(end)))
        });
        let Some(lsns) = lsns else { return };

        // The changes of a layer are spread evenly over its pages.
        let mut bytes_of: BTreeMap<PageId, u64> = BTreeMap::new();
        for l0 in &l0s {
            let each = self.layers[l0.layer].size_bytes / (l0.pages.len() as u64).max(1);
            for page in &l0.pages {
                *bytes_of.entry(*page).or_default() += each.max(1);
            }
        }
        let mut pages = Vec::new();
        let mut bytes = 0;
        let mut rest = bytes_of.into_iter().peekable();
        while let Some((page, of_page)) = rest.next() {
            pages.push(page);
            bytes += of_page;
            if bytes >= self.rules.layer_bytes || rest.peek().is_none() {
                self.make_l1(&pages, bytes, &lsns, &gone);
                pages.clear();
                bytes = 0;
            }
        }
        l0s.iter().for_each(|l0| self.remove(l0.layer));
    }

    fn make_l1(&mut self, pages: &[PageId], bytes: u64, lsns: &Range<Lsn>, gone: &HashSet<LayerId>) {
        let (Some(first), Some(last)) = (pages.first(), pages.last()) else { return };
        let (start, end) = (self.keys[*first], next_key(self.keys[*last]));
        let Some(name) = LayerName::delta(start, end, lsns.start, lsns.end) else { return };
        let layer = self.add(name, bytes);
        self.l1s.push(layer);
        self.replace(pages.iter().copied(), gone, Some(layer));
    }

    /// A new image wherever enough L1 layers lie over the last one.
    fn make_images(&mut self) {
        let mut over = vec![0_usize; self.partitions.len()];
        for layer in &self.l1s {
            let name = self.layers[*layer].name;
            let first = self.partition_of(name.key_start());
            for (index, count) in over.iter_mut().enumerate().skip(first) {
                let Some(partition) = self.partitions.get(index).filter(|it| it.start < name.key_end()) else { break };
                let image_lsn = partition.image.map_or(Lsn(0), |image| self.layers[image].name.lsn_start());
                *count += usize::from(name.lsn_end() > image_lsn);
            }
        }
        // From the end, so that what is cut into several moves none that is still to come.
        for (index, count) in over.into_iter().enumerate().rev() {
            if count >= self.rules.image_creation_threshold.max(1) {
                self.make_images_of(index);
            }
        }
    }

    /// Images of a partition's pages as they are: several, where it grew.
    fn make_images_of(&mut self, index: usize) {
        let Some(partition) = self.partitions.get(index).copied() else { return };
        let pages: Vec<PageId> = self.pages_of(partition.start, self.partition_end(index)).collect();
        let existing: Vec<PageId> = pages.into_iter().filter(|page| self.need_of[*page] != NeedId::NOTHING).collect();
        let parts = partition.blocks.div_ceil(self.rules.pages_of_a_layer()).max(1);
        let cut = existing.len().div_ceil(usize::try_from(parts).unwrap_or(usize::MAX)).max(1);
        let chunks: Vec<&[PageId]> = existing.chunks(cut).collect();
        let mut made: Vec<Partition> = Vec::with_capacity(chunks.len());
        for (at, chunk) in chunks.iter().enumerate() {
            let start = chunk.first().filter(|_| at > 0).map_or(partition.start, |first| self.keys[*first]);
            let blocks = (partition.blocks / chunks.len() as u64).max(chunk.len() as u64);
            made.push(Partition { start, blocks, image: None });
        }
        let end = self.partition_end(index);
        for (at, chunk) in chunks.iter().enumerate() {
            let Some(start) = made.get(at).map(|part| part.start) else { continue };
            let to = made.get(at + 1).map_or(end, |next| next.start);
            let size_bytes = made.get(at).map_or(0, |part| part.blocks) * PAGE_BYTES;
            let image = self.add(LayerName::image(start, to, self.flushed), size_bytes);
            if let Some(part) = made.get_mut(at) {
                part.image = Some(image);
            }
            let need = self.needs.number(vec![image]);
            for page in *chunk {
                self.need_of[*page] = need;
            }
        }
        if !made.is_empty() {
            self.partitions.splice(index..=index, made);
        }
    }

    /// The pages of the trace with keys from `start` to before `end`.
    fn pages_of(&self, start: Key, end: Key) -> impl Iterator<Item = PageId> + use<> {
        let keys = self.keys.as_slice();
        (keys.partition_point(|key| *key < start)..keys.partition_point(|key| *key < end)).map(PageId::new)
    }

    /// Pages need `added` too, and no longer what is `gone`.
    pub(super) fn replace(
        &mut self,
        pages: impl Iterator<Item = PageId>,
        gone: &HashSet<LayerId>,
        added: Option<LayerId>,
    ) {
        // Pages that needed the same need the same again.
        let mut known: HashMap<NeedId, NeedId> = HashMap::new();
        for page in pages {
            let before = self.need_of[page];
            let needs = &mut self.needs;
            let after = known.entry(before).or_insert_with(|| {
                let kept = needs.layers(before).iter().copied().filter(|layer| !gone.contains(layer));
                let layers = kept.chain(added).collect();
                needs.number(layers)
            });
            self.need_of[page] = *after;
        }
    }
}
