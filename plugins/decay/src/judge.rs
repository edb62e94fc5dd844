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

/// Everything that decides about a row.
pub(crate) struct Judge<'a> {
    pub(crate) source: Source,
    pub(crate) marks: &'a [u8],
    pub(crate) lives: Option<Lives<'a>>,
    /// Of every row, whether it is listed or not.
    heats: Vec<f32>,
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
        sizes: &[u64],
        next: &Next,
        lives: Option<Lives<'a>>,
    ) -> Self {
        let [warm, _] = next.columns();
        let scale = single(moment.fading.reads_in(HOUR_S) * f64::from(UNITS_A_MIB));
        let heats = match source {
            Source::Nothing => marks.iter().map(|mark| by_kind(Marks(*mark))).collect(),
            Source::Counts | Source::Times => {
                let mut heats = heats(warm, sizes, scale);
                if let Some(lives) = &lives {
                    // L0 layers are worth what they live for.
                    for row in lives.rows() {
                        if let Some(heat) = heats.get_mut(row) {
                            *heat *= lives.worth(row);
                        }
                    }
                }
                heats
            }
        };
        Judge {
            source,
            marks,
            lives,
            heats,
            cold_below: single(settings.cold_below),
            inherited_for_s: settings.inherited_for_s,
            now: moment.stamp(),
        }
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

    /// The heats of all rows.
    pub(crate) fn heats(&self) -> &[f32] {
        &self.heats
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
    #[inline(never)]
    pub(crate) fn of(judge: &Judge<'_>, next: &Next) -> Self {
        const HERE: u8 = Marks::RESIDENT.0 | Marks::VISIBLE.0;
        let least = if judge.source == Source::Nothing { 0.0 } else { judge.cold_below };
        let mut hot = Vec::with_capacity(judge.marks.len());
        let mut coldest = f32::INFINITY;
        let mut others = Others { judge, next, cold: Vec::new(), first_dropped_s: u64::MAX };
        let mut row = 0;
        for (marks, heats) in judge.marks.chunks(STRETCH).zip(judge.heats.chunks(STRETCH)) {
            // What is not hot is overwritten by the next.
            let mut stretch = [Ranked::new(0, 0.0); STRETCH];
            let mut hot_rows = 0;
            for (mark, heat) in marks.iter().zip(heats) {
                // What most rows are, and what the verdict on them is.
                let plain = mark & HERE == HERE && *heat >= least;
                if plain && *heat < coldest {
                    coldest = *heat;
                }
                if let Some(slot) = stretch.get_mut(hot_rows) {
                    *slot = Ranked::new(row, *heat);
                }
                hot_rows += usize::from(plain || others.is_hot(row, Marks(*mark), *heat));
                row += 1;
            }
            if hot_rows == STRETCH {
                hot.extend_from_slice(&stretch);
            } else {
                hot.extend(stretch.iter().take(hot_rows));
            }
        }
        let coldest = if judge.source == Source::Nothing { f32::INFINITY } else { coldest };
        Listed { hot, cold: others.cold, coldest, first_dropped_s: others.first_dropped_s }
    }
}

/// Rows that are not both here and hot.
struct Others<'a> {
    judge: &'a Judge<'a>,
    next: &'a Next,
    cold: Vec<Ranked>,
    first_dropped_s: u64,
}

impl Others<'_> {
    /// Whether a row is hot all the same. Cold ones are kept.
    #[inline(never)]
    fn is_hot(&mut self, row: u32, marks: Marks, heat: f32) -> bool {
        let record = || record(self.next, row as usize);
        let verdict = self.judge.verdict(marks, heat, record);
        let listed = matches!(verdict, Verdict::Hot(_) | Verdict::Cold(_));
        if listed && !marks.is_resident() {
            self.first_dropped_s = self.first_dropped_s.min(self.judge.left_s(record()));
        }
        if let Verdict::Cold(heat) = verdict {
            self.cold.push(Ranked::new(row, heat));
        }
        matches!(verdict, Verdict::Hot(_))
    }
}

/// What is remembered of a row.
pub(crate) fn record(next: &Next, row: usize) -> (Warmth, u32) {
    let [warm, numbers] = next.columns().map(|column| column.get(row).map_or(0, |word| u32::from_le_bytes(*word)));
    (Warmth(warm), numbers)
}

/// Expected reads an hour and MiB to fetch.
#[inline(never)]
fn heats(warm: &[Word], sizes: &[u64], scale: f32) -> Vec<f32> {
    let (warm_stretches, warm_rest) = warm.as_chunks::<STRETCH>();
    let (size_stretches, size_rest) = sizes.as_chunks::<STRETCH>();
    let mut heats = Vec::with_capacity(sizes.len());
    for (warm, sizes) in warm_stretches.iter().zip(size_stretches) {
        let mut stretch = [0.0; STRETCH];
        for ((heat, warm), size_bytes) in stretch.iter_mut().zip(warm).zip(sizes) {
            *heat = self::heat(warm, *size_bytes, scale);
        }
        heats.extend_from_slice(&stretch);
    }
    heats.extend(warm_rest.iter().zip(size_rest).map(|(warm, size_bytes)| heat(warm, *size_bytes, scale)));
    heats
}

#[inline(always)]
fn heat(warm: &Word, size_bytes: u64, scale: f32) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "no larger than fits")]
    let units = (size_bytes.saturating_add(REQUEST_BYTES) / UNIT_BYTES).min(u64::from(u32::MAX)) as u32;
    #[allow(clippy::cast_precision_loss, reason = "sizes, to six digits")]
    let units = units as f32;
    Warmth(u32::from_le_bytes(*warm)).get() * scale / units
}
