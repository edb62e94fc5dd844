//! May a read still need this layer?
//!
//! Reads are served at *read points*: the timeline's last record, and the points where its children branch
//! off. A read goes down from such a point and stops at the first image of its key. So a layer below an image
//! of all its keys is *covered*, unless a read point lies between the two.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Key, LayerName, Lsn};

/// For each layer of one timeline, whether a read at one of `read_points` may still need it.
///
/// One sweep from high LSN to low. At equal LSN a read point comes before an image, an image before a delta;
/// images of one LSN are taken in the order of their names, so that the answer does not depend on the order of
/// `layers`. A delta stands at its last LSN. The *shadow* is the set of keys of which an image was seen since
/// the last read point. An image is visible if it adds to the shadow; a delta if the shadow does not hold all
/// its keys, or if there is a read point further down but still within the delta.
///
/// O((N + R) log N) for N layers and R read points, whatever their shapes: the next read point alone decides on
/// a delta in the shadow, so none is kept waiting, and an image that joins parts of the shadow pays for those
/// who made the parts.
pub fn visible(layers: &[LayerName], read_points: &[Lsn]) -> Vec<bool> {
    let narrow = |layer: &LayerName| is_narrow(layer.key_start()) && is_narrow(layer.key_end());
    if layers.iter().all(narrow) {
        sweep(layers, read_points, Key::compact)
    } else {
        sweep(layers, read_points, |key| key)
    }
}

/// Whether the compact form, which compares much faster, tells this key from all others that are narrow.
/// Every key of a real database is.
fn is_narrow(key: Key) -> bool {
    let [_, high, low, ..] = key.as_bytes();
    (*high, *low) == (0, 0) && key.compact() != u128::MAX || key == Key::MAX
}

fn sweep<K: Copy + Ord>(layers: &[LayerName], read_points: &[Lsn], coordinate: impl Fn(Key) -> K) -> Vec<bool> {
    let mut read_points = read_points.to_vec();
    read_points.sort_unstable_by_key(|&point| Reverse(point));
    let mut read_points = read_points.into_iter().peekable();

    let mut visible = vec![false; layers.len()];
    let mut shadow = Shadow::default();
    for index in order(layers) {
        let (Some(layer), Some(answer)) = (layers.get(index), visible.get_mut(index)) else { continue };
        let position = position(layer);
        while read_points.next_if(|&point| point >= position).is_some() {
            shadow.clear();
        }
        let (start, end) = (coordinate(layer.key_start()), coordinate(layer.key_end()));
        *answer = if layer.is_delta() {
            !shadow.holds(start, end) || read_points.peek().is_some_and(|&point| point >= layer.lsn_start())
        } else {
            shadow.add(start, end)
        };
    }
    visible
}

/// Where the sweep meets a layer.
fn position(layer: &LayerName) -> Lsn {
    if layer.is_delta() { Lsn(layer.lsn_end().0 - 1) } else { layer.lsn_start() }
}

/// The indices of `layers` in the order of the sweep.
fn order(layers: &[LayerName]) -> impl Iterator<Item = usize> {
    const DELTA: u64 = 1 << 63;
    let by_name = (!layers.is_sorted()).then(|| {
        let mut indices: Vec<_> = (0..layers.len()).collect();
        indices.sort_unstable_by_key(|&index| (layers.get(index), index));
        indices
    });
    let index = move |rank: usize| by_name.as_ref().map_or(Some(rank), |indices| indices.get(rank).copied());

    // An integer that holds all of the order sorts several times faster than indices do.
    let pack = |rank: usize| {
        let layer = layers.get(index(rank)?)?;
        let kind = if layer.is_delta() { DELTA } else { 0 };
        Some(u128::from(!position(layer).0) << 64 | u128::from(kind | rank as u64))
    };
    let mut steps: Vec<u128> = (0..layers.len()).filter_map(pack).collect();
    steps.sort_unstable();
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is meant, and holds a rank")]
    steps.into_iter().filter_map(move |step| index((step as u64 & !DELTA) as usize))
}

/// A set of keys: disjoint ranges that do not touch, by their start.
struct Shadow<K> {
    ranges: BTreeMap<K, K>,
}

impl<K> Default for Shadow<K> {
    fn default() -> Self {
        Shadow { ranges: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Shadow<K> {
    fn clear(&mut self) {
        self.ranges.clear();
    }

    /// Whether all of `start..end` is in the set.
    fn holds(&self, start: K, end: K) -> bool {
        end <= start || self.ranges.range(..=start).next_back().is_some_and(|(_, &covered)| covered >= end)
    }

    /// Adds `start..end`; whether that changed the set. A range that is empty or the wrong way round adds
    /// nothing.
    fn add(&mut self, start: K, mut end: K) -> bool {
        if end <= start {
            return false;
        }
        let mut from = start;
        if let Some((&left, covered)) = self.ranges.range_mut(..=start).next_back()
            && *covered >= start
        {
            if *covered >= end {
                return false;
            }
            from = left;
        }
        while let Some((&right, &covered)) = self.ranges.range(start..=end).next_back() {
            self.ranges.remove(&right);
            end = end.max(covered);
        }
        self.ranges.insert(from, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn key(number: u32) -> Key {
        let mut bytes = [0; 18];
        bytes[14..].copy_from_slice(&number.to_be_bytes());
        Key::from_bytes(bytes)
    }

    fn image(start: u32, end: u32, lsn: u64) -> LayerName {
        LayerName::image(key(start), key(end), Lsn(lsn))
    }

    fn delta(start: u32, end: u32, lsn_start: u64, lsn_end: u64) -> LayerName {
        LayerName::delta(key(start), key(end), Lsn(lsn_start), Lsn(lsn_end)).unwrap()
    }

    fn visible_at(layers: &[LayerName], read_points: &[u64]) -> Vec<bool> {
        visible(layers, &read_points.iter().copied().map(Lsn).collect::<Vec<_>>())
    }

    /// Layers over a timeline with read points at 1000, 80 and 65, and whether they are visible.
    fn vectors() -> Vec<(LayerName, bool)> {
        vec![
            (delta(10, 20, 101, 110), true),
            (image(5, 25, 99), true),
            (delta(10, 20, 90, 100), false),
            (delta(1, 7, 90, 100), true),
            (delta(1, 4, 90, 100), true),
            (image(10, 20, 89), false),
            (image(1, 7, 89), true),
            (image(1, 4, 89), true),
            (delta(10, 20, 70, 79), true),
            (image(10, 20, 69), true),
            (delta(10, 15, 67, 69), false),
            (delta(15, 20, 60, 69), true),
            (image(10, 20, 65), true),
        ]
    }

    #[rstest]
    #[case::as_listed(0)]
    #[case::turned(5)]
    #[case::turned_further(9)]
    fn the_vectors_hold_in_any_order(#[case] turn: usize) {
        let mut vectors = vectors();
        vectors.rotate_left(turn);
        for read_points in [[1000, 80, 65], [65, 80, 1000], [80, 1000, 65]] {
            let (layers, expected): (Vec<_>, Vec<_>) = vectors.iter().copied().unzip();
            assert_eq!(visible_at(&layers, &read_points), expected);
        }
        vectors.reverse();
        let (layers, expected): (Vec<_>, Vec<_>) = vectors.into_iter().unzip();
        assert_eq!(visible_at(&layers, &[1000, 80, 65]), expected);
    }

    #[test]
    fn a_delta_below_does_not_settle_one_that_waits() {
        // The second delta starts below the first, but the sweep meets it at 68: the read point at 65, within
        // the first, is still to come.
        let layers = [image(0, 100, 100), delta(0, 10, 60, 70), delta(20, 30, 40, 69)];
        assert_eq!(visible_at(&layers, &[200, 65]), [true, true, true]);
        assert_eq!(visible_at(&layers, &[200, 59]), [true, false, true]);
    }

    #[rstest]
    #[case::in_the_delta(&[100, 79], true)]
    #[case::at_its_last_lsn(&[100, 79, 69], true)]
    #[case::at_its_start(&[100, 60], true)]
    #[case::just_below(&[100, 59], false)]
    #[case::at_its_end(&[100, 70], true)]
    #[case::none(&[100], false)]
    #[case::the_same_twice(&[100, 100, 65, 65], true)]
    fn a_read_point_within_or_above_makes_a_delta_visible(#[case] read_points: &[u64], #[case] expected: bool) {
        let layers = [image(0, 10, 80), delta(0, 10, 60, 70)];
        assert_eq!(visible_at(&layers, read_points), [true, expected]);
    }

    #[test]
    fn at_equal_lsn_a_read_point_is_first_and_a_delta_last() {
        let layers = [image(0, 10, 50), delta(0, 10, 40, 51), image(0, 10, 60)];
        assert_eq!(visible_at(&layers, &[70]), [false, false, true]);
        assert_eq!(visible_at(&layers, &[70, 50]), [true, false, true]);
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let layers = [image(0, 5, 90), image(5, 10, 91), delta(3, 8, 60, 70), image(0, 10, 80), delta(9, 11, 60, 70)];
        assert_eq!(visible_at(&layers, &[100]), [true, true, false, false, true]);
    }

    #[test]
    fn images_without_keys_cover_nothing_and_are_not_needed() {
        let layers = [image(5, 5, 90), image(9, 2, 90), delta(4, 6, 60, 70), image(3, 8, 50)];
        assert_eq!(visible_at(&layers, &[100]), [false, false, true, true]);
    }

    #[test]
    fn keys_that_the_compact_form_cannot_tell_apart_are_told_apart() {
        let wide = |number: u8| Key::from_bytes([[0, 1, 0].as_slice(), &[number; 15]].concat().try_into().unwrap());
        let layers = [
            LayerName::image(wide(1), wide(3), Lsn(90)),
            LayerName::image(wide(1), wide(2), Lsn(80)),
            LayerName::image(wide(2), wide(4), Lsn(80)),
            LayerName::image(Key::MIN, Key::MAX, Lsn(70)),
        ];
        assert_eq!(visible_at(&layers, &[100]), [true, false, true, true]);
    }

    #[test]
    fn nothing_and_the_ends_of_the_scale() {
        assert!(visible(&[], &[Lsn(1)]).is_empty());
        let layers = [
            LayerName::image(Key::MIN, Key::MAX, Lsn(u64::MAX)),
            LayerName::image(Key::MIN, Key::MAX, Lsn(0)),
            LayerName::delta(Key::MIN, Key::MAX, Lsn(0), Lsn(1)).unwrap(),
            LayerName::delta(Key::MIN, Key::MAX, Lsn(0), Lsn(u64::MAX)).unwrap(),
        ];
        assert_eq!(visible_at(&layers, &[u64::MAX]), [true, false, false, false]);
        assert_eq!(visible_at(&layers, &[u64::MAX, 0]), [true, true, false, true]);
        assert_eq!(visible_at(&layers, &[]), [true, false, false, false]);
    }

    /// The sweep as it is told: every item, every waiting delta, a set of single keys.
    fn slowly(layers: &[LayerName], read_points: &[Lsn]) -> Vec<bool> {
        #[derive(PartialEq, Eq, PartialOrd, Ord)]
        enum Item {
            ReadPoint,
            Image(LayerName),
            Delta(LayerName),
        }
        let mut items: Vec<(Reverse<Lsn>, Item, usize)> =
            read_points.iter().map(|&point| (Reverse(point), Item::ReadPoint, 0)).collect();
        for (index, &layer) in layers.iter().enumerate() {
            let item = if layer.is_delta() { Item::Delta(layer) } else { Item::Image(layer) };
            items.push((Reverse(position(&layer)), item, index));
        }
        items.sort();
        let keys =
            |layer: LayerName| (0..60).filter(move |&at| layer.key_start() <= key(at) && key(at) < layer.key_end());
        let mut shadow = std::collections::BTreeSet::new();
        let (mut answers, mut waiting) = (vec![false; layers.len()], Vec::<(LayerName, usize)>::new());
        for (Reverse(lsn), item, index) in items {
            match item {
                Item::ReadPoint => {
                    shadow.clear();
                    for (_, index) in waiting.extract_if(.., |(layer, _)| lsn >= layer.lsn_start()) {
                        answers[index] = true;
                    }
                }
                Item::Image(layer) => answers[index] = keys(layer).filter(|&key| shadow.insert(key)).count() > 0,
                Item::Delta(layer) => {
                    answers[index] = !keys(layer).all(|key| shadow.contains(&key));
                    if !answers[index] {
                        waiting.push((layer, index));
                    }
                }
            }
            waiting.retain(|(layer, _)| lsn >= layer.lsn_start());
        }
        answers
    }

    prop_compose! {
        fn layers()(from in 0u32..32, keys in 1u32..16, lsn in 1u64..60, lsns in 1u64..20, delta: bool) -> LayerName {
            if delta { super::tests::delta(from, from + keys, lsn, lsn + lsns) } else { image(from, from + keys, lsn) }
        }
    }

    proptest! {
        #[test]
        fn it_equals_the_sweep_as_it_is_told(layers in vec(layers(), 0..60), points in vec((0u64..90).prop_map(Lsn), 0..6)) {
            prop_assert_eq!(visible(&layers, &points), slowly(&layers, &points));
        }

        #[test]
        fn at_the_tip_a_layer_is_covered_by_the_images_above_it(layers in proptest::collection::btree_set(layers(), 0..60)) {
            let layers: Vec<_> = layers.into_iter().collect();
            let answers = visible_at(&layers, &[1000]);
            for (index, (layer, visible)) in layers.iter().zip(answers).enumerate() {
                // Of two images of one LSN, one may cover the other: the one that is swept first.
                let above = |other: &LayerName| {
                    !other.is_delta()
                        && (other.lsn_start() > position(layer)
                            || other.lsn_start() == position(layer) && (layer.is_delta() || other < layer))
                };
                let images: Vec<_> = layers.iter().filter(|other| above(other)).collect();
                let covered = (0..60).map(key).filter(|&at| layer.key_start() <= at && at < layer.key_end()).all(|at| {
                    images.iter().any(|image| image.key_start() <= at && at < image.key_end())
                });
                prop_assert_eq!(visible, !covered, "{} {}", index, layer);
            }
        }
    }

    /// How often a set of keys that counts is asked and changed.
    fn operations(steps: impl Iterator<Item = (u32, u32)>) -> (usize, usize) {
        let mut shadow = Shadow::default();
        let (mut added, mut removed) = (0, 0);
        for (start, end) in steps {
            let before = shadow.ranges.len();
            let changed = shadow.add(start, end);
            added += usize::from(changed);
            removed += before + usize::from(changed) - shadow.ranges.len();
        }
        (added, removed)
    }

    #[rstest]
    #[case::disjoint_then_all((0..1000).map(|n| (n * 2, n * 2 + 1)).chain([(0, 5000)]).collect())]
    #[case::growing((1..1000).map(|n| (0, n)).collect())]
    #[case::growing_both_ways((1..1000).map(|n| (1000 - n, 1000 + n)).collect())]
    #[case::joining_halves((0..10).flat_map(|level| (0..1000 >> level).map(move |n| (n << level, (n << level) + (1 << level) - 1))).collect())]
    fn each_range_of_the_shadow_is_removed_at_most_once(#[case] steps: Vec<(u32, u32)>) {
        let (added, removed) = operations(steps.iter().copied());
        assert!(added <= steps.len() && removed <= added, "{added} {removed}");
    }

    #[test]
    fn many_deltas_that_wait_and_many_read_points_are_no_trouble() {
        // With a list of those that wait this would take 10^10 steps, not 10^5.
        let count = 100_000;
        let mut layers = vec![image(0, 10, 2 * count)];
        layers.extend((0..count).map(|n| delta(0, 10, 1, count + n)));
        let mut read_points: Vec<_> = (0..count).map(|n| 3 * count + n).collect();
        assert!(!visible_at(&layers, &read_points)[1..].contains(&true));
        read_points.extend((1..count).map(|n| count - n));
        assert!(!visible_at(&layers, &read_points).contains(&false));
    }
}
