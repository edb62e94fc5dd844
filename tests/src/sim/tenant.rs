//! A tenant shard's layers, and what its heatmap should list: worked out here by plain sorting, from the rules, and by
//! nothing that the host uses.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use fastrand::Rng;
use thermocline::heatmap::{HeatmapLayer, HeatmapTimeline};
use thermocline::layer::{
    Generation, Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, Marks, ShardIndex, TableError, TenantId,
    TenantShardId, TimelineId,
};

use super::chance::{happens, one_of};
use super::picture::Picture;

/// Layers of one tenant at most: most have few, and what is tested does not grow with them.
const MAX_LAYERS: usize = 32;

/// Timelines of one tenant at most.
const MAX_TIMELINES: u8 = 3;

const HELD: Marks = Marks(Marks::RESIDENT.0 | Marks::VISIBLE.0);

/// What a change moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Nothing,
    AccessTimes,
    Layers,
}

/// The layers of one tenant shard, as one pageserver has them.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    shard: TenantShardId,
    generation: u32,
    layers: BTreeMap<(TimelineId, LayerName), Layer>,
    timelines: Vec<TimelineId>,
    lsn: u64,
}

/// A tenant's id, by number.
pub(super) fn tenant_id(number: u16) -> TenantId {
    let [high, low] = number.to_be_bytes();
    TenantId::from_bytes([0x7e, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

/// Whether a timeline is one of this tenant's.
pub(super) fn is_of(timeline: TimelineId, tenant: TenantId) -> bool {
    timeline.as_bytes().first_chunk::<3>() == tenant.as_bytes().first_chunk::<3>()
}

fn timeline_id(tenant: TenantId, number: u8) -> TimelineId {
    let mut bytes = *tenant.as_bytes();
    if let Some(last) = bytes.last_mut() {
        *last = 0x10 + number;
    }
    TimelineId::from_bytes(bytes)
}

fn key(number: u8) -> Key {
    let mut bytes = [0; 18];
    if let Some(last) = bytes.last_mut() {
        *last = number;
    }
    Key::from_bytes(bytes)
}

impl Tenant {
    /// With a timeline and a few layers.
    pub(super) fn new(shard: TenantShardId, generation: u32, rng: &mut Rng, now_s: i64) -> Self {
        let timelines = vec![timeline_id(shard.tenant, 0)];
        let mut tenant = Tenant { shard, generation, layers: BTreeMap::new(), timelines, lsn: 0x0100_0000 };
        for _ in 0..rng.usize(0..10) {
            tenant.change(rng, now_s);
        }
        tenant
    }

    /// The same tenant where it is attached next: nothing is on its disk, and the heatmap that it finds is its
    /// inheritance.
    pub(super) fn taken_over(&self, generation: u32) -> Self {
        let mut tenant = Tenant { generation, ..self.clone() };
        for layer in tenant.layers.values_mut() {
            let hot = layer.marks.is_resident() || layer.marks.is_inherited();
            let visible = Marks(layer.marks.0 & Marks::VISIBLE.0);
            layer.marks = visible | if hot { Marks::INHERITED } else { Marks::INHERITED_COLD };
        }
        tenant
    }

    /// One of the shards that it is split into: it keeps its parent's layers.
    pub(super) fn split_off(&self, shard: ShardIndex) -> Self {
        Tenant { shard: TenantShardId { shard, ..self.shard }, ..self.clone() }
    }

    /// Attached anew, in another generation.
    pub(super) fn in_generation(self, generation: u32) -> Self {
        Tenant { generation, ..self }
    }

    /// Lets something happen to its layers.
    pub(super) fn change(&mut self, rng: &mut Rng, now_s: i64) -> Moved {
        match rng.u32(0..100) {
            0..40 => self.flush(rng, now_s),
            40..55 => self.compact(rng, now_s),
            55..70 => self.evict(rng),
            70..88 => self.download(rng),
            88..92 => self.branch(rng, now_s),
            _ => self.read(rng, now_s),
        }
    }

    /// A layer is read.
    pub(super) fn read(&mut self, rng: &mut Rng, now_s: i64) -> Moved {
        match self.pick(rng, |layer| layer.marks.is_resident()) {
            Some(layer) if layer.access_time != now_s => {
                layer.access_time = now_s;
                layer.access_count += 1;
                Moved::AccessTimes
            }
            _ => Moved::Nothing,
        }
    }

    fn flush(&mut self, rng: &mut Rng, now_s: i64) -> Moved {
        let Some(timeline) = one_of(rng, &self.timelines) else { return Moved::Nothing };
        self.lsn += 0x100;
        let name = LayerName::delta(Key::MIN, Key::MAX, Lsn(self.lsn - 0x100), Lsn(self.lsn));
        self.add(timeline, name, rng, now_s)
    }

    /// Replaces the L0 layers of a timeline, covers what is below, and forgets what was covered before.
    fn compact(&mut self, rng: &mut Rng, now_s: i64) -> Moved {
        let Some(timeline) = one_of(rng, &self.timelines) else { return Moved::Nothing };
        self.layers.retain(|(of, name), layer| *of != timeline || !name.is_l0() && layer.marks.is_visible());
        for layer in self.layers.values_mut().filter(|layer| layer.timeline == timeline) {
            if happens(rng, 300) {
                layer.marks = Marks(layer.marks.0 & !Marks::VISIBLE.0);
            }
        }
        self.lsn += 0x100;
        for part in 0..rng.u8(1..4) {
            let (start, end) = (key(part * 10), key(part * 10 + 10));
            let name = if rng.bool() {
                Some(LayerName::image(start, end, Lsn(self.lsn)))
            } else {
                LayerName::delta(start, end, Lsn(self.lsn - 0x80), Lsn(self.lsn))
            };
            self.add(timeline, name, rng, now_s);
        }
        Moved::Layers
    }

    fn branch(&mut self, rng: &mut Rng, now_s: i64) -> Moved {
        let number = u8::try_from(self.timelines.len()).unwrap_or(u8::MAX);
        if number >= MAX_TIMELINES {
            return self.flush(rng, now_s);
        }
        self.timelines.push(timeline_id(self.shard.tenant, number));
        Moved::Layers
    }

    fn evict(&mut self, rng: &mut Rng) -> Moved {
        match self.pick(rng, |layer| layer.marks.is_resident()) {
            Some(layer) => {
                layer.marks = Marks(layer.marks.0 & !Marks::RESIDENT.0);
                Moved::Layers
            }
            None => Moved::Nothing,
        }
    }

    fn download(&mut self, rng: &mut Rng) -> Moved {
        match self.pick(rng, |layer| !layer.marks.is_resident()) {
            Some(layer) => {
                let inherited = Marks::INHERITED | Marks::INHERITED_COLD;
                layer.marks = Marks(layer.marks.0 & !inherited.0) | Marks::RESIDENT;
                Moved::Layers
            }
            None => Moved::Nothing,
        }
    }

    fn add(&mut self, timeline: TimelineId, name: Option<LayerName>, rng: &mut Rng, now_s: i64) -> Moved {
        let Some(name) = name else { return Moved::Nothing };
        if self.layers.len() >= MAX_LAYERS {
            self.layers.pop_first();
        }
        let metadata = LayerMetadata {
            file_size: 8192 * rng.u64(1..1024),
            generation: Generation::new(self.generation),
            shard: self.shard.shard,
        };
        let resident_since = u32::try_from(now_s).ok().and_then(NonZeroU32::new);
        let layer =
            Layer { timeline, name, metadata, access_time: now_s, access_count: 0, resident_since, marks: HELD };
        self.layers.insert((timeline, name), layer);
        Moved::Layers
    }

    fn pick(&mut self, rng: &mut Rng, wanted: impl Fn(&Layer) -> bool) -> Option<&mut Layer> {
        let names: Vec<_> = self.layers.iter().filter(|(_, layer)| wanted(layer)).map(|(name, _)| *name).collect();
        self.layers.get_mut(&one_of(rng, &names)?)
    }

    /// As the host is handed it.
    pub(super) fn table(&self) -> Result<LayerTable, TableError> {
        let mut builder = LayerTable::builder();
        self.timelines.iter().for_each(|timeline| builder.timeline(*timeline));
        self.layers.values().for_each(|layer| builder.layer(*layer));
        builder.build()
    }

    /// What its heatmap should list: hot layers, L0 last among them, before cold ones, the newest LSN end first.
    pub(super) fn listed(&self) -> Picture {
        self.picture(|layers| {
            let mut listed: Vec<_> =
                layers.iter().filter_map(|layer| Some((temperature(layer.marks)?, layer))).collect();
            listed.sort_by_key(|(cold, layer)| {
                (*cold, !cold && layer.name.is_l0(), Reverse(layer.name.lsn_end()), layer.name)
            });
            listed.into_iter().map(|(cold, layer)| heatmap_layer(layer, cold)).collect()
        })
    }

    /// What it lists where the policy lists only the first row of the table.
    pub(super) fn first_only(&self) -> Picture {
        let first = self.layers.keys().next();
        self.picture(|layers| {
            let first = layers.iter().filter(|layer| Some(&(layer.timeline, layer.name)) == first);
            first.map(|layer| heatmap_layer(layer, false)).collect()
        })
    }

    fn picture(&self, list: impl Fn(&[&Layer]) -> Vec<HeatmapLayer>) -> Picture {
        let mut timelines = self.timelines.clone();
        timelines.sort_unstable();
        let listed = timelines.into_iter().map(|timeline_id| {
            let of_it: Vec<_> = self.layers.values().filter(|layer| layer.timeline == timeline_id).collect();
            HeatmapTimeline { timeline_id, layers: list(&of_it) }
        });
        Picture::of(&listed.collect::<Vec<_>>())
    }
}

/// Whether a layer is listed as cold; `None` where it is not listed.
fn temperature(marks: Marks) -> Option<bool> {
    match marks {
        _ if !marks.is_visible() => None,
        _ if marks.is_resident() || marks.is_inherited() => Some(false),
        _ => marks.is_inherited_cold().then_some(true),
    }
}

fn heatmap_layer(layer: &Layer, cold: bool) -> HeatmapLayer {
    let Layer { name, metadata, access_time, .. } = *layer;
    HeatmapLayer { name, metadata, access_time, cold, heat: None }
}
