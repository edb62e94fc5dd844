//! How two answers about one table differ.

use thermocline_policy::Layers;

use super::selection::Selection;
use crate::layer::LayerTable;

/// How a second answer about a table differs from the first. Of layers that are listed for download, which is what a
/// standby's disk is filled by, unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Hot in both.
    pub common: Portion,
    /// Hot in the second only.
    pub added: Portion,
    /// Hot in the first only.
    pub dropped: Portion,
    /// Cold in the second only, hot or not in the first.
    pub cold_added: Portion,
    /// Cold in the first only.
    pub cold_dropped: Portion,
    /// Whether the answers agree in everything that a heatmap shows: rows, their order, which are cold, and heats.
    pub same_answer: bool,
}

/// Some rows of a table, in its order, and the bytes of their layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// The rows.
    pub rows: Vec<u32>,
    /// Sizes of their layers together.
    pub bytes: u64,
}

impl Portion {
    /// How many rows.
    pub fn layers(&self) -> u64 {
        self.rows.len() as u64
    }

    fn add(&mut self, row: u32, bytes: u64) {
        self.rows.push(row);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

const FIRST_HOT: u8 = 1;
const SECOND_HOT: u8 = 1 << 1;
const FIRST_COLD: u8 = 1 << 2;
const SECOND_COLD: u8 = 1 << 3;

impl Comparison {
    /// Of two answers about `table`.
    pub fn of(table: &LayerTable, first: &Selection, second: &Selection) -> Self {
        let mut by = vec![0_u8; table.len()];
        let listed = [
            (FIRST_HOT, first.hot()),
            (SECOND_HOT, second.hot()),
            (FIRST_COLD, first.cold()),
            (SECOND_COLD, second.cold()),
        ];
        for (bit, rows) in listed {
            for row in rows {
                if let Some(by) = by.get_mut(*row as usize) {
                    *by |= bit;
                }
            }
        }
        let mut comparison = Comparison {
            same_answer: first.rows() == second.rows()
                && first.cold_from() == second.cold_from()
                && first.heats() == second.heats(),
            ..Comparison::default()
        };
        for ((row, by), size) in (0..).zip(by).zip(Layers::file_sizes(table).iter()) {
            match by & (FIRST_HOT | SECOND_HOT) {
                0 => {}
                FIRST_HOT => comparison.dropped.add(row, *size),
                SECOND_HOT => comparison.added.add(row, *size),
                _ => comparison.common.add(row, *size),
            }
            match by & (FIRST_COLD | SECOND_COLD) {
                FIRST_COLD => comparison.cold_dropped.add(row, *size),
                SECOND_COLD => comparison.cold_added.add(row, *size),
                _ => {}
            }
        }
        comparison
    }

    /// Whether the same layers are hot.
    pub fn same_layers(&self) -> bool {
        self.added.rows.is_empty() && self.dropped.rows.is_empty()
    }
}

/// Of the layers that are hot in both answers, the fewest that would have to be moved for one order to become the other.
/// Within timelines, since that is the order that a heatmap has.
pub fn moved_layers(table: &LayerTable, first: &Selection, second: &Selection) -> u64 {
    let mut places: Vec<Option<usize>> = vec![None; table.len()];
    for (place, row) in first.hot().iter().enumerate() {
        if let Some(of_row) = places.get_mut(*row as usize) {
            *of_row = Some(place);
        }
    }
    let timelines = Layers::timelines(table);
    let mut of_timelines: Vec<Vec<usize>> = vec![Vec::new(); table.timeline_ids().len()];
    for row in second.hot() {
        let timeline = timelines.get(*row as usize).and_then(|timeline| of_timelines.get_mut(*timeline as usize));
        if let (Some(timeline), Some(Some(place))) = (timeline, places.get(*row as usize)) {
            timeline.push(*place);
        }
    }
    of_timelines.iter().map(|places| (places.len() - longest_rise(places)) as u64).sum()
}

/// Length of the longest subsequence that rises.
fn longest_rise(places: &[usize]) -> usize {
    // Of each length, the smallest number that a rise of it can end with.
    let mut ends: Vec<usize> = Vec::new();
    for &place in places {
        let at = ends.partition_point(|end| *end < place);
        match ends.get_mut(at) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    ends.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use thermocline_policy::Selection as Answer;

    use super::*;
    use crate::layer::{Key, Layer, LayerMetadata, LayerName, Lsn, Marks, TimelineId};

    /// Six layers of 1, 2, 4, 8, 16 and 32 bytes, four on one timeline and two on another.
    fn table() -> LayerTable {
        let mut builder = LayerTable::builder();
        for number in 0..6_u8 {
            builder.layer(Layer {
                timeline: TimelineId::from_bytes([number / 4; 16]),
                name: LayerName::image(Key::MIN, Key::MAX, Lsn(u64::from(number) + 1)),
                metadata: LayerMetadata { file_size: 1 << number, ..LayerMetadata::default() },
                access_time: 0,
                access_count: 0,
                resident_since: None,
                marks: Marks::RESIDENT,
            });
        }
        builder.build().unwrap()
    }

    fn selection(hot: &[u32], cold: &[u32]) -> Selection {
        Selection::check(Answer::hot_and_cold(hot.to_vec(), cold), 6).unwrap()
    }

    fn told(portion: &Portion) -> (&[u32], u64) {
        (&portion.rows, portion.bytes)
    }

    #[test]
    fn each_row_is_counted_where_it_is() {
        let (first, second) = (selection(&[0, 1, 2], &[3, 4]), selection(&[2, 1, 3], &[4, 0, 5]));
        let comparison = Comparison::of(&table(), &first, &second);
        assert_eq!(told(&comparison.common), (&[1, 2][..], 6));
        assert_eq!(told(&comparison.added), (&[3][..], 8));
        assert_eq!(told(&comparison.dropped), (&[0][..], 1));
        assert_eq!(told(&comparison.cold_added), (&[0, 5][..], 33));
        assert_eq!(told(&comparison.cold_dropped), (&[3][..], 8));
        assert!(!comparison.same_layers() && !comparison.same_answer);
    }

    #[test]
    fn another_order_is_another_answer_about_the_same_layers() {
        let comparison = Comparison::of(&table(), &selection(&[0, 1], &[]), &selection(&[1, 0], &[]));
        assert!(comparison.same_layers() && !comparison.same_answer);
        let same = Comparison::of(&table(), &selection(&[0, 1], &[2]), &selection(&[0, 1], &[2]));
        assert!(same.same_layers() && same.same_answer);
        let scored = Answer { heats: Some(vec![1.0, 0.5]), ..Answer::hot(vec![0, 1]) };
        let scored = Selection::check(scored, 6).unwrap();
        assert!(!Comparison::of(&table(), &selection(&[0, 1], &[]), &scored).same_answer);
    }

    #[rstest]
    #[case::none(&[0, 1, 2, 3], &[0, 1, 2, 3], 0)]
    #[case::one_to_the_end(&[0, 1, 2, 3], &[1, 2, 3, 0], 1)]
    #[case::all_but_one(&[0, 1, 2, 3], &[3, 2, 1, 0], 3)]
    #[case::of_those_in_both(&[0, 1, 2], &[3, 2, 0], 1)]
    #[case::timelines_apart(&[0, 1, 4, 5], &[4, 5, 0, 1], 0)]
    #[case::timelines_mixed(&[0, 4, 1, 5], &[5, 0, 4, 1], 1)]
    #[case::nothing(&[], &[0], 0)]
    fn moves_are_counted(#[case] first: &[u32], #[case] second: &[u32], #[case] moved: u64) {
        assert_eq!(moved_layers(&table(), &selection(first, &[]), &selection(second, &[])), moved);
    }

    proptest! {
        #[test]
        fn the_longest_rise_is_as_long_as_by_trying_all(places in prop::collection::vec(0usize..20, 0..10)) {
            let rises = |mask: u32| {
                let chosen: Vec<_> = places.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, p)| *p).collect();
                chosen.array_windows().all(|[a, b]| a < b).then_some(chosen.len())
            };
            let longest = (0..1_u32 << places.len()).filter_map(rises).max().unwrap();
            prop_assert_eq!(longest_rise(&places), longest);
        }
    }
}
