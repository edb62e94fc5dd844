//! Which order of layers serves this tenant best, as its own reads tell.
//!
//! Of each order it is remembered which layers it would have put within the budget. What share of the reads since then
//! went to these layers is what the order earned. Most tenants read again what they read of late; one that writes and
//! reads at its end is served best by what is newest; and one that reads everything round and round, by what it did not
//! read for longest. So the orders need not be argued about: the one that earns most decides.

/// An order of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By expected reads for a byte: decides unless another one serves clearly better.
    Worth,
    /// The newest LSN first, as the policy `resident-set` does.
    Newest,
    /// What was not read for longest first, behind what will have been read by the time that a standby takes over.
    LeastRecent,
}

/// How many there are.
pub(crate) const ORDERS: usize = 3;

impl Order {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Order; ORDERS] = [Order::Worth, Order::Newest, Order::LeastRecent];

    /// Its number.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// In a record, of a layer that was within the budget in this order.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What is left of earnings at each call at which there were reads.
const KEPT: f32 = 0.7;

/// Another order decides once it is ahead by more than this share of the reads: less is chance.
const CLEARLY_AHEAD: f32 = 0.03;
/// And until it is ahead of [`Order::Worth`] by no more than that, so that the two do not take turns.
const HARDLY_AHEAD: f32 = 0.01;

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
    /// As they are remembered.
    pub(crate) fn fields(&self) -> [u64; 2] {
        let [worth, newest, least_recent] = self.shares.map(|share| u64::from(share.to_bits()));
        // A unit is not negative: its sign and its last digit say who decides.
        let deciding = match self.deciding {
            Order::Worth => 0,
            Order::Newest => 1,
            Order::LeastRecent => 1 << 31,
        };
        let unit = u64::from(self.unit.to_bits() & !DECIDING | deciding);
        [worth | newest << 32, least_recent | unit << 32]
    }

    /// What [`fields`](Self::fields) said. Of what cannot be, nothing is believed.
    pub(crate) fn of([one, other]: [u64; 2]) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "two numbers in one")]
        let (low, high) = (|field: u64| field as u32, |field: u64| (field >> 32) as u32);
        let shares = [low(one), high(one), low(other)].map(f32::from_bits);
        let unit = f32::from_bits(high(other) & !DECIDING);
        let deciding = match high(other) & DECIDING {
            0 => Order::Worth,
            1 => Order::Newest,
            _ => Order::LeastRecent,
        };
        if shares.iter().all(|share| (0.0..=1.001).contains(share)) && (0.5..=MOST_UNIT).contains(&unit) {
            Earnings { shares, deciding, unit }
        } else {
            Earnings::default()
        }
    }

    /// What an order earned of late, as a share of the reads.
    pub(crate) fn share(&self, order: Order) -> f32 {
        self.shares.get(order.index()).copied().unwrap_or_default()
    }

    /// After a call before which there were so many reads, and so many of them in what each order had in the budget.
    #[allow(clippy::cast_precision_loss, reason = "reads, to six digits")]
    pub(crate) fn add(&mut self, reads: u64, served: [u64; ORDERS]) {
        if reads == 0 {
            return;
        }
        for (share, served) in self.shares.iter_mut().zip(served) {
            *share = (KEPT * *share + (1.0 - KEPT) * (served as f32 / reads as f32)).clamp(0.0, 1.0);
        }
        for order in Order::ALL {
            if self.share(order) > self.share(self.deciding) + CLEARLY_AHEAD {
                self.deciding = order;
            }
        }
        if self.share(self.deciding) <= self.share(Order::Worth) + HARDLY_AHEAD {
            self.deciding = Order::Worth;
        }
    }
}

/// Of a unit, the bits that it does not need.
const DECIDING: u32 = 1 << 31 | 1;

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
    #[case::all_alike(&[[50, 50, 50]], Order::Worth)]
    #[case::hardly_ahead(&[[50, 59, 50]], Order::Worth)]
    #[case::clearly_ahead(&[[50, 61, 50]], Order::Newest)]
    #[case::the_one_that_is_furthest_ahead(&[[50, 80, 99]], Order::LeastRecent)]
    #[case::in_the_long_run(&[[50, 80, 0], [50, 80, 0], [60, 50, 0]], Order::Newest)]
    #[case::it_stays_while_it_is_ahead(&[[50, 70, 0], [55, 50, 0]], Order::Newest)]
    #[case::and_no_longer(&[[50, 70, 0], [61, 50, 0]], Order::Worth)]
    fn the_order_decides_that_serves_most_reads(#[case] calls: &[[u64; ORDERS]], #[case] deciding: Order) {
        let earnings = after(calls);
        assert_eq!(earnings.deciding, deciding, "{earnings:?}");
    }

    #[test]
    fn where_nothing_is_read_nothing_is_earned_or_lost() {
        let mut earnings = after(&[[10, 90, 20]]);
        let before = earnings;
        earnings.add(0, [0; ORDERS]);
        assert_eq!(earnings, before);
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was(calls in prop::collection::vec([0..=100_u64, 0..=100, 0..=100], 0..9), unit in 1.0..1e9_f32) {
            let earnings = Earnings { unit, ..after(&calls) };
            let read = Earnings::of(earnings.fields());
            prop_assert_eq!((read.shares, read.deciding), (earnings.shares, earnings.deciding));
            prop_assert!((read.unit / unit - 1.0).abs() < 1e-6);
        }

        #[test]
        fn what_is_damaged_is_not_believed(one: u64, other: u64) {
            let read = Earnings::of([one, other]);
            prop_assert!(read.shares.iter().all(|share| (0.0..=1.001).contains(share)) && read.unit.is_finite());
        }
    }
}
