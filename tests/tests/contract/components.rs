//! Components that were built for one version or another.

use std::collections::BTreeSet;
use std::sync::Arc;

use rstest::rstest;
use thermocline::policy::conformance::{self, Depth, sample_table};
use thermocline::policy::{Contract, DueUpload, Policy, PolicyErrorKind, Ranking, Selection, UploadQueue};
use thermocline_policy::{Layers as _, Policy as NativePolicy};
use thermocline_tests::by_hand::ByHand;

use crate::long_lived::LongLived;
use crate::read_rate::ReadRate;
use crate::{NOW, fixture, load, tenant};

fn assert_answers_as_native(policy: &Policy, native: &impl NativePolicy) {
    for rows in [0, 1, 1_000, 20_000] {
        let table = sample_table(rows).unwrap();
        let mut memory = Vec::new();
        for round in 0..3 {
            let tenant = tenant(NOW + 3_600 * round);
            let expected = native.select(&tenant, &*table, &memory).unwrap();
            let expected = Selection::check(expected, table.rows()).unwrap();
            let answer = policy.select(&tenant, &table, &memory).unwrap().answer;
            assert_eq!(answer, expected, "{rows} rows, round {round}");
            memory = answer.memory().to_vec();
        }
    }
    let due = (0..100_u64).map(|row| DueUpload {
        overdue_ms: row * 7 % 13,
        age_ms: (!row.is_multiple_of(5)).then_some(row * 1_009 % 100_003),
        period_ms: row % 3 * 60_000,
        hot_bytes: row << 20,
        changes: row % 7,
        failures: u32::from(row.is_multiple_of(19)),
    });
    let queue = Arc::new(UploadQueue::from_iter(due));
    let expected = Ranking::check(native.rank_uploads(NOW, &*queue).unwrap(), &queue).unwrap();
    assert_eq!(policy.rank_uploads(NOW, &queue).unwrap().answer, expected);
}

fn assert_conforms(policy: &Policy) {
    let conformance = conformance::check(policy, Depth::Full);
    assert!(conformance.passed(), "{conformance:?}");
}

#[test]
fn a_component_built_for_0_1_0_runs() {
    let policy = fixture(Contract::V0_1);
    assert_eq!(policy.contract(), Contract::V0_1);
    let interfaces = ["tables", "log", "types"].map(|name| format!("thermocline:policy/{name}@0.1.0"));
    assert_eq!(BTreeSet::from_iter(&policy.shape().imports), BTreeSet::from_iter(&interfaces));
    assert_answers_as_native(&policy, &LongLived);
    assert_conforms(&policy);
}

#[test]
fn a_component_built_for_0_1_0_logs_and_remembers_and_knows_no_reasons() {
    let policy = fixture(Contract::V0_1);
    let table = sample_table(1_000).unwrap();
    let first = policy.select(&tenant(NOW), &table, &[]).unwrap();
    let listed = first.answer.rows().len();
    let second = policy.select_with_reasons(&tenant(NOW), &table, first.answer.memory()).unwrap();
    let lines: Vec<_> = [&first, &second].map(|called| called.report.log[0].message.clone()).into();
    let rows = table.rows();
    assert_eq!(
        lines,
        [format!("{listed} of {rows} layers, 0 as before"), format!("{listed} of {rows} layers, {listed} as before")]
    );
    assert!(second.report.reasons.is_empty());
}

#[test]
fn a_component_built_for_0_2_0_runs() {
    let policy = fixture(Contract::V0_2);
    assert_eq!(policy.contract(), Contract::V0_2);
    assert_answers_as_native(&policy, &ReadRate);
    assert_conforms(&policy);
}

#[rstest]
#[case::oldest(Contract::V0_1)]
#[case::newest(Contract::V0_2)]
fn a_policy_says_which_version_it_was_built_for(#[case] contract: Contract) {
    let policy = load(&ByHand::new().contract(contract.version()).build().unwrap()).unwrap();
    assert_eq!(policy.contract(), contract);
    let table = sample_table(10).unwrap();
    assert_eq!(policy.select(&tenant(NOW), &table, &[]).unwrap().answer, Selection::default());
}

#[rstest]
#[case::a_patch("0.2.1")]
#[case::the_next("0.3.0")]
#[case::a_major_one("1.0.0")]
fn a_version_that_the_host_does_not_know_is_refused(#[case] version: &str) {
    let error = load(&ByHand::new().contract(version).build().unwrap()).unwrap_err();
    assert_eq!(*error.kind(), PolicyErrorKind::Contract(version.into()));
    let told = error.to_string();
    assert!(
        told.contains(&format!("`thermocline:policy@{version}`")) && told.contains("this host knows 0.1.0 or 0.2.0"),
        "{told}"
    );
}

#[test]
fn a_version_has_no_more_than_it_says() {
    let later = r#"(component (import "thermocline:policy/tables@0.1.0" (instance
        (export "layer-table" (type $table (sub resource)))
        (export "[method]layer-table.resident-times"
            (func (param "self" (borrow $table)) (result (list s64)))))))"#;
    let error = load(&wat::parse_str(later).unwrap()).unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::World(_)), "{error}");
    let told = error.to_string();
    assert!(told.contains("resident-times") && told.contains("(0.1.0 or 0.2.0)"), "{told}");
}
