//! How hot a row is, and where it belongs.
//!
//! Each loop over the rows is a function of its own that is not inlined: the compiler of the host is a quick one, and what
//! is alive around a loop would have it keep in memory what the loop itself needs in registers.

use thermocline_policy::history::Word;
use thermocline_policy::{Marks, Ranked, Standing};

use crate::REQUEST_BYTES;
use crate::l0::{Lives, by_kind};
use crate::note::{Next, Source, Warmth};
use crate::reads::{Moment, STRETCH, single};
use crate::settings::Settings;

const HOUR_S: f64 = 3600.0;

/// Sizes are reckoned in units of so many bytes, so that they fit in 32 bits, of which four are made floats at a time.
const UNIT_BYTES: u64 = 256;
const UNITS_A_MIB: u32 = 4096;
const _: () = assert!(REQUEST_BYTES.is_multiple_of(UNIT_BYTES));

/// Everything that decides about a row.
pub(crate) struct Judge<'a> {
    pub(crate) source: Source,
    pub(crate) marks: &'a [u8],
    pub(crate) lives: Option<Lives<'a>>,
    next: &'a Next,
    sizes: &'a [u64],
    /// What warmth and size make a heat by.
    scale: f32,
    cold_below: f32,
    inherited_for_s: u64,
    now: u32,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// To be downloaded, with this heat.
    Hot(f32),
    /// Known, with this heat.
    Cold(f32),
    /// Inherited, and not come in time.
    Dropped,
    /// Not here, or not needed.
    Unlisted,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        settings: &Settings,
        moment: &Moment,
        source: Source,
        marks: &'a [u8],
        sizes: &'a [u64],
        next: &'a Next,
        lives: Option<Lives<'a>>,
    ) -> Self {
        Judge {
            source,
            marks,
            lives,
            next,
            sizes,
            scale: single(moment.fading.reads_in(HOUR_S) * f64::from(UNITS_A_MIB)),
            cold_below: single(settings.cold_below),
            inherited_for_s: settings.inherited_for_s,
            now: moment.stamp(),
        }
    }

    /// How hot a row is. What is listed is judged by the same, four rows at a time.
    pub(crate) fn heat(&self, row: usize) -> f32 {
        let marks = self.marks.get(row).map_or(Marks::NONE, |mark| Marks(*mark));
        if self.source == Source::Nothing {
            return by_kind(marks);
        }
        let (warmth, _) = self.record(row);
        let heat = heat(warmth, self.sizes.get(row).copied().unwrap_or_default(), self.scale);
        // L0 layers are worth what they live for.
        let lives = self.lives.as_ref().filter(|_| marks.is_l0());
        lives.map_or(heat, |lives| heat * lives.worth(row))
    }

    /// What is remembered of a row.
    pub(crate) fn record(&self, row: usize) -> (Warmth, u32) {
        let [warm, number] =
            self.next.columns().map(|column| column.get(row).map_or(0, |word| u32::from_le_bytes(*word)));
        (Warmth(warm), number)
    }

    /// Of a row with these marks. The second number of its record is asked for where it says since when.
    #[inline(always)]
    pub(crate) fn verdict(&self, marks: Marks, heat: f32, record: impl Fn() -> (Warmth, u32)) -> Verdict {
        match marks.standing() {
            Standing::None => Verdict::Unlisted,
            Standing::Resident if heat < self.cold_below && self.source != Source::Nothing => Verdict::Cold(heat),
            Standing::Resident => Verdict::Hot(heat),
            Standing::Inherited | Standing::InheritedCold if self.left_s(record()) == 0 => Verdict::Dropped,
            Standing::Inherited => Verdict::Hot(heat),
            Standing::InheritedCold => Verdict::Cold(heat),
        }
    }

    pub(crate) const fn cold_below(&self) -> f32 {
        self.cold_below
    }

    pub(crate) const fn inherited_for_s(&self) -> u64 {
        self.inherited_for_s
    }

    /// For how many seconds more an inherited layer is listed.
    pub(crate) fn left_s(&self, (warmth, number): (Warmth, u32)) -> u64 {
        warmth.left_s(number, self.now, self.inherited_for_s)
    }
}

/// What is listed, in the order of the table.
pub(crate) struct Listed {
    pub(crate) hot: Vec<Ranked>,
    pub(crate) cold: Vec<Ranked>,
    /// The least heat of what fading makes cold, if there is any.
    pub(crate) coldest: f32,
    /// In so many seconds the first inherited layer is listed no more.
    pub(crate) first_dropped_s: u64,
}

impl Listed {
    pub(crate) fn of(judge: &Judge<'_>) -> Self {
        let listed = match judge.source {
            Source::Nothing => Self::by(judge, 0.0, |mark, _, _| by_kind(Marks(mark))),
            Source::Counts | Source::Times => Self::by(judge, judge.cold_below, |_, warm, size_bytes| {
                heat(Warmth(u32::from_le_bytes(*warm)), size_bytes, judge.scale)
            }),
        };
        let coldest = if judge.source == Source::Nothing { f32::INFINITY } else { listed.coldest };
        Listed { coldest, ..listed }
    }

    /// By heats as they are for all rows but L0 layers. What has at least `least` of it is hot.
    #[inline(never)]
    fn by(judge: &Judge<'_>, least: f32, heat: impl Fn(u8, &Word, u64) -> f32) -> Self {
        let [warm, _] = judge.next.columns();
        let (marks, sizes) = (judge.marks, judge.sizes);
        let mut hot = Vec::with_capacity(marks.len());
        let mut coldest = [f32::INFINITY; STRETCH];
        let listed = Listed { hot: Vec::new(), cold: Vec::new(), coldest: f32::INFINITY, first_dropped_s: u64::MAX };
        let mut others = Others { judge, least, listed };
        let (stretches, rest) = marks.as_chunks::<STRETCH>();
        let (warm, sizes) = (warm.as_chunks::<STRETCH>().0, sizes.as_chunks::<STRETCH>().0);
        for (first, (marks, (warm, sizes))) in (0..).step_by(STRETCH).zip(stretches.iter().zip(warm.iter().zip(sizes)))
        {
            let mut heats = [0.0; STRETCH];
            for (slot, (mark, (warm, size_bytes))) in heats.iter_mut().zip(marks.iter().zip(warm.iter().zip(sizes))) {
                *slot = heat(*mark, warm, *size_bytes);
            }
            let plain = marks.iter().zip(&heats).fold(true, |all, (mark, heat)| all & is_plain(*mark, *heat, least));
            if plain {
                let mut ranked = [Ranked::new(0, 0.0); STRETCH];
                for (slot, (row, heat)) in ranked.iter_mut().zip((first..).zip(&heats)) {
                    *slot = Ranked::new(row, *heat);
                }
                hot.extend_from_slice(&ranked);
                coldest
                    .iter_mut()
                    .zip(&heats)
                    .for_each(|(least, heat)| *least = if heat < least { *heat } else { *least });
            } else {
                hot.extend(
                    (first..)
                        .zip(marks.iter().zip(heats))
                        .filter_map(|(row, (mark, heat))| others.hot(row, *mark, heat)),
                );
            }
        }
        let first = u32::try_from(marks.len() - rest.len()).unwrap_or(u32::MAX);
        hot.extend((first..).zip(rest).filter_map(|(row, mark)| others.hot(row, *mark, judge.heat(row as usize))));
        let coldest = coldest.into_iter().fold(others.listed.coldest, f32::min);
        Listed { hot, coldest, ..others.listed }
    }
}

/// What most rows are: here, needed, hot, and no L0 layer.
#[inline(always)]
fn is_plain(mark: u8, heat: f32, least: f32) -> bool {
    const HERE: u8 = Marks::RESIDENT.0 | Marks::VISIBLE.0;
    (mark & (HERE | Marks::L0.0) == HERE) & (heat >= least)
}

/// Rows that are looked at one by one.
struct Others<'a> {
    judge: &'a Judge<'a>,
    least: f32,
    listed: Listed,
}

impl Others<'_> {
    /// The row, if it is hot. Cold ones are kept.
    #[inline(never)]
    fn hot(&mut self, row: u32, mark: u8, heat: f32) -> Option<Ranked> {
        if is_plain(mark, heat, self.least) {
            self.listed.coldest = self.listed.coldest.min(heat);
            return Some(Ranked::new(row, heat));
        }
        let (judge, marks, at) = (self.judge, Marks(mark), row as usize);
        let (heat, record) = (if marks.is_l0() { judge.heat(at) } else { heat }, || judge.record(at));
        let verdict = judge.verdict(marks, heat, record);
        let listed = matches!(verdict, Verdict::Hot(_) | Verdict::Cold(_));
        if listed && !marks.is_resident() {
            self.listed.first_dropped_s = self.listed.first_dropped_s.min(judge.left_s(record()));
        }
        match verdict {
            Verdict::Hot(heat) => {
                if marks.is_resident() {
                    self.listed.coldest = self.listed.coldest.min(heat);
                }
                Some(Ranked::new(row, heat))
            }
            Verdict::Cold(heat) => {
                self.listed.cold.push(Ranked::new(row, heat));
                None
            }
            Verdict::Dropped | Verdict::Unlisted => None,
        }
    }
}

/// Expected reads an hour and MiB to fetch.
#[inline(always)]
fn heat(warmth: Warmth, size_bytes: u64, scale: f32) -> f32 {
    // With signs, since processors compare such numbers in one step, and make floats of them.
    #[allow(clippy::cast_possible_truncation, reason = "a few hundred")]
    const REQUEST: i32 = (REQUEST_BYTES / UNIT_BYTES) as i32;
    const MOST: i64 = (i32::MAX - REQUEST) as i64;
    let units = (size_bytes / UNIT_BYTES).cast_signed();
    #[allow(clippy::cast_possible_truncation, reason = "no larger than fits")]
    let units = if units < MOST { units } else { MOST } as i32 + REQUEST;
    #[allow(clippy::cast_precision_loss, reason = "sizes, to six digits")]
    let units = units as f32;
    warmth.get() * scale / units
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fading::Fading;
    use crate::note::VERSION;

    const NOW: i64 = 100_000;

    proptest! {
        /// Some rows at a time, as the verdict on each is.
        #[test]
        fn what_is_listed_is_by_the_verdict(
            rows in prop::collection::vec((prop_oneof![Just(3_u8), 0..64_u8], 0.0..9.0_f32, 1..1_u64 << 40), 0..100),
            source in prop::sample::select(vec![Source::Nothing, Source::Counts, Source::Times]),
            cold_below in prop::sample::select(vec![0.0, 0.01, 1.0]),
        ) {
            let ids: Vec<_> = (0..rows.len() as u64).collect();
            let marks: Vec<_> = rows.iter().map(|row| row.0).collect();
            let sizes: Vec<_> = rows.iter().map(|row| row.2).collect();
            let mut next = Next::new(VERSION, &ids);
            let [warm, numbers] = next.columns_mut();
            for ((row, (warm, number)), place) in rows.iter().zip(warm.iter_mut().zip(numbers)).zip(1_u32..) {
                let waits = crate::reads::waits(Marks(row.0));
                *warm = Warmth::new(row.1, waits, false).0.to_le_bytes();
                *number = (place * 1000).to_le_bytes();
            }
            let settings = Settings { cold_below, ..Settings::default() };
            let fading = Fading::new(3600);
            let moment = Moment { now: NOW, until: NOW, since_last_s: 0.0, fading, weight: 1.0 };
            let judge = Judge::new(&settings, &moment, source, &marks, &sizes, &next, None);
            let (mut hot, mut cold, mut coldest, mut first_dropped_s) = (vec![], vec![], f32::INFINITY, u64::MAX);
            for (row, mark) in (0..).zip(&marks) {
                let (marks, record) = (Marks(*mark), judge.record(row as usize));
                let verdict = judge.verdict(marks, judge.heat(row as usize), || record);
                match verdict {
                    Verdict::Hot(heat) => hot.push(Ranked::new(row, heat)),
                    Verdict::Cold(heat) => cold.push(Ranked::new(row, heat)),
                    Verdict::Dropped | Verdict::Unlisted => continue,
                }
                match verdict {
                    Verdict::Hot(heat) if marks.is_resident() => coldest = coldest.min(heat),
                    _ if !marks.is_resident() => first_dropped_s = first_dropped_s.min(judge.left_s(record)),
                    _ => {}
                }
            }
            let listed = Listed::of(&judge);
            prop_assert_eq!((listed.hot, listed.cold, listed.first_dropped_s), (hot, cold, first_dropped_s));
            prop_assert_eq!(listed.coldest, if source == Source::Nothing { f32::INFINITY } else { coldest });
        }
    }
}
