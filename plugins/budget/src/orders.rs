//! Where each layer stands in each order, and in which of them it is within the budget.

use std::array::{from_mut, from_ref};

use crate::earnings::{ORDERS, Order};
use crate::fits::{End, NO_SCORE, STRETCH, ends};
use crate::listing;

/// By the order of what was not read for longest, the bytes that were read in the last period, divided by this, are
/// skipped: a failover comes half a period later on average, and has been read by then what is next.
const SKIPPED_DIVISOR: u64 = 2;

/// By the orders that go by the last read, the share of the budget that goes to what bytes are worth most all the same:
/// between two reports, a tenant that reads everything now and then lives on little.
const KEPT_SHARE: f64 = 0.2;

/// Among the bits of a row's orders: it is of that share.
pub(crate) const IS_KEPT: u8 = 1 << ORDERS;

/// More than any age has.
const KEPT_TURN: f32 = (1_u64 << 33) as f32;

/// Scores of all rows.
pub(crate) struct Orders {
    pub(crate) by_worth: Vec<u32>,
    pub(crate) by_lsn: Vec<u32>,
    pub(crate) by_age: Vec<u32>,
    /// What was read in the last period.
    pub(crate) read_bytes: u64,
}

/// Where the budget ends.
struct First {
    worth: End,
    newest: End,
    /// The share of what bytes are worth most.
    kept: End,
}

impl First {
    /// What is kept takes no part in the orders that go by the last read.
    #[inline(always)]
    fn fits<const ROWS: usize>(
        &mut self,
        fits: &mut [u8; ROWS],
        by_worth: &[u32; ROWS],
        by_lsn: &[u32; ROWS],
        by_age: &mut [u32; ROWS],
        sizes: &[u64; ROWS],
    ) {
        const ALL_KEPT: u8 = 1 << Order::Ahead.index() | 1 << Order::LeastRecent.index() | IS_KEPT;
        let worth = self.worth.takes_of(by_worth, sizes);
        let newest = self.newest.takes_of(by_lsn, sizes);
        let kept = self.kept.takes_of(by_worth, sizes);
        for ((fits, age), (worth, (newest, kept))) in
            fits.iter_mut().zip(by_age).zip(worth.into_iter().zip(newest.into_iter().zip(kept)))
        {
            *fits = worth << Order::Worth.index() | newest << Order::Newest.index() | (ALL_KEPT * kept);
            *age = if kept == 1 { NO_SCORE } else { *age };
        }
    }
}

/// And in the orders that go by the last read, where it ends behind what is kept.
struct Then {
    least_recent: End,
    /// With what is skipped.
    ahead: End,
    skipped: End,
}

impl Then {
    #[inline(always)]
    fn fits<const ROWS: usize>(&mut self, fits: &mut [u8; ROWS], by_age: &[u32; ROWS], sizes: &[u64; ROWS]) {
        let least_recent = self.least_recent.takes_of(by_age, sizes);
        let ahead = self.ahead.takes_of(by_age, sizes);
        let skipped = self.skipped.takes_of(by_age, sizes);
        for (fits, (least_recent, (ahead, skipped))) in
            fits.iter_mut().zip(least_recent.into_iter().zip(ahead.into_iter().zip(skipped)))
        {
            *fits |= least_recent << Order::LeastRecent.index() | (ahead & !skipped) << Order::Ahead.index();
        }
    }
}

impl Orders {
    /// Of each row, the orders in which it is within the budget, as bits.
    pub(crate) fn fits(&mut self, sizes: &[u64], budget_bytes: u64) -> Vec<u8> {
        let mut fits = vec![0; sizes.len()];
        // What goes by the last read has what bytes are worth most before it.
        let kept_bytes = listing::share_of(KEPT_SHARE, budget_bytes);
        let [worth, kept] = ends(&self.by_worth, sizes, [budget_bytes, kept_bytes]);
        let [newest] = ends(&self.by_lsn, sizes, [budget_bytes]);
        First { worth, newest, kept }.each(&mut fits, &self.by_worth, &self.by_lsn, &mut self.by_age, sizes);
        let rest_bytes = budget_bytes.saturating_sub(kept_bytes);
        let skipped_bytes = self.read_bytes / SKIPPED_DIVISOR;
        let rooms_bytes = [rest_bytes, skipped_bytes.saturating_add(rest_bytes), skipped_bytes];
        let [least_recent, ahead, skipped] = ends(&self.by_age, sizes, rooms_bytes);
        Then { least_recent, ahead, skipped }.each(&mut fits, &self.by_age, sizes);
        fits
    }

    /// When rows have their turns, by an order of what was not read for longest: the more, the earlier.
    #[allow(clippy::cast_precision_loss, reason = "to six digits")]
    pub(crate) fn turns(&self, order: Order, fits: &[u8]) -> Vec<f32> {
        let rows = fits.iter().zip(self.by_worth.iter().zip(&self.by_age));
        rows.map(|(fits, (worth, age))| match fits {
            fits if fits & IS_KEPT > 0 => KEPT_TURN + *worth as f32,
            fits if fits >> order.index() & 1 > 0 => *age as f32,
            _ => 0.0,
        })
        .collect()
    }
}

impl First {
    #[inline(never)]
    fn each(mut self, fits: &mut [u8], by_worth: &[u32], by_lsn: &[u32], by_age: &mut [u32], sizes: &[u64]) {
        let ((fits, last_fits), (ages, last_ages)) = (fits.as_chunks_mut::<STRETCH>(), by_age.as_chunks_mut());
        let ((worths, last_worths), (lsns, last_lsns)) = (by_worth.as_chunks(), by_lsn.as_chunks());
        let (sizes, last_sizes) = sizes.as_chunks();
        for ((fits, ages), (sizes, (worths, lsns))) in
            fits.iter_mut().zip(ages).zip(sizes.iter().zip(worths.iter().zip(lsns)))
        {
            self.fits(fits, worths, lsns, ages, sizes);
        }
        for ((fits, age), (size, (worth, lsn))) in
            last_fits.iter_mut().zip(last_ages).zip(last_sizes.iter().zip(last_worths.iter().zip(last_lsns)))
        {
            self.fits(from_mut(fits), from_ref(worth), from_ref(lsn), from_mut(age), from_ref(size));
        }
    }
}

impl Then {
    #[inline(never)]
    fn each(mut self, fits: &mut [u8], by_age: &[u32], sizes: &[u64]) {
        let ((fits, last_fits), (ages, last_ages)) = (fits.as_chunks_mut::<STRETCH>(), by_age.as_chunks());
        let (sizes, last_sizes) = sizes.as_chunks();
        for (fits, (ages, sizes)) in fits.iter_mut().zip(ages.iter().zip(sizes)) {
            self.fits(fits, ages, sizes);
        }
        for (fits, (age, size)) in last_fits.iter_mut().zip(last_ages.iter().zip(last_sizes)) {
            self.fits(from_mut(fits), from_ref(age), from_ref(size));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fits;

    /// The rule as one reads it: one order after the other, row by row.
    fn plain(orders: &Orders, sizes: &[u64], budget_bytes: u64) -> Vec<u8> {
        let within = |scores: &[u32], room_bytes: u64| {
            let mut within = vec![false; scores.len()];
            fits::each(scores, sizes, room_bytes, |row| within[row] = true);
            within
        };
        let kept_bytes = listing::share_of(KEPT_SHARE, budget_bytes);
        let (rest_bytes, skipped_bytes) = (budget_bytes - kept_bytes, orders.read_bytes / SKIPPED_DIVISOR);
        let [worth, kept] = [budget_bytes, kept_bytes].map(|room_bytes| within(&orders.by_worth, room_bytes));
        let newest = within(&orders.by_lsn, budget_bytes);
        let ages: Vec<_> =
            orders.by_age.iter().zip(&kept).map(|(age, kept)| if *kept { NO_SCORE } else { *age }).collect();
        let [least_recent, with_skipped, skipped] =
            [rest_bytes, rest_bytes + skipped_bytes, skipped_bytes].map(|room_bytes| within(&ages, room_bytes));
        let bits = |row: usize| {
            let ahead = kept[row] || with_skipped[row] && !skipped[row];
            let orders = [
                (Order::Worth, worth[row]),
                (Order::Newest, newest[row]),
                (Order::Ahead, ahead),
                (Order::LeastRecent, kept[row] || least_recent[row]),
            ];
            let bits = orders.map(|(order, fits)| u8::from(fits) << order.index());
            bits.into_iter().sum::<u8>() | if kept[row] { IS_KEPT } else { 0 }
        };
        (0..sizes.len()).map(bits).collect()
    }

    /// Some scores are of many rows, and some rows take no part.
    fn score() -> impl Strategy<Value = u32> {
        prop_oneof![any::<u32>(), 1..4_u32, Just(1 << 31)].prop_map(|score| score.max(1))
    }

    proptest! {
        #[test]
        fn rows_fit_as_by_the_rule(
            table in prop::collection::vec(([score(), score(), score()], 0..100_u64, 0..5_u8), 0..700),
            budget_bytes in 0..30_000_u64,
            read_bytes in 0..20_000_u64,
        ) {
            let column = |order: usize| {
                let scores = table.iter().map(|(scores, _, kind)| if *kind == 0 { NO_SCORE } else { scores[order] });
                scores.collect::<Vec<_>>()
            };
            let sizes: Vec<_> = table.iter().map(|row| row.1).collect();
            let mut orders = Orders { by_worth: column(0), by_lsn: column(1), by_age: column(2), read_bytes };
            let expected = plain(&orders, &sizes, budget_bytes);
            prop_assert_eq!(orders.fits(&sizes, budget_bytes), expected);
        }
    }
}
