//! The tables that every policy is shown.

use std::num::NonZeroU32;
use std::sync::Arc;

use thermocline_policy::Marks;

use super::NOW;
use crate::layer::{Generation, Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, ShardIndex, TimelineId};

/// Rows of the large table.
pub const BIG_TABLE_ROWS: usize = 100_000;

/// Layers of one timeline in a sample: a tenant has some branches, and most of its layers on few of them.
const TIMELINE_LAYERS: usize = 40_000;

/// `count` layers as a pageserver might hold them: images and deltas, some of them L0, resident or not,
/// covered or not, inherited or not, of all sizes and ages. The same at every call and in every release.
pub fn sample_layers(count: usize) -> Vec<Layer> {
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    (0..count).map(|number| sample_layer(number, &mut noise)).collect()
}

/// A table of [`sample_layers`].
///
/// # Errors
/// If `count` is more than a table holds.
pub fn sample_table(count: usize) -> Result<Arc<LayerTable>, String> {
    table(&sample_layers(count), 0)
}

fn sample_layer(number: usize, noise: &mut Noise) -> Layer {
    let place = (number % TIMELINE_LAYERS) as u64;
    let lsn = 0x0100_0000 + (place / 64) * 0x1000;
    let (start, end) = (Key::of_block(place % 64 * 1_000), Key::of_block((place % 64 + 1) * 1_000));
    let roll = noise.below(100);
    let name = match roll {
        0..4 => delta(Key::MIN, Key::MAX, lsn + place % 64, lsn + 0x1000),
        4..60 => delta(start, end, lsn, lsn + 0x1000),
        _ => None,
    }
    .unwrap_or_else(|| LayerName::image(start, end, Lsn(lsn)));
    let marks = match noise.below(20) {
        0..12 => Marks::RESIDENT | Marks::VISIBLE,
        12..15 => Marks::RESIDENT,
        15..17 => Marks::VISIBLE,
        17 => Marks::VISIBLE | Marks::INHERITED,
        18 => Marks::VISIBLE | Marks::INHERITED_COLD,
        _ => Marks::NONE,
    };
    let file_size = 8192 * (1 + noise.below(32_768));
    let generation = Generation::new(1 + u32::try_from(noise.below(3)).unwrap_or_default());
    let access_time = NOW - i64::try_from(noise.below(30 * 86_400)).unwrap_or_default();
    Layer {
        timeline: timeline(u8::try_from(number / TIMELINE_LAYERS).unwrap_or(u8::MAX)),
        name,
        metadata: LayerMetadata { file_size, generation, shard: ShardIndex::UNSHARDED },
        access_time,
        access_count: noise.below(1_000),
        resident_since: resident_since(number, access_time),
        marks,
    }
}

/// Up to ten days before it was last read, and now and then not known. Without noise, so that all else in a sample is
/// what it was before layers had this time.
fn resident_since(number: usize, access_time: i64) -> Option<NonZeroU32> {
    let before_s = i64::try_from(number.wrapping_mul(7_919) % (10 * 86_400)).unwrap_or_default();
    let known = !number.is_multiple_of(11);
    u32::try_from(access_time - before_s).ok().and_then(NonZeroU32::new).filter(|_| known)
}

/// One layer for each combination of marks that a pageserver can make.
pub(super) fn each_mark() -> Vec<Layer> {
    let states = [
        Marks::NONE,
        Marks::VISIBLE,
        Marks::RESIDENT,
        Marks::RESIDENT | Marks::VISIBLE,
        Marks::VISIBLE | Marks::INHERITED,
        Marks::VISIBLE | Marks::INHERITED_COLD,
    ];
    let names = [
        Some(LayerName::image(Key::of_block(0), Key::of_block(8), Lsn(16))),
        delta(Key::of_block(0), Key::of_block(8), 16, 24),
        delta(Key::MIN, Key::MAX, 16, 24),
    ];
    let layers = names.into_iter().flatten().flat_map(|name| states.map(|marks| layer(name, marks)));
    layers.collect()
}

/// Layers at the ends of every column.
pub(super) fn extremes() -> Vec<Layer> {
    let names = [
        Some(LayerName::image(Key::MIN, Key::MIN, Lsn(0))),
        Some(LayerName::image(Key::MIN, Key::MAX, Lsn(u64::MAX - 1))),
        Some(LayerName::image(Key::MAX, Key::MAX, Lsn(1))),
        delta(Key::MIN, Key::MAX, 0, 1),
        delta(Key::MIN, Key::of_block(1), 0, u64::MAX),
        delta(Key::of_block(1), Key::MAX, u64::MAX - 1, u64::MAX),
    ];
    let values = [
        (0, i64::MIN, 0, None),
        (u64::MAX, i64::MAX, u64::MAX, Some(NonZeroU32::MAX)),
        (1, 0, 1, Some(NonZeroU32::MIN)),
    ];
    let shown = Marks::RESIDENT | Marks::VISIBLE;
    let layers = names.into_iter().flatten().zip(values.into_iter().cycle());
    layers
        .map(|(name, (file_size, access_time, access_count, resident_since))| {
            let layer = layer(name, shown);
            let metadata = LayerMetadata { file_size, ..layer.metadata };
            Layer { metadata, access_time, access_count, resident_since, ..layer }
        })
        .collect()
}

/// Ten kinds of layers, each twenty times, the same in all but their keys.
pub(super) fn twins() -> Vec<Layer> {
    let kinds = sample_layers(10);
    let twins = (0..20).flat_map(|copy: u64| kinds.iter().zip(0_u64..).map(move |(kind, number)| (copy, kind, number)));
    twins
        .map(|(copy, kind, number)| {
            let (start, end) =
                (Key::of_block((copy * 10 + number) * 100), Key::of_block((copy * 10 + number + 1) * 100));
            let lsn = 16 + number * 16;
            let name = delta(start, end, lsn, lsn + 8).unwrap_or_else(|| LayerName::image(start, end, Lsn(lsn)));
            Layer { timeline: timeline(0), name, ..*kind }
        })
        .collect()
}

/// A table of `layers`, with every timeline renamed by `rename`, which keeps their order.
pub(super) fn table(layers: &[Layer], rename: u8) -> Result<Arc<LayerTable>, String> {
    let mut builder = LayerTable::builder();
    builder.reserve(layers.len());
    for layer in layers {
        let mut id = *layer.timeline.as_bytes();
        if let Some(last) = id.last_mut() {
            *last = rename;
        }
        builder.layer(Layer { timeline: TimelineId::from_bytes(id), ..*layer });
    }
    builder.build().map(Arc::new).map_err(|error| error.to_string())
}

/// Bytes without any order.
pub(super) fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    (0..bytes).map(|_| u8::try_from(noise.below(256)).unwrap_or_default()).collect()
}

fn layer(name: LayerName, marks: Marks) -> Layer {
    let metadata = LayerMetadata { file_size: 8192, generation: Generation::new(1), shard: ShardIndex::UNSHARDED };
    let resident_since = resident_since(1, NOW - 60);
    Layer { timeline: timeline(0), name, metadata, access_time: NOW - 60, access_count: 1, resident_since, marks }
}

const fn timeline(number: u8) -> TimelineId {
    let mut id = [0; 16];
    id[0] = number;
    TimelineId::from_bytes(id)
}

fn delta(start: Key, end: Key, lsn_start: u64, lsn_end: u64) -> Option<LayerName> {
    LayerName::delta(start, end, Lsn(lsn_start), Lsn(lsn_end))
}

/// Numbers without order, and always the same ones (xorshift).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use thermocline_policy::Layers;

    use super::*;

    #[test]
    fn a_sample_has_the_size_asked_for_and_some_of_everything() {
        let table = sample_table(BIG_TABLE_ROWS).unwrap();
        assert_eq!(table.len(), BIG_TABLE_ROWS);
        assert_eq!(table.timeline_ids().len(), 3);
        let marks = Layers::marks(&*table);
        for mark in [Marks::RESIDENT, Marks::VISIBLE, Marks::DELTA, Marks::L0, Marks::INHERITED, Marks::INHERITED_COLD]
        {
            let with = marks.iter().filter(|marks| Marks(**marks).has(mark)).count();
            assert!((500..BIG_TABLE_ROWS - 500).contains(&with), "{mark:?}: {with}");
        }
    }

    #[test]
    fn renaming_a_timeline_changes_ids_and_nothing_else() {
        let (one, other) = (table(&twins(), 0).unwrap(), table(&twins(), 9).unwrap());
        assert_eq!(one.len(), 200);
        assert_ne!(Layers::ids(&*one), Layers::ids(&*other));
        assert_eq!(Layers::key_starts_low(&*one), Layers::key_starts_low(&*other));
        assert_eq!(Layers::lsn_ends(&*one), Layers::lsn_ends(&*other));
        assert_eq!(Layers::timelines(&*one), Layers::timelines(&*other));
    }

    #[test]
    fn small_tables_are_what_they_say() {
        assert_eq!(each_mark().len(), 18);
        assert_eq!(table(&extremes(), 0).unwrap().len(), 6);
        assert!(noise(1_000).iter().collect::<std::collections::BTreeSet<_>>().len() > 200);
    }
}
