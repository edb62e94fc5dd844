//! The policy on the harness: tables and answers by name. Each test runs twice, natively, where a debugger reaches the
//! policy, and as the component that ships with the command, under the limits of production.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::ops::Range;

use rstest::rstest;
use thermocline::policy::conformance::Depth;
use thermocline::policy::{NO_CONFIG, RESIDENT_SET};
use thermocline_budget::Budget;
use thermocline_tests::{Answer, Failed, Queue, Subject, Table};

const NOW: i64 = 1_700_000_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const MIB: u64 = 1 << 20;

/// Layers are resident for a minute before the first call.
const SINCE: u32 = 1_700_000_000 - 60;

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/cli/src/policy/shipped/budget.wasm");

/// Without it, what every start reads goes first.
const NO_FLOOR: &str = r#"{"floor": 0, "budget_share": 0.5}"#;

/// Both kinds, by the configuration.
type Make = fn(&str) -> Subject;

fn native(config: &str) -> Subject {
    Subject::native::<Budget>(config).unwrap()
}

fn component(config: &str) -> Subject {
    Subject::file(COMPONENT, config).unwrap()
}

/// What the policy answers to one table after the other.
fn in_turn(policy: &Subject, tables: &[Table]) -> Result<Answer, Failed> {
    let mut memory = Vec::new();
    let mut last = None;
    for table in tables {
        let answer = policy.select_again(table, &memory)?;
        memory = answer.memory().to_vec();
        last = Some(answer);
    }
    Ok(last.unwrap())
}

/// Keys of a table: of blocks these are of a system catalog.
fn keys(keys: Range<u64>) -> Range<u64> {
    const FIRST_USER_RELATION: u64 = 16384 << 40;
    FIRST_USER_RELATION + keys.start..FIRST_USER_RELATION + keys.end
}

/// A tenant that is not small.
fn large() -> Table {
    Table::new().checkpoint_distance(0)
}

/// Images of these sizes in MiB, and how often each was read: `0`, `1` and so on.
fn images(now: i64, images: &[(u64, u64)]) -> Table {
    let mut table = large();
    for (number, (size_mib, reads)) in (0..).zip(images) {
        let name = number.to_string();
        table = table.image(&name, keys(100 * number..100 * (number + 1)), 16 + number).resident_since(SINCE).visible();
        table = table.size(size_mib * MIB).reads(*reads).read_at(now - 1);
    }
    table.now(now)
}

#[rstest]
fn an_empty_tenant_has_an_empty_heatmap(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let answer = make(NO_CONFIG).select(&Table::new())?;
    assert_eq!((answer.listed(), answer.valid_for_s()), (vec![], None));
    Ok(())
}

#[rstest]
fn the_best_bytes_are_within_the_budget_and_the_rest_is_known(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    let table = images(NOW, &[(64, 1000), (16, 900), (16, 10), (16, 800), (16, 5)]);
    let answer = make(NO_FLOOR).select(&table)?;
    assert_eq!((answer.hot(), answer.cold()), (vec!["1", "3", "2", "4"], vec!["0"]));
    let heats: Vec<f32> = answer.hot().iter().map(|layer| answer.heat(layer).unwrap()).collect();
    assert!(heats.is_sorted_by(|one, other| one > other), "{heats:?}");
    Ok(())
}

/// Of four images of 16 MiB.
#[rstest]
#[case::a_share_obeyed(r#"{"floor": 0, "budget_share": 0.5}"#, 2)]
#[case::a_share_violated(r#"{"floor": 0, "budget_share": 0.499999}"#, 1)]
#[case::more_than_all(r#"{"floor": 0, "budget_share": 100}"#, 4)]
#[case::nothing(r#"{"floor": 0, "budget_share": 0}"#, 0)]
#[case::bytes_obeyed(r#"{"floor": 0, "budget_share": 1, "budget_bytes": 50331648}"#, 3)]
#[case::bytes_violated(r#"{"floor": 0, "budget_share": 1, "budget_bytes": 50331647}"#, 2)]
#[case::the_smaller_counts(r#"{"floor": 0, "budget_share": 0.25, "budget_bytes": 50331648}"#, 1)]
#[case::a_floor_is_part_of_it(r#"{"floor": 1, "budget_share": 0.5}"#, 2)]
fn the_budget_is_kept(
    #[values(native, component)] make: Make,
    #[case] config: &str,
    #[case] hot: usize,
) -> Result<(), Failed> {
    let answer = make(config).select(&images(NOW, &[(16, 40), (16, 30), (16, 20), (16, 10)]))?;
    assert_eq!((answer.hot().len(), answer.cold().len()), (hot, 4 - hot));
    Ok(())
}

/// A layer that is read 120 times an hour, for long: that is what its heat says of its MiB.
#[rstest]
fn heat_is_reads_an_hour_and_mib(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(r#"{"budget_share": 1}"#);
    let tables: Vec<_> =
        (0..=120).map(|minute| images(NOW + 60 * minute, &[(8, 2 * minute.unsigned_abs() + 1)])).collect();
    let heat = in_turn(&policy, &tables)?.heat("0").unwrap();
    let expected = 120.0 / 8.125;
    assert!((heat / expected - 1.0).abs() < 0.02, "{heat} {expected}");
    Ok(())
}

/// Every period counts alike: reading everything once is not what makes a layer hot.
#[rstest]
fn a_busy_minute_counts_as_others_do(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_FLOOR);
    // One is read steadily; then a report reads the other very often.
    let mut tables: Vec<_> =
        (0..30).map(|minute| images(NOW + 60 * minute, &[(8, 100 * minute.unsigned_abs()), (8, 0)])).collect();
    tables.push(images(NOW + 30 * 60, &[(8, 3000), (8, 50_000)]));
    for minute in 31..35 {
        tables.push(images(NOW + minute * 60, &[(8, 100 * minute.unsigned_abs()), (8, 50_000)]));
    }
    assert_eq!(in_turn(&policy, &tables)?.hot(), ["0"]);
    Ok(())
}

#[rstest]
fn an_image_and_its_deltas_are_worth_what_they_serve_together(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    // All reads of the image go on through its delta, which is small: without the image it serves nobody.
    #[rustfmt::skip]
    let table = large()
        .image("image", keys(0..100), 16).resident_since(SINCE).visible().size(32 * MIB).reads(1000)
        .delta("delta", keys(0..100), 17..20).resident_since(SINCE).visible().size(MIB).reads(1000)
        .image("denser", keys(100..200), 16).resident_since(SINCE).visible().size(16 * MIB).reads(900)
        .image("less dense", keys(200..300), 16).resident_since(SINCE).visible().size(32 * MIB).reads(400)
        .now(NOW);
    let policy = make(r#"{"floor": 0, "budget_bytes": 52428800, "budget_share": 1}"#);
    let answer = policy.select_with_reasons(&table)?;
    // Alone, the delta would be far ahead of all.
    assert_eq!(answer.hot(), ["denser", "image", "delta"]);
    assert_eq!(answer.heat("image"), answer.heat("delta"));
    assert!(answer.reason("image").unwrap().ends_with("with its delta"), "{:?}", answer.reason("image"));
    Ok(())
}

/// The image is larger than what is left, and its delta is not.
#[rstest]
fn a_delta_without_its_image_serves_nobody(#[values(native, component)] make: Make) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = large()
        .image("image", keys(0..100), 16).resident_since(SINCE).visible().size(64 * MIB).reads(1000)
        .delta("delta", keys(0..100), 17..20).resident_since(SINCE).visible().size(MIB).reads(1000)
        .image("other", keys(100..200), 16).resident_since(SINCE).visible().size(16 * MIB).reads(10)
        .now(NOW);
    let answer = make(NO_FLOOR).select_with_reasons(&table)?;
    assert_eq!((answer.hot(), answer.cold()), (vec!["other"], vec!["image", "delta"]));
    let reason = answer.reason("delta").unwrap();
    assert!(reason.starts_with("cold: its image is over the budget: "), "{reason}");
    Ok(())
}

/// Days without a read, of which the host asks for some: the order is that of the long run.
#[rstest]
fn an_idle_tenant_keeps_its_order(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_FLOOR);
    let asleep = |now: i64| images(now, &[(8, 40), (8, 10), (8, 30), (8, 20)]).now(now);
    let mut calls: Vec<_> = (1..=10)
        .map(|minute| {
            images(
                NOW - 60 * (10 - i64::try_from(minute).unwrap()),
                &[(8, 4 * minute), (8, minute), (8, 3 * minute), (8, 2 * minute)],
            )
        })
        .collect();
    calls.extend([HOUR, DAY, 3 * DAY, 30 * DAY].map(|later| asleep(NOW + later)));
    let answer = in_turn(&policy, &calls)?;
    assert_eq!((answer.hot(), answer.cold(), answer.valid_for_s()), (vec!["0", "2"], vec!["3", "1"], None));
    // Nor is it lost where nothing is remembered.
    let mut forgotten = large();
    for (number, days) in (0..).zip([9, 30, 10, 20]) {
        forgotten = forgotten.image(&number.to_string(), keys(100 * number..100 * (number + 1)), 16 + number).visible();
        forgotten =
            forgotten.resident_since(1_600_000_000).size(8 * MIB).reads(1).read_at(NOW - days * DAY - 60 * days);
    }
    let answer = policy.select(&forgotten.now(NOW))?;
    assert_eq!(answer.hot()[0], "0");
    Ok(())
}

#[rstest]
fn what_every_start_reads_has_a_part_of_the_budget(#[values(native, component)] make: Make) -> Result<(), Failed> {
    // The first image is of a system catalog, and nobody reads it.
    let table = |floor: &str| {
        let mut table = large().image("catalog", 0..100, 8).resident_since(SINCE).visible().size(8 * MIB);
        for number in 0..9_u64 {
            let name = number.to_string();
            table = table.image(&name, keys(number..number + 1), 16).resident_since(SINCE).visible();
            table = table.size(8 * MIB).reads(1000 + number);
        }
        make(&format!(r#"{{"budget_share": 0.5, "floor": {floor}}}"#)).select(&table.now(NOW))
    };
    let answer = table("0.2")?;
    assert_eq!(answer.hot(), ["catalog", "8", "7", "6", "5"]);
    assert_eq!(answer.heat("catalog"), answer.heat("8"));
    // The first image has its place in a smaller floor, too.
    assert_eq!(table("0.01")?.hot(), ["catalog", "8", "7", "6", "5"]);
    assert_eq!(table("0")?.hot(), ["8", "7", "6", "5", "4"]);
    Ok(())
}

#[rstest]
fn where_there_are_no_catalogs_the_newest_images_start_a_timeline(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    let table = images(NOW, &[(8, 400), (8, 300), (8, 200), (8, 100)]);
    let answer = make(r#"{"budget_share": 0.5, "floor": 0.5}"#).select_with_reasons(&table)?;
    assert_eq!(answer.hot(), ["3", "0"]);
    let reason = answer.reason("3").unwrap();
    assert!(reason.starts_with("hot: floor, of the newest images of a timeline"), "{reason}");
    Ok(())
}

/// A tenant that reads what it wrote last, and hardly again: each minute a new layer, read in the next.
fn appending(minutes: i64) -> Vec<Table> {
    let table = |minute: i64| {
        let mut table = large();
        for number in 0..8 + minute {
            let (read, key) = (number + 1 == 7 + minute, number.unsigned_abs());
            let reads = if number < 7 + minute { 100 } else { 0 };
            table = table.image(&number.to_string(), keys(100 * key..100 * (key + 1)), 16 + key);
            table = table.resident_since(SINCE).visible().size(8 * MIB).reads(reads);
            table = table.read_at(if read { NOW + 60 * minute - 1 } else { NOW + 60 * (number - 7) - 1 });
        }
        table.now(NOW + 60 * minute)
    };
    (0..minutes).map(table).collect()
}

/// A tenant that reads twelve layers round and round, two a minute.
fn circling(minutes: u64) -> Vec<Table> {
    let table = |minute: u64| {
        let mut table = large();
        for number in 0..12_u64 {
            let rounds = (2 * minute + 11 - number) / 12;
            let last = (number + 12 * rounds) / 2;
            table = table.image(&number.to_string(), keys(100 * number..100 * (number + 1)), 16);
            table = table.resident_since(SINCE).visible().size(8 * MIB).reads(100 * rounds);
            table = table.read_at(NOW + 60 * (i64::try_from(last).unwrap() - 6) + 30);
        }
        table.now(NOW + 60 * i64::try_from(minute).unwrap())
    };
    (0..minutes).map(table).collect()
}

/// What the reasons say of the order that decides.
fn order_of(policy: &Subject, tables: &[Table]) -> String {
    let mut memory = Vec::new();
    for table in tables {
        memory = policy.select_again(table, &memory).unwrap().memory().to_vec();
    }
    let answer = policy.select_again_with_reasons(tables.last().unwrap(), &memory).unwrap();
    let reasons: Vec<_> = answer.listed().into_iter().map(|layer| answer.reason(layer).unwrap().to_owned()).collect();
    reasons.into_iter().find(|reason| reason.contains("order: ")).unwrap_or_default()
}

#[rstest]
fn where_the_newest_is_read_the_newest_is_first(#[values(native, component)] make: Make) {
    let policy = make(r#"{"budget_share": 0.2, "floor": 0}"#);
    let reason = order_of(&policy, &appending(10));
    assert!(reason.contains("order: newest first would have served"), "{reason}");
}

#[rstest]
fn where_all_is_read_round_and_round_what_is_next_is_first(#[values(native, component)] make: Make) {
    let policy = make(r#"{"budget_share": 0.34, "floor": 0}"#);
    let reason = order_of(&policy, &circling(30));
    assert!(reason.contains("order: not read for longest first would have served"), "{reason}");
}

#[rstest]
fn where_the_same_is_read_again_expected_reads_decide(#[values(native, component)] make: Make) {
    let policy = make(NO_FLOOR);
    let tables: Vec<_> = (1..10)
        .map(|minute| {
            images(NOW + 60 * i64::try_from(minute).unwrap(), &[(8, 90 * minute), (8, 0), (8, 10 * minute), (8, 0)])
        })
        .collect();
    assert_eq!(order_of(&policy, &tables), "");
    assert_eq!(in_turn(&policy, &tables).unwrap().hot(), ["0", "2"]);
}

/// Of eight images of 8 MiB each, of which half were hot, so many came since the location was attached.
fn attached(here: u64, now: i64) -> Table {
    let mut table = large();
    for number in 0..8 {
        table = table.image(&number.to_string(), keys(100 * number..100 * (number + 1)), 16).visible().size(8 * MIB);
        table = match number {
            _ if number < here => table.resident_since(SINCE).reads(9).read_at(now - 1),
            0..4 => table.inherited().read_at(NOW - 30 * DAY),
            _ => table.inherited_cold().read_at(NOW - 30 * DAY),
        };
    }
    table.now(now)
}

/// A location that was just attached has nothing on its disk: a budget of that would have its standbys drop what they
/// hold. Nor does the budget change while the rest comes.
#[rstest]
fn the_budget_is_the_same_while_what_was_taken_over_comes(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    let policy = make(NO_FLOOR);
    for here in 0..=4 {
        let answer = policy.select(&attached(here, NOW))?;
        let (mut hot, mut cold) = (answer.hot(), answer.cold());
        hot.sort_unstable();
        cold.sort_unstable();
        assert_eq!((hot, cold), (vec!["0", "1", "2", "3"], vec!["4", "5", "6", "7"]), "{here}");
    }
    // What is read here and was cold there goes before what was hot and is not.
    let answer = policy.select(&attached(5, NOW))?;
    assert_eq!((answer.hot().len(), answer.cold().len()), (4, 4));
    Ok(())
}

#[rstest]
fn what_was_taken_over_is_listed_for_a_day(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_FLOOR);
    let calls = |last: i64| [0, HOUR, last].map(|after| attached(2, NOW + after));
    let before = in_turn(&policy, &calls(DAY - 1))?;
    assert_eq!((before.hot().len(), before.cold().len(), before.valid_for_s()), (4, 4, Some(1)));
    let after = in_turn(&policy, &calls(DAY))?;
    assert_eq!((after.hot(), after.cold()), (vec!["0"], vec!["1"]), "half of what is here");
    let shorter = make(r#"{"inherited_for_s": 3600}"#);
    assert_eq!(in_turn(&shorter, &[attached(2, NOW), attached(2, NOW + HOUR)])?.listed().len(), 2);
    let never = make(r#"{"inherited_for_s": 0}"#);
    assert_eq!(never.select(&attached(2, NOW))?.listed().len(), 2);
    Ok(())
}

/// A clock that was ahead when the location was attached.
#[rstest]
fn what_was_taken_over_in_the_future_is_listed_for_a_day(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    let calls = [attached(2, NOW + 300 * DAY), attached(2, NOW), attached(2, NOW + DAY)];
    let policy = make(NO_FLOOR);
    assert_eq!(in_turn(&policy, &calls[..2])?.listed().len(), 8);
    assert_eq!(in_turn(&policy, &calls)?.listed().len(), 2);
    Ok(())
}

/// Of four images of 16 MiB. A share of very little is not worth a failover that waits for the rest.
#[rstest]
#[case::small(64 * MIB, "{}", 4)]
#[case::hardly_larger(48 * MIB, "{}", 3)]
#[case::large(32 * MIB, "{}", 2)]
#[case::the_share_is_more(16 * MIB, "{}", 2)]
#[case::bytes_are_bytes(64 * MIB, r#"{"budget_bytes": 16777216}"#, 1)]
#[case::none(64 * MIB, r#"{"budget_bytes": 0}"#, 0)]
fn a_small_tenant_is_hot_as_a_whole(
    #[values(native, component)] make: Make,
    #[case] checkpoint_distance: u64,
    #[case] config: &str,
    #[case] hot: usize,
) -> Result<(), Failed> {
    let table = images(NOW, &[(16, 40), (16, 30), (16, 20), (16, 10)]).checkpoint_distance(checkpoint_distance);
    let answer = make(config).select(&table)?;
    assert_eq!((answer.hot().len(), answer.cold().len()), (hot, 4 - hot));
    Ok(())
}

/// What is read of late counts first, and when nothing is read for long, what is read in the long run.
#[rstest]
fn an_answer_is_right_until_the_order_changes_by_itself(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_FLOOR);
    let at = |seconds: i64| images(NOW + seconds, &[(8, 1000), (8, 10)]);
    assert_eq!(in_turn(&policy, &[at(0), at(60)])?.valid_for_s(), Some(22));
    let all: Vec<_> = (0..60).map(|minute| at(60 * minute)).collect();
    assert_eq!(in_turn(&policy, &all)?.valid_for_s(), None);
    Ok(())
}

#[rstest]
fn where_nobody_counts_a_newer_access_time_is_a_read(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_FLOOR);
    let table = |now: i64, one: i64, other: i64| {
        #[rustfmt::skip]
        let table = large()
            .image("one", keys(0..100), 16).resident().visible().size(MIB).read_at(one)
            .image("other", keys(100..200), 16).resident().visible().size(MIB).read_at(other);
        table.now(now)
    };
    let calls = [
        table(NOW, NOW - HOUR, NOW - HOUR),
        table(NOW + 60, NOW + 30, NOW - HOUR),
        table(NOW + 120, NOW + 90, NOW - HOUR),
    ];
    let answer = in_turn(&policy, &calls)?;
    assert_eq!((answer.hot(), answer.cold()), (vec!["one"], vec!["other"]));
    Ok(())
}

#[rstest]
fn where_nothing_tells_of_reads_it_is_the_order_of_resident_set(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = large()
        .l0("l0", 90..99).resident().visible().read_at(0)
        .delta("middle", keys(0..9), 40..80).resident().visible().read_at(0)
        .image("base", keys(0..9), 40).resident().visible().read_at(0)
        .image("was hot", keys(9..99), 41).visible().inherited().read_at(0)
        .image("known", keys(9..99), 9).visible().inherited_cold().read_at(0);
    let answer = make(r#"{"budget_share": 1, "floor": 0}"#).select(&table)?;
    assert_eq!(answer.hot(), ["middle", "was hot", "base", "l0"]);
    assert_eq!(answer.cold(), ["known"]);
    assert_eq!((answer.heat("middle"), answer.valid_for_s()), (None, Some(86_400)));
    // And what is over the budget is known.
    let less = make(r#"{"budget_share": 0.4, "floor": 0}"#).select(&table)?;
    assert_eq!((less.hot(), less.cold()), (vec!["middle", "was hot"], vec!["base", "l0", "known"]));
    Ok(())
}

/// Of each kind, in each standing.
#[rstest]
fn where_nothing_tells_of_reads_it_answers_as_resident_set_does(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    type Standing = fn(Table) -> Table;
    let standings: [Standing; 5] = [
        |table| table.resident().visible(),
        |table| table.visible().inherited(),
        |table| table.visible().inherited_cold(),
        |table| table.resident(),
        |table| table.visible(),
    ];
    let mut table = Table::new();
    for (number, standing) in (0..).zip(standings.into_iter().cycle().take(40)) {
        let (name, lsn) = (number.to_string(), 100 + 37 * number % 41);
        table = match number / 5 % 3 {
            0 => table.image(&name, keys(10 * number..10 * number + 10), lsn),
            1 => table.delta(&name, keys(10 * number..10 * number + 10), lsn..lsn + 7),
            _ => table.l0(&name, lsn..lsn + 3),
        };
        table = standing(table.size(MIB)).read_at(0);
    }
    let (answer, theirs) = (
        make(r#"{"budget_share": 100, "floor": 0}"#).select(&table)?,
        Subject::component(RESIDENT_SET, NO_CONFIG)?.select(&table)?,
    );
    assert_eq!((answer.hot(), answer.cold()), (theirs.hot(), theirs.cold()));
    Ok(())
}

#[rstest]
fn uploads_are_ranked_by_what_a_failover_would_lose(#[values(native, component)] make: Make) -> Result<(), Failed> {
    #[rustfmt::skip]
    let queue = Queue::new()
        .shard("at rest")
        .shard("changed").changes(100)
        .shard("new").age_ms(None)
        .shard("failing").changes(100).failures(3);
    assert_eq!(make(NO_CONFIG).rank_uploads(0, &queue)?, ["new", "changed", "at rest", "failing"]);
    Ok(())
}

#[rstest]
fn it_says_why_where_somebody_asks(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let since = u32::try_from(NOW - 60).unwrap();
    #[rustfmt::skip]
    let table = large()
        .image("catalog", 0..1, 16).resident_since(since).visible().size(MIB)
        .image("base", keys(0..100), 16).resident_since(since).visible().size(MIB).reads(1199)
        .image("hardly", keys(200..300), 16).resident_since(since).visible().size(90 * MIB).reads(9)
        .delta("covered", keys(0..50), 8..16).resident()
        .delta("evicted", keys(0..100), 40..48).visible()
        .image("was hot", keys(300..400), 30).visible().inherited()
        .image("was cold", keys(400..500), 32).visible().inherited_cold();
    let policy = make(NO_CONFIG);
    let answer = policy.select_with_reasons(&table)?;
    let layers = ["catalog", "base", "hardly", "covered", "evicted", "was hot", "was cold"];
    let reasons = layers.map(|layer| answer.reason(layer).unwrap());
    assert_eq!(
        reasons,
        [
            "hot: floor, every start reads it: new, and expected to be read 1.5 times a minute",
            "hot: in the budget: new, and expected to be read 1200.5 times a minute",
            "cold: over the budget: new, and expected to be read 10.5 times a minute",
            "not listed: covered, no read needs it",
            "not listed: not resident",
            "hot: in the budget: inherited as hot, not downloaded yet, and listed for 24 hours more at most",
            "cold: inherited as cold, not downloaded yet, and listed for 24 hours more at most",
        ]
    );
    assert_eq!(policy.select(&table)?.reason("base"), None);
    Ok(())
}

#[rstest]
#[case::with_its_defaults(NO_CONFIG)]
#[case::with_all_set(
    r#"{"budget_share": 0.25, "budget_bytes": 1000000000, "half_life_s": 10, "slow_half_life_s": 10, "floor": 0.9, "inherited_for_s": 0, "compaction_threshold": 1}"#
)]
fn it_does_what_every_policy_must(#[case] config: &str) {
    let conformance = component(config).conformance(Depth::Full).unwrap();
    assert!(conformance.passed(), "{conformance:?}");
}

#[test]
fn a_wrong_setting_is_refused_by_name() {
    let refused = Subject::file(COMPONENT, r#"{"budget_share": -1}"#).unwrap_err().to_string();
    assert!(refused.contains("budget") && refused.contains("budget_share"), "{refused}");
}
