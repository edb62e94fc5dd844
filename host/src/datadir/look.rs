//! From what is on disk and in the bucket to a shard's table.

use std::collections::BTreeMap;

use thermocline_policy::Marks;

use super::Note;
use super::bucket::Bucket;
use super::layer_map::{self, Known, LayerMap, Location, MapLayer};
use super::read_points::{self, BranchPoints};
use super::scan::{Scan, TimelineFiles};
use crate::heatmap::{Heatmap, HeatmapLayer};
use crate::layer::{
    Layer, LayerMetadata, LayerName, LayerTable, LayerTableBuilder, TableError, TimelineId, visibility,
};
use crate::state::Sightings;

/// A shard's layers, and what had to be assumed or passed over to tell them.
#[derive(Debug)]
pub struct Look {
    /// The layers of every timeline that has a local folder.
    pub table: LayerTable,
    /// What whoever uses the table should know.
    pub notes: Vec<Note>,
}

/// All that tells a shard's layers.
pub(super) struct Evidence {
    pub(super) location: Location,
    /// `None` where no remote is given.
    pub(super) bucket: Option<Bucket>,
    pub(super) scan: Scan,
    /// The local heatmap: the one that this location took over when it was attached, or uploaded since.
    pub(super) heatmap: Option<Heatmap>,
    pub(super) sightings: Sightings,
}

impl Evidence {
    /// The table that it makes.
    ///
    /// # Errors
    /// If there are more layers than a table holds.
    pub(super) fn assemble(self) -> Result<Look, TableError> {
        let Evidence { location, bucket, scan, heatmap, sightings } = self;
        let inherited = listed_by(heatmap);
        let branch_points =
            bucket.as_ref().map(|bucket| BranchPoints::new(&bucket.indexes, &bucket.manifest)).unwrap_or_default();

        let mut table = LayerTable::builder();
        let (mut leftovers, mut other_incarnations) = (0, 0);
        for TimelineFiles { timeline, files } in scan.timelines {
            let index = bucket.as_ref().and_then(|bucket| bucket.indexes.get(&timeline));
            if index.is_some_and(|index| index.deleted) {
                continue;
            }
            let listed = inherited.get(&timeline).map_or(&[][..], Vec::as_slice);
            let listed_metadata: Vec<_>;
            let known = match (&bucket, index) {
                (Some(_), Some(index)) => Known::Index(&index.layers),
                // It was made just now.
                (Some(_), None) => Known::Index(&[]),
                (None, _) => {
                    listed_metadata = listed.iter().map(|layer| (layer.name, layer.metadata)).collect();
                    Known::Heatmap(&listed_metadata)
                }
            };
            let map = layer_map::combine(known, files, location);
            leftovers += map.leftovers;
            other_incarnations += map.other_incarnations;

            let names: Vec<_> = map.layers.iter().map(|layer| layer.name).collect();
            let tip = read_points::tip(index.map(|index| index.disk_consistent_lsn), &names);
            let visible = visibility::visible(&names, &branch_points.of(timeline, tip));
            add(&mut table, timeline, &map, &visible, listed, |name, metadata| {
                sightings.contains(timeline, name, metadata)
            });
        }

        let mut notes = match bucket {
            Some(bucket) => bucket.notes,
            None => vec![Note::NoRemote],
        };
        notes.extend(scan.unknown.first.map(|first| Note::Unknown { count: scan.unknown.count, first }));
        notes.extend((leftovers > 0).then_some(Note::Leftovers { count: leftovers }));
        notes.extend((other_incarnations > 0).then_some(Note::OtherIncarnations { count: other_incarnations }));
        Ok(Look { table: table.build()?, notes })
    }
}

/// The layers that a heatmap lists, by timeline; sorted by name, none twice.
fn listed_by(heatmap: Option<Heatmap>) -> BTreeMap<TimelineId, Vec<HeatmapLayer>> {
    let mut timelines: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for timeline in heatmap.into_iter().flat_map(|heatmap| heatmap.timelines) {
        timelines.entry(timeline.timeline_id).or_default().extend(timeline.layers);
    }
    for layers in timelines.values_mut() {
        layers.sort_by_key(|layer| layer.name);
        layers.dedup_by_key(|layer| layer.name);
    }
    timelines
}

fn add(
    table: &mut LayerTableBuilder,
    timeline: TimelineId,
    map: &LayerMap,
    visible: &[bool],
    listed: &[HeatmapLayer],
    was_seen: impl Fn(&LayerName, &LayerMetadata) -> bool,
) {
    table.timeline(timeline);
    table.reserve(map.layers.len());
    let mut listed = listed.iter().peekable();
    for (&MapLayer { name, metadata, accessed_on_disk }, &visible) in map.layers.iter().zip(visible) {
        while listed.next_if(|listed| listed.name < name).is_some() {}
        let listed = listed.next_if(|listed| listed.name == name);
        let mut marks = if visible { Marks::VISIBLE } else { Marks::NONE };
        match (accessed_on_disk, listed) {
            (Some(_), _) => marks |= Marks::RESIDENT,
            // Seen here before, and gone: evicted.
            (None, Some(listed)) if visible && !was_seen(&name, &metadata) => {
                marks |= if listed.cold { Marks::INHERITED_COLD } else { Marks::INHERITED };
            }
            (None, _) => {}
        }
        let access_time = accessed_on_disk.or(listed.map(|listed| listed.access_time)).unwrap_or_default();
        table.layer(Layer { timeline, name, metadata, access_time, access_count: 0, marks });
    }
}
