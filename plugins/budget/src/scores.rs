//! Where a layer stands in each of the orders, as a number of which more is earlier.

use thermocline_policy::Marks;

use crate::fits::NO_SCORE;
use crate::listing::Class;

/// By what bytes are worth.
#[inline(never)]
pub(crate) fn by_worth(classes: &[Class], worth: &[f32]) -> Vec<u32> {
    // The bits of floats that are not negative have their order; one more, so that what is worth nothing takes part.
    let score = |worth: f32| (worth.to_bits() << 1).saturating_add(1);
    let rows = classes.iter().zip(worth);
    rows.map(|(class, worth)| if *class == Class::Wanted { score(*worth) } else { NO_SCORE }).collect()
}

/// By the newest LSN, L0 deltas last.
#[inline(never)]
pub(crate) fn by_lsn(classes: &[Class], marks: &[u8], lsn_ends: &[u64]) -> Vec<u32> {
    const LSN_BITS: u32 = 30;
    let wanted = || classes.iter().zip(lsn_ends).filter(|(class, _)| **class == Class::Wanted).map(|(_, lsn)| *lsn);
    let oldest = wanted().min().unwrap_or_default();
    let newest = wanted().max().unwrap_or_default();
    let bits = u64::BITS - newest.saturating_sub(oldest).leading_zeros();
    // To the upper bits, since those are told apart.
    let (down, up) = (bits.saturating_sub(LSN_BITS), LSN_BITS.saturating_sub(bits));
    let rows = classes.iter().zip(marks.iter().zip(lsn_ends));
    rows.map(|(class, (mark, lsn_end))| {
        if *class != Class::Wanted {
            return NO_SCORE;
        }
        let last = if Marks(*mark).is_l0() { 0 } else { 1 << (LSN_BITS + 1) };
        #[allow(clippy::cast_possible_truncation, reason = "thirty bits")]
        let lsn = ((lsn_end.saturating_sub(oldest)) >> down) as u32;
        last | lsn << up << 1 | 1
    })
    .collect()
}

/// By how long ago it was read: before the last read of all, so that nothing changes while nobody reads.
#[inline(never)]
pub(crate) fn by_age(classes: &[Class], access_times: &[i64], now: i64) -> Vec<u32> {
    const MOST_S: i64 = i32::MAX as i64;
    let rows = || classes.iter().zip(access_times);
    let (mut first, mut last) = (now, i64::MIN);
    for (class, time) in rows() {
        if *class == Class::Wanted {
            first = first.min(*time);
            last = last.max(*time);
        }
    }
    let last = last.min(now);
    let age_s = |time: &i64| {
        let age_s = last.saturating_sub(*time).clamp(0, MOST_S - 1) + 1;
        u32::try_from(age_s).unwrap_or(NO_SCORE)
    };
    let up = age_s(&first).leading_zeros();
    rows().map(|(class, time)| if *class == Class::Wanted { age_s(time) << up } else { NO_SCORE }).collect()
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
