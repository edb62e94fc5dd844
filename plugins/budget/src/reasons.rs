//! What each row is told to people who ask.

use thermocline_policy::history::{Stretch, Word};
use thermocline_policy::{Marks, give_reason};
use thermocline_warmth::note::Source;
use thermocline_warmth::words::{rate, time, why_not};

use crate::earnings::{Earnings, Order};
use crate::floor::Floor;
use crate::listing::{Class, left_s};
use crate::regions::NO_IMAGE;
use crate::settings::Settings;

/// Everything that was decided.
pub(crate) struct Decided<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) now: u32,
    pub(crate) source: Source,
    pub(crate) marks: &'a [u8],
    pub(crate) classes: &'a [Class],
    pub(crate) warm: &'a [Word],
    pub(crate) numbers: &'a [Word],
    /// Expected reads a second, by the weights of periods.
    pub(crate) expected: &'a [f32],
    /// Images, and how many deltas were joined to each.
    pub(crate) joined: &'a [(u32, u32)],
    /// Of each row, the image without which it serves nobody.
    pub(crate) image_of: &'a [u32],
    pub(crate) earnings: &'a Earnings,
    pub(crate) floor: &'a Floor,
    /// Rows that are to be downloaded.
    pub(crate) hot: &'a [u32],
}

/// Where a hot row is.
const IN_THE_BUDGET: &str = "in the budget";
const STARTS: &str = "every start reads it";
const NEWEST: &str = "of the newest images of a timeline that has none that every start reads";

/// Gives a reason for every row. Only where somebody asks: it is a call of the host a row.
pub(crate) fn give(decided: &Decided<'_>, stretches: &[Stretch]) {
    let rows = decided.marks.len();
    let mut is_new = vec![false; rows];
    for stretch in stretches {
        if let Stretch::Changed { rows, .. } = stretch {
            is_new.get_mut(rows.clone()).unwrap_or_default().fill(true);
        }
    }
    let (mut places, mut deltas) = (vec![""; rows], vec![0; rows]);
    let (starts, newest) = decided.floor.rows.split_at_checked(decided.floor.starts).unwrap_or_default();
    // What is in the floor is hot, too.
    for (set, place) in [(decided.hot, IN_THE_BUDGET), (starts, STARTS), (newest, NEWEST)] {
        for row in set {
            if let Some(slot) = places.get_mut(*row as usize) {
                *slot = place;
            }
        }
    }
    for (row, count) in decided.joined {
        if let Some(slot) = deltas.get_mut(*row as usize) {
            *slot = *count;
        }
    }
    let order = decided.order();
    let columns = decided.marks.iter().zip(decided.classes).zip(decided.warm.iter().zip(decided.numbers));
    let told = is_new.iter().zip(places.iter().zip(&deltas)).zip(decided.expected);
    for (row, (((mark, class), (warm, number)), ((is_new, (place, deltas)), expected))) in (0..).zip(columns.zip(told))
    {
        let marks = Marks(*mark);
        let left = || time(left_s(decided.settings, decided.now, warm, number));
        let waits =
            |how: &str| format!("inherited as {how}, not downloaded yet, and listed for {} more at most", left());
        let what = if !marks.is_resident() {
            waits("hot")
        } else if decided.source == Source::Nothing {
            "resident and visible, and nothing tells of reads".into()
        } else {
            let reads = f64::from(*expected * decided.earnings.unit);
            let rate = rate(|seconds| reads * seconds);
            let with = match deltas {
                0 => String::new(),
                1 => ", with its delta".into(),
                deltas => format!(", with its {deltas} deltas"),
            };
            format!("{} {rate}{with}", if *is_new { "new, and expected to be read" } else { "read" })
        };
        let reason = match class {
            Class::Wanted if place.is_empty() => {
                let image = decided.image_of.get(row as usize).copied().unwrap_or(NO_IMAGE);
                let has_none = places.get(image as usize).is_some_and(|place| place.is_empty());
                let why = if has_none { "its image is over the budget" } else { "over the budget" };
                format!("cold: {why}: {what}{order}")
            }
            Class::Wanted if *place == IN_THE_BUDGET => format!("hot: {place}: {what}{order}"),
            Class::Wanted => format!("hot: floor, {place}: {what}"),
            Class::Known => format!("cold: {}", waits("cold")),
            Class::Dropped => {
                format!("not listed: inherited, and not downloaded in {}", time(decided.settings.inherited_for_s))
            }
            Class::Unlisted => format!("not listed: {}", why_not(marks)),
        };
        give_reason(row, &reason);
    }
}

impl Decided<'_> {
    /// Which order decides, where it is not the usual one.
    fn order(&self) -> String {
        let share = |order: Order| format!("{:.0}%", 100.0 * self.earnings.share(order));
        let name = match self.earnings.deciding {
            _ if self.source == Source::Nothing => return "; order: newest first".into(),
            Order::Worth => return String::new(),
            Order::Newest => "newest",
            Order::Ahead | Order::LeastRecent => "not read for longest",
        };
        let (served, usual) = (share(self.earnings.deciding), share(Order::Worth));
        format!("; order: {name} first would have served {served} of the reads of late, expected reads {usual}")
    }
}
