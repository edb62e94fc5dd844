//! Which layers a timeline has: what is known of it, and the files on disk.

use std::num::NonZeroU32;

use super::scan::LayerFile;
use crate::layer::{Generation, LayerMetadata, LayerName, ShardIndex};

/// What is known of a timeline's layers besides its files. Lists are sorted by name, no name twice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// Its index: whatever it does not list is not part of the timeline, except what this very location has
    /// flushed since.
    Index(&'a [(LayerName, LayerMetadata)]),
    /// No index is at hand, only what a heatmap lists. Every file of a generation that may be is a layer.
    Heatmap(&'a [(LayerName, LayerMetadata)]),
}

/// The location whose files these are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Location {
    pub(super) generation: Generation,
    pub(super) shard: ShardIndex,
}

/// One layer of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapLayer {
    pub(super) name: LayerName,
    pub(super) metadata: LayerMetadata,
    /// When it was last used; `None` where it is not on disk.
    pub(super) accessed_on_disk: Option<i64>,
    /// Since when it has been on disk, where that is known.
    pub(super) resident_since: Option<NonZeroU32>,
}

/// A timeline's layers, and how many files are none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LayerMap {
    /// Sorted by name, none twice.
    pub(super) layers: Vec<MapLayer>,
    /// Files of other generations that the index does not know: what deletions left behind.
    pub(super) leftovers: usize,
    /// Files with the name of a layer, but another generation or size.
    pub(super) other_incarnations: usize,
}

impl Known<'_> {
    fn layers(&self) -> &[(LayerName, LayerMetadata)] {
        match self {
            Known::Index(layers) | Known::Heatmap(layers) => layers,
        }
    }

    /// Whether a file of this generation may be a layer that is not known.
    fn admits(&self, file: Generation, own: Generation) -> bool {
        match self {
            Known::Index(_) => file == own,
            Known::Heatmap(_) => file <= own,
        }
    }
}

/// Combines what is known of a timeline with its files.
pub(super) fn combine(known: Known<'_>, mut files: Vec<LayerFile>, location: Location) -> LayerMap {
    files.sort_unstable();
    let mut map = LayerMap::default();
    let mut known_layers = known.layers().iter().peekable();
    let absent = |&(name, metadata): &(LayerName, LayerMetadata)| MapLayer {
        name,
        metadata,
        accessed_on_disk: None,
        resident_since: None,
    };
    for files in files.chunk_by(|a, b| a.name == b.name) {
        let Some(&LayerFile { name, .. }) = files.first() else { continue };
        while let Some(before) = known_layers.next_if(|(known, _)| *known < name) {
            map.layers.push(absent(before));
        }
        let as_known = known_layers.next_if(|(known, _)| *known == name);

        // The newest that may count. A later attachment elsewhere may have left files of generations to come.
        let newest = files.iter().rev().find(|file| known.admits(file.generation, location.generation));
        let newer = newest.filter(|file| as_known.is_none_or(|(_, metadata)| file.generation > metadata.generation));
        let same = |metadata: &LayerMetadata| {
            files.iter().find(|file| (file.generation, file.size_bytes) == (metadata.generation, metadata.file_size))
        };
        match (newer, as_known) {
            (Some(file), _) => map.layers.push(MapLayer {
                name,
                metadata: LayerMetadata {
                    file_size: file.size_bytes,
                    generation: file.generation,
                    shard: location.shard,
                },
                accessed_on_disk: Some(file.access_time),
                resident_since: file.written,
            }),
            (None, Some(entry @ (_, metadata))) => {
                let file = same(metadata);
                map.other_incarnations += files.len() - usize::from(file.is_some());
                let accessed_on_disk = file.map(|file| file.access_time);
                let resident_since = file.and_then(|file| file.written);
                map.layers.push(MapLayer { accessed_on_disk, resident_since, ..absent(entry) });
            }
            (None, None) => map.leftovers += files.len(),
        }
    }
    map.layers.extend(known_layers.map(absent));
    map
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::layer::{Key, Lsn};

    const PARENT: ShardIndex = ShardIndex::UNSHARDED;
    const OWN: ShardIndex = ShardIndex { number: 1, count: 2 };

    fn name(lsn: u64) -> LayerName {
        LayerName::image(Key::MIN, Key::MAX, Lsn(lsn))
    }

    fn listed(lsn: u64, generation: u32, file_size: u64) -> (LayerName, LayerMetadata) {
        (name(lsn), LayerMetadata { file_size, generation: Generation::new(generation), shard: PARENT })
    }

    fn file(lsn: u64, generation: u32, size_bytes: u64) -> LayerFile {
        let generation = Generation::new(generation);
        LayerFile { name: name(lsn), generation, size_bytes, access_time: 17, written: NonZeroU32::new(7) }
    }

    fn layer(lsn: u64, generation: u32, file_size: u64, shard: ShardIndex, resident: bool) -> MapLayer {
        let metadata = LayerMetadata { file_size, generation: Generation::new(generation), shard };
        let resident_since = NonZeroU32::new(7).filter(|_| resident);
        MapLayer { name: name(lsn), metadata, accessed_on_disk: resident.then_some(17), resident_since }
    }

    fn at_generation_3(known: Known<'_>, files: Vec<LayerFile>) -> LayerMap {
        combine(known, files, Location { generation: Generation::new(3), shard: OWN })
    }

    #[rstest]
    #[case::resident(vec![file(5, 1, 8)], layer(5, 1, 8, PARENT, true), 0)]
    #[case::evicted(vec![], layer(5, 1, 8, PARENT, false), 0)]
    #[case::rewritten_here(vec![file(5, 3, 9)], layer(5, 3, 9, OWN, true), 0)]
    #[case::rewritten_here_and_the_old_one_still_there(vec![file(5, 1, 8), file(5, 3, 9)], layer(5, 3, 9, OWN, true), 0)]
    #[case::of_another_attachment(vec![file(5, 2, 8)], layer(5, 1, 8, PARENT, false), 1)]
    #[case::of_an_attachment_to_come(vec![file(5, 4, 8)], layer(5, 1, 8, PARENT, false), 1)]
    #[case::older(vec![file(5, 0, 8)], layer(5, 1, 8, PARENT, false), 1)]
    #[case::another_size(vec![file(5, 1, 7)], layer(5, 1, 8, PARENT, false), 1)]
    #[case::among_others(vec![file(5, 2, 8), file(5, 1, 8), file(5, 0, 8)], layer(5, 1, 8, PARENT, true), 2)]
    fn a_file_is_a_listed_layer_only_in_the_same_incarnation(
        #[case] files: Vec<LayerFile>,
        #[case] expected: MapLayer,
        #[case] other_incarnations: usize,
    ) {
        let map = at_generation_3(Known::Index(&[listed(5, 1, 8)]), files);
        assert_eq!(map, LayerMap { layers: vec![expected], leftovers: 0, other_incarnations });
    }

    #[test]
    fn a_file_of_the_own_generation_with_another_size_is_not_the_layer() {
        let map = at_generation_3(Known::Index(&[listed(5, 3, 8)]), vec![file(5, 3, 9)]);
        let layers = vec![layer(5, 3, 8, PARENT, false)];
        assert_eq!(map, LayerMap { layers, leftovers: 0, other_incarnations: 1 });
    }

    #[rstest]
    #[case::just_flushed(file(5, 3, 8), Some(layer(5, 3, 8, OWN, true)))]
    #[case::left_behind(file(5, 2, 8), None)]
    #[case::of_an_attachment_to_come(file(5, 4, 8), None)]
    #[case::legacy(LayerFile { generation: Generation::NONE, ..file(5, 0, 8) }, None)]
    fn beyond_the_index_only_the_own_generation_counts(#[case] file: LayerFile, #[case] expected: Option<MapLayer>) {
        let map = at_generation_3(Known::Index(&[]), vec![file]);
        let leftovers = usize::from(expected.is_none());
        assert_eq!(map, LayerMap { layers: expected.into_iter().collect(), leftovers, other_incarnations: 0 });
    }

    #[rstest]
    #[case::own(vec![file(5, 3, 8)], vec![layer(5, 3, 8, OWN, true)], 0)]
    #[case::older(vec![file(5, 2, 8)], vec![layer(5, 2, 8, OWN, true)], 0)]
    #[case::newest(vec![file(5, 1, 8), file(5, 2, 9), file(5, 4, 7)], vec![layer(5, 2, 9, OWN, true)], 0)]
    #[case::only_to_come(vec![file(5, 4, 8)], vec![], 1)]
    fn without_an_index_any_file_that_may_count_does(
        #[case] files: Vec<LayerFile>,
        #[case] layers: Vec<MapLayer>,
        #[case] leftovers: usize,
    ) {
        assert_eq!(at_generation_3(Known::Heatmap(&[]), files), LayerMap { layers, leftovers, other_incarnations: 0 });
    }

    #[rstest]
    #[case::the_same(file(5, 1, 8), layer(5, 1, 8, PARENT, true), 0)]
    #[case::rewritten_since(file(5, 2, 9), layer(5, 2, 9, OWN, true), 0)]
    #[case::older(file(5, 0, 9), layer(5, 1, 8, PARENT, false), 1)]
    fn without_an_index_a_heatmap_tells_the_shard(
        #[case] file: LayerFile,
        #[case] expected: MapLayer,
        #[case] other_incarnations: usize,
    ) {
        let map = at_generation_3(Known::Heatmap(&[listed(5, 1, 8)]), vec![file]);
        assert_eq!(map, LayerMap { layers: vec![expected], leftovers: 0, other_incarnations });
    }

    #[test]
    fn layers_come_in_the_order_of_their_names() {
        let known = [listed(1, 1, 8), listed(3, 1, 8), listed(5, 1, 8), listed(9, 1, 8)];
        let files = vec![file(9, 1, 8), file(4, 3, 8), file(3, 1, 8), file(0, 3, 8), file(10, 3, 8)];
        let map = at_generation_3(Known::Index(&known), files);
        let lsns: Vec<_> = map.layers.iter().map(|layer| layer.name.lsn_start().0).collect();
        assert_eq!(lsns, [0, 1, 3, 4, 5, 9, 10]);
        let resident = map.layers.iter().filter(|layer| layer.accessed_on_disk.is_some());
        assert_eq!(resident.map(|layer| layer.name.lsn_start().0).collect::<Vec<_>>(), [0, 3, 4, 9, 10]);
    }
}
