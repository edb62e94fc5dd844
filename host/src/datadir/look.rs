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
        let mut without_index = Vec::new();
        for TimelineFiles { timeline, files } in scan.timelines {
            let index = bucket.as_ref().and_then(|bucket| bucket.indexes.get(&timeline));
            if index.is_some_and(|index| index.deleted) {
                continue;
            }
            let listed = inherited.get(&timeline).map_or(&[][..], Vec::as_slice);
            let listed_metadata: Vec<_>;
            let known = match index {
                Some(index) => Known::Index(&index.layers),
                // It was made just now, or the remote is not the one that the tenant is stored in. Its files are
                // all there is to go by; to pass them over would publish next to nothing.
                None => {
                    without_index.extend(bucket.is_some().then_some(timeline));
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
        notes.extend(without_index.first().map(|first| Note::NoIndex { count: without_index.len(), first: *first }));
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
    for (&MapLayer { name, metadata, accessed_on_disk, resident_since }, &visible) in map.layers.iter().zip(visible) {
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
        table.layer(Layer { timeline, name, metadata, access_time, access_count: 0, resident_since, marks });
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use rstest::rstest;

    use super::*;
    use crate::datadir::index_part::IndexPart;
    use crate::datadir::scan::{LayerFile, Unknown};
    use crate::heatmap::HeatmapTimeline;
    use crate::layer::{Generation, Key, Lsn, ShardIndex};

    const OWN: u32 = 3;

    fn timeline(byte: u8) -> TimelineId {
        TimelineId::from_bytes([byte; 16])
    }

    fn image(lsn: u64) -> LayerName {
        LayerName::image(Key::MIN, Key::MAX, Lsn(lsn))
    }

    fn metadata() -> LayerMetadata {
        LayerMetadata { file_size: 8, generation: Generation::new(1), shard: ShardIndex::UNSHARDED }
    }

    fn file(name: LayerName) -> LayerFile {
        LayerFile { name, generation: Generation::new(1), size_bytes: 8, access_time: 17, written: NonZeroU32::new(7) }
    }

    fn index(layers: &[LayerName], ancestor: Option<(u8, u64)>) -> IndexPart {
        IndexPart {
            layers: layers.iter().map(|&name| (name, metadata())).collect(),
            disk_consistent_lsn: Lsn(1000),
            ancestor: ancestor.map(|(byte, lsn)| (timeline(byte), Lsn(lsn))),
            deleted: false,
        }
    }

    fn heatmap(entries: &[(LayerName, bool)]) -> Heatmap {
        let layers = entries.iter().map(|&(name, cold)| HeatmapLayer {
            name,
            metadata: metadata(),
            access_time: 99,
            cold,
            heat: None,
        });
        let timelines = vec![HeatmapTimeline { timeline_id: timeline(1), layers: layers.collect() }];
        Heatmap { generation: 2, timelines, upload_period_ms: None, policy: None }
    }

    /// One timeline with these images in its index, and files of some of them.
    fn evidence(indexed: &[LayerName], on_disk: &[LayerName]) -> Evidence {
        let files = on_disk.iter().map(|&name| file(name)).collect();
        Evidence {
            location: Location { generation: Generation::new(OWN), shard: ShardIndex::UNSHARDED },
            bucket: Some(Bucket { indexes: [(timeline(1), index(indexed, None))].into(), ..Bucket::default() }),
            scan: Scan { timelines: vec![TimelineFiles { timeline: timeline(1), files }], unknown: Unknown::default() },
            heatmap: None,
            sightings: Sightings::none(OWN),
        }
    }

    fn indexes(evidence: &mut Evidence) -> &mut BTreeMap<TimelineId, IndexPart> {
        &mut evidence.bucket.as_mut().unwrap().indexes
    }

    /// Each row's LSN, marks and access time.
    fn rows(evidence: Evidence) -> Vec<(u64, Marks, i64)> {
        let look = evidence.assemble().unwrap();
        look.table.layers().map(|layer| (layer.name.lsn_start().0, layer.marks, layer.access_time)).collect()
    }

    #[test]
    fn a_branch_that_is_only_in_the_bucket_keeps_its_ancestors_layers_visible() {
        let layers = [image(50), image(80)];
        assert_eq!(
            rows(evidence(&layers, &layers)),
            [(50, Marks::RESIDENT, 17), (80, Marks::RESIDENT | Marks::VISIBLE, 17)]
        );
        let mut branched = evidence(&layers, &layers);
        indexes(&mut branched).insert(timeline(2), index(&[], Some((1, 60))));
        assert!(rows(branched).iter().all(|(_, marks, _)| marks.is_visible()));
    }

    #[test]
    fn a_timeline_that_is_being_deleted_is_neither_listed_nor_read() {
        let layers = [image(50), image(80)];
        let mut deleted = evidence(&layers, &layers);
        let gone = IndexPart { deleted: true, ..index(&[image(7)], Some((1, 60))) };
        indexes(&mut deleted).insert(timeline(2), gone);
        deleted.scan.timelines.push(TimelineFiles { timeline: timeline(2), files: vec![file(image(7))] });
        let look = deleted.assemble().unwrap();
        assert_eq!(look.table.timeline_ids(), [timeline(1)]);
        assert!(!look.table.layer(0).unwrap().marks.is_visible());
    }

    #[test]
    fn timelines_with_a_folder_are_listed_whatever_is_in_them() {
        let mut evidence = evidence(&[], &[]);
        // One without an index: it was made just now, and what it flushed is of this attachment.
        let fresh = LayerFile { generation: Generation::new(OWN), ..file(image(5)) };
        evidence.scan.timelines.push(TimelineFiles { timeline: timeline(3), files: vec![fresh] });
        // One without a folder.
        indexes(&mut evidence).insert(timeline(2), index(&[image(7)], None));
        let look = evidence.assemble().unwrap();
        assert_eq!(look.table.timeline_ids(), [timeline(1), timeline(3)]);
        assert_eq!(look.table.len(), 1);
        assert_eq!(look.table.layer(0).unwrap().metadata.generation, Generation::new(OWN));
    }

    #[rstest]
    #[case::hot(80, false, Marks::VISIBLE | Marks::INHERITED)]
    #[case::cold(80, true, Marks::VISIBLE | Marks::INHERITED_COLD)]
    #[case::covered(50, false, Marks::NONE)]
    fn a_visible_layer_that_the_heatmap_lists_is_inherited(
        #[case] lsn: u64,
        #[case] cold: bool,
        #[case] expected: Marks,
    ) {
        let layers = [image(50), image(80)];
        let mut evidence = evidence(&layers, &[]);
        evidence.heatmap = Some(heatmap(&[(image(lsn), cold), (image(7), false)]));
        let rows = rows(evidence);
        assert_eq!(rows.len(), 2, "what the index does not know is no layer any more");
        assert_eq!(rows.into_iter().find(|row| row.0 == lsn), Some((lsn, expected, 99)));
    }

    #[test]
    fn a_resident_layer_is_resident_whatever_the_heatmap_says() {
        let mut evidence = evidence(&[image(80)], &[image(80)]);
        evidence.heatmap = Some(heatmap(&[(image(80), true)]));
        assert_eq!(rows(evidence), [(80, Marks::RESIDENT | Marks::VISIBLE, 17)]);
    }

    #[test]
    fn a_layer_is_resident_since_its_file_was_written() {
        let mut evidence = evidence(&[image(70), image(80)], &[image(80)]);
        evidence.heatmap = Some(heatmap(&[(image(70), false)]));
        let look = evidence.assemble().unwrap();
        let since: Vec<_> = look.table.layers().map(|layer| (layer.name.lsn_start().0, layer.resident_since)).collect();
        assert_eq!(since, [(70, None), (80, NonZeroU32::new(7))]);
    }

    #[test]
    fn a_layer_that_was_seen_is_not_inherited() {
        let first = evidence(&[image(80)], &[image(80)]);
        let sightings = first.sightings.clone();
        let sightings = sightings.after(&first.assemble().unwrap().table);
        let mut second = evidence(&[image(80)], &[]);
        second.heatmap = Some(heatmap(&[(image(80), false)]));
        second.sightings = sightings;
        assert_eq!(rows(second), [(80, Marks::VISIBLE, 99)]);
    }

    #[test]
    fn what_was_passed_over_is_counted_over_all_timelines() {
        let mut evidence = evidence(&[image(80)], &[image(7), image(8)]);
        let other = LayerFile { size_bytes: 9, ..file(image(80)) };
        evidence.scan.timelines[0].files.push(other);
        evidence.scan.timelines.push(TimelineFiles { timeline: timeline(3), files: vec![file(image(5))] });
        evidence.scan.unknown = Unknown { count: 2, first: Some("README".into()) };
        assert_eq!(
            evidence.assemble().unwrap().notes,
            [
                Note::NoIndex { count: 1, first: timeline(3) },
                Note::Unknown { count: 2, first: "README".into() },
                Note::Leftovers { count: 2 },
                Note::OtherIncarnations { count: 1 }
            ]
        );
    }

    #[test]
    fn a_timeline_without_an_index_is_what_its_files_and_the_heatmap_say() {
        // As where the remote that was named is not the one that the tenant is stored in.
        let mut evidence = evidence(&[], &[image(80)]);
        indexes(&mut evidence).clear();
        evidence.heatmap = Some(heatmap(&[(image(90), true)]));
        let (resident, inherited) = (Marks::RESIDENT, Marks::INHERITED_COLD);
        assert_eq!(rows(evidence), [(80, resident, 17), (90, inherited | Marks::VISIBLE, 99)]);
    }
}
