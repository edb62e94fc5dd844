//! Where a layer stands in each of the orders, as a number of which more is earlier.

use thermocline_policy::Marks;

use crate::fits::{NO_SCORE, STRETCH};
use crate::listing::Class;

/// By what bytes are worth.
#[inline(never)]
pub(crate) fn by_worth(classes: &[Class], worth: &[f32]) -> Vec<u32> {
    // The bits of floats that are not negative have their order; one more, so that what is worth nothing takes part.
    scores(classes, worth, worth, |worth, _| (worth.to_bits() << 1).saturating_add(1))
}

/// By the newest LSN, L0 deltas last.
#[inline(never)]
pub(crate) fn by_lsn(classes: &[Class], marks: &[u8], lsn_ends: &[u64]) -> Vec<u32> {
    const LSN_BITS: u32 = 30;
    let (mut oldest, mut newest) = (u64::MAX, 0);
    each_wanted(classes, lsn_ends, |is_wanted, lsn_end| {
        oldest = oldest.min(if is_wanted { lsn_end } else { u64::MAX });
        newest = newest.max(if is_wanted { lsn_end } else { 0 });
    });
    let bits = u64::BITS - newest.saturating_sub(oldest).leading_zeros();
    // To the upper bits, since those are told apart.
    let (down, up) = (bits.saturating_sub(LSN_BITS), LSN_BITS.saturating_sub(bits));
    scores(classes, lsn_ends, marks, |lsn_end, mark| {
        let last = if Marks(mark).is_l0() { 0 } else { 1 << (LSN_BITS + 1) };
        #[allow(clippy::cast_possible_truncation, reason = "thirty bits")]
        let lsn = (lsn_end.wrapping_sub(oldest) >> down) as u32;
        last | lsn << up << 1 | 1
    })
}

/// By how long ago it was read: before the last read of all, so that nothing changes while nobody reads.
#[inline(never)]
pub(crate) fn by_age(classes: &[Class], access_times: &[i64], now: i64) -> Vec<u32> {
    const MOST_S: i64 = i32::MAX as i64;
    let (mut first, mut last) = (now, i64::MIN);
    each_wanted(classes, access_times, |is_wanted, time| {
        first = first.min(if is_wanted { time } else { i64::MAX });
        last = last.max(if is_wanted { time } else { i64::MIN });
    });
    let last = last.min(now);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to MOST_S")]
    let age_s = |time: i64| (last.saturating_sub(time).clamp(0, MOST_S - 1) + 1) as u32;
    let up = age_s(first).leading_zeros();
    scores(classes, access_times, access_times, |time, _| age_s(time) << up)
}

/// Without branches, which would be mispredicted.
#[inline(always)]
fn each_wanted<T: Copy>(classes: &[Class], column: &[T], mut each: impl FnMut(bool, T)) {
    let ((classes, last_classes), (column, last_column)) =
        (classes.as_chunks::<STRETCH>(), column.as_chunks::<STRETCH>());
    for (classes, column) in classes.iter().zip(column) {
        classes.iter().zip(column).for_each(|(class, entry)| each(*class == Class::Wanted, *entry));
    }
    last_classes.iter().zip(last_column).for_each(|(class, entry)| each(*class == Class::Wanted, *entry));
}

/// Of rows that are wanted, what `score` makes of their entries in two columns. Others take no part.
#[inline(always)]
fn scores<A: Copy, B: Copy>(classes: &[Class], ones: &[A], others: &[B], score: impl Fn(A, B) -> u32) -> Vec<u32> {
    let score = |class: &Class, one: &A, other: &B| {
        let score = score(*one, *other);
        if *class == Class::Wanted { score } else { NO_SCORE }
    };
    let mut scores = Vec::with_capacity(classes.len());
    let (classes, last_classes) = classes.as_chunks::<STRETCH>();
    let ((ones, last_ones), (others, last_others)) = (ones.as_chunks::<STRETCH>(), others.as_chunks::<STRETCH>());
    for (classes, (ones, others)) in classes.iter().zip(ones.iter().zip(others)) {
        let mut stretch = [NO_SCORE; STRETCH];
        for (slot, (class, (one, other))) in stretch.iter_mut().zip(classes.iter().zip(ones.iter().zip(others))) {
            *slot = score(class, one, other);
        }
        scores.extend_from_slice(&stretch);
    }
    let rest = last_classes.iter().zip(last_ones.iter().zip(last_others));
    scores.extend(rest.map(|(class, (one, other))| score(class, one, other)));
    scores
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const L0: u8 = Marks::DELTA.0 | Marks::L0.0;

    /// Rows in the order of their scores, those that take no part left out.
    fn order(scores: &[u32]) -> Vec<usize> {
        let mut rows: Vec<_> = (0..scores.len()).filter(|row| scores[*row] != NO_SCORE).collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(scores[*row]), *row));
        rows
    }

    #[test]
    fn the_best_bytes_are_first() {
        let classes = [Class::Wanted, Class::Known, Class::Wanted, Class::Wanted];
        assert_eq!(order(&by_worth(&classes, &[0.0, 9.0, 1e-9, 7.0])), [3, 2, 0]);
        assert_eq!(order(&by_worth(&[Class::Wanted; 2], &[f32::MAX, f32::INFINITY])), [1, 0]);
    }

    #[rstest]
    #[case::newest_first(&[0, 0, 0], &[5, 9, 7], &[1, 2, 0])]
    #[case::l0_deltas_last(&[L0, 0, L0], &[9, 1, 8], &[1, 0, 2])]
    #[case::one_lsn(&[0, 0], &[7, 7], &[0, 1])]
    #[case::far_apart(&[0, 0, 0], &[0, u64::MAX, 1 << 62], &[1, 2, 0])]
    fn the_newest_is_first(#[case] marks: &[u8], #[case] lsn_ends: &[u64], #[case] rows: &[usize]) {
        assert_eq!(order(&by_lsn(&vec![Class::Wanted; marks.len()], marks, lsn_ends)), rows);
    }

    #[rstest]
    #[case::longest_ago_first(&[90, 10, 50], &[1, 2, 0])]
    #[case::never(&[90, 0, 50], &[1, 2, 0])]
    #[case::the_future_is_now(&[500, 99, i64::MAX], &[1, 0, 2])]
    #[case::before_all(&[i64::MIN, 99], &[0, 1])]
    fn what_was_not_read_for_longest_is_first(#[case] times: &[i64], #[case] rows: &[usize]) {
        assert_eq!(order(&by_age(&vec![Class::Wanted; times.len()], times, 100)), rows);
    }
}
