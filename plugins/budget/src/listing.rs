//! What takes part, the room there is for it, and what finds room.

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

/// Among equals images are first, so that no delta is within a budget that ends before its image, and L0 deltas last:
/// two steps, and one, of what is told apart in an order.
#[inline(always)]
pub(crate) fn images_first(heat: f32, marks: Marks) -> f32 {
    const STEP: u32 = 1 << 4;
    let steps = 2 - u32::from(marks.is_delta()) - u32::from(marks.is_delta() & marks.is_l0());
    f32::from_bits(heat.to_bits().wrapping_add(steps * STEP).min(f32::MAX.to_bits()))
}

/// Rows that are within the budget, and those that are not: each takes its place, if there is still room for it. A delta
/// whose image found none serves nobody.
#[inline(never)]
pub(crate) fn within(
    floor: &[u32],
    wanted: &[u32],
    sizes: &[u64],
    image_of: &[u32],
    mut room_bytes: u64,
) -> (Vec<u32>, Vec<u32>) {
    let (mut hot, mut cold) = (Vec::with_capacity(wanted.len()), Vec::with_capacity(wanted.len()));
    // Until something finds no room, nothing is looked up.
    let mut is_cold: Vec<bool> = Vec::new();
    for row in floor.iter().chain(wanted) {
        let at = *row as usize;
        let size_bytes = sizes.get(at).copied().unwrap_or(u64::MAX);
        let needs = if is_cold.is_empty() { None } else { image_of.get(at) };
        let has_image = needs.and_then(|image| is_cold.get(*image as usize)).is_none_or(|is_cold| !is_cold);
        match room_bytes.checked_sub(size_bytes) {
            Some(left) if has_image => {
                room_bytes = left;
                hot.push(*row);
            }
            _ => {
                is_cold.resize(image_of.len(), false);
                if let Some(is_cold) = is_cold.get_mut(at) {
                    *is_cold = true;
                }
                cold.push(*row);
            }
        }
    }
    (hot, cold)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline_policy::{Ranked, hottest_first};

    use super::*;
    use crate::regions::NO_IMAGE;

    const L1: Marks = Marks::DELTA;
    const L0: Marks = Marks::DELTA.with(Marks::L0);

    /// However close the heats: what an order tells apart stays so.
    #[rstest]
    #[case::nothing(0.0)]
    #[case::little(1e-30)]
    #[case::usual(3.7)]
    #[case::the_most(f32::MAX)]
    fn among_equals_images_are_first_and_l0_deltas_last(#[case] heat: f32) {
        let kinds = [L0, L1, Marks::NONE];
        let ranked = (0..).zip(kinds).map(|(row, marks)| Ranked::new(row, images_first(heat, marks))).collect();
        let rows = hottest_first(ranked, Vec::new(), || [9_u64, 8, 7]).rows;
        // Of the most there is nothing more.
        assert_eq!(rows, if heat < f32::MAX { [2, 1, 0] } else { [0, 1, 2] });
    }

    /// Of images 0 and 1, and deltas 2 of the first and 3 of none, each of ten bytes.
    #[rstest]
    #[case::all(40, &[0, 1, 2, 3], &[0, 1, 2, 3])]
    #[case::nothing(9, &[0, 1, 2, 3], &[])]
    #[case::at_its_edge(20, &[1, 0, 2, 3], &[1, 0])]
    fn each_takes_its_place_while_there_is_room(#[case] room_bytes: u64, #[case] wanted: &[u32], #[case] rows: &[u32]) {
        let image_of = [NO_IMAGE, NO_IMAGE, 0, NO_IMAGE];
        let (hot, cold) = within(&[], wanted, &[10; 4], &image_of, room_bytes);
        assert_eq!((&*hot, hot.len() + cold.len()), (rows, wanted.len()));
    }

    #[test]
    fn a_delta_whose_image_found_no_room_finds_none() {
        let image_of = [NO_IMAGE, NO_IMAGE, 0, NO_IMAGE];
        let (hot, cold) = within(&[1], &[0, 2, 3], &[90, 10, 1, 1], &image_of, 50);
        assert_eq!((hot, cold), (vec![1, 3], vec![0, 2]));
    }

    #[rstest]
    #[case::a_share(0.5, 0, 1000, 500)]
    #[case::of_a_small_tenant_all(0.5, 1000, 1000, 1000)]
    #[case::of_one_that_is_hardly_larger_no_less(0.5, 1000, 1001, 1000)]
    #[case::of_a_large_one_the_share(0.5, 1000, 3000, 1500)]
    #[case::and_of_all_so_many_bytes(0.5, 1000, 100_000, 2000)]
    fn the_budget_is_a_share_and_no_less_than_a_small_tenant(
        #[case] budget_share: f64,
        #[case] small_bytes: u64,
        #[case] bytes: u64,
        #[case] expected: u64,
    ) {
        let settings = Settings { budget_share, budget_bytes: 2000, ..Settings::default() };
        assert_eq!(budget_bytes(&settings, small_bytes, bytes), expected);
    }
}
