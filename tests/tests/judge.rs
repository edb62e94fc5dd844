//! Who answers: the operator's policy, and the built-in one where that fails. What fails how is the hostile suite's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use thermocline::policy::conformance::sample_table;
use thermocline::policy::{DueUpload, Engine, Judge, Limits, NO_CONFIG, Policy, UploadQueue};
use thermocline_policy::{Selection as Answer, Tenant};
use thermocline_tests::by_hand::ByHand;

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Limits { time: Duration::from_millis(100), ..Limits::default() }).unwrap());

fn judge(component: ByHand) -> Judge {
    Judge::new(Arc::new(Policy::load(&ENGINE, &component.build().unwrap(), NO_CONFIG).unwrap()))
}

fn tenant() -> Tenant {
    Tenant { shard: "1f359dd625e519a1a4e8d7509690f6fc".into(), generation: 1, now: 0, checkpoint_distance: 1 << 28 }
}

#[test]
fn a_policy_that_answers_is_listened_to() {
    let answer = Answer { memory: b"mine".into(), ..Answer::hot(vec![3]) };
    let verdict = judge(ByHand::new().selects(&answer)).select(&tenant(), &sample_table(10).unwrap(), &[]).unwrap();
    assert!(!verdict.is_fallback());
    assert_eq!((verdict.answer.rows(), verdict.memory()), (&[3][..], Some(&b"mine"[..])));
}

#[test]
fn a_ranking_that_fails_is_answered_for() {
    let queue =
        Arc::new(UploadQueue::from_iter([Some(5), Some(9)].map(|age_ms| DueUpload { age_ms, ..DueUpload::default() })));
    let verdict = judge(ByHand::new().ranks(&[7])).rank_uploads(0, &queue).unwrap();
    assert!(verdict.is_fallback());
    assert_eq!(verdict.answer.order(), [1, 0]);
}
