//! Where a row belongs, and how hot it is.

use std::borrow::Cow;

use thermocline_policy::{Marks, Standing};

use crate::REQUEST_BYTES;
use crate::l0::Lives;
use crate::note::{Source, Warmth};
use crate::reads::{Moment, single};
use crate::settings::Settings;

const HOUR_S: f64 = 3600.0;
const MIB: f64 = (1 << 20) as f64;

/// Everything that decides about a row.
pub(crate) struct Judge<'a> {
    pub(crate) source: Source,
    pub(crate) marks: &'a [u8],
    pub(crate) sizes: Cow<'a, [u64]>,
    pub(crate) lives: Option<Lives<'a>>,
    /// Bytes and hours of a warmth: reads an hour and MiB of a layer of a byte that is as warm as 1.
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
        sizes: Cow<'a, [u64]>,
        lives: Option<Lives<'a>>,
    ) -> Self {
        Judge {
            source,
            marks,
            sizes,
            lives,
            scale: single(moment.fading.reads_in(HOUR_S) * MIB),
            cold_below: single(settings.cold_below),
            inherited_for_s: settings.inherited_for_s,
            now: moment.stamp(),
        }
    }

    /// Of a row, its mark, and its record.
    #[inline(always)]
    pub(crate) fn verdict(&self, row: usize, mark: u8, size_bytes: u64, warmth: Warmth, number: u32) -> Verdict {
        let standing = Marks(mark).standing();
        if standing == Standing::None {
            return Verdict::Unlisted;
        }
        if standing != Standing::Resident && self.left_s(warmth, number) == 0 {
            return Verdict::Dropped;
        }
        let heat = self.heat(row, mark, size_bytes, warmth, standing);
        let cold = match standing {
            Standing::Resident => heat < self.cold_below && self.source != Source::Nothing,
            _ => standing == Standing::InheritedCold,
        };
        if cold { Verdict::Cold(heat) } else { Verdict::Hot(heat) }
    }

    /// Expected reads an hour and MiB to fetch. Where nothing is known of reads, the same for all but L0 layers, which
    /// come last among the hot.
    #[inline(always)]
    fn heat(&self, row: usize, mark: u8, size_bytes: u64, warmth: Warmth, standing: Standing) -> f32 {
        let is_l0 = Marks(mark).is_l0();
        if self.source == Source::Nothing {
            return if is_l0 && standing != Standing::InheritedCold { 0.0 } else { 1.0 };
        }
        #[allow(clippy::cast_precision_loss, reason = "bytes, to six digits")]
        let bytes = size_bytes.saturating_add(REQUEST_BYTES) as f32;
        let worth = match &self.lives {
            Some(lives) if is_l0 => lives.worth(row),
            _ => 1.0,
        };
        warmth.get() * worth * self.scale / bytes
    }

    pub(crate) const fn cold_below(&self) -> f32 {
        self.cold_below
    }

    pub(crate) const fn inherited_for_s(&self) -> u64 {
        self.inherited_for_s
    }

    /// For how many seconds more an inherited layer is listed.
    pub(crate) fn left_s(&self, warmth: Warmth, number: u32) -> u64 {
        let since = if warmth.waits() { number } else { self.now };
        self.inherited_for_s.saturating_sub(u64::from(self.now.saturating_sub(since)))
    }
}
