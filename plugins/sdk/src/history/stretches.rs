//! Rows and records side by side.

use std::ops::Range;

use super::digest;
use super::index::Index;

/// What a record has of a layer's id, as it stands in memory.
pub(super) type Digest = [u8; 4];

/// So many rows and records are looked through for where they meet again, before an [`Index`] is made. It is more than
/// what comes and goes in one place between two calls, where it is not a whole timeline.
const LOOK_AHEAD: usize = 64;

/// Ids that are compared at a time.
const STEP: usize = 8;

/// Rows that stand next to each other in a table, and the records they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// `len` rows from `row` on have the records from `record` on.
    Kept {
        /// The first row.
        row: usize,
        /// Its record.
        record: usize,
        /// Rows, and records.
        len: usize,
    },
    /// Between two rows that have records, or before the first or behind the last: `rows` are new, and `records` have no
    /// row any more. Layers of one key range stand next to each other, so that where compaction made new ones of old
    /// ones, these are those.
    Changed {
        /// May be none.
        rows: Range<usize>,
        /// May be none.
        records: Range<usize>,
    },
}

impl Stretch {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        match self {
            Stretch::Kept { len, .. } => *len,
            Stretch::Changed { rows, .. } => rows.len(),
        }
    }
}

/// All rows with these ids, in their order, and the records that they have.
///
/// Both are walked along from the beginning. Where they differ, the nearest place is looked for where they meet again.
/// If it is not near, an index of all records is made, once, and asked from there on: so whatever the ids are, the time
/// is in proportion to their number. Only a row that stands where it did not before may go without its record.
pub(super) fn of(records: &[Digest], ids: &[u64]) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut index = None;
    // Records before that were told of: where rows stand otherwise than they did, none is told of twice.
    let mut reached = 0;
    let (mut row, mut record) = (0, 0);
    loop {
        let (behind, to_come) = (from(records, record), from(ids, row));
        let len = in_step(behind, to_come);
        if len > 0 {
            stretches.push(Stretch::Kept { row, record, len });
            row += len;
            record += len;
        }
        let (behind, to_come) = (from(records, record), from(ids, row));
        if behind.is_empty() && to_come.is_empty() {
            return stretches;
        }
        let meeting = meeting(records, record, to_come, &mut index);
        let (rows, next_record) = meeting.unwrap_or((to_come.len(), records.len()));
        let went = reached.max(record)..next_record.max(reached).max(record);
        if rows > 0 || !went.is_empty() {
            stretches.push(Stretch::Changed { rows: row..row + rows, records: went });
        }
        reached = reached.max(record).max(next_record);
        row += rows;
        record = next_record;
        if meeting.is_none() {
            return stretches;
        }
    }
}

fn from<T>(all: &[T], place: usize) -> &[T] {
    all.get(place..).unwrap_or_default()
}

/// How many rows from here on have the records from here on.
#[inline(never)]
fn in_step(records: &[Digest], ids: &[u64]) -> usize {
    let same = |(record, id): (&Digest, &u64)| u32::from_le_bytes(*record) == digest(*id);
    let steps = records.as_chunks::<STEP>().0.iter().zip(ids.as_chunks::<STEP>().0);
    let whole = steps
        .take_while(|(records, ids)| {
            let differ = records
                .iter()
                .zip(*ids)
                .fold(0, |differ, (record, id)| differ | (u32::from_le_bytes(*record) ^ digest(*id)));
            differ == 0
        })
        .count()
        * STEP;
    whole + from(records, whole).iter().zip(from(ids, whole)).take_while(|pair| same(*pair)).count()
}

/// How many rows from here on are new, and the record of the one behind them. `None`: no row to come has one.
fn meeting(records: &[Digest], record: usize, ids: &[u64], index: &mut Option<Index>) -> Option<(usize, usize)> {
    let behind = from(records, record);
    if ids.is_empty() {
        return None;
    }
    if index.is_none() {
        if let Some((rows, gone)) = near(behind, ids) {
            return Some((rows, record + gone));
        }
        // All that is left was looked at.
        if records.is_empty() || ids.len() <= LOOK_AHEAD && behind.len() <= LOOK_AHEAD {
            return None;
        }
    }
    let index = index.get_or_insert_with(|| Index::of(records));
    ids.iter().enumerate().find_map(|(rows, id)| Some((rows, index.find(digest(*id), records)?)))
}

/// Where the nearest row and record of one id are.
fn near(records: &[Digest], ids: &[u64]) -> Option<(usize, usize)> {
    let most = LOOK_AHEAD.min(records.len().max(ids.len()));
    (0..most).find_map(|far| {
        let near_record = |id: &u64| {
            let id = digest(*id).to_le_bytes();
            records.iter().take(far + 1).position(|record| *record == id)
        };
        let near_row = |record: &Digest| {
            let id = u32::from_le_bytes(*record);
            ids.iter().take(far).position(|row| digest(*row) == id)
        };
        let of_row = ids.get(far).and_then(near_record).map(|gone| (far, gone));
        of_row.or_else(|| records.get(far).and_then(near_row).map(|rows| (rows, far)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn kept(row: usize, record: usize, len: usize) -> Stretch {
        Stretch::Kept { row, record, len }
    }

    fn changed(rows: Range<usize>, records: Range<usize>) -> Stretch {
        Stretch::Changed { rows, records }
    }

    fn stretches(records: &[u64], ids: &[u64]) -> Vec<Stretch> {
        of(&records.iter().map(|id| digest(*id).to_le_bytes()).collect::<Vec<_>>(), ids)
    }

    /// The record of each row.
    fn matched(records: &[u64], ids: &[u64]) -> BTreeMap<usize, usize> {
        let mut matched = BTreeMap::new();
        for stretch in stretches(records, ids) {
            if let Stretch::Kept { row, record, len } = stretch {
                matched.extend((row..row + len).zip(record..record + len));
            }
        }
        matched
    }

    #[rstest]
    #[case::nothing(&[], &[], &[])]
    #[case::the_same(&[3, 1, 2], &[3, 1, 2], &[kept(0, 0, 3)])]
    #[case::all_new(&[], &[3, 1], &[changed(0..2, 0..0)])]
    #[case::all_gone(&[3, 1], &[], &[changed(0..0, 0..2)])]
    #[case::one_came(&[3, 1], &[3, 9, 1], &[kept(0, 0, 1), changed(1..2, 1..1), kept(2, 1, 1)])]
    #[case::one_went(&[3, 9, 1], &[3, 1], &[kept(0, 0, 1), changed(1..1, 1..2), kept(1, 2, 1)])]
    #[case::three_made_two(
        &[5, 6, 10, 11, 12, 7], &[5, 6, 20, 21, 7],
        &[kept(0, 0, 2), changed(2..4, 2..5), kept(4, 5, 1)]
    )]
    #[case::at_the_beginning(&[10, 5], &[20, 21, 5], &[changed(0..2, 0..1), kept(2, 1, 1)])]
    #[case::at_the_end(&[5, 10, 11], &[5, 20], &[kept(0, 0, 1), changed(1..2, 1..3)])]
    #[case::in_two_places(
        &[1, 2, 3, 4], &[1, 9, 3, 8, 4],
        &[kept(0, 0, 1), changed(1..2, 1..2), kept(2, 2, 1), changed(3..4, 3..3), kept(4, 3, 1)]
    )]
    fn rows_that_came_stand_where_records_went(
        #[case] records: &[u64],
        #[case] ids: &[u64],
        #[case] expected: &[Stretch],
    ) {
        assert_eq!(stretches(records, ids), expected);
    }

    /// Whole timelines come and go, and what is behind them keeps its records.
    #[rstest]
    #[case::obeyed(LOOK_AHEAD - 1)]
    #[case::violated(LOOK_AHEAD)]
    #[case::a_timeline(50_000)]
    fn much_that_came_or_went_in_one_place_is_no_trouble(#[case] many: usize) {
        let few: Vec<u64> = (0..100).collect();
        let more: Vec<u64> = (0..40).chain(1_000..1_000 + many as u64).chain(40..100).collect();
        let came = [kept(0, 0, 40), changed(40..40 + many, 40..40), kept(40 + many, 40, 60)];
        assert_eq!(stretches(&few, &more), came);
        let went = [kept(0, 0, 40), changed(40..40, 40..40 + many), kept(40, 40 + many, 60)];
        assert_eq!(stretches(&more, &few), went);
    }

    /// The host does not do this. Blocks that change places are found all the same.
    #[test]
    fn timelines_that_change_places_keep_their_records() {
        let (one, other) = (0..1_000_u64, 5_000..5_500_u64);
        let before: Vec<_> = one.clone().chain(other.clone()).collect();
        let after: Vec<_> = other.chain(one).collect();
        assert_eq!(matched(&before, &after).len(), 1_500);
    }

    #[rstest]
    #[case::no_record_fits((0..100_000).collect(), (200_000..300_000).collect())]
    #[case::each_second_is_gone((0..100_000).collect(), (0..50_000).map(|row| row * 2 + row % 2 * 500_000).collect())]
    #[case::the_other_way_round((0..100_000).collect(), (0..100_000).rev().collect())]
    #[case::all_the_same(vec![7; 100_000], vec![7; 99_999])]
    #[case::all_the_same_but_here(vec![7; 100_000], vec![8; 100_000])]
    #[case::made_to_collide((0..100_000).map(colliding).collect(), (0..100_000).map(|row| colliding(row + 100_000)).collect())]
    fn no_ids_take_long(#[case] records: Vec<u64>, #[case] ids: Vec<u64>) {
        let rows: usize = stretches(&records, &ids).iter().map(Stretch::rows).sum();
        assert_eq!(rows, ids.len());
    }

    /// Of the number that an index multiplies by.
    const INVERSE: u32 = 0x0e8b2f51;

    /// Ids that belong in a few places of an index.
    fn colliding(number: u64) -> u64 {
        u64::from(u32::try_from(number).unwrap().wrapping_mul(INVERSE))
    }

    proptest! {
        /// What the ordinary case is: layers come and go, the order stays.
        #[test]
        fn a_row_gets_the_record_that_a_map_would_give_it(
            layers in prop::collection::vec((any::<u64>(), 0..8_u8), 0..600),
            runs in 1..200_usize,
        ) {
            // In both, only before, or only now; in runs, as compaction does it.
            let fate = |place: usize| layers[place / runs * runs].1;
            let ids: BTreeSet<u64> = layers.iter().map(|layer| layer.0).collect();
            let mut digests = BTreeSet::new();
            let ids: Vec<u64> = ids.into_iter().map(|id| id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).filter(|id| digests.insert(digest(*id))).collect();
            let with = |not: u8| -> Vec<u64> {
                ids.iter().enumerate().filter(|(place, _)| fate(*place) != not).map(|(_, id)| *id).collect()
            };
            let (before, now) = (with(0), with(1));
            let by_id: HashMap<u64, usize> = before.iter().enumerate().map(|(record, id)| (*id, record)).collect();
            let expected: BTreeMap<usize, usize> =
                now.iter().enumerate().filter_map(|(row, id)| Some((row, *by_id.get(id)?))).collect();
            prop_assert_eq!(matched(&before, &now), expected);
        }

        /// Whatever the ids: each row once and in order, no two records of a stretch that went are there twice.
        #[test]
        fn every_row_is_in_one_stretch(
            records in prop::collection::vec(0..90_u64, 0..300),
            ids in prop::collection::vec(0..90_u64, 0..300),
        ) {
            let mut next = 0;
            for stretch in stretches(&records, &ids) {
                match stretch {
                    Stretch::Kept { row, record, len } => {
                        prop_assert_eq!(row, next);
                        prop_assert!(len > 0);
                        prop_assert_eq!(&records[record..record + len], &ids[row..row + len]);
                        next += len;
                    }
                    Stretch::Changed { rows, records: went } => {
                        prop_assert_eq!(rows.start, next);
                        prop_assert!(went.start <= went.end && went.end <= records.len());
                        next = rows.end;
                    }
                }
            }
            prop_assert_eq!(next, ids.len());
        }
    }
}
