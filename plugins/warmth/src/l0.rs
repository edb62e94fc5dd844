//! How long L0 layers live.
//!
//! An L0 delta is gone at the next compaction, which comes when there are enough of them. Until then every read goes
//! through it, so that it is as warm as can be, and small. What it is worth to a standby are the reads from when it has
//! it to when the layer goes: of a life of `l` seconds, with [`FETCH_S`] until a standby has it, the share
//! `l / (l + FETCH_S)`. So where L0 layers come every ten minutes they count nearly in full, and where they come every
//! few seconds they wait behind what lasts.
//!
//! Other layers that are about to go are not told apart: an image covers them one day, and a policy that reads no keys
//! of every row does not know when.

use std::borrow::Cow;

use thermocline_policy::{Layers, Marks, Standing};

/// What it takes until a standby has a layer: the rest of an upload period, the download of the heatmap, and its turn.
pub const FETCH_S: f64 = 60.0;

/// Between two L0 layers, where it is not known: a pageserver writes one after this time at the latest, if anything
/// changed.
const INTERVAL_S: f64 = 600.0;

/// The lives of L0 layers, by the timelines they are of.
#[derive(Debug, Default)]
pub struct Lives<'a> {
    rows: Vec<usize>,
    timelines: Cow<'a, [u32]>,
    of: Vec<Life>,
}

/// The L0 layers of a timeline.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    layers: u32,
    /// Of these it is known since when they are resident: since they were written, mostly.
    known: u32,
    oldest: i64,
    newest: i64,
    /// Of each of them, from now on.
    seconds: f64,
    worth: f32,
}

impl<'a> Lives<'a> {
    /// Of the L0 layers in these rows.
    pub fn of(layers: &'a dyn Layers, rows: Vec<usize>, since: &[i64], compaction_threshold: u64) -> Self {
        let mut lives = Lives { rows, timelines: layers.timelines(), of: Vec::new() };
        for row in lives.rows.iter().copied() {
            let most = lives.timelines.len();
            let Some(life) = lives.timelines.get(row).and_then(|timeline| room(&mut lives.of, *timeline, most)) else {
                continue;
            };
            life.layers += 1;
            if let Some(since) = since.get(row).copied().filter(|since| *since > 0) {
                life.oldest = if life.known == 0 { since } else { life.oldest.min(since) };
                life.newest = life.newest.max(since);
                life.known += 1;
            }
        }
        for life in &mut lives.of {
            life.seconds = life.left_s(compaction_threshold);
            life.worth = crate::reads::single(life.seconds / (life.seconds + FETCH_S));
        }
        lives
    }

    /// The rows of L0 layers.
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().copied()
    }

    fn life(&self, row: usize) -> Option<&Life> {
        self.of.get(*self.timelines.get(row)? as usize)
    }

    /// The share of its warmth that an L0 layer is worth.
    pub fn worth(&self, row: usize) -> f32 {
        self.life(row).map_or(1.0, |life| life.worth)
    }

    /// In about how many seconds an L0 layer goes.
    pub fn seconds(&self, row: usize) -> f64 {
        self.life(row).map_or(INTERVAL_S, |life| life.seconds)
    }
}

/// The rows of L0 layers, which are few: thirty-two rows at a time are looked at.
#[inline(never)]
pub fn rows(marks: &[u8]) -> Vec<usize> {
    const ROWS: usize = 32;
    let mut rows = Vec::new();
    let mut add = |first: usize, marks: &[u8]| {
        rows.extend((first..).zip(marks).filter(|(_, mark)| Marks(**mark).is_l0()).map(|(row, _)| row));
    };
    let (stretches, rest) = marks.as_chunks::<ROWS>();
    for (first, marks) in (0..).step_by(ROWS).zip(stretches) {
        if marks.iter().fold(0, |all, mark| all | mark) & Marks::L0.0 != 0 {
            add(first, marks);
        }
    }
    add(marks.len() - rest.len(), rest);
    rows
}

/// Where nothing tells of reads, all are equally hot but L0 layers, which come last among what is to be downloaded: the
/// order of `resident-set`, in which equals are listed newest first.
#[inline(always)]
pub const fn by_kind(marks: Marks) -> f32 {
    if marks.is_l0() && !matches!(marks.standing(), Standing::InheritedCold) { 0.0 } else { 1.0 }
}

/// The place of a timeline. Ordinals are below the number of rows; `None` for one that is not.
fn room(lives: &mut Vec<Life>, timeline: u32, most: usize) -> Option<&mut Life> {
    let timeline = timeline as usize;
    if timeline >= most {
        return None;
    }
    if timeline >= lives.len() {
        lives.resize(timeline + 1, Life::default());
    }
    lives.get_mut(timeline)
}

impl Life {
    /// So many L0 layers are still to come, and the one that is coming is half there. Where there are more than enough,
    /// compaction is late, and about to come.
    #[allow(clippy::cast_precision_loss, reason = "seconds, and a setting of 1,000 at most")]
    fn left_s(&self, compaction_threshold: u64) -> f64 {
        let between = f64::from(self.known.saturating_sub(1));
        let over_s = self.newest.saturating_sub(self.oldest) as f64;
        let interval_s = if between > 0.0 && over_s > 0.0 { over_s / between } else { INTERVAL_S };
        let missing = compaction_threshold.saturating_sub(u64::from(self.layers)) as f64;
        (missing + 0.5) * interval_s
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline_policy::Columns;

    use super::*;

    const L0: u8 = Marks::DELTA.0 | Marks::L0.0;

    /// What L0 layers that are resident since then are worth.
    #[rstest]
    #[case::one_of_which_nothing_is_known(&[0], 9.5 * 600.0)]
    #[case::every_minute(&[600, 660, 720], 7.5 * 60.0)]
    #[case::one_is_not_known(&[600, 0, 720], 7.5 * 120.0)]
    #[case::enough(&[0; 10], 300.0)]
    #[case::more_than_enough(&[0; 15], 300.0)]
    #[case::all_at_once(&[600; 4], 6.5 * 600.0)]
    fn an_l0_layer_lives_until_there_are_enough(#[case] since: &[i64], #[case] seconds: f64) {
        let layers = since.len();
        let table = Columns { marks: vec![L0; layers], timelines: vec![0; layers], ..Columns::default() };
        let lives = Lives::of(&table, rows(&table.marks), since, 10);
        assert_eq!(lives.seconds(0), seconds);
        assert!((f64::from(lives.worth(0)) - seconds / (seconds + FETCH_S)).abs() < 1e-6);
    }

    #[test]
    fn each_timeline_has_its_own() {
        let marks = vec![L0, L0, 0, L0];
        let table = Columns { timelines: vec![0, 0, 1, 3], marks, ..Columns::default() };
        let lives = Lives::of(&table, rows(&table.marks), &[], 3);
        assert_eq!([lives.seconds(0), lives.seconds(3)], [1.5 * 600.0, 2.5 * 600.0]);
    }

    #[rstest]
    #[case::obeyed(1, 300.0)]
    #[case::violated(2, INTERVAL_S)]
    #[case::beyond_all(u32::MAX, INTERVAL_S)]
    fn ordinals_are_below_the_number_of_rows(#[case] timeline: u32, #[case] seconds: f64) {
        let table = Columns { marks: vec![0, L0], timelines: vec![0, timeline], ..Columns::default() };
        assert_eq!(Lives::of(&table, rows(&table.marks), &[], 1).seconds(1), seconds);
    }

    #[rstest]
    #[case::resident(Marks::RESIDENT)]
    #[case::inherited(Marks::INHERITED)]
    fn l0_layers_are_last_among_what_is_to_be_downloaded(#[case] standing: Marks) {
        let marks = standing | Marks::VISIBLE;
        assert!(by_kind(marks | Marks(L0)) < by_kind(marks | Marks::DELTA));
        assert_eq!(by_kind(marks | Marks::DELTA), by_kind(marks));
    }

    #[test]
    fn among_what_is_known_all_are_alike() {
        let known = Marks::VISIBLE | Marks::INHERITED_COLD;
        assert_eq!(by_kind(known | Marks(L0)), by_kind(known));
    }
}
