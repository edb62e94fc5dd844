//! How reads fade.
//!
//! A read counts 1 when it happens, half after a half-life, a quarter after two. What the reads of a layer still count
//! together is its *warmth*; a layer that is read at an even rate has a warmth of that rate times the half-life over the
//! logarithm of 2. So warmth tells the rate, over about the time that matters.
//!
//! Powers of 2 are made of sums and products alone, which are the same to the bit on every machine: from one of a few that
//! are known, on by a short series.

use std::f64::consts::LN_2;

/// Reads fade with this half-life.
#[derive(Clone, Copy, Debug)]
pub struct Fading {
    half_life_s: f64,
}

impl Fading {
    /// With a half-life.
    #[allow(clippy::cast_precision_loss, reason = "a setting of 30 days at most")]
    pub const fn new(half_life_s: u64) -> Self {
        Fading { half_life_s: half_life_s as f64 }
    }

    /// What a read still counts that was so long ago. Of the future it counts 1.
    pub fn left(self, after_s: f64) -> f64 {
        halved(after_s / self.half_life_s)
    }

    /// What reads count on average that were spread evenly over the last so many seconds.
    pub fn mean(self, over_s: f64) -> f64 {
        let halvings = over_s / self.half_life_s;
        // Up to there, the difference of two numbers that are nearly 1 would say less than the first terms of the series.
        if halvings < 1e-4 {
            1.0 - halvings.max(0.0) * LN_2 / 2.0
        } else {
            (1.0 - halved(halvings)) / (halvings * LN_2)
        }
    }

    /// Reads in so many seconds to come, of a layer that is as warm as 1.
    pub fn reads_in(self, seconds: f64) -> f64 {
        seconds * LN_2 / self.half_life_s
    }

    /// Seconds until something has faded to a part, or a little less: at least nine tenths of them for parts that
    /// matter.
    pub fn seconds_to(self, part: f64) -> f64 {
        halvings(part.recip()) * self.half_life_s
    }
}

/// Between one halving and the next, powers are kept at so many places.
const STEPS: usize = 64;

/// Powers of 2 from 1 down to nearly a half.
static POWERS: [f64; STEPS] = {
    let mut powers = [1.0; STEPS];
    let mut step = 1;
    while step < STEPS {
        #[allow(
            clippy::cast_precision_loss,
            clippy::indexing_slicing,
            reason = "below STEPS, and seen by the compiler"
        )]
        {
            powers[step] = exponential(-(step as f64) * LN_2 / STEPS as f64, &RECIPROCALS);
        }
        step += 1;
    }
    powers
};

/// So many terms are exact to the last digit, from 0 down to the logarithm of a half.
const TERMS: usize = 16;

/// And so many for what is between two steps.
const FEW_TERMS: usize = 7;

/// Of the numbers of the terms, the last first.
const RECIPROCALS: [f64; TERMS] = reciprocals();

/// Of the last ones.
const FEW_RECIPROCALS: [f64; FEW_TERMS] = reciprocals();

const fn reciprocals<const COUNT: usize>() -> [f64; COUNT] {
    let mut reciprocals = [1.0; COUNT];
    let mut place = 0;
    while place < COUNT {
        #[allow(clippy::cast_precision_loss, clippy::indexing_slicing, reason = "a few, and seen by the compiler")]
        {
            reciprocals[place] = 1.0 / (COUNT - place) as f64;
        }
        place += 1;
    }
    reciprocals
}

/// The exponential function, as a series of as many terms.
#[inline(always)]
const fn exponential<const COUNT: usize>(exponent: f64, reciprocals: &[f64; COUNT]) -> f64 {
    let mut sum = 1.0;
    let mut place = 0;
    while place < COUNT {
        #[allow(clippy::indexing_slicing, reason = "below COUNT, and the compiler sees it")]
        {
            sum = 1.0 + exponent * reciprocals[place] * sum;
        }
        place += 1;
    }
    sum
}

/// 1, halved so many times.
fn halved(times: f64) -> f64 {
    /// Below that a number of 64 bits has fewer digits.
    const MOST: f64 = 1022.0;
    if times.is_nan() || times <= 0.0 {
        return 1.0;
    }
    if times >= MOST {
        return 0.0;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 65,407")]
    let steps = (times * STEPS as f64) as usize;
    #[allow(clippy::cast_precision_loss, reason = "the same")]
    let part = exponential((steps as f64 / STEPS as f64 - times) * LN_2, &FEW_RECIPROCALS);
    let power = f64::from_bits((1023 - (steps / STEPS) as u64) << 52);
    POWERS.get(steps % STEPS).map_or(0.0, |between| part * between * power)
}

/// How often `number` can be halved until 1 is left, or a little less: on a straight line between powers of 2.
#[allow(clippy::cast_precision_loss, reason = "twelve bits, and 52")]
fn halvings(number: f64) -> f64 {
    if number.is_nan() || number <= 1.0 {
        return 0.0;
    }
    let bits = number.min(f64::MAX).to_bits();
    let (whole, part) = ((bits >> 52) as f64 - 1023.0, (bits & ((1 << 52) - 1)) as f64);
    whole + part / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const HOUR: Fading = Fading::new(3600);

    #[rstest]
    #[case::now(0.0, 1.0)]
    #[case::a_half_life(3600.0, 0.5)]
    #[case::three(3.0 * 3600.0, 0.125)]
    #[case::half_of_one(1800.0, std::f64::consts::FRAC_1_SQRT_2)]
    #[case::the_future(-5.0, 1.0)]
    #[case::never(f64::INFINITY, 0.0)]
    #[case::no_number(f64::NAN, 1.0)]
    fn a_read_fades(#[case] after_s: f64, #[case] left: f64) {
        assert!((HOUR.left(after_s) - left).abs() < 1e-15, "{}", HOUR.left(after_s));
    }

    /// The reads of a layer that is read once a second, for so long.
    #[rstest]
    #[case::minutes(300_u32)]
    #[case::a_half_life(3600)]
    #[case::days(86_400)]
    fn even_reads_fade_as_their_mean(#[case] seconds: u32) {
        let summed: f64 = (0..seconds).map(|second| HOUR.left(f64::from(second) + 0.5)).sum();
        let warmth = HOUR.mean(f64::from(seconds)) * f64::from(seconds);
        assert!((summed / warmth - 1.0).abs() < 1e-6, "{summed} {warmth}");
    }

    #[test]
    fn the_rate_of_even_reads_is_told_by_their_warmth() {
        let warmth: f64 = (0..86_400).map(|second| HOUR.left(f64::from(second))).sum();
        assert!((HOUR.reads_in(60.0) * warmth - 60.0).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn powers_are_those_of_the_standard_library(times in 0.0..1022.0_f64) {
            let exact = (-times).exp2();
            prop_assert!((halved(times) / exact - 1.0).abs() < 1e-14, "{} {}", halved(times), exact);
        }

        #[test]
        fn time_to_fade_is_never_told_too_long(part in 1e-12..1.0_f64) {
            let seconds = HOUR.seconds_to(part);
            prop_assert!(seconds >= 0.0 && HOUR.left(seconds) >= part * (1.0 - 1e-9));
            prop_assert!(HOUR.left(seconds + 0.09 * 3600.0) <= part);
        }

        #[test]
        fn nothing_that_is_asked_is_no_number(seconds: f64) {
            prop_assert!((0.0..=1.0).contains(&HOUR.left(seconds)));
            prop_assert!(HOUR.mean(seconds).is_nan() || HOUR.mean(seconds) <= 1.0);
        }
    }
}
