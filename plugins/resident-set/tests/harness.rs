//! The policy on the harness: tables and answers by name. Each test runs twice, natively, where a debugger
//! reaches the policy, and as the component that the host embeds, under the limits of production.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use rstest::rstest;
use thermocline::policy::conformance::Depth;
use thermocline::policy::{NO_CONFIG, RESIDENT_SET};
use thermocline_resident_set::ResidentSet;
use thermocline_tests::{Failed, Queue, Subject, Table};

const NOTHING: [&str; 0] = [];

fn native() -> Subject {
    Subject::native::<ResidentSet>(NO_CONFIG).unwrap()
}

fn component() -> Subject {
    Subject::component(RESIDENT_SET, NO_CONFIG).unwrap()
}

#[rstest]
#[case::native(native())]
#[case::component(component())]
fn an_empty_tenant_has_an_empty_heatmap(#[case] policy: Subject) -> Result<(), Failed> {
    assert_eq!(policy.select(&Table::new())?.listed(), NOTHING);
    Ok(())
}

#[rstest]
#[case::native(native())]
#[case::component(component())]
fn what_is_resident_and_visible_is_hot(#[case] policy: Subject) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = Table::new()
        .image("base", 0..100, 16).resident().visible()
        .delta("recent", 0..100, 17..32).resident().visible()
        .delta("covered", 0..50, 8..16).resident()
        .delta("evicted", 0..100, 40..48).visible();
    let answer = policy.select(&table)?;
    assert_eq!(answer.hot(), ["recent", "base"]);
    assert_eq!(answer.cold(), NOTHING);
    assert_eq!((answer.heat("recent"), answer.valid_for_s(), answer.memory()), (None, None, &[][..]));
    Ok(())
}

/// A location that was just attached has nothing on its disk: without this its first heatmap would have
/// every standby drop what it holds.
#[rstest]
#[case::native(native())]
#[case::component(component())]
fn what_was_taken_over_stays_listed(#[case] policy: Subject) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = Table::new()
        .image("was hot", 0..100, 16).visible().inherited()
        .image("was cold", 0..100, 32).visible().inherited_cold()
        .image("was hot, is covered", 0..100, 8).inherited()
        .image("was cold, is here now", 0..100, 24).visible().resident().inherited_cold();
    let answer = policy.select(&table)?;
    assert_eq!(answer.hot(), ["was cold, is here now", "was hot"]);
    assert_eq!(answer.cold(), ["was cold"]);
    Ok(())
}

/// Compaction soon replaces L0 deltas: a standby that fetches them first fetches them in vain.
#[rstest]
#[case::native(native())]
#[case::component(component())]
fn l0_deltas_are_last_among_the_hot(#[case] policy: Subject) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = Table::new()
        .l0("newest", 90..99).resident().visible()
        .l0("older", 80..90).resident().visible()
        .delta("middle", 0..9, 40..80).resident().visible()
        .image("base", 0..9, 40).resident().visible()
        .l0("known", 10..20).visible().inherited_cold();
    let answer = policy.select(&table)?;
    assert_eq!(answer.hot(), ["middle", "base", "newest", "older"]);
    assert_eq!(answer.cold(), ["known"]);
    Ok(())
}

#[rstest]
#[case::native(native())]
#[case::component(component())]
fn equals_are_listed_in_the_order_of_the_table(#[case] policy: Subject) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = Table::new()
        .timeline("first")
        .image("right", 50..99, 16).resident().visible()
        .image("left", 0..50, 16).resident().visible()
        .timeline("second")
        .image("other", 0..99, 16).resident().visible();
    assert_eq!(policy.select(&table)?.hot(), ["left", "right", "other"]);
    Ok(())
}

#[rstest]
#[case::native(native())]
#[case::component(component())]
fn the_stalest_heatmap_is_uploaded_first(#[case] policy: Subject) -> Result<(), Failed> {
    #[rustfmt::skip]
    let queue = Queue::new()
        .shard("a period old")
        .shard("three periods old").age_ms(Some(180_000))
        .shard("new").age_ms(None)
        .shard("an hour old, of a day").age_ms(Some(3_600_000)).period_ms(86_400_000);
    let order = policy.rank_uploads(0, &queue)?;
    assert_eq!(order, ["new", "three periods old", "a period old", "an hour old, of a day"]);
    Ok(())
}

#[rstest]
#[case::native(native())]
#[case::component(component())]
fn it_says_why_where_somebody_asks(#[case] policy: Subject) -> Result<(), Failed> {
    #[rustfmt::skip]
    let table = Table::new()
        .image("base", 0..100, 16).resident().visible()
        .delta("covered", 0..50, 8..16).resident()
        .delta("evicted", 0..100, 40..48).visible()
        .image("was cold", 0..100, 32).visible().inherited_cold();
    let answer = policy.select_with_reasons(&table)?;
    let reasons = ["base", "covered", "evicted", "was cold"].map(|layer| answer.reason(layer).unwrap());
    assert_eq!(
        reasons,
        [
            "hot: resident and visible",
            "not listed: covered, no read needs it",
            "not listed: not resident",
            "cold: inherited as cold, and not downloaded yet"
        ]
    );
    assert_eq!((answer.hot(), answer.cold()), (vec!["base"], vec!["was cold"]));
    assert_eq!(policy.select(&table)?.reason("base"), None);
    Ok(())
}

#[test]
fn it_does_what_every_policy_must() {
    let conformance = component().conformance(Depth::Full).unwrap();
    assert!(conformance.passed(), "{conformance:?}");
}
