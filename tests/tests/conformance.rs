//! The checks of `policy check` pass what is good, and each fails a policy that is bad in its way.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::sync::LazyLock;
use std::time::Duration;

use rstest::rstest;
use thermocline::policy::conformance::{Conformance, Depth, check};
use thermocline::policy::{Engine, Limits, NO_CONFIG, Policy};
use thermocline_policy::Selection;
use thermocline_tests::by_hand::ByHand;

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Limits { time: Duration::from_millis(500), ..Limits::default() }).unwrap());

fn good() -> ByHand {
    ByHand::conforming()
}

fn checked(component: ByHand, depth: Depth) -> Conformance {
    check(&Policy::load(&ENGINE, &component.build().unwrap(), NO_CONFIG).unwrap(), depth)
}

fn failed(conformance: &Conformance) -> Vec<&'static str> {
    conformance.checks.iter().filter(|check| check.failure.is_some()).map(|check| check.name).collect()
}

#[test]
fn a_good_policy_passes() {
    let conformance = checked(good(), Depth::Full);
    assert!(conformance.passed(), "{:#?}", conformance.checks);
    assert_eq!(conformance.checks.len(), 14);
    assert_eq!(checked(good(), Depth::Quick).checks.len(), 13);
}

#[test]
fn components_that_answer_alike_have_the_same_digest() {
    let answers = |component| checked(component, Depth::Quick).answers;
    assert_eq!(answers(good()), answers(good().summary("Others, with the same answers.")));
    assert_ne!(answers(good()), answers(good().selects(&Selection { memory: vec![1], ..Selection::default() })));
}

/// `$rows` of the table at hand.
const ROWS: &str = "(call $rows (local.get $layers))";

#[rstest]
#[case::accepts_anything(ByHand::new(), "bad-configuration")]
#[case::needs_a_layer(good().before_select(&format!("(if (i32.eqz {ROWS}) (then unreachable))")), "empty-table")]
#[case::cannot_do_with_one(good().before_select(&format!("(if (i32.eq {ROWS} (i32.const 1)) (then unreachable))")), "one-row")]
#[case::cannot_do_with_many(good().before_select(&format!("(if (i32.ge_u {ROWS} (i32.const 1000)) (then unreachable))")), "many-rows")]
#[case::trips_over_extremes(good().before_select(&format!("(if (i32.eq {ROWS} (i32.const 6)) (then unreachable))")), "extremes")]
#[case::needs_a_late_clock(good().before_select("(if (i64.lt_s (local.get $now) (i64.const 1)) (then unreachable))"), "clock")]
#[case::fails_where_somebody_asks(good().before_select("(if (call $wanted) (then (unreachable)))"), "reasons")]
#[case::gives_reasons_of_no_row(
    good().before_select(&format!("(call $give {ROWS} (i32.const 0) (i32.const 0))")),
    "reasons"
)]
#[case::answers_otherwise_where_somebody_asks(
    // It scores the layers that it lists, which are none.
    good().before_select("(if (call $wanted) (then (i32.store (i32.const 212) (i32.const 1))))"),
    "reasons"
)]
#[case::trusts_its_memory(
    good().before_select("(if (i32.gt_u (local.get $memory-len) (i32.const 1000)) (then unreachable))"),
    "foreign-memory"
)]
#[case::forgets_its_format(
    good().selects(&Selection { memory: b"x".into(), ..Selection::default() })
        .before_select("(if (i32.eq (local.get $memory-len) (i32.const 1)) (then unreachable))"),
    "own-memory"
)]
#[case::goes_by_identity(
    // Lists row 0 where the lowest bit of its id is set, of tables of two hundred rows.
    good().before_select(&format!(
        "(if (i32.eq {ROWS} (i32.const 200)) (then
           (call $ids (local.get $layers) (i32.const 768))
           (i32.store (i32.const 200) (i32.const 800))
           (i32.store (i32.const 204) (i32.popcnt (i32.and (i32.const 1) (i32.load8_u (i32.load (i32.const 768))))))
           (i32.store (i32.const 208) (i32.load (i32.const 204)))))"
    )),
    "identity"
)]
#[case::does_not_rank(good().rank_uploads("unreachable"), "rank-uploads")]
fn each_fault_is_found(#[case] component: ByHand, #[case] name: &str) {
    let conformance = checked(component, Depth::Quick);
    assert!(failed(&conformance).contains(&name), "{:#?}", conformance.checks);
}

#[test]
fn what_is_too_slow_for_the_big_table_is_found() {
    let code = format!("(if (i32.gt_u {ROWS} (i32.const 50000)) (then (loop $again (br $again))))");
    let component = good().before_select(&code);
    assert_eq!(failed(&checked(component, Depth::Full)), ["big-table"]);
}

#[test]
fn a_check_prints_as_one_line() {
    let conformance = checked(ByHand::new(), Depth::Quick);
    let lines: Vec<_> = conformance.checks.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "pass  describe: it describes itself the same at every call");
    assert_eq!(
        lines[1],
        r#"FAIL  bad-configuration: it refuses what is no configuration, and says why; it accepted """#
    );
}
