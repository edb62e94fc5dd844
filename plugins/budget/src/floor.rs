//! What keeps an idle tenant startable.
//!
//! The first reads of every start are the same: which databases and relations there are, and the system catalogs. A
//! tenant that sleeps reads none of it, so that it is worth nothing by its reads, and when the tenant wakes on a standby,
//! nothing goes on until these are there. So a part of the budget is theirs, and if that is too small for the first of
//! them, it gets this one all the same. They are a few images; a timeline that has none of them here gets its newest
//! images instead.

use std::ops::Range;

use thermocline_policy::{Layers, Marks};

use crate::fits;
use crate::listing::Class;

/// Relations below are system catalogs.
const FIRST_USER_RELATION: u32 = 16384;

/// Of a score: the layer holds what every start reads.
const STARTS: u32 = 1 << 31;

/// Whether keys from there on are what every start reads: what describes databases and relations, and system catalogs.
fn every_start_reads(high: u64, low: u64) -> bool {
    let kind = high >> 56;
    #[allow(clippy::cast_possible_truncation, reason = "eight bits and twenty-four, of a compact key's bits 40 to 71")]
    let relation = ((high & 0xff) as u32) << 24 | (low >> 40) as u32 & 0xff_ffff;
    kind != 0 || relation < FIRST_USER_RELATION
}

/// What goes before all others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    /// Rows, in their order.
    pub(crate) rows: Vec<u32>,
    /// So many of them, the first ones, hold what every start reads. The others are the newest of their timelines.
    pub(crate) starts: usize,
}

/// Images that are asked for the floor: rows, their scores, and their sizes.
#[derive(Default)]
struct Asked {
    rows: Vec<u32>,
    scores: Vec<u32>,
    sizes: Vec<u64>,
}

impl Floor {
    /// Of `room_bytes`, or if that is too little for the first image, of this one, as long as it is within the budget.
    /// `by_lsn` are the scores of the newest first.
    #[allow(clippy::too_many_arguments, reason = "a column each")]
    pub(crate) fn of(
        layers: &dyn Layers,
        marks: &[u8],
        classes: &[Class],
        sizes: &[u64],
        [high, low]: [&[u64]; 2],
        worth: &[f32],
        by_lsn: &[u32],
        [room_bytes, budget_bytes]: [u64; 2],
    ) -> Self {
        if room_bytes == 0 {
            return Floor::default();
        }
        let starts = |row: usize| {
            let (high, low) = (high.get(row)?, low.get(row)?);
            every_start_reads(*high, *low).then(|| STARTS | worth.get(row).map_or(0, |worth| worth.to_bits()))
        };
        let newest = |row: usize| by_lsn.get(row).map(|score| (score >> 1).max(1));
        let mut asked = Asked::default();
        let mut next = 0;
        for timeline in layers.timelines().chunk_by(|one, other| one == other) {
            let rows = next..next + timeline.len();
            next = rows.end;
            let before = asked.rows.len();
            asked.add(rows.clone(), marks, classes, sizes, starts);
            if asked.rows.len() == before {
                asked.add(rows, marks, classes, sizes, newest);
            }
        }
        asked.within(room_bytes, budget_bytes)
    }
}

impl Asked {
    /// Images of these rows that have a score.
    #[inline(never)]
    fn add(
        &mut self,
        rows: Range<usize>,
        marks: &[u8],
        classes: &[Class],
        sizes: &[u64],
        score: impl Fn(usize) -> Option<u32>,
    ) {
        fn part<T>(column: &[T], rows: Range<usize>) -> &[T] {
            column.get(rows).unwrap_or_default()
        }
        let columns = part(marks, rows.clone()).iter().zip(part(classes, rows.clone())).zip(part(sizes, rows.clone()));
        for (row, ((mark, class), size_bytes)) in rows.zip(columns) {
            if *class != Class::Wanted || Marks(*mark).is_delta() {
                continue;
            }
            if let Some(score) = score(row) {
                // A table has at most u32::MAX rows.
                self.rows.push(u32::try_from(row).unwrap_or(u32::MAX));
                self.scores.push(score);
                self.sizes.push(*size_bytes);
            }
        }
    }

    fn within(&self, room_bytes: u64, budget_bytes: u64) -> Floor {
        let all = || self.rows.iter().zip(&self.scores).zip(&self.sizes);
        // Of equals, the first of the table.
        let Some(((first, score), size_bytes)) = all().rev().max_by_key(|((_, score), _)| **score) else {
            return Floor::default();
        };
        let mut picked = Vec::new();
        if *size_bytes > room_bytes && *size_bytes <= budget_bytes {
            picked.push(place(*score, *first));
        } else {
            fits::each(&self.scores, &self.sizes, room_bytes, |nth| {
                if let (Some(row), Some(score)) = (self.rows.get(nth), self.scores.get(nth)) {
                    picked.push(place(*score, *row));
                }
            });
            picked.sort_unstable();
        }
        let starts = picked.partition_point(|picked| *picked < place(STARTS - 1, 0));
        #[allow(clippy::cast_possible_truncation, reason = "the row is what is wanted")]
        let rows = picked.into_iter().map(|picked| picked as u32).collect();
        Floor { rows, starts }
    }
}

/// The highest score is first, and of equals the first of the table.
const fn place(score: u32, row: u32) -> u64 {
    ((!score) as u64) << u32::BITS | row as u64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A key: kind, relation.
    fn key(kind: u64, relation: u64) -> (u64, u64) {
        let key = u128::from(kind) << 120 | u128::from(relation) << 40;
        #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
        let low = key as u64;
        ((key >> 64) as u64, low)
    }

    /// Images of one timeline each, with scores and sizes.
    fn asked(images: &[(u32, u64)]) -> Asked {
        Asked {
            rows: (0..).take(images.len()).collect(),
            scores: images.iter().map(|image| image.0).collect(),
            sizes: images.iter().map(|image| image.1).collect(),
        }
    }

    #[rstest]
    #[case::nothing(&[], &[], 0)]
    #[case::what_every_start_reads_is_first(&[(9, 4), (STARTS | 5 << 20, 4), (STARTS | 7 << 20, 2)], &[2, 1, 0], 2)]
    #[case::at_its_edge(&[(STARTS | 1, 10)], &[0], 1)]
    #[case::the_first_in_any_case(&[(STARTS | 5 << 20, 4), (STARTS | 7 << 20, 11)], &[1], 1)]
    #[case::of_equals_too(&[(7, 20), (7, 11)], &[0], 0)]
    #[case::but_within_the_budget(&[(STARTS | 7 << 20, 21), (STARTS | 5 << 20, 4)], &[], 0)]
    fn a_floor_has_its_first_image(#[case] images: &[(u32, u64)], #[case] rows: &[u32], #[case] starts: usize) {
        assert_eq!(asked(images).within(10, 20), Floor { rows: rows.into(), starts });
    }

    #[rstest]
    #[case::the_first_key(0, 0, true)]
    #[case::the_last_catalog(0, 16383, true)]
    #[case::the_first_table(0, 16384, false)]
    #[case::a_high_number(0, 0x8100_0000, false)]
    #[case::no_relation(2, 99_999, true)]
    fn system_catalogs_are_what_every_start_reads(#[case] kind: u64, #[case] relation: u64, #[case] reads: bool) {
        let (high, low) = key(kind, relation);
        assert_eq!(every_start_reads(high, low), reads);
    }
}
