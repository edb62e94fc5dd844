//! Why rows are where they are: asked for, given, and bounded.

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use thermocline::policy::conformance::sample_table;
use thermocline::policy::{Contract, Engine, Limits, NO_CONFIG, Policy, PolicyErrorKind, RESIDENT_SET};
use thermocline_policy::{Policy as NativePolicy, with_reasons};
use thermocline_resident_set::ResidentSet;
use thermocline_tests::by_hand::ByHand;

use crate::read_rate::ReadRate;
use crate::{NOW, fixture, load, tenant};

/// Each natively, and as a component: the same words for the same rows.
#[rstest]
#[case::read_rate(fixture(Contract::V0_2), reasons_of(&ReadRate))]
#[case::resident_set(load(RESIDENT_SET).unwrap(), reasons_of(&ResidentSet))]
fn reasons_are_those_of_the_native_policy(#[case] policy: Policy, #[case] native: Vec<(u32, String)>) {
    let table = sample_table(500).unwrap();
    let asked = policy.select_with_reasons(&tenant(NOW), &table, &[]).unwrap();
    let reasons: Vec<_> = asked.report.reasons.iter().map(|(row, reason)| (row, reason.to_owned())).collect();
    assert_eq!(reasons.len(), 500);
    assert_eq!(reasons, native);
    assert_eq!((asked.report.reasons.dropped(), asked.report.reasons.out_of_range()), (0, 0));
    let unasked = policy.select(&tenant(NOW), &table, &[]).unwrap();
    assert_eq!(unasked.answer, asked.answer);
    assert!(unasked.report.reasons.is_empty());
}

fn reasons_of(native: &impl NativePolicy) -> Vec<(u32, String)> {
    let table = sample_table(500).unwrap();
    let (_, reasons) = with_reasons(|| native.select(&tenant(NOW), &*table, &[]).unwrap());
    reasons.into_iter().collect()
}

/// Says of the row why, in the bytes at 512.
fn gives(row: u32, bytes: &str, len: usize) -> ByHand {
    ByHand::new()
        .field(&format!("(data (i32.const 512) \"{bytes}\")"))
        .before_select(&format!("(call $give (i32.const {row}) (i32.const 512) (i32.const {len}))"))
}

#[test]
fn reasons_are_asked_for_in_a_call_that_wants_them_and_no_other() {
    let trap = "(if (call $wanted) (then (unreachable)))";
    let policy = load(&ByHand::new().before_select(trap).before_ranking(trap).build().unwrap()).unwrap();
    let table = sample_table(3).unwrap();
    policy.select(&tenant(NOW), &table, &[]).unwrap();
    policy.rank_uploads(NOW, &Arc::default()).unwrap();
    let asked = policy.select_with_reasons(&tenant(NOW), &table, &[]).unwrap_err();
    assert!(matches!(asked.kind(), PolicyErrorKind::Trap { .. }), "{asked}");
}

#[test]
fn where_nobody_asks_reasons_are_dropped_unread() {
    let policy = load(&gives(0, "\\ff\\fe", 2).build().unwrap()).unwrap();
    let table = sample_table(3).unwrap();
    let unasked = policy.select(&tenant(NOW), &table, &[]).unwrap();
    assert!(unasked.report.reasons.is_empty());
    let asked = policy.select_with_reasons(&tenant(NOW), &table, &[]).unwrap_err();
    assert!(matches!(asked.kind(), PolicyErrorKind::Unreadable { .. }), "{asked}");
}

#[rstest]
#[case::the_last_row(2, Some("because"), 0)]
#[case::behind_it(3, None, 1)]
fn a_reason_is_of_a_row_of_the_table(#[case] row: u32, #[case] reason: Option<&str>, #[case] out_of_range: u64) {
    let policy = load(&gives(row, "because", 7).build().unwrap()).unwrap();
    let report = policy.select_with_reasons(&tenant(NOW), &sample_table(3).unwrap(), &[]).unwrap().report;
    assert_eq!((report.reasons.of(row), report.reasons.out_of_range()), (reason, out_of_range));
}

#[rstest]
#[case::obeyed(7, "because")]
#[case::violated(6, "becaus...")]
fn the_limit_on_a_reason_of_a_component(#[case] reason_bytes: usize, #[case] kept: &str) {
    let engine = Engine::new(Limits { reason_bytes, ..Limits::default() }).unwrap();
    let policy = Policy::load(&engine, &gives(0, "because", 7).build().unwrap(), NO_CONFIG).unwrap();
    let report = policy.select_with_reasons(&tenant(NOW), &sample_table(3).unwrap(), &[]).unwrap().report;
    assert_eq!(report.reasons.of(0), Some(kept));
}

#[test]
fn a_policy_that_gives_reasons_for_ever_is_ended_in_time() {
    let limits = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let engine = Engine::new(limits).unwrap();
    let forever = "(loop $again (call $give (i32.const 0) (i32.const 512) (i32.const 100)) (br $again))";
    let policy = Policy::load(&engine, &ByHand::new().before_select(forever).build().unwrap(), NO_CONFIG).unwrap();
    let error = policy.select_with_reasons(&tenant(NOW), &sample_table(3).unwrap(), &[]).unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::Deadline { .. }), "{error}");
}
