//! Where a timeline is read: at its tip, and where its children branch off.

use std::collections::BTreeMap;

use super::index_part::IndexPart;
use super::manifest::TenantManifest;
use crate::layer::{LayerName, Lsn, TimelineId};

/// The branch points of every timeline of a shard. All of them are to be known before the visibility of any
/// layer is: one that is missing leaves out layers that reads of a branch still need.
#[derive(Debug, Default)]
pub(super) struct BranchPoints(BTreeMap<TimelineId, Vec<Lsn>>);

impl BranchPoints {
    /// From all index parts of a shard, and what its manifest says of timelines that are only in the bucket.
    /// A timeline that is being deleted is not read any more, and neither is its ancestor for it.
    pub(super) fn new<'a>(
        indexes: impl IntoIterator<Item = (&'a TimelineId, &'a IndexPart)>,
        manifest: &TenantManifest,
    ) -> Self {
        let mut points = BranchPoints::default();
        let mut deleted = Vec::new();
        for (&timeline, index) in indexes {
            match index.ancestor {
                _ if index.deleted => deleted.push(timeline),
                Some((ancestor, lsn)) => points.add(ancestor, lsn),
                None => {}
            }
        }
        for offloaded in &manifest.offloaded_timelines {
            if let Some((ancestor, lsn)) = offloaded.branch_point()
                && !deleted.contains(&offloaded.timeline_id)
            {
                points.add(ancestor, lsn);
            }
        }
        points
    }

    fn add(&mut self, ancestor: TimelineId, lsn: Lsn) {
        self.0.entry(ancestor).or_default().push(lsn);
    }

    /// All read points of a timeline whose tip is `tip`.
    pub(super) fn of(&self, timeline: TimelineId, tip: Lsn) -> Vec<Lsn> {
        let branches = self.0.get(&timeline).map_or(&[][..], Vec::as_slice);
        branches.iter().copied().chain([tip]).collect()
    }
}

/// The last record that is known of: what the index calls consistent on disk, or what a delta that was flushed
/// since then ends with.
pub(super) fn tip<'a>(disk_consistent_lsn: Option<Lsn>, layers: impl IntoIterator<Item = &'a LayerName>) -> Lsn {
    let deltas = layers.into_iter().filter(|layer| layer.is_delta());
    let flushed = deltas.map(|delta| Lsn(delta.lsn_end().0 - 1)).max();
    flushed.max(disk_consistent_lsn).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Key;

    fn id(byte: u8) -> TimelineId {
        TimelineId::from_bytes([byte; 16])
    }

    fn index(ancestor: Option<(TimelineId, u64)>, deleted: bool) -> IndexPart {
        let ancestor = ancestor.map(|(timeline, lsn)| (timeline, Lsn(lsn)));
        IndexPart { layers: vec![], disk_consistent_lsn: Lsn(9), ancestor, deleted }
    }

    #[test]
    fn children_are_read_points_of_their_ancestor_unless_they_are_being_deleted() {
        let indexes = [
            (id(1), index(None, false)),
            (id(2), index(Some((id(1), 50)), false)),
            (id(3), index(Some((id(1), 60)), true)),
            (id(4), index(Some((id(2), 70)), false)),
        ];
        let manifest = super::super::manifest::parse(
            format!(
                r#"{{"offloaded_timelines":[{{"timeline_id":"{}","ancestor_timeline_id":"{1}","ancestor_retain_lsn":"0/10"}},
                {{"timeline_id":"{2}","ancestor_timeline_id":"{1}","ancestor_retain_lsn":"0/11"}}]}}"#,
                id(5),
                id(1),
                id(3)
            )
            .as_bytes(),
        );
        let points = BranchPoints::new(indexes.iter().map(|(id, index)| (id, index)), &manifest.unwrap());
        assert_eq!(points.of(id(1), Lsn(100)), [Lsn(50), Lsn(16), Lsn(100)]);
        assert_eq!(points.of(id(2), Lsn(100)), [Lsn(70), Lsn(100)]);
        assert_eq!(points.of(id(9), Lsn(100)), [Lsn(100)]);
    }

    #[test]
    fn the_tip_is_the_last_record_known_of() {
        let delta = |end| LayerName::delta(Key::MIN, Key::MAX, Lsn(1), Lsn(end)).unwrap();
        let image = LayerName::image(Key::MIN, Key::MAX, Lsn(500));
        assert_eq!(tip(Some(Lsn(100)), &[delta(90), image]), Lsn(100));
        assert_eq!(tip(Some(Lsn(100)), &[delta(90), delta(121)]), Lsn(120));
        assert_eq!(tip(None, &[delta(90)]), Lsn(89));
        assert_eq!(tip(None, &[image]), Lsn(0));
    }
}
