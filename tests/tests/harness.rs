//! The harness shows a component and the same policy compiled natively alike.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use rstest::rstest;
use thermocline::policy::PolicyErrorKind;
use thermocline_policy::{Description, Layers, Policy, Selection, Tenant};
use thermocline_resident_set::ResidentSet;
use thermocline_tests::by_hand::ByHand;
use thermocline_tests::{Queue, Subject, Table};

/// Answers with the second row hot and the first cold, and remembers how often it was asked.
struct Native;

impl Policy for Native {
    fn describe() -> Description {
        Description {
            name: "native".into(),
            version: "1.0.0".into(),
            summary: String::new(),
            config_schema: "{}".into(),
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        if config == "{}" { Ok(Native) } else { Err(format!("no such thing: {config}")) }
    }

    fn select(&self, _: &Tenant, _: &dyn Layers, memory: &[u8]) -> Result<Selection, String> {
        let memory = [memory, b"!"].concat();
        Ok(Selection { heats: Some(vec![2.5, 0.5]), valid_for: Some(9), memory, ..answer() })
    }
}

fn answer() -> Selection {
    Selection::hot_and_cold(vec![1], &[0])
}

fn by_hand() -> Subject {
    let selection = Selection { heats: Some(vec![2.5, 0.5]), valid_for: Some(9), memory: b"!".into(), ..answer() };
    Subject::component(&ByHand::new().selects(&selection).build().unwrap(), "{}").unwrap()
}

#[rstest]
#[case::native(Subject::native::<Native>("{}").unwrap())]
#[case::component(by_hand())]
fn an_answer_speaks_in_names(#[case] policy: Subject) {
    let table = Table::new().image("base", 0..9, 16).delta("recent", 1..9, 17..20);
    let answer = policy.select(&table).unwrap();
    assert_eq!(answer.listed(), ["recent", "base"]);
    assert_eq!((answer.hot(), answer.cold()), (vec!["recent"], vec!["base"]));
    assert_eq!((answer.heat("recent"), answer.heat("base"), answer.heat("other")), (Some(2.5), Some(0.5), None));
    assert_eq!((answer.valid_for_s(), answer.memory()), (Some(9), &b"!"[..]));
}

#[test]
fn memory_goes_back_to_the_policy() {
    let policy = Subject::native::<Native>("{}").unwrap();
    let table = Table::new().image("base", 0..9, 16).delta("recent", 1..9, 17..20);
    let first = policy.select(&table).unwrap();
    assert_eq!(policy.select_again(&table, first.memory()).unwrap().memory(), b"!!");
}

#[rstest]
#[case::native(Subject::native::<Native>("{}").unwrap())]
#[case::component(by_hand())]
fn an_answer_that_does_not_fit_fails(#[case] policy: Subject) {
    let error = policy.select(&Table::new().image("base", 0..9, 16)).unwrap_err().to_string();
    assert!(error.contains("it lists 2 rows of a table of 1"), "{error}");
}

#[test]
fn a_component_says_what_it_took() {
    let answer = by_hand().select(&Table::new().l0("a", 1..2).l0("b", 2..3)).unwrap();
    assert!(answer.fuel().unwrap() > 0);
    assert!(answer.memory_bytes() >= 1 << 20);
    let native = Subject::native::<Native>("{}").unwrap().select(&Table::new().l0("a", 1..2).l0("b", 2..3)).unwrap();
    assert_eq!((native.fuel(), native.memory_bytes()), (None, 0));
}

#[test]
fn a_mistake_of_the_test_is_called_one() {
    let error = by_hand().select(&Table::new().resident()).unwrap_err();
    assert_eq!(error.to_string(), "the test is wrong: something is said of a layer before there is one");
    let queue = Queue::new().changes(3);
    let error = by_hand().rank_uploads(0, &queue).unwrap_err();
    assert_eq!(error.to_string(), "the test is wrong: something is said of a shard before there is one");
    let error = Subject::file("/nowhere/policy.wasm", "{}").unwrap_err();
    assert!(error.to_string().starts_with("the test is wrong: /nowhere/policy.wasm: "), "{error}");
}

#[test]
fn a_failure_of_a_component_keeps_its_kind() {
    let policy = ByHand::new().refuses_to_select(b"no layers today").build().unwrap();
    let error = Subject::component(&policy, "{}").unwrap().select(&Table::new()).unwrap_err();
    assert!(matches!(error.component().unwrap().kind(), PolicyErrorKind::Refused { .. }));
    assert_eq!(Subject::native::<Native>("[]").unwrap_err().to_string(), "the native policy failed: no such thing: []");
}

#[test]
fn a_queue_is_ranked_by_name() {
    let queue = Queue::new()
        .shard("fresh")
        .age_ms(Some(1_000))
        .shard("never uploaded")
        .age_ms(None)
        .shard("stale")
        .age_ms(Some(90_000));
    let order = Subject::native::<ResidentSet>("{}").unwrap().rank_uploads(0, &queue).unwrap();
    assert_eq!(order, ["never uploaded", "stale", "fresh"]);
    let by_hand = Subject::component(&ByHand::new().ranks(&[2]).build().unwrap(), "{}").unwrap();
    assert_eq!(by_hand.rank_uploads(0, &queue).unwrap(), ["stale", "never uploaded", "fresh"]);
}
