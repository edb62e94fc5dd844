//! What holds of every answer, whatever the table and the memory.

use proptest::prelude::*;
use thermocline_policy::{Columns, Marks, Selection, Standing};

use super::*;

const NOW: i64 = 1_700_000_000;
const DAY_S: i64 = 86_400;

/// A layer in the making.
#[derive(Clone, Debug)]
struct Row {
    marks: u8,
    timeline: u32,
    start: u64,
    len: u64,
    lsn: u64,
    size_bytes: u64,
    reads: u64,
    read_at: i64,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let size = prop_oneof![8 => 0..1_u64 << 24, 1 => any::<u64>()];
    let reads = prop_oneof![4 => 0..1000_u64, 1 => Just(0), 1 => any::<u64>()];
    let marks = prop_oneof![2 => Just(Marks::RESIDENT.with(Marks::VISIBLE).0), 2 => Just(7_u8), 1 => 0..64_u8];
    let row = (marks, 0..3_u32, 0..60_u64, 1..30_u64, any::<u16>(), size, reads, 0..200_i64);
    prop::collection::vec(row, 0..80).prop_map(|rows| {
        let mut rows: Vec<Row> = rows
            .into_iter()
            .map(|(marks, timeline, start, len, lsn, size_bytes, reads, ago)| {
                let read_at = NOW - ago;
                Row { marks, timeline, start, len, lsn: lsn.into(), size_bytes, reads, read_at }
            })
            .collect();
        rows.sort_by_key(|row| (row.timeline, row.start, row.len, row.lsn));
        rows
    })
}

/// Keys of relations up to and above the system catalogs.
fn table(rows: &[Row]) -> Columns {
    let key = |key: u64| u128::from(key * 512) << 40;
    let high = |key: u128| u64::try_from(key >> 64).unwrap();
    let low = |key: u128| u64::try_from(key & u128::from(u64::MAX)).unwrap();
    let column = |of: &dyn Fn(&Row) -> u64| rows.iter().map(of).collect::<Vec<_>>();
    Columns {
        marks: rows.iter().map(|row| row.marks).collect(),
        ids: (0..rows.len() as u64).map(|row| row.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect(),
        timelines: rows.iter().map(|row| row.timeline).collect(),
        key_starts_high: column(&|row| high(key(row.start))),
        key_starts_low: column(&|row| low(key(row.start))),
        key_ends_high: column(&|row| high(key(row.start + row.len))),
        key_ends_low: column(&|row| low(key(row.start + row.len))),
        lsn_starts: column(&|row| row.lsn),
        lsn_ends: column(&|row| row.lsn + 1),
        file_sizes: column(&|row| row.size_bytes),
        access_times: rows.iter().map(|row| row.read_at).collect(),
        access_counts: column(&|row| row.reads),
        resident_times: rows.iter().map(|row| row.read_at - 100).collect(),
    }
}

/// A table of these rows in which nothing that is not here was counted, as a pageserver has it, and each row was read so
/// often more.
fn counted(rows: &[Row], more: u64) -> Columns {
    let mut table = table(rows);
    for (mark, reads) in table.marks.iter().zip(&mut table.access_counts) {
        *reads = if Marks(*mark).is_resident() { reads.saturating_add(*reads % 7 * more) } else { 0 };
    }
    table
}

/// A tenant that is small up to so many bytes.
fn tenant(now: i64, small_bytes: u64) -> Tenant {
    Tenant { shard: "a".repeat(32), generation: 1, now, checkpoint_distance: small_bytes }
}

fn select(config: &str, table: &Columns, now: i64, memory: &[u8]) -> Selection {
    Budget::configure(config).unwrap().select(&tenant(now, 0), table, memory).unwrap()
}

fn hot(answer: &Selection) -> &[u32] {
    &answer.rows[..answer.cold_from as usize]
}

/// Rows with such a standing.
fn standing(table: &Columns, is: impl Fn(Standing) -> bool) -> Vec<u32> {
    (0..).zip(&table.marks).filter(|(_, mark)| is(Marks(**mark).standing())).map(|(row, _)| row).collect()
}

/// What the settings allow of a table of a tenant that is not small, as one reads it.
fn budget_bytes(table: &Columns, share: f64) -> u64 {
    let rows = table.marks.iter().zip(&table.file_sizes).filter(|(mark, _)| {
        let waits = [Standing::Inherited, Standing::InheritedCold].contains(&Marks(**mark).standing());
        Marks(**mark).is_resident() || waits
    });
    listing::share_of(share, rows.fold(0_u64, |sum, (_, size_bytes)| sum.saturating_add(*size_bytes)))
}

fn hot_bytes(table: &Columns, answer: &Selection) -> u128 {
    hot(answer).iter().map(|row| u128::from(table.file_sizes[*row as usize])).sum()
}

/// Whatever the time is and the memory says.
fn assert_is_an_answer(table: &Columns, answer: &Selection) -> Result<(), TestCaseError> {
    let mut listed = answer.rows.clone();
    listed.sort_unstable();
    prop_assert!(listed.is_sorted_by(|one, other| one < other), "twice: {:?}", listed);
    prop_assert!(listed.iter().all(|row| (*row as usize) < table.marks.len()));
    prop_assert!(answer.cold_from as usize <= listed.len());
    let here = standing(table, |standing| standing == Standing::Resident);
    prop_assert!(here.iter().all(|row| listed.binary_search(row).is_ok()));
    if let Some(heats) = &answer.heats {
        prop_assert_eq!(heats.len(), answer.rows.len());
        prop_assert!(heats.iter().all(|heat| heat.is_finite() && *heat >= 0.0));
        prop_assert!(heats[..hot(answer).len()].is_sorted_by(|one, other| one >= other));
    }
    prop_assert!(answer.memory.len() <= 4096 + 24 * table.marks.len());
    Ok(())
}

/// While nothing inherited is dropped.
fn assert_holds(table: &Columns, answer: &Selection, share: f64) -> Result<(), TestCaseError> {
    assert_is_an_answer(table, answer)?;
    let mut listed = answer.rows.clone();
    listed.sort_unstable();
    prop_assert_eq!(listed, standing(table, |standing| standing != Standing::None));
    prop_assert!(hot_bytes(table, answer) <= u128::from(budget_bytes(table, share)));
    Ok(())
}

/// The images that a delta could be over and that are to be downloaded, as one reads it.
fn images_below(table: &Columns, delta: u32) -> Vec<u32> {
    let keys = |row: u32| {
        let row = row as usize;
        let start = (table.key_starts_high[row], table.key_starts_low[row]);
        (table.timelines[row], start, (table.key_ends_high[row], table.key_ends_low[row]), table.lsn_ends[row])
    };
    let (timeline, start, end, lsn_end) = keys(delta);
    let wanted = standing(table, |standing| matches!(standing, Standing::Resident | Standing::Inherited));
    let below = wanted.into_iter().filter(|row| {
        let image = keys(*row);
        let over = image.0 == timeline && image.1 < end && start < image.2;
        !Marks(table.marks[*row as usize]).is_delta() && over && image.3 < lsn_end
    });
    below.collect()
}

const ALL_YEAR: &str = r#""inherited_for_s": 31536000"#;

proptest! {
    #[test]
    fn every_layer_is_listed_once_and_the_budget_is_kept(
        before in rows(),
        after in rows(),
        share in 0.0..1.5_f64,
        floor in 0.0..1.0_f64,
        later_s in 0..100_000_i64,
    ) {
        let config = format!(r#"{{"budget_share": {share}, "floor": {floor}, {ALL_YEAR}}}"#);
        let (before, after) = (table(&before), table(&after));
        let first = select(&config, &before, NOW, &[]);
        assert_holds(&before, &first, share)?;
        // Another table has the same ids, of other layers.
        let second = select(&config, &after, NOW + later_s, &first.memory);
        assert_holds(&after, &second, share)?;
        prop_assert_eq!(&second, &select(&config, &after, NOW + later_s, &first.memory));
        let third = select(&config, &after, NOW + later_s + 60, &second.memory);
        assert_holds(&after, &third, share)?;
    }

    #[test]
    fn damaged_memory_does_no_harm(rows in rows(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..50)) {
        let table = table(&rows);
        let config = format!(r#"{{"budget_share": 0.5, {ALL_YEAR}}}"#);
        let mut memory = select(&config, &table, NOW, &[]).memory;
        for (index, byte) in damage {
            let index = index.index(memory.len());
            memory[index] = byte;
        }
        let answer = select(&config, &table, NOW + 60, &memory);
        assert_is_an_answer(&table, &answer)?;
        prop_assert!(hot_bytes(&table, &answer) <= u128::from(budget_bytes(&table, 0.5)));
    }

    #[test]
    fn any_clock_is_answered(
        rows in rows(),
        times in prop::collection::vec(prop_oneof![any::<i64>(), NOW - 100_000..NOW + 100_000, Just(-1), Just(0)], 1..6),
    ) {
        let table = table(&rows);
        let mut memory = Vec::new();
        for now in times {
            let answer = select("{}", &table, now, &memory);
            assert_is_an_answer(&table, &answer)?;
            prop_assert!(hot_bytes(&table, &answer) <= u128::from(budget_bytes(&table, 0.5)));
            memory = answer.memory;
        }
    }

    /// A delta is worth what it is worth together with its image: alone it serves nobody.
    #[test]
    fn no_delta_is_to_be_downloaded_whose_image_is_not(rows in rows(), share in 0.0..1.0_f64, floor in 0.0..1.0_f64) {
        let table = table(&rows);
        let answer = select(&format!(r#"{{"budget_share": {share}, "floor": {floor}, {ALL_YEAR}}}"#), &table, NOW, &[]);
        let hot = hot(&answer);
        for delta in hot {
            let marks = Marks(table.marks[*delta as usize]);
            if let [image] = images_below(&table, *delta)[..]
                && marks.is_delta() && !marks.is_l0() && answer.heats.is_some()
            {
                prop_assert!(hot.contains(&image), "{} without {}", delta, image);
            }
        }
    }

    #[test]
    fn a_small_tenant_is_whole(rows in rows(), share in 0.0..1.0_f64, more_bytes in 0..100_u64) {
        let table = table(&rows);
        let small_bytes = table.file_sizes.iter().fold(more_bytes, |sum, size_bytes| sum.saturating_add(*size_bytes));
        let policy = Budget::configure(&format!(r#"{{"budget_share": {share}, {ALL_YEAR}}}"#)).unwrap();
        let answer = policy.select(&tenant(NOW, small_bytes), &table, &[]).unwrap();
        assert_is_an_answer(&table, &answer)?;
        let mut hot = hot(&answer).to_vec();
        hot.sort_unstable();
        if small_bytes < 1 << 50 {
            prop_assert_eq!(hot, standing(&table, |standing| matches!(standing, Standing::Resident | Standing::Inherited)));
        }
    }

    #[test]
    fn what_was_taken_over_goes_in_time(rows in rows(), for_s in 1..200_000_i64) {
        let table = table(&rows);
        let config = format!(r#"{{"inherited_for_s": {for_s}}}"#);
        let first = select(&config, &table, NOW, &[]);
        let last = select(&config, &table, NOW + for_s - 1, &first.memory);
        assert_holds(&table, &last, 0.5)?;
        let after = select(&config, &table, NOW + for_s, &last.memory);
        assert_is_an_answer(&table, &after)?;
        let mut listed = after.rows.clone();
        listed.sort_unstable();
        prop_assert_eq!(listed, standing(&table, |standing| standing == Standing::Resident));
        let here = Columns {
            marks: table.marks.iter().map(|mark| mark & !(Marks::INHERITED | Marks::INHERITED_COLD).0).collect(),
            ..table.clone()
        };
        prop_assert!(hot_bytes(&table, &after) <= u128::from(budget_bytes(&here, 0.5)));
    }

    /// The budget does not move while what a location took over comes.
    #[test]
    fn the_share_is_the_same_while_layers_come(rows in rows(), come in prop::collection::vec(any::<bool>(), 80), share in 0.0..1.0_f64) {
        let before = table(&rows);
        let mut after = before.clone();
        for (mark, come) in after.marks.iter_mut().zip(come) {
            let waits = [Standing::Inherited, Standing::InheritedCold].contains(&Marks(*mark).standing());
            *mark |= if come && waits { Marks::RESIDENT.0 } else { 0 };
        }
        let budget = |table: &Columns| {
            let none = vec![Word::default(); table.marks.len()];
            let settings = Settings { budget_share: share, ..Settings::default() };
            Classes::of(&settings, 0, 0, &table.marks, &table.file_sizes, &none, &none).budget_bytes
        };
        prop_assert_eq!(budget(&before), budget(&after));
        prop_assert_eq!(budget(&before), budget_bytes(&before, share).min(1 << 50));
    }

    /// A tenant that sleeps for a month is as it was on the first day, also where the host had no reason to ask.
    #[test]
    fn an_idle_tenant_keeps_its_order(rows in rows(), share in 0.0..1.0_f64, asked_daily: bool) {
        let config = format!(r#"{{"budget_share": {share}, {ALL_YEAR}}}"#);
        let table = |more| counted(&rows, more);
        let first = select(&config, &table(0), NOW, &[]);
        let second = select(&config, &table(1), NOW + 60, &first.memory);
        let asleep = select(&config, &table(1), NOW + DAY_S, &second.memory);
        let mut memory = asleep.memory.clone();
        let days = if asked_daily { 2..=30 } else { 30..=30 };
        for day in days {
            let answer = select(&config, &table(1), NOW + day * DAY_S, &memory);
            prop_assert_eq!((&answer.rows, answer.cold_from), (&asleep.rows, asleep.cold_from), "day {}", day);
            prop_assert_eq!(&answer.heats, &asleep.heats);
            memory = answer.memory;
        }
    }

    #[test]
    fn where_nothing_tells_of_reads_the_newest_is_first(rows in rows()) {
        let mut table = table(&rows);
        table.access_counts.fill(0);
        table.access_times.fill(0);
        let answer = select(&format!(r#"{{"budget_share": 100, "floor": 0, {ALL_YEAR}}}"#), &table, NOW, &[]);
        let l0 = |row: u32| Marks(table.marks[row as usize]).is_l0();
        let newest = |row: u32| std::cmp::Reverse(table.lsn_ends[row as usize]);
        let mut hot = standing(&table, |standing| matches!(standing, Standing::Resident | Standing::Inherited));
        hot.sort_by_key(|row| (l0(*row), newest(*row)));
        let mut cold = standing(&table, |standing| standing == Standing::InheritedCold);
        cold.sort_by_key(|row| newest(*row));
        if table.file_sizes.iter().fold(0_u64, |sum, size_bytes| sum.saturating_add(*size_bytes)) < 1 << 50 {
            prop_assert_eq!(answer.cold_from as usize, hot.len());
            hot.extend(cold);
            prop_assert_eq!(answer.rows, hot);
        }
    }
}

proptest! {
    /// Some rows at a time, as one by one.
    #[test]
    fn what_is_wanted_is_ranked_in_the_order_of_the_table(
        rows in prop::collection::vec((0..4_u8, any::<u8>(), 0.0..9.0_f32), 0..100),
    ) {
        let kinds = [Class::Unlisted, Class::Wanted, Class::Known, Class::Dropped];
        let classes: Vec<_> = rows.iter().map(|row| kinds[row.0 as usize]).collect();
        let (marks, column): (Vec<_>, Vec<_>) = rows.iter().map(|row| (row.1, row.2)).unzip();
        let heat = |mark: u8, heat: &f32| images_first(*heat, Marks(mark));
        let expected: Vec<_> = (0..)
            .zip(&rows)
            .filter(|(_, row)| row.0 == 1)
            .map(|(row, (_, mark, entry))| Ranked::new(row, heat(*mark, entry)))
            .collect();
        prop_assert_eq!(wanted(&marks, &classes, &column, heat), expected);
    }
}
