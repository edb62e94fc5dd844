//! What takes part, and the room there is for it.

use thermocline_policy::history::Word;
use thermocline_policy::{Marks, Standing};
use thermocline_warmth::note::Warmth;

use crate::settings::Settings;

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// Not here, or not needed.
    Unlisted,
    /// Resident, or inherited as hot and waited for: to be downloaded if there is room.
    Wanted,
    /// Inherited as cold: known.
    Known,
    /// Inherited, and not come in time.
    Dropped,
}

/// The classes of all rows, and what they add up to.
#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) of: Vec<Class>,
    /// What is to be downloaded may add up to so many bytes.
    pub(crate) budget_bytes: u64,
    /// In so many seconds the first inherited layer is listed no more.
    pub(crate) first_dropped_s: u64,
}

impl Classes {
    /// Of rows with these marks, sizes, and records. A tenant of `small_bytes` or less is small.
    ///
    /// The budget is a share of what is here or waited for, hot or cold: what the location before had, and so the same
    /// before, while and after it comes. A location that was just attached has nothing on its disk, and must not tell
    /// its standbys to forget everything.
    #[inline(never)]
    pub(crate) fn of(
        settings: &Settings,
        now: u32,
        small_bytes: u64,
        marks: &[u8],
        sizes: &[u64],
        warm: &[Word],
        numbers: &[Word],
    ) -> Self {
        let (mut bytes, mut first_dropped_s) = (0_u64, u64::MAX);
        let mut of = Vec::with_capacity(marks.len());
        for ((mark, size_bytes), (warm, number)) in marks.iter().zip(sizes).zip(warm.iter().zip(numbers)) {
            let marks = Marks(*mark);
            if marks.is_resident() {
                bytes = bytes.saturating_add(*size_bytes);
                of.push(if marks.is_visible() { Class::Wanted } else { Class::Unlisted });
                continue;
            }
            let class = match marks.standing() {
                Standing::Inherited => Class::Wanted,
                Standing::InheritedCold => Class::Known,
                Standing::Resident | Standing::None => {
                    of.push(Class::Unlisted);
                    continue;
                }
            };
            let left_s = left_s(settings, now, warm, number);
            if left_s == 0 {
                of.push(Class::Dropped);
                continue;
            }
            first_dropped_s = first_dropped_s.min(left_s);
            bytes = bytes.saturating_add(*size_bytes);
            of.push(class);
        }
        Classes { of, budget_bytes: budget_bytes(settings, small_bytes, bytes), first_dropped_s }
    }
}

/// What of so many bytes is to be downloaded: a share, of a small tenant all, and of one that is a little larger no
/// less. A share of very little is not worth a failover that waits for the rest.
fn budget_bytes(settings: &Settings, small_bytes: u64, bytes: u64) -> u64 {
    share_of(settings.budget_share, bytes).max(small_bytes).min(settings.budget_bytes)
}

/// For how many seconds more an inherited layer with this record is listed.
pub(crate) fn left_s(settings: &Settings, now: u32, warm: &Word, number: &Word) -> u64 {
    Warmth(u32::from_le_bytes(*warm)).left_s(u32::from_le_bytes(*number), now, settings.inherited_for_s)
}

/// A share of so many bytes, or a byte less.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of bytes need not be exact, and `as` keeps it in range"
)]
pub(crate) fn share_of(share: f64, bytes: u64) -> u64 {
    (bytes as f64 * share) as u64
}
