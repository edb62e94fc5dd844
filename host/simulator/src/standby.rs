//! The warm standby: it downloads what a heatmap lists, in that order, as fast and as much as it may.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::store::LayerId;

/// A listed layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) layer: LayerId,
    pub(crate) size_bytes: u64,
    pub(crate) cold: bool,
}

/// A download under way.
#[derive(Clone, Copy, Debug)]
struct Download {
    layer: LayerId,
    size_bytes: u64,
    done_bytes: u64,
}

/// A standby with room for so many bytes.
///
/// What a heatmap lists first, as far as the room goes, it wants. It drops what a heatmap lists no more, and keeps what
/// is listed but not wanted until the room is needed.
#[derive(Clone, Debug)]
pub(crate) struct Standby {
    bytes_per_s: u64,
    room_bytes: u64,
    now_ms: u32,
    held: BTreeMap<LayerId, u64>,
    held_bytes: u64,
    /// Held, not wanted: the last one is the first to go.
    spare: Vec<LayerId>,
    wanted: VecDeque<(LayerId, u64)>,
    download: Option<Download>,
    /// Of the second that is under way, what has been spent: thousandths of bytes.
    spent: u64,
    fetched_bytes: u64,
    dropped_bytes: u64,
}

impl Standby {
    pub(crate) const fn new(bytes_per_s: u64) -> Self {
        Standby {
            bytes_per_s,
            room_bytes: 0,
            now_ms: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
            spare: Vec::new(),
            wanted: VecDeque::new(),
            download: None,
            spent: 0,
            fetched_bytes: 0,
            dropped_bytes: 0,
        }
    }

    /// A new heatmap, and the room there is now.
    pub(crate) fn see(&mut self, listed: &[Listed], room_bytes: u64) {
        self.room_bytes = room_bytes;
        let mut room = room_bytes;
        let mut wanted = BTreeMap::new();
        self.wanted.clear();
        let mut spare = Vec::new();
        for listed in listed {
            if !listed.cold && listed.size_bytes <= room {
                room -= listed.size_bytes;
                wanted.insert(listed.layer, listed.size_bytes);
                if !self.held.contains_key(&listed.layer) {
                    self.wanted.push_back((listed.layer, listed.size_bytes));
                }
            } else if self.held.contains_key(&listed.layer) {
                spare.push(listed.layer);
            }
        }
        let kept: BTreeSet<LayerId> = spare.iter().chain(wanted.keys()).copied().collect();
        let unlisted: Vec<LayerId> = self.held.keys().copied().filter(|layer| !kept.contains(layer)).collect();
        unlisted.into_iter().for_each(|layer| self.drop(layer));
        self.spare = spare;
        if let Some(download) = self.download.take_if(|download| !wanted.contains_key(&download.layer)) {
            self.dropped_bytes += download.done_bytes;
        }
        if let Some(download) = self.download {
            self.wanted.retain(|(layer, _)| *layer != download.layer);
        }
        self.make_room(0);
    }

    /// Downloads until then.
    pub(crate) fn advance(&mut self, to_ms: u32) {
        let mut left = u64::from(to_ms - self.now_ms) * self.bytes_per_s + self.spent;
        self.now_ms = to_ms;
        loop {
            if self.download.is_none() {
                let Some((layer, size_bytes)) = self.wanted.pop_front() else {
                    // Time in which there was nothing to do is not saved.
                    self.spent = 0;
                    return;
                };
                self.make_room(size_bytes);
                self.download = Some(Download { layer, size_bytes, done_bytes: 0 });
            }
            let Some(download) = &mut self.download else { return };
            let step = (download.size_bytes - download.done_bytes).min(left / 1000);
            download.done_bytes += step;
            self.fetched_bytes += step;
            left -= step * 1000;
            if download.done_bytes < download.size_bytes {
                self.spent = left;
                return;
            }
            self.held_bytes += download.size_bytes;
            self.held.insert(download.layer, download.size_bytes);
            self.download = None;
        }
    }

    fn make_room(&mut self, size_bytes: u64) {
        let under_way = self.download.map_or(0, |download| download.size_bytes);
        while self.held_bytes + under_way + size_bytes > self.room_bytes {
            let Some(layer) = self.spare.pop() else { break };
            self.drop(layer);
        }
    }

    fn drop(&mut self, layer: LayerId) {
        if let Some(size_bytes) = self.held.remove(&layer) {
            self.held_bytes -= size_bytes;
            self.dropped_bytes += size_bytes;
        }
    }

    /// The layers that are whole.
    pub(crate) const fn held(&self) -> &BTreeMap<LayerId, u64> {
        &self.held
    }

    pub(crate) const fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// All bytes that were downloaded, also of layers that were dropped.
    pub(crate) const fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes
    }

    /// Of those, the bytes of layers that were dropped, whole or in part.
    #[cfg(test)]
    pub(crate) const fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// Of those, the bytes of the layer that is being downloaded.
    #[cfg(test)]
    pub(crate) fn under_way_bytes(&self) -> u64 {
        self.download.map_or(0, |download| download.done_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::dense::Id;

    fn listed(layers: &[(usize, u64)]) -> Vec<Listed> {
        let listed = |&(layer, size_bytes)| Listed { layer: LayerId::new(layer), size_bytes, cold: false };
        layers.iter().map(listed).collect()
    }

    fn held(standby: &Standby) -> Vec<usize> {
        standby.held().keys().map(|layer| layer.index()).collect()
    }

    #[rstest]
    #[case::nothing_yet(0, &[])]
    #[case::not_quite(999, &[])]
    #[case::the_first(1000, &[3])]
    #[case::the_second(3000, &[1, 3])]
    #[case::no_more_than_is_listed(9000, &[1, 3])]
    fn layers_come_in_their_order_as_fast_as_they_may(#[case] to_ms: u32, #[case] expected: &[usize]) {
        let mut standby = Standby::new(100);
        standby.see(&listed(&[(3, 100), (1, 200)]), 1000);
        standby.advance(to_ms);
        assert_eq!(held(&standby), expected);
    }

    #[test]
    fn a_layer_that_does_not_fit_is_passed_over() {
        let mut standby = Standby::new(1000);
        standby.see(&listed(&[(0, 60), (1, 50), (2, 40)]), 100);
        standby.advance(10_000);
        assert_eq!(held(&standby), [0, 2]);
    }

    #[test]
    fn what_is_cold_is_not_fetched_and_what_is_listed_no_more_goes_at_once() {
        let mut standby = Standby::new(1000);
        standby.see(&listed(&[(0, 10), (1, 10), (2, 10)]), 100);
        standby.advance(1000);
        let mut next = listed(&[(0, 10), (1, 10), (3, 10)]);
        next[1].cold = true;
        next[2].cold = true;
        standby.see(&next, 100);
        standby.advance(2000);
        // 1 is kept until its room is needed.
        assert_eq!(held(&standby), [0, 1]);
        standby.see(&listed(&[(0, 10), (4, 85), (1, 10)]), 100);
        standby.advance(3000);
        assert_eq!(held(&standby), [0, 4]);
    }

    #[test]
    fn time_without_work_is_not_saved_up() {
        let mut standby = Standby::new(10);
        standby.see(&[], 100);
        standby.advance(60_000);
        standby.see(&listed(&[(0, 20)]), 100);
        standby.advance(61_999);
        assert_eq!(held(&standby), [0_usize; 0]);
        standby.advance(62_000);
        assert_eq!(held(&standby), [0]);
    }

    proptest! {
        #[test]
        fn no_byte_comes_from_nowhere_or_goes_unseen(
            heatmaps in vec((vec((0_usize..20, any::<bool>()), 0..20), 0_u64..400, 0_u32..5_000), 1..20),
            bytes_per_s in 1_u64..200,
        ) {
            let mut standby = Standby::new(bytes_per_s);
            let mut now_ms = 0;
            for (layers, room_bytes, wait_ms) in heatmaps {
                let mut heatmap: Vec<Listed> = Vec::new();
                for (layer, cold) in layers {
                    let layer = LayerId::new(layer);
                    if heatmap.iter().all(|listed| listed.layer != layer) {
                        heatmap.push(Listed { layer, size_bytes: layer.index() as u64 * 7 + 1, cold });
                    }
                }
                standby.see(&heatmap, room_bytes);
                now_ms += wait_ms;
                standby.advance(now_ms);
                let held: u64 = standby.held().values().sum();
                prop_assert_eq!(held, standby.held_bytes());
                prop_assert!(held <= room_bytes, "{} in {}", held, room_bytes);
                prop_assert_eq!(standby.fetched_bytes(), held + standby.dropped_bytes() + standby.under_way_bytes());
                prop_assert!(standby.fetched_bytes() <= u64::from(now_ms) * bytes_per_s / 1000);
                prop_assert!(standby.held().keys().all(|layer| heatmap.iter().any(|listed| listed.layer == *layer)));
            }
        }
    }
}
