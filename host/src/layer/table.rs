//! The column table: one tenant shard's layers, one row a layer.

use std::borrow::Cow;
use std::hash::Hasher;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use siphasher::sip::SipHasher13;
use thermocline_policy::{Layers, Marks};

use super::{Generation, Key, LayerKind, LayerMetadata, LayerName, Lsn, ShardIndex, TimelineId};

/// Most layers that one tenant shard's table holds: beyond it, a policy's columns alone would outgrow
/// the memory that a policy may have.
pub const MAX_ROWS: usize = 1 << 24;

/// One layer, as a pageserver hands it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The timeline it belongs to.
    pub timeline: TimelineId,
    /// Its rectangle of keys and LSNs.
    pub name: LayerName,
    /// Which physical file it is.
    pub metadata: LayerMetadata,
    /// Last read, seconds since the Unix epoch.
    pub access_time: i64,
    /// Reads since it became resident; 0 where the pageserver does not count.
    pub access_count: u64,
    /// Since when it has been resident, seconds since the Unix epoch; `None` where that is not known. The table keeps
    /// it of resident layers only.
    pub resident_since: Option<NonZeroU32>,
    /// Resident, visible, inherited. The table itself sets what follows from the name: delta and L0.
    pub marks: Marks,
}

/// Why a table cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Two rows of one timeline have one name.
    #[error("timeline {timeline} has layer {name} twice")]
    Duplicate {
        /// The timeline.
        timeline: TimelineId,
        /// The layer.
        name: LayerName,
    },
    /// More than [`MAX_ROWS`] layers.
    #[error("{rows} layers are more than a table holds: at most {limit}")]
    TooManyRows {
        /// How many there are.
        rows: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// A column that a policy may read: shared, so that a call hands it to the policy's memory without
/// a second copy.
pub(crate) type Column<T> = Arc<Vec<T>>;

/// The layers of one tenant shard as columns of integers, in canonical order: by timeline id, then
/// key start, key end, LSN. Equal sets of layers make equal tables, whatever map they came from.
///
/// Columns that few policies read are made when they are first asked for.
#[derive(Debug, Default)]
pub struct LayerTable {
    timelines: Vec<TimelineId>,
    /// Where each timeline's rows begin, and the number of rows behind them.
    starts: Vec<u32>,
    key_starts: Vec<Key>,
    key_ends: Vec<Key>,
    generations: Vec<Generation>,
    shards: Vec<ShardIndex>,
    marks: Column<u8>,
    lsn_starts: Column<u64>,
    lsn_ends: Column<u64>,
    file_sizes: Column<u64>,
    access_times: Column<i64>,
    access_counts: Column<u64>,
    /// Half of what policies see of it, since most never ask.
    resident_since: Vec<Option<NonZeroU32>>,
    derived: Derived,
}

#[derive(Debug, Default)]
struct Derived {
    ids: OnceLock<Column<u64>>,
    timelines: OnceLock<Column<u32>>,
    key_starts_high: OnceLock<Column<u64>>,
    key_starts_low: OnceLock<Column<u64>>,
    key_ends_high: OnceLock<Column<u64>>,
    key_ends_low: OnceLock<Column<u64>>,
    resident_times: OnceLock<Column<i64>>,
}

impl LayerTable {
    /// A table in the making.
    pub fn builder() -> LayerTableBuilder {
        LayerTableBuilder::default()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether no timeline has a layer.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Every timeline in the order of its id, also those without a layer.
    pub fn timeline_ids(&self) -> &[TimelineId] {
        &self.timelines
    }

    /// The rows of each timeline, in the order of [`timeline_ids`](Self::timeline_ids).
    pub fn timeline_rows(&self) -> impl ExactSizeIterator<Item = Range<u32>> {
        self.starts.array_windows().map(|&[start, end]| start..end)
    }

    /// One row, if there is such a row.
    pub fn layer(&self, row: u32) -> Option<Layer> {
        let timeline = self.starts.partition_point(|&start| start <= row).checked_sub(1)?;
        let (name, metadata, access_time) = self.listed(row)?;
        Some(Layer {
            timeline: *self.timelines.get(timeline)?,
            name,
            metadata,
            access_time,
            access_count: *self.access_counts.get(row as usize)?,
            resident_since: *self.resident_since.get(row as usize)?,
            marks: Marks(*self.marks.get(row as usize)?),
        })
    }

    /// What a heatmap says of a row.
    #[inline]
    pub(crate) fn listed(&self, row: u32) -> Option<(LayerName, LayerMetadata, i64)> {
        let index = row as usize;
        let metadata = LayerMetadata {
            file_size: *self.file_sizes.get(index)?,
            generation: *self.generations.get(index)?,
            shard: *self.shards.get(index)?,
        };
        Some((self.name(index)?, metadata, *self.access_times.get(index)?))
    }

    /// Every row.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        (0..).map_while(|row| self.layer(row))
    }

    fn name(&self, index: usize) -> Option<LayerName> {
        let (start, end) = (*self.key_starts.get(index)?, *self.key_ends.get(index)?);
        let lsn_start = Lsn(*self.lsn_starts.get(index)?);
        if Marks(*self.marks.get(index)?).is_delta() {
            LayerName::delta(start, end, lsn_start, Lsn(*self.lsn_ends.get(index)?))
        } else {
            Some(LayerName::image(start, end, lsn_start))
        }
    }
}

/// The columns as policies read them: shared by name with the component, borrowed by native code.
macro_rules! columns {
    ($($name:ident: $item:ty = $column:expr;)*) => {
        impl LayerTable {
            $(pub(crate) fn $name(&self) -> &Column<$item> {
                let column: fn(&LayerTable) -> &Column<$item> = $column;
                column(self)
            })*
        }

        impl Layers for LayerTable {
            fn rows(&self) -> u32 {
                self.starts.last().copied().unwrap_or_default()
            }

            $(fn $name(&self) -> Cow<'_, [$item]> {
                Cow::Borrowed(LayerTable::$name(self).as_slice())
            })*
        }
    };
}

columns! {
    marks: u8 = |table| &table.marks;
    ids: u64 = |table| table.derived.ids.get_or_init(|| Arc::new(table.stable_ids()));
    timelines: u32 = |table| table.derived.timelines.get_or_init(|| Arc::new(table.ordinals()));
    key_starts_high: u64 = |table| table.derived.key_starts_high.get_or_init(|| upper_half(&table.key_starts));
    key_starts_low: u64 = |table| table.derived.key_starts_low.get_or_init(|| lower_half(&table.key_starts));
    key_ends_high: u64 = |table| table.derived.key_ends_high.get_or_init(|| upper_half(&table.key_ends));
    key_ends_low: u64 = |table| table.derived.key_ends_low.get_or_init(|| lower_half(&table.key_ends));
    lsn_starts: u64 = |table| &table.lsn_starts;
    lsn_ends: u64 = |table| &table.lsn_ends;
    file_sizes: u64 = |table| &table.file_sizes;
    access_times: i64 = |table| &table.access_times;
    access_counts: u64 = |table| &table.access_counts;
    resident_times: i64 = |table| table.derived.resident_times.get_or_init(|| Arc::new(table.resident_seconds()));
}

#[allow(clippy::cast_possible_truncation, reason = "the upper half fits")]
fn upper_half(keys: &[Key]) -> Column<u64> {
    Arc::new(keys.iter().map(|key| (key.compact() >> 64) as u64).collect())
}

#[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn lower_half(keys: &[Key]) -> Column<u64> {
    Arc::new(keys.iter().map(|key| key.compact() as u64).collect())
}

impl LayerTable {
    fn ordinals(&self) -> Vec<u32> {
        let mut ordinals = Vec::with_capacity(self.len());
        for (ordinal, rows) in (0..).zip(self.timeline_rows()) {
            ordinals.extend(rows.map(|_| ordinal));
        }
        ordinals
    }

    fn resident_seconds(&self) -> Vec<i64> {
        self.resident_since.iter().map(|since| since.map_or(0, |since| i64::from(since.get()))).collect()
    }

    /// SipHash-1-3 with key 0 of timeline, keys, LSNs and kind: policies keep these in their memory, so
    /// they are the same in every release.
    fn stable_ids(&self) -> Vec<u64> {
        let mut ids = Vec::with_capacity(self.len());
        for layer in self.layers() {
            let mut hasher = SipHasher13::new();
            hasher.write(layer.timeline.as_bytes());
            hasher.write(layer.name.key_start().as_bytes());
            hasher.write(layer.name.key_end().as_bytes());
            hasher.write(&layer.name.lsn_start().0.to_le_bytes());
            hasher.write(&layer.name.lsn_end().0.to_le_bytes());
            hasher.write(&[u8::from(layer.name.is_delta())]);
            ids.push(hasher.finish());
        }
        ids
    }
}

/// Collects a tenant shard's layers, in any order.
#[derive(Debug, Default)]
pub struct LayerTableBuilder {
    timelines: Vec<TimelineId>,
    layers: Vec<Layer>,
}

impl LayerTableBuilder {
    /// Makes room for `layers` more.
    pub fn reserve(&mut self, layers: usize) {
        self.layers.reserve(layers);
    }

    /// Names a timeline, which is then listed also if it has no layer.
    pub fn timeline(&mut self, timeline: TimelineId) {
        self.timelines.push(timeline);
    }

    /// Adds a layer, and its timeline.
    pub fn layer(&mut self, layer: Layer) {
        if self.timelines.last() != Some(&layer.timeline) {
            self.timelines.push(layer.timeline);
        }
        self.layers.push(layer);
    }

    /// Sorts what was collected, and lays it out by column.
    ///
    /// # Errors
    /// If a layer was added twice, or there are more than [`MAX_ROWS`].
    pub fn build(self) -> Result<LayerTable, TableError> {
        self.build_at_most(MAX_ROWS)
    }

    fn build_at_most(mut self, limit: usize) -> Result<LayerTable, TableError> {
        let LayerTableBuilder { timelines, layers } = &mut self;
        let rows = match u32::try_from(layers.len()) {
            Ok(rows) if layers.len() <= limit => rows,
            _ => return Err(TableError::TooManyRows { rows: layers.len(), limit }),
        };
        let order = |layer: &Layer| (layer.timeline, layer.name);
        // As most come: in order, and none twice.
        if !layers.is_sorted_by(|one, next| order(one) < order(next)) {
            layers.sort_unstable_by_key(order);
            if let Some([twice, _]) = layers.array_windows().find(|[a, b]| order(a) == order(b)) {
                return Err(TableError::Duplicate { timeline: twice.timeline, name: twice.name });
            }
        }
        timelines.sort_unstable();
        timelines.dedup();

        let mut starts = Vec::with_capacity(timelines.len() + 1);
        let mut numbered = (0..rows).zip(layers.iter()).peekable();
        for timeline in timelines.iter() {
            starts.push(numbered.peek().map_or(rows, |(row, _)| *row));
            while numbered.next_if(|(_, layer)| layer.timeline == *timeline).is_some() {}
        }
        starts.push(rows);

        Ok(LayerTable {
            starts,
            key_starts: column(layers, |layer| layer.name.key_start()),
            key_ends: column(layers, |layer| layer.name.key_end()),
            generations: column(layers, |layer| layer.metadata.generation),
            shards: column(layers, |layer| layer.metadata.shard),
            marks: Arc::new(column(layers, |layer| (layer.marks | marks_of(&layer.name)).0)),
            lsn_starts: Arc::new(column(layers, |layer| layer.name.lsn_start().0)),
            lsn_ends: Arc::new(column(layers, |layer| layer.name.lsn_end().0)),
            file_sizes: Arc::new(column(layers, |layer| layer.metadata.file_size)),
            access_times: Arc::new(column(layers, |layer| layer.access_time)),
            access_counts: Arc::new(column(layers, |layer| layer.access_count)),
            resident_since: column(layers, |layer| layer.resident_since.filter(|_| layer.marks.is_resident())),
            derived: Derived::default(),
            timelines: std::mem::take(timelines),
        })
    }
}

fn column<T>(layers: &[Layer], item: impl Fn(&Layer) -> T) -> Vec<T> {
    layers.iter().map(item).collect()
}

/// The marks that follow from a layer's name.
fn marks_of(name: &LayerName) -> Marks {
    match name.kind() {
        LayerKind::Image => Marks::NONE,
        LayerKind::Delta if name.is_l0() => Marks::DELTA | Marks::L0,
        LayerKind::Delta => Marks::DELTA,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layer(timeline: u8, key: u8, lsn: u64, delta: bool) -> Layer {
        let (start, end) = (Key::from_bytes([key; 18]), Key::MAX);
        let name = if delta {
            LayerName::delta(start, end, Lsn(lsn), Lsn(lsn + 8)).unwrap()
        } else {
            LayerName::image(start, end, Lsn(lsn))
        };
        Layer {
            timeline: TimelineId::from_bytes([timeline; 16]),
            name,
            metadata: LayerMetadata { file_size: lsn * 8192, ..LayerMetadata::default() },
            access_time: 17,
            access_count: 3,
            resident_since: NonZeroU32::new(5),
            marks: Marks::RESIDENT,
        }
    }

    fn table(layers: &[Layer]) -> LayerTable {
        let mut builder = LayerTable::builder();
        layers.iter().for_each(|layer| builder.layer(*layer));
        builder.build().unwrap()
    }

    #[test]
    fn a_timeline_without_layers_is_kept() {
        let mut builder = LayerTable::builder();
        builder.timeline(TimelineId::from_bytes([9; 16]));
        builder.layer(layer(5, 0, 1, true));
        builder.timeline(TimelineId::from_bytes([1; 16]));
        let table = builder.build().unwrap();
        assert_eq!(table.timeline_ids().len(), 3);
        assert_eq!(table.timeline_rows().collect::<Vec<_>>(), [0..0, 0..1, 1..1]);
        assert_eq!(table.layer(0).unwrap().timeline, TimelineId::from_bytes([5; 16]));
        assert_eq!(table.layer(1), None);
    }

    #[test]
    fn marks_follow_from_the_name() {
        let table = table(&[layer(1, 0, 1, true), layer(1, 1, 1, true), layer(1, 2, 1, false)]);
        let marks: Vec<_> = table.layers().map(|layer| layer.marks).collect();
        let (resident, delta) = (Marks::RESIDENT, Marks::DELTA);
        assert_eq!(marks, [resident | delta | Marks::L0, resident | delta, resident]);
    }

    #[test]
    fn resident_times_are_those_of_resident_layers() {
        let since =
            |since| Layer { resident_since: NonZeroU32::new(since), ..layer(1, 0, u64::from(since) + 1, false) };
        let elsewhere = Layer { marks: Marks::VISIBLE, ..since(7) };
        let table = table(&[since(0), since(1), elsewhere, since(u32::MAX - 1)]);
        assert_eq!(*Layers::resident_times(&table), [0, 1, 0, i64::from(u32::MAX) - 1]);
        let kept: Vec<_> = table.layers().map(|layer| layer.resident_since.map(NonZeroU32::get)).collect();
        assert_eq!(kept, [None, Some(1), None, Some(u32::MAX - 1)]);
    }

    /// A million layers are held at a time, twice over while a table is made.
    #[test]
    fn a_layer_takes_no_more_room_than_it_did() {
        assert_eq!(size_of::<Layer>(), 120);
        assert_eq!(size_of::<Option<NonZeroU32>>(), 4);
    }

    #[test]
    fn a_layer_twice_is_refused_by_name() {
        let mut builder = LayerTable::builder();
        [1, 2, 1].into_iter().for_each(|lsn| builder.layer(layer(1, 0, lsn, false)));
        let error = builder.build().unwrap_err();
        assert_eq!(
            error,
            TableError::Duplicate { timeline: TimelineId::from_bytes([1; 16]), name: layer(1, 0, 1, false).name }
        );
    }

    #[test]
    fn the_limit_on_rows_is_obeyed_and_violated() {
        let builder = || {
            let mut builder = LayerTable::builder();
            (0..3).for_each(|lsn| builder.layer(layer(1, 0, lsn, false)));
            builder
        };
        assert_eq!(builder().build_at_most(3).unwrap().len(), 3);
        assert_eq!(builder().build_at_most(2).unwrap_err(), TableError::TooManyRows { rows: 3, limit: 2 });
    }

    #[test]
    fn ids_stay_what_they_are() {
        // Policies remember layers by these ids, over restarts and upgrades.
        let table = table(&[layer(1, 0, 1, true), layer(1, 0, 1, false), layer(2, 0, 1, false)]);
        assert_eq!(**LayerTable::ids(&table), PINNED_IDS);
    }

    const PINNED_IDS: [u64; 3] = [3985356114428079081, 4984296725306444175, 2333724801878450360];

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            keys in proptest::collection::btree_set((0u8..4, 0u8..9, 1u64..99, any::<bool>()), 0..60),
            seed: u64,
        ) {
            let canonical: Vec<_> = keys.iter().map(|&(timeline, key, lsn, delta)| layer(timeline, key, lsn, delta)).collect();
            let mut shuffled = canonical.clone();
            shuffled.sort_by_key(|layer| layer.metadata.file_size.wrapping_mul(seed | 1));
            let (a, b) = (table(&canonical), table(&shuffled));
            prop_assert!(a.layers().eq(b.layers()));
            prop_assert_eq!(LayerTable::ids(&a), LayerTable::ids(&b));
            prop_assert!(a.layers().is_sorted_by_key(|layer| (layer.timeline, layer.name)));
            prop_assert_eq!(a.len(), canonical.len());
            let ordinals = LayerTable::timelines(&a);
            for (layer, ordinal) in a.layers().zip(ordinals.iter()) {
                prop_assert_eq!(a.timeline_ids()[*ordinal as usize], layer.timeline);
            }
        }
    }
}
