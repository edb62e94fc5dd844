//! The policy on the harness: tables and answers by name. Each test runs twice, natively, where a debugger reaches the
//! policy, and as the component that ships with the command, under the limits of production.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use rstest::rstest;
use thermocline::policy::conformance::Depth;
use thermocline::policy::{NO_CONFIG, RESIDENT_SET};
use thermocline_decay::Decay;
use thermocline_tests::{Answer, Failed, Queue, Subject, Table};

const NOTHING: [&str; 0] = [];
const NOW: i64 = 1_700_000_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const MIB: u64 = 1 << 20;
/// An hour before now.
const LATELY: u32 = 1_699_996_400;

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/cli/src/policy/shipped/decay.wasm");

/// Both kinds, by the configuration.
type Make = fn(&str) -> Subject;

fn native(config: &str) -> Subject {
    Subject::native::<Decay>(config).unwrap()
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

/// Two images of these sizes, of 8 MiB if not said, and how often they were read.
fn two(now: i64, one: u64, other: u64) -> Table {
    #[rustfmt::skip]
    let table = Table::new()
        .image("one", 0..100, 16).resident_since(LATELY).visible().size(8 * MIB).reads(one)
        .image("other", 100..200, 32).resident_since(LATELY).visible().size(8 * MIB).reads(other);
    table.now(now)
}

#[rstest]
fn an_empty_tenant_has_an_empty_heatmap(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let answer = make(NO_CONFIG).select(&Table::new())?;
    assert_eq!((answer.listed(), answer.valid_for_s()), (vec![], None));
    Ok(())
}

#[rstest]
fn what_is_read_most_for_its_size_is_first(#[values(native, component)] make: Make) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = Table::new()
        .image("large", 0..100, 16).resident_since(LATELY).visible().size(256 * MIB).reads(100)
        .image("small", 100..200, 16).resident_since(LATELY).visible().size(8 * MIB).reads(50)
        .image("covered", 200..300, 8).resident_since(LATELY).size(8 * MIB).reads(99)
        .image("evicted", 300..400, 24).visible()
        .image("busy", 400..500, 16).resident_since(LATELY).visible().size(256 * MIB).reads(10_000);
    let answer = make(NO_CONFIG).select(&table)?;
    assert_eq!(answer.hot(), ["busy", "small", "large"]);
    assert_eq!(answer.cold(), NOTHING);
    let [busy, small, large] = ["busy", "small", "large"].map(|layer| answer.heat(layer).unwrap());
    assert!(busy > small && small > large && large > 0.0);
    Ok(())
}

/// A layer that is read 120 times an hour, for long: that is what its heat says of its MiB.
#[rstest]
fn heat_is_reads_an_hour_and_mib(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(r#"{"half_life_s": 600}"#);
    let tables: Vec<_> = (0..=150)
        .map(|minute| {
            let table = Table::new().image("even", 0..100, 16).resident_since(LATELY).visible().size(8 * MIB);
            table.reads(2 * minute + 1).now(NOW + 60 * i64::try_from(minute).unwrap())
        })
        .collect();
    let heat = in_turn(&policy, &tables)?.heat("even").unwrap();
    let expected = 120.0 / 8.125;
    assert!((heat / expected - 1.0).abs() < 0.01, "{heat} {expected}");
    Ok(())
}

#[rstest]
fn reads_fade(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    // At first one was read more, then the other, of which less remains to be counted.
    let before = two(NOW, 1000, 100);
    assert_eq!(policy.select(&before)?.hot(), ["one", "other"]);
    let soon = in_turn(&policy, &[before.clone(), two(NOW + 60, 1000, 400)])?;
    assert_eq!(soon.hot(), ["one", "other"]);
    let later = in_turn(&policy, &[before.clone(), two(NOW + 6 * HOUR, 1000, 400)])?;
    assert_eq!(later.hot(), ["other", "one"]);
    // A half-life takes half.
    let [first, second] = [two(NOW, 1000, 100), two(NOW + HOUR, 1000, 100)]
        .map(|table| in_turn(&policy, &[before.clone(), table]).unwrap());
    let ratio = second.heat("one").unwrap() / first.heat("one").unwrap();
    assert!((ratio - 0.5).abs() < 1e-5, "{ratio}");
    let slowly = make(r#"{"half_life_s": 604800}"#);
    assert_eq!(in_turn(&slowly, &[before, two(NOW + 6 * HOUR, 1000, 400)])?.hot(), ["one", "other"]);
    Ok(())
}

/// What is counted begins anew when a layer comes back to the disk.
#[rstest]
#[case::counts_less(100, LATELY)]
#[case::counts_more_but_came_since(2000, u32::try_from(NOW + 30).unwrap())]
fn a_layer_that_was_evicted_and_came_back_was_read_as_often_as_it_counts(
    #[values(native, component)] make: Make,
    #[case] counted: u64,
    #[case] since: u32,
) -> Result<(), Failed> {
    let table = |now: i64, since: u32, reads: u64| {
        let table = Table::new().image("one", 0..100, 16).resident_since(since).visible().size(8 * MIB).reads(reads);
        table.now(now)
    };
    let policy = make(NO_CONFIG);
    let stayed = in_turn(&policy, &[table(NOW, LATELY, 1000), table(NOW + 60, LATELY, 1000 + counted)])?;
    let back = in_turn(&policy, &[table(NOW, LATELY, 1000), table(NOW + 60, since, counted)])?;
    assert_eq!(stayed.heat("one"), back.heat("one"));
    Ok(())
}

#[rstest]
fn what_is_hardly_read_is_cold(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(r#"{"cold_below": 1}"#);
    let answer = in_turn(&policy, &[two(NOW, 10, 1000), two(NOW + 60, 10, 1000)])?;
    assert_eq!((answer.hot(), answer.cold()), (vec!["other"], vec!["one"]));
    // It is right until the other one is cold, too.
    let valid_for_s = i64::try_from(answer.valid_for_s().unwrap()).unwrap();
    let hot = |now: i64| in_turn(&policy, &[two(NOW, 10, 1000), two(now, 10, 1000)]).unwrap().hot().len();
    assert_eq!((hot(NOW + 60 + valid_for_s - HOUR / 16), hot(NOW + 60 + valid_for_s + HOUR / 8)), (1, 0));
    let never = make(r#"{"cold_below": 0}"#);
    let answer = in_turn(&never, &[two(NOW, 10, 1000), two(NOW + 1000 * DAY, 10, 1000)])?;
    assert_eq!((answer.hot().len(), answer.valid_for_s()), (2, None));
    Ok(())
}

/// A location that was just attached has nothing on its disk: without this its first heatmap would have every standby
/// drop what it holds. But what nobody fetches is not held for ever.
#[rstest]
fn what_was_taken_over_stays_listed_for_a_day(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    let table = |now: i64| {
        #[rustfmt::skip]
        let table = Table::new()
            .image("was hot", 0..100, 16).visible().inherited().read_at(NOW - 30 * DAY)
            .image("was cold", 100..200, 32).visible().inherited_cold()
            .image("was hot, is covered", 200..300, 8).inherited()
            .image("is here", 300..400, 24).visible().resident_since(LATELY).reads(1_000_000);
        table.now(now)
    };
    let first = policy.select(&table(NOW))?;
    assert_eq!((first.hot(), first.cold()), (vec!["is here", "was hot"], vec!["was cold"]));
    let calls = |last: i64| [0, HOUR, last].map(|after| table(NOW + after));
    let before = in_turn(&policy, &calls(DAY - 1))?;
    assert_eq!((before.hot(), before.cold()), (vec!["is here", "was hot"], vec!["was cold"]));
    assert_eq!(before.valid_for_s(), Some(1));
    let after = in_turn(&policy, &calls(DAY))?;
    assert_eq!(after.listed(), ["is here"]);
    let shorter = make(r#"{"inherited_for_s": 3600}"#);
    assert_eq!(in_turn(&shorter, &[table(NOW), table(NOW + HOUR)])?.listed(), ["is here"]);
    Ok(())
}

#[rstest]
fn what_compaction_makes_takes_over_from_what_it_replaces(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    let around = |table: Table, now: i64| {
        #[rustfmt::skip]
        let table = table
            .image("before", 0..100, 16).resident_since(LATELY).visible().size(8 * MIB).reads(10)
            .image("behind", 200..300, 16).resident_since(LATELY).visible().size(8 * MIB).reads(10);
        table.now(now)
    };
    #[rustfmt::skip]
    let old = Table::new()
        .image("old", 100..200, 16).resident_since(LATELY).visible().size(8 * MIB).reads(5000)
        .delta("old delta", 110..190, 17..20).resident_since(LATELY).visible().size(8 * MIB).reads(3000);
    let new = Table::new().image("new", 120..160, 32).resident_since(LATELY).visible().size(8 * MIB);
    let answer = in_turn(&policy, &[around(old, NOW), around(new, NOW + 60)])?;
    assert_eq!(answer.hot()[0], "new");
    let expected = 4000.0 / 10.0;
    let ratio = answer.heat("new").unwrap() / answer.heat("before").unwrap();
    assert!(ratio > expected / 2.0 && ratio < expected * 2.0, "{ratio}");
    Ok(())
}

#[rstest]
fn an_image_takes_over_from_the_one_that_it_covers(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    let usual = |table: Table, now: i64| {
        table.image("usual", 100..200, 16).resident_since(LATELY).visible().size(8 * MIB).reads(10).now(now)
    };
    let old = Table::new().image("old", 0..100, 16).resident_since(LATELY).size(8 * MIB).reads(5000);
    let now = old.clone().image("new", 0..100, 32).resident_since(LATELY).visible().size(8 * MIB);
    let answer = in_turn(&policy, &[usual(old.visible(), NOW), usual(now, NOW + 60)])?;
    assert_eq!(answer.hot(), ["new", "usual"]);
    assert!(answer.heat("new").unwrap() > 100.0 * answer.heat("usual").unwrap());
    Ok(())
}

#[rstest]
fn deltas_share_what_l0_layers_leave(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    let base = |table: Table, now: i64| {
        table.image("base", 50..60, 8).resident_since(LATELY).visible().size(8 * MIB).reads(10).now(now)
    };
    #[rustfmt::skip]
    let l0s = Table::new()
        .l0("l0", 10..20).resident_since(LATELY).visible().size(8 * MIB).reads(3000)
        .l0("l0 above", 20..30).resident_since(LATELY).visible().size(8 * MIB).reads(3000);
    #[rustfmt::skip]
    let l1s = Table::new()
        .delta("small", 0..70, 10..30).resident_since(LATELY).visible().size(4 * MIB)
        .delta("large", 70..99, 10..30).resident_since(LATELY).visible().size(12 * MIB);
    let answer = in_turn(&policy, &[base(l0s, NOW), base(l1s, NOW + 60)])?;
    let [small, large, base] = ["small", "large", "base"].map(|layer| answer.heat(layer).unwrap());
    assert!((small / large - 1.0).abs() < 1e-4 && small > 100.0 * base, "{small} {large} {base}");
    Ok(())
}

/// What takes nobody's place is neither ahead of all others nor behind them, and of such layers the newest is first.
#[rstest]
fn what_is_new_is_as_warm_as_the_rest(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    #[rustfmt::skip]
    let before = Table::new()
        .image("hot", 0..100, 16).resident_since(LATELY).visible().size(8 * MIB).reads(5000)
        .image("hardly", 100..200, 16).resident_since(LATELY).visible().size(8 * MIB).reads(10);
    #[rustfmt::skip]
    let now = before.clone()
        .image("new", 200..300, 32).resident_since(LATELY).visible().size(8 * MIB)
        .image("newer", 300..400, 40).resident_since(LATELY).visible().size(8 * MIB)
        .now(NOW + 60);
    assert_eq!(in_turn(&policy, &[before.now(NOW), now])?.hot(), ["hot", "newer", "new", "hardly"]);
    Ok(())
}

/// L0 layers that are written every few seconds are gone before a standby has them.
#[rstest]
#[case::every_ten_minutes(600, ["l0", "image"])]
#[case::every_second(1, ["image", "l0"])]
fn l0_layers_count_for_as_long_as_they_live(
    #[values(native, component)] make: Make,
    #[case] every_s: u32,
    #[case] order: [&str; 2],
) -> Result<(), Failed> {
    let mut table = Table::new().image("image", 0..100, 16).resident_since(LATELY).visible().size(8 * MIB).reads(60);
    let first = u32::try_from(NOW - 6000).unwrap();
    table = table.l0("l0", 100..101).resident_since(first).visible().size(8 * MIB).reads(100);
    for number in 1..5 {
        let lsn = 100 + u64::from(number);
        // Covered ones count where it is about when they go.
        table =
            table.l0(&format!("l0 {number}"), lsn..lsn + 1).resident_since(first + number * every_s).size(MIB).reads(1);
    }
    let policy = make(r#"{"half_life_s": 2592000}"#);
    assert_eq!(policy.select(&table)?.hot(), order);
    Ok(())
}

#[rstest]
fn where_nobody_counts_a_newer_access_time_is_a_read(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    let table = |now: i64, one: i64, other: i64| {
        #[rustfmt::skip]
        let table = Table::new()
            .image("one", 0..100, 16).resident().visible().read_at(one)
            .image("other", 100..200, 16).resident().visible().read_at(other);
        table.now(now)
    };
    // At first, what was read last.
    assert_eq!(policy.select(&table(NOW, NOW - 60, NOW - HOUR))?.hot(), ["one", "other"]);
    // One was read in two periods, the other in one, and later.
    let calls = [
        table(NOW, NOW - HOUR, NOW - HOUR),
        table(NOW + 60, NOW + 30, NOW - HOUR),
        table(NOW + 120, NOW + 90, NOW - HOUR),
        table(NOW + 180, NOW + 90, NOW + 150),
    ];
    let answer = in_turn(&policy, &calls)?;
    assert_eq!(answer.hot(), ["one", "other"]);
    let ratio = answer.heat("one").unwrap() / answer.heat("other").unwrap();
    assert!((1.5..2.0).contains(&ratio), "{ratio}");
    Ok(())
}

#[rstest]
fn where_nothing_tells_of_reads_it_is_the_order_of_resident_set(
    #[values(native, component)] make: Make,
) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = Table::new()
        .l0("l0", 90..99).resident().visible().read_at(0)
        .delta("middle", 0..9, 40..80).resident().visible().read_at(0).size(900 * MIB)
        .image("base", 0..9, 40).resident().visible().read_at(0)
        .image("was hot", 9..99, 41).visible().inherited().read_at(0)
        .l0("known", 10..20).visible().inherited_cold().read_at(0)
        .image("also known", 9..99, 9).visible().inherited_cold().read_at(0);
    let answer = make(NO_CONFIG).select(&table)?;
    assert_eq!(answer.hot(), ["middle", "was hot", "base", "l0"]);
    assert_eq!(answer.cold(), ["known", "also known"]);
    assert_eq!((answer.heat("middle"), answer.valid_for_s()), (None, Some(86_400)));
    Ok(())
}

/// Reads that were counted are not counted again when another pageserver, or another version of it, begins to count.
#[rstest]
fn counts_that_come_and_go_do_no_harm(#[values(native, component)] make: Make) -> Result<(), Failed> {
    let policy = make(NO_CONFIG);
    let calls = [two(NOW, 1000, 10), two(NOW + 60, 0, 0), two(NOW + 120, 5, 20)];
    let answer = in_turn(&policy, &calls)?;
    assert_eq!(answer.hot(), ["one", "other"]);
    let difference = answer.heat("one").unwrap() / answer.heat("other").unwrap();
    assert!((20.0..40.0).contains(&difference), "{difference}");
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
            0 => table.image(&name, 10 * number..10 * number + 10, lsn),
            1 => table.delta(&name, 10 * number..10 * number + 10, lsn..lsn + 7),
            _ => table.l0(&name, lsn..lsn + 3),
        };
        table = standing(table.size(MIB)).read_at(0);
    }
    let (answer, theirs) =
        (make(NO_CONFIG).select(&table)?, Subject::component(RESIDENT_SET, NO_CONFIG)?.select(&table)?);
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
    #[rustfmt::skip]
    let table = Table::new()
        .image("base", 0..100, 16).resident_since(u32::try_from(NOW - 60).unwrap()).visible().reads(1199)
        .delta("covered", 0..50, 8..16).resident()
        .delta("evicted", 0..100, 40..48).visible()
        .l0("l0", 50..60).resident().visible().reads(59)
        .image("was hot", 0..100, 30).visible().inherited()
        .image("was cold", 0..100, 32).visible().inherited_cold();
    let policy = make(NO_CONFIG);
    let answer = policy.select_with_reasons(&table)?;
    let reasons =
        ["base", "covered", "evicted", "l0", "was hot", "was cold"].map(|layer| answer.reason(layer).unwrap());
    assert_eq!(
        reasons,
        [
            "hot: new, and expected to be read 13.8 times a minute",
            "not listed: covered, no read needs it",
            "not listed: not resident",
            "hot: new, and expected to be read 41.6 times an hour; an L0 delta, to be compacted in about 95 minutes",
            "hot: inherited as hot, not downloaded yet, and listed for 24 hours more at most",
            "cold: inherited as cold, not downloaded yet, and listed for 24 hours more at most",
        ]
    );
    assert_eq!(policy.select(&table)?.reason("base"), None);
    let cold = make(r#"{"cold_below": 1e9}"#).select_with_reasons(&table)?;
    let under = "cold: new, and expected to be read 13.8 times a minute; under 1000000000 reads an hour and MiB";
    assert_eq!(cold.reason("base"), Some(under));
    Ok(())
}

#[rstest]
#[case::with_its_defaults(NO_CONFIG)]
#[case::with_all_set(r#"{"half_life_s": 60, "cold_below": 100, "inherited_for_s": 0, "compaction_threshold": 1}"#)]
fn it_does_what_every_policy_must(#[case] config: &str) {
    let conformance = component(config).conformance(Depth::Full).unwrap();
    assert!(conformance.passed(), "{conformance:?}");
}

#[test]
fn a_wrong_setting_is_refused_by_name() {
    let refused = Subject::file(COMPONENT, r#"{"half_life_s": 1}"#).unwrap_err().to_string();
    assert!(refused.contains("decay") && refused.contains("half_life_s") && refused.contains("60"), "{refused}");
}
