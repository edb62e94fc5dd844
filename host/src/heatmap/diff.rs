//! What changed from one heatmap to another.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::stats::Sum;
use super::{Heatmap, HeatmapLayer, PolicyIdentity};
use crate::layer::{LayerName, TimelineId};

/// Something that was, and what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Change<T> {
    /// In the first heatmap.
    pub before: T,
    /// In the second.
    pub after: T,
}

impl<T: PartialEq> Change<T> {
    fn between(before: T, after: T) -> Option<Self> {
        (before != after).then_some(Change { before, after })
    }
}

/// A layer, and the timeline that lists it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListedLayer {
    /// The timeline.
    pub timeline_id: TimelineId,
    /// The layer.
    pub layer: HeatmapLayer,
}

/// A layer that both list, but not as the same file, or cold in one of them only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangedLayer {
    /// The timeline.
    pub timeline_id: TimelineId,
    /// As the first lists it.
    pub before: HeatmapLayer,
    /// As the second lists it, under the same name.
    pub after: HeatmapLayer,
}

/// A layer whose heat is another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MovedHeat {
    /// The timeline.
    pub timeline_id: TimelineId,
    /// The layer.
    pub name: LayerName,
    /// Absent where the first did not score it.
    pub before: Option<f32>,
    /// Absent where the second does not score it.
    pub after: Option<f32>,
}

/// What changed from one heatmap to another. Layers are in the order of their timeline's id and their name,
/// wherever the heatmaps list them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HeatmapDiff {
    /// Who wrote it.
    pub generation: Option<Change<u32>>,
    /// How often its writer uploads, milliseconds.
    pub upload_period_ms: Option<Change<Option<u128>>>,
    /// Who scored.
    pub policy: Option<Change<Option<PolicyIdentity>>>,
    /// Timelines of the second only.
    pub timelines_added: Vec<TimelineId>,
    /// Timelines of the first only.
    pub timelines_removed: Vec<TimelineId>,
    /// Timelines that list the layers of both in another order, which is the order of downloads.
    pub timelines_reordered: Vec<TimelineId>,
    /// Layers of the second only.
    pub added: Vec<ListedLayer>,
    /// Layers of the first only.
    pub removed: Vec<ListedLayer>,
    /// Layers of both with other metadata, or hot in one and cold in the other.
    pub changed: Vec<ChangedLayer>,
    /// Layers of both with another heat.
    pub heat_moved: Vec<MovedHeat>,
    /// Layers of both with another access time: how many.
    pub access_times_moved: u64,
    /// Sum of `added`.
    pub added_sum: Sum,
    /// Sum of `removed`.
    pub removed_sum: Sum,
    /// All hot layers of either.
    pub hot: Change<Sum>,
    /// All cold layers of either.
    pub cold: Change<Sum>,
}

impl Default for Change<Sum> {
    fn default() -> Self {
        Change { before: Sum::default(), after: Sum::default() }
    }
}

impl HeatmapDiff {
    /// Whether the heatmaps say the same, in the same order of layers.
    pub fn is_empty(&self) -> bool {
        let HeatmapDiff { hot, cold, .. } = *self;
        *self == HeatmapDiff { hot, cold, ..HeatmapDiff::default() }
    }
}

/// A layer, and where its heatmap lists it.
#[derive(Clone, Copy)]
struct Listed<'a> {
    timeline_id: TimelineId,
    position: (usize, usize),
    layer: &'a HeatmapLayer,
}

impl Listed<'_> {
    fn key(&self) -> (TimelineId, LayerName) {
        (self.timeline_id, self.layer.name)
    }

    fn owned(&self) -> ListedLayer {
        ListedLayer { timeline_id: self.timeline_id, layer: *self.layer }
    }
}

impl Heatmap {
    /// What changed from this heatmap to `after`. Where a heatmap lists a layer twice, its first mention
    /// is compared with the first of the other, the second with the second.
    pub fn diff(&self, after: &Heatmap) -> HeatmapDiff {
        let mut diff = HeatmapDiff {
            generation: Change::between(self.generation, after.generation),
            upload_period_ms: Change::between(self.upload_period_ms, after.upload_period_ms),
            policy: Change::between(self.policy.clone(), after.policy.clone()),
            ..HeatmapDiff::default()
        };
        (diff.timelines_removed, diff.timelines_added) = differences(&timelines(self), &timelines(after));
        let (old, new) = (sorted(self), sorted(after));
        (diff.hot.before, diff.cold.before) = sums(&old);
        (diff.hot.after, diff.cold.after) = sums(&new);
        let kept = diff.compare_layers(&old, &new);
        diff.timelines_reordered = reordered(kept);
        diff
    }
}

impl HeatmapDiff {
    /// Walks both, which are sorted, side by side. Returns what both list.
    fn compare_layers<'a>(&mut self, old: &[Listed<'a>], new: &[Listed<'a>]) -> Vec<(Listed<'a>, Listed<'a>)> {
        let mut kept = Vec::with_capacity(old.len().min(new.len()));
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return kept,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(after)) => before.key().cmp(&after.key()),
            };
            let before = if order.is_le() { old.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            match (before, after) {
                (Some(before), Some(after)) => {
                    self.compare(before, after);
                    kept.push((*before, *after));
                }
                (Some(before), None) => {
                    self.removed_sum.add(before.layer);
                    self.removed.push(before.owned());
                }
                (None, after) => {
                    after.into_iter().for_each(|after| {
                        self.added_sum.add(after.layer);
                        self.added.push(after.owned());
                    });
                }
            }
        }
    }

    fn compare(&mut self, before: &Listed<'_>, after: &Listed<'_>) {
        let timeline_id = before.timeline_id;
        let (before, after) = (*before.layer, *after.layer);
        if (before.metadata, before.cold) != (after.metadata, after.cold) {
            self.changed.push(ChangedLayer { timeline_id, before, after });
        }
        if before.heat != after.heat {
            let (name, before, after) = (before.name, before.heat, after.heat);
            self.heat_moved.push(MovedHeat { timeline_id, name, before, after });
        }
        self.access_times_moved += u64::from(before.access_time != after.access_time);
    }
}

fn timelines(heatmap: &Heatmap) -> BTreeSet<TimelineId> {
    heatmap.timelines.iter().map(|timeline| timeline.timeline_id).collect()
}

/// What only the first has, and what only the second has.
fn differences(a: &BTreeSet<TimelineId>, b: &BTreeSet<TimelineId>) -> (Vec<TimelineId>, Vec<TimelineId>) {
    (a.difference(b).copied().collect(), b.difference(a).copied().collect())
}

fn sorted(heatmap: &Heatmap) -> Vec<Listed<'_>> {
    let mut listed: Vec<_> = heatmap
        .timelines
        .iter()
        .enumerate()
        .flat_map(|(outer, timeline)| {
            let timeline_id = timeline.timeline_id;
            let layers = timeline.layers.iter().enumerate();
            layers.map(move |(inner, layer)| Listed { timeline_id, position: (outer, inner), layer })
        })
        .collect();
    listed.sort_by_key(Listed::key);
    listed
}

/// Hot and cold.
fn sums(layers: &[Listed<'_>]) -> (Sum, Sum) {
    let (mut hot, mut cold) = (Sum::default(), Sum::default());
    for listed in layers {
        if listed.layer.cold { &mut cold } else { &mut hot }.add(listed.layer);
    }
    (hot, cold)
}

/// The timelines whose layers the second heatmap lists in another order.
fn reordered(mut kept: Vec<(Listed<'_>, Listed<'_>)>) -> Vec<TimelineId> {
    kept.sort_by_key(|(before, _)| (before.timeline_id, before.position));
    kept.chunk_by(|(a, _), (b, _)| a.timeline_id == b.timeline_id)
        .filter(|of_timeline| !of_timeline.is_sorted_by_key(|(_, after)| after.position))
        .filter_map(|of_timeline| of_timeline.first().map(|(before, _)| before.timeline_id))
        .collect()
}

/// What there is to say of a layer besides its name.
struct Fields<'a>(&'a HeatmapLayer);

impl Fields<'_> {
    const COUNT: usize = 6;

    fn serialize_into<S: SerializeStruct>(&self, out: &mut S) -> Result<(), S::Error> {
        let HeatmapLayer { metadata, access_time, cold, heat, .. } = self.0;
        out.serialize_field("file_size", &metadata.file_size)?;
        out.serialize_field("generation", &metadata.generation.get())?;
        out.serialize_field("shard", &(!metadata.shard.is_unsharded()).then_some(metadata.shard))?;
        out.serialize_field("access_time", access_time)?;
        out.serialize_field("cold", cold)?;
        out.serialize_field("heat", heat)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Fields", Fields::COUNT)?;
        self.serialize_into(&mut out)?;
        out.end()
    }
}

/// Flat: `timeline_id`, `name`, and the fields.
impl Serialize for ListedLayer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("ListedLayer", Fields::COUNT + 2)?;
        out.serialize_field("timeline_id", &self.timeline_id)?;
        out.serialize_field("name", &self.layer.name)?;
        Fields(&self.layer).serialize_into(&mut out)?;
        out.end()
    }
}

/// `timeline_id`, `name`, and the fields as they were in `before` and are in `after`.
impl Serialize for ChangedLayer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("ChangedLayer", 4)?;
        out.serialize_field("timeline_id", &self.timeline_id)?;
        out.serialize_field("name", &self.after.name)?;
        out.serialize_field("before", &Fields(&self.before))?;
        out.serialize_field("after", &Fields(&self.after))?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::sample::{self, DELTA, IMAGE, L0, layer};
    use super::*;
    use crate::layer::Generation;

    fn id(byte: u8) -> TimelineId {
        TimelineId::from_bytes([byte; 16])
    }

    fn names(listed: &[ListedLayer]) -> Vec<(TimelineId, String)> {
        listed.iter().map(|listed| (listed.timeline_id, listed.layer.name.to_string())).collect()
    }

    #[test]
    fn equal_heatmaps_do_not_differ() {
        let heatmap = sample::heatmap([vec![layer(IMAGE, 1), layer(L0, 2)], vec![]]);
        let diff = heatmap.diff(&heatmap);
        assert!(diff.is_empty());
        assert_eq!(diff.hot, Change { before: Sum { layers: 2, bytes: 3 }, after: Sum { layers: 2, bytes: 3 } });
    }

    #[test]
    fn layers_come_and_go() {
        let before = sample::heatmap([vec![layer(IMAGE, 1), layer(L0, 2)], vec![layer(L0, 4)]]);
        let after = sample::heatmap([vec![layer(DELTA, 8), layer(IMAGE, 1)], vec![]]);
        let diff = before.diff(&after);
        assert_eq!(names(&diff.added), [(id(1), DELTA.into())]);
        assert_eq!(names(&diff.removed), [(id(1), L0.into()), (id(2), L0.into())]);
        assert_eq!((diff.added_sum, diff.removed_sum), (Sum { layers: 1, bytes: 8 }, Sum { layers: 2, bytes: 6 }));
        assert_eq!(diff.hot, Change { before: Sum { layers: 3, bytes: 7 }, after: Sum { layers: 2, bytes: 9 } });
        assert!(diff.changed.is_empty() && diff.timelines_added.is_empty() && diff.timelines_removed.is_empty());
        assert!(diff.timelines_reordered.is_empty(), "only what both list can be in another order");
    }

    #[test]
    fn timelines_come_and_go() {
        let before = sample::heatmap([vec![], vec![layer(L0, 2)]]);
        let mut after = sample::heatmap([vec![], vec![layer(L0, 2)]]);
        after.timelines[1].timeline_id = id(3);
        after.timelines.rotate_left(1);
        let diff = before.diff(&after);
        assert_eq!((diff.timelines_added.clone(), diff.timelines_removed.clone()), (vec![id(3)], vec![id(2)]));
        assert_eq!(names(&diff.added), [(id(3), L0.into())]);
        assert_eq!(names(&diff.removed), [(id(2), L0.into())]);
    }

    #[rstest]
    #[case::size(|layer: &mut HeatmapLayer| layer.metadata.file_size = 9, true, false, 0)]
    #[case::generation(|layer: &mut HeatmapLayer| layer.metadata.generation = Generation::NONE, true, false, 0)]
    #[case::shard(|layer: &mut HeatmapLayer| layer.metadata.shard.count = 2, true, false, 0)]
    #[case::cold(|layer: &mut HeatmapLayer| layer.cold = true, true, false, 0)]
    #[case::heat(|layer: &mut HeatmapLayer| layer.heat = Some(1.0), false, true, 0)]
    #[case::access_time(|layer: &mut HeatmapLayer| layer.access_time += 1, false, false, 1)]
    fn each_field_counts(
        #[case] alter: fn(&mut HeatmapLayer),
        #[case] changed: bool,
        #[case] heat_moved: bool,
        #[case] access_times_moved: u64,
    ) {
        let before = sample::heatmap([vec![layer(L0, 2)]]);
        let mut after = before.clone();
        alter(&mut after.timelines[0].layers[0]);
        let diff = before.diff(&after);
        assert_eq!((!diff.changed.is_empty(), !diff.heat_moved.is_empty()), (changed, heat_moved));
        assert_eq!(diff.access_times_moved, access_times_moved);
        assert!(!diff.is_empty());
        assert!(diff.added.is_empty() && diff.removed.is_empty());
    }

    #[rstest]
    #[case::generation(|heatmap: &mut Heatmap| heatmap.generation = 2)]
    #[case::period(|heatmap: &mut Heatmap| heatmap.upload_period_ms = None)]
    #[case::order(|heatmap: &mut Heatmap| heatmap.timelines[0].layers.reverse())]
    fn the_document_counts(#[case] alter: fn(&mut Heatmap)) {
        let before = sample::heatmap([vec![layer(L0, 2), layer(IMAGE, 2)]]);
        let mut after = before.clone();
        alter(&mut after);
        assert!(!before.diff(&after).is_empty());
        assert_eq!(before.diff(&after).timelines_reordered.is_empty(), before.timelines == after.timelines);
    }

    #[test]
    fn the_order_of_timelines_does_not_count() {
        let before = sample::heatmap([vec![layer(L0, 2)], vec![layer(IMAGE, 2)]]);
        let mut after = before.clone();
        after.timelines.reverse();
        assert!(before.diff(&after).is_empty());
    }

    #[test]
    fn of_a_layer_listed_twice_each_mention_counts() {
        let once = sample::heatmap([vec![layer(L0, 2)]]);
        let twice = sample::heatmap([vec![layer(L0, 2), layer(L0, 7)]]);
        assert_eq!(once.diff(&twice).added_sum, Sum { layers: 1, bytes: 7 });
        assert_eq!(twice.diff(&once).removed_sum, Sum { layers: 1, bytes: 7 });
        assert!(twice.diff(&twice).is_empty());
    }

    #[test]
    fn the_json_names_both_sides() {
        let before = sample::heatmap([vec![layer(L0, 2)]]);
        let after = sample::heatmap([vec![HeatmapLayer { cold: true, ..layer(L0, 2) }, layer(IMAGE, 3)]]);
        let json = serde_json::to_value(before.diff(&after)).unwrap();
        let fields =
            json!({"file_size": 2, "generation": 1, "shard": null, "access_time": 5, "cold": true, "heat": null});
        assert_eq!(json["changed"][0]["after"], fields);
        assert_eq!(json["changed"][0]["before"]["cold"], json!(false));
        assert_eq!(json["changed"][0]["name"], json!(L0));
        assert_eq!((&json["added"][0]["name"], &json["added"][0]["file_size"]), (&json!(IMAGE), &json!(3)));
        assert_eq!(json["hot"], json!({"before": {"layers": 1, "bytes": 2}, "after": {"layers": 1, "bytes": 3}}));
    }
}
