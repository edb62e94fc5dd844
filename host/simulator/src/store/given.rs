//! Layers that a database really has.

use std::collections::BTreeSet;

use fastrand::Rng;
use thermocline::layer::{Key, LayerName, Lsn};

use super::{L0, LayerId, Partition, Rules, Store};
use crate::dense::Dense;
use crate::needs::NeedId;
use crate::trace::{PAGE_BYTES, PageId, Trace, next_key};

/// A layer of a database, as an index or a listing tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenLayer {
    /// Its rectangle of keys and LSNs.
    pub name: LayerName,
    /// Bytes; `None` where the listing does not say.
    pub size_bytes: Option<u64>,
}

/// Layers on which a trace cannot be simulated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GivenError {
    /// None at all.
    #[error("there is no layer in it")]
    NoLayers,
    /// The trace is of another database.
    #[error("none of the pages that the trace reads lies in one of the {layers} layers: they are of another database")]
    Elsewhere {
        /// How many there are.
        layers: usize,
    },
}

impl Store {
    /// The database as its layers are. Which of the pages in its key range a delta layer holds, its name does not
    /// tell: `seed` draws as many as its size has changes.
    pub(crate) fn given(trace: &Trace, given: &[GivenLayer], rules: Rules, seed: u64) -> Result<Self, GivenError> {
        let mut given = given.to_vec();
        given.sort_unstable_by_key(|layer| layer.name);
        given.dedup_by_key(|layer| layer.name);
        if given.is_empty() {
            return Err(GivenError::NoLayers);
        }
        let keys: Dense<PageId, Key> = trace.pages().iter().map(|(_, page)| page.key()).collect();
        let last = keys.as_slice().last().map_or(Key::MIN, |last| next_key(*last));
        let end =
            given.iter().filter(|layer| !layer.name.is_l0()).map(|layer| layer.name.key_end()).fold(last, Key::max);
        let mut store = Store::new(rules, keys, end);
        store.lsn = given.iter().map(|layer| layer.name.lsn_end()).max().unwrap_or(store.lsn);
        store.flushed = store.lsn;
        let ids: Vec<LayerId> = given
            .iter()
            .map(|layer| {
                let usual = if layer.name.is_l0() { rules.checkpoint_distance_bytes } else { rules.layer_bytes };
                store.add(layer.name, layer.size_bytes.unwrap_or(usual))
            })
            .collect();
        store.partitions = partitions(&store, &ids);
        store.draw_needs(&ids, seed);
        let reads = trace.accesses().iter().any(|access| store.need_of[access.page] != NeedId::NOTHING);
        if reads { Ok(store) } else { Err(GivenError::Elsewhere { layers: ids.len() }) }
    }

    /// One sweep over the pages in the order of keys.
    fn draw_needs(&mut self, ids: &[LayerId], seed: u64) {
        let blocks = BlocksBefore::new(&self.partitions);
        let deltas: Vec<Drawn> = ids
            .iter()
            .filter(|id| self.layers[**id].name.is_delta())
            .map(|&layer| {
                let stored = self.layers[layer];
                let inside = blocks.up_to(stored.name.key_end()) - blocks.up_to(stored.name.key_start());
                let changes = stored.size_bytes / self.rules.change_bytes.max(1);
                #[allow(clippy::cast_precision_loss, reason = "a share")]
                let share = changes as f64 / inside.max(1) as f64;
                Drawn { layer, name: stored.name, share, pages: Vec::new() }
            })
            .collect();
        let mut waiting = deltas.into_iter().peekable();
        let mut over: Vec<Drawn> = Vec::new();
        let mut done: Vec<Drawn> = Vec::new();
        let mut random = Rng::with_seed(seed);
        for page in self.keys.ids() {
            let key = self.keys[page];
            while let Some(delta) = waiting.next_if(|delta| delta.name.key_start() <= key) {
                over.push(delta);
            }
            done.extend(over.extract_if(.., |delta| delta.name.key_end() <= key));
            let image = self.partitions.get(self.partition_of(key)).and_then(|partition| partition.image);
            let image_lsn = image.map_or(Lsn(0), |image| self.layers[image].name.lsn_start());
            let mut layers: Vec<LayerId> = image.into_iter().collect();
            for delta in &mut over {
                if delta.name.lsn_end() > image_lsn && random.f64() < delta.share {
                    delta.pages.push(page);
                    layers.push(delta.layer);
                }
            }
            self.exists[page] = !layers.is_empty();
            self.need_of[page] = self.needs.number(layers);
        }
        done.extend(over);
        done.extend(waiting);
        for delta in done {
            if delta.name.is_l0() {
                self.l0s.push(L0 { layer: delta.layer, pages: delta.pages });
            } else {
                self.l1s.push(delta.layer);
            }
        }
    }
}

/// A delta layer, and the pages that were drawn for it.
struct Drawn {
    layer: LayerId,
    name: LayerName,
    /// Of the pages in its key range, how many it holds.
    share: f64,
    pages: Vec<PageId>,
}

/// The key space in parts over which one image is the newest.
fn partitions(store: &Store, ids: &[LayerId]) -> Vec<Partition> {
    let images: Vec<LayerId> = ids.iter().copied().filter(|id| !store.layers[*id].name.is_delta()).collect();
    let mut edges: Vec<(Key, bool, LayerId)> = Vec::new();
    for &image in &images {
        let name = store.layers[image].name;
        edges.push((name.key_start(), true, image));
        edges.push((name.key_end(), false, image));
    }
    edges.sort_unstable();
    let mut over: BTreeSet<(Lsn, LayerId)> = BTreeSet::new();
    let mut parts = vec![Partition { start: Key::MIN, blocks: 0, image: None }];
    let mut edges = edges.into_iter().peekable();
    while let Some((key, opens, image)) = edges.next() {
        let entry = (store.layers[image].name.lsn_start(), image);
        if opens {
            over.insert(entry);
        } else {
            over.remove(&entry);
        }
        if edges.peek().is_some_and(|(next, _, _)| *next == key) || key >= store.end {
            continue;
        }
        let newest = over.last().map(|(_, image)| *image);
        if parts.last().is_some_and(|last| last.image != newest) {
            parts.push(Partition { start: key, blocks: 0, image: newest });
        }
    }
    let mut pieces = Dense::<LayerId, u64>::filled(0, store.layers.len());
    parts.iter().filter_map(|part| part.image).for_each(|image| pieces[image] += 1);
    for part in &mut parts {
        part.blocks = part.image.map_or(0, |image| store.layers[image].size_bytes / PAGE_BYTES / pieces[image].max(1));
    }
    parts
}

/// How many blocks lie before a key.
struct BlocksBefore {
    starts: Vec<(Key, u64)>,
    all: u64,
}

impl BlocksBefore {
    fn new(partitions: &[Partition]) -> Self {
        let mut all = 0;
        let starts = partitions
            .iter()
            .map(|partition| {
                let before = all;
                all += partition.blocks;
                (partition.start, before)
            })
            .collect();
        BlocksBefore { starts, all }
    }

    /// Whole partitions count: a delta's edges rarely meet those of images.
    fn up_to(&self, key: Key) -> u64 {
        let index = self.starts.partition_point(|(start, _)| *start < key);
        self.starts.get(index).map_or(self.all, |(_, before)| *before)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::dense::Id;
    use crate::trace::{Fork, Op, Page};

    const RULES: Rules = Rules {
        layer_bytes: 100 * PAGE_BYTES,
        checkpoint_distance_bytes: 100_000,
        checkpoint_timeout_ms: 1_000,
        change_bytes: 1_000,
        compaction_threshold: 3,
        image_creation_threshold: 2,
    };

    fn page(block: u32) -> Page {
        Page { fork: Fork { db: 1, rel: 2, fork: 0 }, block }
    }

    fn trace(blocks: &[u32]) -> Trace {
        Trace::new("t".into(), blocks.iter().map(|block| (0, Op::Read, page(*block))).collect())
    }

    fn image(blocks: std::ops::Range<u32>, lsn: u64) -> GivenLayer {
        let name = LayerName::image(page(blocks.start).key(), page(blocks.end).key(), Lsn(lsn));
        GivenLayer { name, size_bytes: Some(u64::from(blocks.end - blocks.start) * PAGE_BYTES) }
    }

    fn delta(blocks: std::ops::Range<u32>, lsns: std::ops::Range<u64>, size_bytes: u64) -> GivenLayer {
        let (start, end) = (page(blocks.start).key(), page(blocks.end).key());
        let name = LayerName::delta(start, end, Lsn(lsns.start), Lsn(lsns.end)).unwrap();
        GivenLayer { name, size_bytes: Some(size_bytes) }
    }

    fn needs(store: &Store, page: usize) -> Vec<LayerName> {
        store.needs().layers(store.need(PageId::new(page))).iter().map(|layer| store.layer(*layer).name).collect()
    }

    #[test]
    fn a_page_needs_its_newest_image_and_what_is_above() {
        let layers = [image(0..100, 10), image(0..50, 30), delta(0..100, 15..20, 1 << 30), delta(40..100, 40..50, 1 << 30)];
        let store = Store::given(&trace(&[20, 45, 60]), &layers, RULES, 0).unwrap();
        assert_eq!(needs(&store, 0), [layers[1].name]);
        let mut both = vec![layers[1].name, layers[3].name];
        both.sort();
        assert_eq!(needs(&store, 1), both);
        let mut three = vec![layers[0].name, layers[2].name, layers[3].name];
        three.sort();
        assert_eq!(needs(&store, 2), three);
    }

    #[test]
    fn a_delta_holds_as_many_pages_as_it_has_changes() {
        let blocks: Vec<u32> = (0..1000).collect();
        let layers = [image(0..1000, 10), delta(0..1000, 20..30, 250_000)];
        let store = Store::given(&trace(&blocks), &layers, RULES, 7).unwrap();
        let with_delta = (0..1000).filter(|page| needs(&store, *page).len() == 2).count();
        assert!((200..300).contains(&with_delta), "{with_delta}");
        let again = Store::given(&trace(&blocks), &layers, RULES, 7).unwrap();
        assert!((0..1000).all(|page| needs(&store, page) == needs(&again, page)));
    }

    #[rstest]
    #[case::none(&[], GivenError::NoLayers)]
    #[case::others(&[image(500..600, 10)], GivenError::Elsewhere { layers: 1 })]
    fn layers_that_do_not_suit_the_trace_are_refused(#[case] layers: &[GivenLayer], #[case] error: GivenError) {
        assert_eq!(Store::given(&trace(&[1, 2]), layers, RULES, 0).err(), Some(error));
    }
}
