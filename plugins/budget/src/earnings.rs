//! Which order of layers serves this tenant best, as its own reads tell.
//!
//! Of each order it is remembered which layers it would have put within the budget, at the last call and at the one
//! before: a failover comes half a period later on average, and the minute after it is what counts. What share of the
//! reads since the last call went to these layers, of the one and of the other call, is what the order earned. Most tenants read again what they read of late; one that writes and
//! reads at its end is served best by what is newest; and one that reads everything round and round, by what it did not
//! read for longest. So the orders need not be argued about: the one that earns most decides.

/// An order of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By expected reads for a byte: decides unless another one serves clearly better.
    Worth,
    /// The newest LSN first, as the policy `resident-set` does.
    Newest,
    /// What was not read for longest first, behind what will have been read by the time that a standby takes over: for
    /// tenants that never stop to read everything.
    Ahead,
    /// What was not read for longest first: for tenants that read everything now and then, one part after another.
    LeastRecent,
}

/// How many there are.
pub(crate) const ORDERS: usize = 4;

impl Order {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Order; ORDERS] = [Order::Worth, Order::Newest, Order::Ahead, Order::LeastRecent];

    /// Its number.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// In a record, of a layer that was within the budget in this order, and that was so at the call before.
    pub(crate) const fn bits(self) -> [u32; 2] {
        [1 << self as u32, 1 << (self as u32 + ORDERS as u32)]
    }
}

/// What a record says once it is that of the call before: where the layer is within the budget now is put beside it.
pub(crate) const fn of_the_call_before(record: u32) -> u32 {
    (record & ((1 << ORDERS) - 1)) << ORDERS
}

/// What is left of earnings at each call at which there were reads.
const KEPT: f32 = 0.7;

/// Another order decides once it is ahead by more than this share of the reads: less is chance.
const CLEARLY_AHEAD: f32 = 0.03;
/// And until it is ahead of [`Order::Worth`] by no more than that, so that the two do not take turns.
const HARDLY_AHEAD: f32 = 0.01;

/// [`Order::Ahead`] looks further than two calls can tell. So of the two that go by the last read, it decides unless the
/// other is ahead by more than this.
const BEHIND: f32 = 0.08;

/// More reads than there are; what damaged memory says beyond is not believed.
const MOST_UNIT: f32 = 1e12;

/// What each order earned, and which one decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Earnings {
    /// Shares of the reads, faded.
    shares: [f32; ORDERS],
    pub(crate) deciding: Order,
    /// Reads that one read stands for by the weights of periods, of late.
    pub(crate) unit: f32,
}

impl Default for Earnings {
    fn default() -> Self {
        Earnings { shares: [0.0; ORDERS], deciding: Order::Worth, unit: 1.0 }
    }
}

impl Earnings {
    /// As they are remembered: shares in sixteen bits each.
    pub(crate) fn fields(&self) -> [u64; 2] {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to STEPS")]
        let steps = |share: f32| (share * STEPS).round() as u64;
        let shares = self.shares.iter().rev().fold(0, |field, share| field << 16 | steps(*share).min(0xffff));
        [shares, u64::from(self.unit.to_bits()) << 32 | self.deciding.index() as u64]
    }

    /// What [`fields`](Self::fields) said. Of what cannot be, nothing is believed.
    pub(crate) fn of([shares, other]: [u64; 2]) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "parts of a field")]
        let (share, unit) =
            (|order: Order| (shares >> (16 * order.index())) as u16, f32::from_bits((other >> 32) as u32));
        let deciding = Order::ALL.into_iter().find(|order| order.index() as u64 == other & 0xffff_ffff);
        match deciding {
            Some(deciding) if (0.5..=MOST_UNIT).contains(&unit) => {
                Earnings { shares: Order::ALL.map(|order| f32::from(share(order)) / STEPS), deciding, unit }
            }
            _ => Earnings::default(),
        }
    }

    /// What an order earned of late, as a share of the reads.
    pub(crate) fn share(&self, order: Order) -> f32 {
        self.shares.get(order.index()).copied().unwrap_or_default()
    }

    /// After a call before which there were so many reads, and so many of them in what each order had in the budget at the
    /// two calls before, together.
    #[allow(clippy::cast_precision_loss, reason = "reads, to six digits")]
    pub(crate) fn add(&mut self, reads: u64, served: [u64; ORDERS]) {
        if reads == 0 {
            return;
        }
        for (share, served) in self.shares.iter_mut().zip(served) {
            let earned = served as f32 / (2 * reads) as f32;
            let share_now = (KEPT * *share + (1.0 - KEPT) * earned).clamp(0.0, 1.0);
            // As it is remembered, so that who decides is remembered, too.
            *share = (share_now * STEPS).round() / STEPS;
        }
        for order in Order::ALL {
            if self.share(order) > self.share(self.deciding) + CLEARLY_AHEAD {
                self.deciding = order;
            }
        }
        if self.deciding == Order::LeastRecent && self.share(Order::LeastRecent) <= self.share(Order::Ahead) + BEHIND {
            self.deciding = Order::Ahead;
        }
        if self.share(self.deciding) <= self.share(Order::Worth) + HARDLY_AHEAD {
            self.deciding = Order::Worth;
        }
    }
}

/// Of a share, as it is remembered.
const STEPS: f32 = 65_535.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn after(calls: &[[u64; ORDERS]]) -> Earnings {
        let mut earnings = Earnings::default();
        calls.iter().for_each(|served| earnings.add(100, *served));
        earnings
    }

    #[rstest]
    #[case::nothing_was_read(&[], Order::Worth)]
    #[case::all_alike(&[[100, 100, 100, 100]], Order::Worth)]
    #[case::hardly_ahead(&[[100, 118, 100, 100]], Order::Worth)]
    #[case::clearly_ahead(&[[100, 122, 100, 100]], Order::Newest)]
    #[case::the_one_that_is_furthest_ahead(&[[100, 160, 198, 100]], Order::Ahead)]
    #[case::of_two_that_go_by_the_last_read(&[[20, 0, 150, 190]], Order::Ahead)]
    #[case::far_ahead_of_the_other(&[[20, 0, 100, 190]], Order::LeastRecent)]
    #[case::in_the_long_run(&[[100, 160, 0, 0], [100, 160, 0, 0], [120, 100, 0, 0]], Order::Newest)]
    #[case::it_stays_while_it_is_ahead(&[[100, 140, 0, 0], [110, 100, 0, 0]], Order::Newest)]
    #[case::and_no_longer(&[[100, 140, 0, 0], [122, 100, 0, 0]], Order::Worth)]
    fn the_order_decides_that_serves_most_reads(#[case] calls: &[[u64; ORDERS]], #[case] deciding: Order) {
        let earnings = after(calls);
        assert_eq!(earnings.deciding, deciding, "{earnings:?}");
    }

    #[test]
    fn where_nothing_is_read_nothing_is_earned_or_lost() {
        let mut earnings = after(&[[20, 180, 40, 0]]);
        let before = earnings;
        earnings.add(0, [0; ORDERS]);
        assert_eq!(earnings, before);
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was(calls in prop::collection::vec([0..=200_u64, 0..=200, 0..=200, 0..=200], 0..9), unit in 1.0..1e9_f32) {
            let earnings = Earnings { unit, ..after(&calls) };
            let read = Earnings::of(earnings.fields());
            prop_assert_eq!((read.shares, read.deciding), (earnings.shares, earnings.deciding));
            prop_assert!(read.unit == unit);
        }

        #[test]
        fn what_is_damaged_is_not_believed(one: u64, other: u64) {
            let read = Earnings::of([one, other]);
            prop_assert!(read.shares.iter().all(|share| (0.0..=1.0).contains(share)) && read.unit.is_finite());
        }
    }
}
