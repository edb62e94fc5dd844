//! What keeps an idle tenant startable.
//!
//! The first reads of every start are the same: which databases and relations there are, and the system catalogs. A
//! tenant that sleeps reads none of it, so that it is worth nothing by its reads, and when the tenant wakes on a standby,
//! nothing goes on until these are there. So a part of the budget is theirs. They are a few images; a timeline that has
//! none of them here gets its newest images instead.

use thermocline_policy::{Layers, Marks};

use crate::fits::{self, NO_SCORE};
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

/// Rows that go before all others, in their order. `by_lsn` are the scores of the newest first.
#[allow(clippy::too_many_arguments, reason = "a column each")]
pub(crate) fn rows(
    layers: &dyn Layers,
    marks: &[u8],
    classes: &[Class],
    sizes: &[u64],
    [high, low]: [&[u64]; 2],
    worth: &[f32],
    by_lsn: &[u32],
    room_bytes: u64,
) -> Vec<u32> {
    if room_bytes == 0 {
        return Vec::new();
    }
    let is_image = |class: &Class, mark: &u8| *class == Class::Wanted && !Marks(*mark).is_delta();
    let mut scores = vec![NO_SCORE; marks.len()];
    let timelines = layers.timelines();
    let mut startable: Vec<bool> = Vec::new();
    let rows = marks.iter().zip(classes).zip(high.iter().zip(low)).zip(worth.iter().zip(&*timelines));
    for ((((mark, class), (high, low)), (worth, timeline)), score) in rows.zip(&mut scores) {
        if is_image(class, mark) && every_start_reads(*high, *low) {
            *score = STARTS | worth.to_bits();
            let timeline = *timeline as usize;
            // Ordinals are below the number of rows.
            if timeline >= startable.len() && timeline < marks.len() {
                startable.resize(timeline + 1, false);
            }
            if let Some(startable) = startable.get_mut(timeline) {
                *startable = true;
            }
        }
    }
    let rows = marks.iter().zip(classes).zip(by_lsn.iter().zip(&*timelines)).zip(&mut scores);
    for (((mark, class), (by_lsn, timeline)), score) in rows {
        if is_image(class, mark) && !startable.get(*timeline as usize).is_some_and(|startable| *startable) {
            *score = (by_lsn >> 1).max(1);
        }
    }
    let mut rows = Vec::new();
    fits::each(&scores, sizes, room_bytes, |row, fits| {
        if fits {
            // A table has at most u32::MAX rows.
            rows.push(u32::try_from(row).unwrap_or(u32::MAX));
        }
    });
    rows.sort_by_key(|row| std::cmp::Reverse(scores.get(*row as usize).copied()));
    rows
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
