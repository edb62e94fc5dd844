//! Failure of a policy never costs a heatmap: the built-in policy answers instead.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rstest::rstest;
use thermocline::layer::LayerTable;
use thermocline::policy::conformance::sample_table;
use thermocline::policy::{DueUpload, Engine, Judge, Limits, NO_CONFIG, Policy, Selection, UploadQueue};
use thermocline_policy::{Layers, Policy as _, Selection as Answer, Tenant};
use thermocline_resident_set::ResidentSet;
use thermocline_tests::by_hand::ByHand;

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Limits { time: Duration::from_millis(100), ..Limits::default() }).unwrap());

fn judge(component: ByHand) -> Judge {
    Judge::new(Arc::new(Policy::load(&ENGINE, &component.build().unwrap(), NO_CONFIG).unwrap()))
}

fn tenant() -> Tenant {
    Tenant { shard: "1f359dd625e519a1a4e8d7509690f6fc".into(), generation: 1, now: 0, checkpoint_distance: 1 << 28 }
}

fn built_in(table: &Arc<LayerTable>) -> Selection {
    let answer = ResidentSet::configure("{}").unwrap().select(&tenant(), &**table, &[]).unwrap();
    Selection::check(answer, table.rows()).unwrap()
}

#[test]
fn a_policy_that_answers_is_listened_to() {
    let answer = Answer { memory: b"mine".into(), ..Answer::hot(vec![3]) };
    let verdict = judge(ByHand::new().selects(&answer)).select(&tenant(), &sample_table(10).unwrap(), &[]).unwrap();
    assert!(!verdict.is_fallback());
    assert_eq!((verdict.answer.rows(), verdict.memory()), (&[3][..], Some(&b"mine"[..])));
}

#[rstest]
#[case::trap(ByHand::new().before_select("unreachable"))]
#[case::deadline(ByHand::new().before_select("(loop $again (br $again))"))]
#[case::memory(ByHand::new().before_select("(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then unreachable))"))]
#[case::bad_answer(ByHand::new().selects(&Answer::hot(vec![99, 99])))]
#[case::refusal(ByHand::new().refuses_to_select(b"not today"))]
fn a_policy_that_fails_is_answered_for(#[case] component: ByHand) {
    let table = sample_table(100).unwrap();
    let judge = judge(component);
    let verdict = judge.select(&tenant(), &table, b"memory").unwrap();
    assert_eq!(verdict.answer, built_in(&table));
    assert!(!verdict.answer.rows().is_empty());
    let failure = verdict.failure.as_ref().unwrap();
    assert_eq!(failure.identity(), judge.policy().identity());
    assert_eq!(verdict.memory(), None, "what the policy remembers is not lost");
}

#[test]
fn a_ranking_that_fails_is_answered_for() {
    let queue =
        Arc::new(UploadQueue::from_iter([Some(5), Some(9)].map(|age_ms| DueUpload { age_ms, ..DueUpload::default() })));
    let verdict = judge(ByHand::new().ranks(&[7])).rank_uploads(0, &queue).unwrap();
    assert!(verdict.is_fallback());
    assert_eq!(verdict.answer.order(), [1, 0]);
}
