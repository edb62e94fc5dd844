//! What each row is told to people who ask.

use thermocline_policy::history::Stretch;
use thermocline_policy::{Marks, give_reason};

use crate::judge::{Judge, Verdict};
use crate::note::{Next, Source, Warmth};
use crate::reads::Moment;
use crate::warmth;

/// Gives a reason for every row. Only where somebody asks: it is a call of the host a row.
pub(crate) fn give(judge: &Judge<'_>, next: &Next, stretches: &[Stretch], moment: &Moment) {
    let [warm, numbers] = next.columns();
    let mut is_new = vec![false; judge.marks.len()];
    for stretch in stretches {
        if let Stretch::Changed { rows, .. } = stretch {
            is_new.get_mut(rows.clone()).unwrap_or_default().fill(true);
        }
    }
    let rows = judge.marks.iter().zip(&*judge.sizes).zip(warm.iter().zip(numbers)).zip(is_new);
    for (row, (((mark, size_bytes), (warm, number)), is_new)) in (0..).zip(rows) {
        let (warmth, number) = (warmth(warm), u32::from_le_bytes(*number));
        let verdict = judge.verdict(row as usize, *mark, *size_bytes, warmth, number);
        let told = Told { judge, moment, row: row as usize, marks: Marks(*mark), warmth, number, is_new };
        give_reason(row, &told.of(verdict));
    }
}

/// What is told of a row.
struct Told<'a> {
    judge: &'a Judge<'a>,
    moment: &'a Moment,
    row: usize,
    marks: Marks,
    warmth: Warmth,
    number: u32,
    is_new: bool,
}

impl Told<'_> {
    fn of(&self, verdict: Verdict) -> String {
        match verdict {
            Verdict::Hot(_) => format!("hot: {}{}", self.what(), self.l0()),
            Verdict::Cold(_) if self.marks.is_resident() => {
                format!("cold: {}; under {} reads an hour and MiB", self.what(), self.judge.cold_below())
            }
            Verdict::Cold(_) => format!("cold: {}", self.what()),
            Verdict::Dropped => {
                format!("not listed: inherited, and not downloaded in {}", time(self.judge.inherited_for_s()))
            }
            Verdict::Unlisted => format!("not listed: {}", self.why_not()),
        }
    }

    /// What makes it listed.
    fn what(&self) -> String {
        if !self.marks.is_resident() {
            let how = if self.marks.is_inherited() { "hot" } else { "cold" };
            let left = time(self.judge.left_s(self.warmth, self.number));
            return format!("inherited as {how}, not downloaded yet, and listed for {left} more at most");
        }
        if self.judge.source == Source::Nothing {
            return "resident and visible, and nothing tells of reads".into();
        }
        let rate = self.rate();
        if self.is_new { format!("new, and expected to be read {rate}") } else { format!("read {rate}, fading") }
    }

    fn l0(&self) -> String {
        match &self.judge.lives {
            Some(_) if self.marks.is_l0() && self.judge.source == Source::Nothing => {
                "; an L0 delta, so behind the other hot ones".into()
            }
            Some(lives) if self.marks.is_l0() => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds")]
                let seconds = lives.seconds(self.row) as u64;
                format!("; an L0 delta, to be compacted in about {}", time(seconds))
            }
            _ => String::new(),
        }
    }

    fn rate(&self) -> String {
        let reads_in = |seconds: f64| f64::from(self.warmth.get()) * self.moment.fading.reads_in(seconds);
        [(60.0, "minute"), (3600.0, "hour"), (86_400.0, "day")]
            .into_iter()
            .find(|(seconds, unit)| reads_in(*seconds) >= if *unit == "day" { 0.05 } else { 1.0 })
            .map_or_else(
                || "less than once in weeks".into(),
                |(seconds, unit)| {
                    let article = if unit == "hour" { "an" } else { "a" };
                    format!("{:.1} times {article} {unit}", reads_in(seconds))
                },
            )
    }

    const fn why_not(&self) -> &'static str {
        let taken_over = self.marks.is_inherited() || self.marks.is_inherited_cold();
        match (self.marks.is_visible(), self.marks.is_resident()) {
            (false, true) => "covered, no read needs it",
            (false, false) if taken_over => "inherited, but covered by now",
            (false, false) => "neither resident nor visible",
            (true, _) => "not resident",
        }
    }
}

/// A time in the largest unit of which it has two.
fn time(seconds: u64) -> String {
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let (unit_s, unit) = units.into_iter().find(|(unit_s, _)| seconds >= 2 * unit_s).unwrap_or((1, "seconds"));
    format!("{} {unit}", seconds / unit_s)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing(0, "0 seconds")]
    #[case::less_than_two_minutes(119, "119 seconds")]
    #[case::two_minutes(120, "2 minutes")]
    #[case::a_day(86_400, "24 hours")]
    #[case::more(260_000, "3 days")]
    fn times_are_short(#[case] seconds: u64, #[case] words: &str) {
        assert_eq!(time(seconds), words);
    }
}
