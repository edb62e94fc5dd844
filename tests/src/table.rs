//! Tables for tests: layers by name, in any order.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use thermocline::layer::{
    Generation, Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, ShardIndex, TenantShardId, TimelineId,
};
use thermocline_policy::{Marks, Tenant};

/// A table of layers in the making, and the tenant shard it belongs to.
///
/// A layer has a name by which the [`Answer`](crate::Answer) calls it; what follows a layer
/// ([`resident`](Self::resident), [`size`](Self::size), ...) is said of it. Timelines are in the table in the
/// order in which they were named here. A mistake in building is reported when the table is used.
#[derive(Clone, Debug)]
pub struct Table {
    layers: Vec<(String, Layer)>,
    timelines: Vec<String>,
    tenant: Tenant,
    mistake: Option<String>,
}

/// A table that was built, and what its rows are called.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) table: Arc<LayerTable>,
    pub(crate) tenant: Tenant,
    pub(crate) names: Vec<String>,
}

impl Default for Table {
    fn default() -> Self {
        let shard = TenantShardId { tenant: Default::default(), shard: ShardIndex::UNSHARDED };
        let tenant =
            Tenant { shard: shard.to_string(), generation: 1, now: 1_700_000_000, checkpoint_distance: 256 << 20 };
        Table { layers: Vec::new(), timelines: Vec::new(), tenant, mistake: None }
    }
}

impl Table {
    /// An empty table, of an unsharded tenant, read in November 2023.
    #[must_use]
    pub fn new() -> Self {
        Table::default()
    }

    /// Layers that follow belong to the timeline of this name. Without it, all belong to one.
    #[must_use]
    pub fn timeline(mut self, name: &str) -> Self {
        if self.timelines.iter().any(|known| known == name) {
            return self.wrong(format!("timeline {name:?} is named twice"));
        }
        self.timelines.push(name.into());
        self
    }

    /// An image layer of these keys, at this LSN. Keys are blocks of one relation.
    #[must_use]
    pub fn image(self, name: &str, keys: Range<u64>, lsn: u64) -> Self {
        let layer = LayerName::image(Key::of_block(keys.start), Key::of_block(keys.end), Lsn(lsn));
        self.layer(name, Some(layer))
    }

    /// A delta layer of these keys and LSNs.
    #[must_use]
    pub fn delta(self, name: &str, keys: Range<u64>, lsns: Range<u64>) -> Self {
        let layer =
            LayerName::delta(Key::of_block(keys.start), Key::of_block(keys.end), Lsn(lsns.start), Lsn(lsns.end));
        self.layer(name, layer)
    }

    /// A delta layer over the whole key space.
    #[must_use]
    pub fn l0(self, name: &str, lsns: Range<u64>) -> Self {
        self.layer(name, LayerName::delta(Key::MIN, Key::MAX, Lsn(lsns.start), Lsn(lsns.end)))
    }

    /// On the pageserver's disk.
    #[must_use]
    pub fn resident(self) -> Self {
        self.marked(Marks::RESIDENT)
    }

    /// Needed by some read.
    #[must_use]
    pub fn visible(self) -> Self {
        self.marked(Marks::VISIBLE)
    }

    /// Hot in the heatmap that the location took over, and not on disk.
    #[must_use]
    pub fn inherited(self) -> Self {
        self.marked(Marks::INHERITED)
    }

    /// Cold in the heatmap that the location took over, and not on disk.
    #[must_use]
    pub fn inherited_cold(self) -> Self {
        self.marked(Marks::INHERITED_COLD)
    }

    /// Size of the layer's file; 8 KiB if not said.
    #[must_use]
    pub fn size(self, bytes: u64) -> Self {
        self.last(|layer| layer.metadata.file_size = bytes)
    }

    /// When the layer was last read, in seconds since the Unix epoch; at [`now`](Self::now)'s default if
    /// not said.
    #[must_use]
    pub fn read_at(self, seconds: i64) -> Self {
        self.last(|layer| layer.access_time = seconds)
    }

    /// How often the layer was read; never if not said.
    #[must_use]
    pub fn reads(self, count: u64) -> Self {
        self.last(|layer| layer.access_count = count)
    }

    /// Since when the layer has been on the pageserver's disk, in seconds since the Unix epoch; not known if not said.
    #[must_use]
    pub fn resident_since(self, seconds: u32) -> Self {
        self.resident().last(|layer| layer.resident_since = NonZeroU32::new(seconds))
    }

    /// The only clock that the policy has, in seconds since the Unix epoch.
    #[must_use]
    pub fn now(mut self, seconds: i64) -> Self {
        self.tenant.now = seconds;
        self
    }

    /// Below which size of its hot layers the tenant counts as small; 256 MiB if not said.
    #[must_use]
    pub fn checkpoint_distance(mut self, bytes: u64) -> Self {
        self.tenant.checkpoint_distance = bytes;
        self
    }

    /// In which generation the location is attached; the first if not said.
    #[must_use]
    pub fn generation(mut self, generation: u32) -> Self {
        self.tenant.generation = generation;
        self
    }

    fn layer(mut self, name: &str, layer: Option<LayerName>) -> Self {
        if self.layers.iter().any(|(known, _)| known == name) {
            return self.wrong(format!("layer {name:?} is named twice"));
        }
        let Some(layer) = layer else {
            return self.wrong(format!("layer {name:?} has LSNs that end before they start"));
        };
        let layer = Layer {
            timeline: self.timeline_id(),
            name: layer,
            metadata: LayerMetadata { file_size: 8192, generation: Generation::new(1), shard: ShardIndex::UNSHARDED },
            access_time: Table::default().tenant.now,
            access_count: 0,
            resident_since: None,
            marks: Marks::NONE,
        };
        self.layers.push((name.into(), layer));
        self
    }

    /// Ids grow in the order of naming.
    fn timeline_id(&self) -> TimelineId {
        TimelineId::from_bytes((self.timelines.len() as u128).to_be_bytes())
    }

    fn marked(self, mark: Marks) -> Self {
        self.last(|layer| layer.marks |= mark)
    }

    fn last(mut self, change: impl FnOnce(&mut Layer)) -> Self {
        match self.layers.last_mut() {
            Some((_, layer)) => {
                change(layer);
                self
            }
            None => self.wrong("something is said of a layer before there is one".into()),
        }
    }

    fn wrong(mut self, mistake: String) -> Self {
        self.mistake.get_or_insert(mistake);
        self
    }

    /// The layers alone, as a pageserver hands them over.
    pub(crate) fn table(&self) -> Result<LayerTable, String> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        let mut builder = LayerTable::builder();
        self.layers.iter().for_each(|(_, layer)| builder.layer(*layer));
        builder.build().map_err(|error| error.to_string())
    }

    pub(crate) fn build(&self) -> Result<Built, String> {
        let table = self.table()?;
        let named = |row: &Layer| {
            self.layers.iter().find(|(_, layer)| (layer.timeline, layer.name) == (row.timeline, row.name))
        };
        let names = table.layers().map(|row| named(&row).map(|(name, _)| name.clone()).unwrap_or_default()).collect();
        Ok(Built { table: Arc::new(table), tenant: self.tenant.clone(), names })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline_policy::Layers;

    use super::*;

    #[test]
    fn a_table_is_in_canonical_order_and_rows_keep_their_names() {
        let built = Table::new()
            .timeline("first")
            .image("late", 50..60, 16)
            .resident()
            .delta("early", 0..60, 8..16)
            .visible()
            .size(7)
            .read_at(-1)
            .reads(3)
            .resident_since(5)
            .timeline("second")
            .l0("over all", 1..2)
            .build()
            .unwrap();
        assert_eq!(built.names, ["early", "late", "over all"]);
        assert_eq!(Layers::marks(&*built.table)[0], (Marks::DELTA | Marks::VISIBLE | Marks::RESIDENT).0);
        assert_eq!(Layers::marks(&*built.table)[2], (Marks::DELTA | Marks::L0).0);
        assert_eq!(*Layers::timelines(&*built.table), [0, 0, 1]);
        assert_eq!(*Layers::key_starts_low(&*built.table), [0, 50, 0]);
        assert_eq!(Layers::file_sizes(&*built.table)[0], 7);
        assert_eq!(Layers::access_times(&*built.table)[0], -1);
        assert_eq!(Layers::access_counts(&*built.table)[0], 3);
        assert_eq!(*Layers::resident_times(&*built.table), [5, 0, 0]);
    }

    #[rstest]
    #[case::layer_twice(Table::new().l0("a", 1..2).l0("a", 2..3), "layer \"a\" is named twice")]
    #[case::timeline_twice(Table::new().timeline("t").timeline("t"), "timeline \"t\" is named twice")]
    #[case::no_layer(Table::new().resident(), "something is said of a layer before there is one")]
    #[case::lsns(Table::new().l0("a", 3..3), "layer \"a\" has LSNs that end before they start")]
    #[case::same_place(Table::new().l0("a", 1..2).l0("b", 1..2), "has layer")]
    fn a_mistake_is_reported(#[case] table: Table, #[case] why: &str) {
        let error = table.build().unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
