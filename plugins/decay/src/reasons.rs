//! What each row is told to people who ask.

use thermocline_policy::history::Stretch;
use thermocline_policy::{Marks, give_reason};
use thermocline_warmth::words::{rate, time, why_not};

use crate::judge::{Judge, Verdict};
use crate::note::{Source, Warmth};
use crate::reads::Moment;

/// Gives a reason for every row. Only where somebody asks: it is a call of the host a row.
pub(crate) fn give(judge: &Judge<'_>, stretches: &[Stretch], moment: &Moment) {
    let mut is_new = vec![false; judge.marks.len()];
    for stretch in stretches {
        if let Stretch::Changed { rows, .. } = stretch {
            is_new.get_mut(rows.clone()).unwrap_or_default().fill(true);
        }
    }
    for (row, (mark, is_new)) in (0..).zip(judge.marks.iter().zip(is_new)) {
        let (marks, at) = (Marks(*mark), row as usize);
        let record = judge.record(at);
        let told = Told { judge, moment, row: at, marks, record, is_new };
        give_reason(row, &told.of(judge.verdict(marks, judge.heat(at), || record)));
    }
}

/// What is told of a row.
struct Told<'a> {
    judge: &'a Judge<'a>,
    moment: &'a Moment,
    row: usize,
    marks: Marks,
    record: (Warmth, u32),
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
            Verdict::Unlisted => format!("not listed: {}", why_not(self.marks)),
        }
    }

    /// What makes it listed.
    fn what(&self) -> String {
        if !self.marks.is_resident() {
            let how = if self.marks.is_inherited() { "hot" } else { "cold" };
            let left = time(self.judge.left_s(self.record));
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
        rate(|seconds| f64::from(self.record.0.get()) * self.moment.fading.reads_in(seconds))
    }
}
