//! Many shards: in the policy's order, so many at once, each with its turn.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::StreamExt;
use rstest::rstest;
use thermocline::policy::DueUpload;
use thermocline::upload::{DEFAULT_CONCURRENCY, Outcome, Skip, UploadError};
use thermocline_tests::by_hand::ByHand;
use thermocline_tests::doubles::{Call, Gated};

use super::*;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// Shards 1, 2, 3 and so on, with heatmaps that are so old.
fn due(ages_ms: &[u64]) -> Vec<(Shard, DueUpload)> {
    let due = |(number, age_ms): (u8, &u64)| {
        (shard(number), DueUpload { age_ms: Some(*age_ms), period_ms: 60_000, ..DueUpload::default() })
    };
    (1..).zip(ages_ms).map(due).collect()
}

fn pageserver(due: &[(Shard, DueUpload)]) -> FakePageserver {
    let pageserver = FakePageserver::new();
    due.iter().for_each(|(shard, _)| pageserver.attach(shard.clone(), layers()));
    pageserver
}

fn clock() -> Arc<FakeClock> {
    Arc::new(FakeClock::new(NOW))
}

async fn order(judge: &Arc<Judge>, due: Vec<(Shard, DueUpload)>) -> Vec<TenantShardId> {
    let uploader = uploader(&pageserver(&due), judge, &clock(), Arc::new(Memory::new()));
    let attempts: Vec<_> = uploader.sweep(due, ONE).await.collect().await;
    assert!(attempts.iter().all(|attempt| matches!(attempt.outcome, Outcome::Uploaded)), "{attempts:?}");
    attempts.into_iter().map(|attempt| attempt.shard).collect()
}

#[rstest]
#[case::as_ranked(ByHand::new().ranks(&[2, 0, 3, 1]), &[3, 1, 4, 2])]
#[case::left_out_last_and_the_oldest_of_them_first(ByHand::new().ranks(&[1]), &[2, 4, 3, 1])]
#[case::a_bad_ranking(ByHand::new().ranks(&[7]), &[4, 3, 2, 1])]
#[case::a_row_twice(ByHand::new().ranks(&[1, 1]), &[4, 3, 2, 1])]
#[case::a_trap(ByHand::new().rank_uploads("unreachable"), &[4, 3, 2, 1])]
#[tokio::test]
async fn uploads_run_in_the_order_of_the_policy(#[case] policy: ByHand, #[case] expected: &[u8]) {
    let judge = judge(&policy.build().unwrap());
    let expected: Vec<_> = expected.iter().map(|number| id(*number)).collect();
    assert_eq!(order(&judge, due(&[1_000, 2_000, 3_000, 4_000])).await, expected);
}

#[tokio::test]
async fn the_built_in_policy_takes_the_stalest_first() {
    let expected = [2, 3, 1].map(id);
    assert_eq!(order(&BUILT_IN, due(&[1_000, 9_000, 5_000])).await, expected);
}

#[rstest]
#[case::one(1, 1)]
#[case::some(3, 3)]
#[case::as_many_as_there_are(12, 12)]
#[case::more_than_there_are(50, 12)]
#[case::unless_said_otherwise(DEFAULT_CONCURRENCY.get(), 8)]
#[tokio::test]
async fn so_many_uploads_run_at_once(#[case] concurrency: usize, #[case] at_once: usize) {
    let due = due(&[1_000; 12]);
    let pageserver = pageserver(&due);
    let gate = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Put]));
    let uploader = uploader(&pageserver, &BUILT_IN, &clock(), Arc::clone(&gate) as _);
    let concurrency = NonZeroUsize::new(concurrency).unwrap();
    let sweep = tokio::spawn(async move { uploader.sweep(due, concurrency).await.collect::<Vec<_>>().await });
    tokio::time::timeout(Duration::from_secs(60), gate.until_waiting(at_once)).await.unwrap();
    gate.open();
    assert_eq!(sweep.await.unwrap().len(), 12);
    assert_eq!(pageserver.most_held(), at_once);
    assert_eq!(pageserver.held(), 0);
}

#[tokio::test]
async fn every_shard_has_its_turn_whatever_becomes_of_others() {
    let mut due = due(&[1_000; 6]);
    due[4].0.attach_mode = AttachMode::Stale;
    let pageserver = pageserver(&due);
    pageserver.detach(id(1));
    pageserver.is_loading(id(2), "a timeline loads");
    pageserver.set_layers(id(3), layers().l0("a", 1..2).l0("a", 1..2));
    let store = Arc::new(Memory::new());
    put(&*store, id(4), document(OURS + 1)).await;

    let uploader = uploader(&pageserver, &BUILT_IN, &clock(), Arc::clone(&store) as _);
    let attempts: Vec<_> = uploader.sweep(due, NonZeroUsize::new(2).unwrap()).await.collect().await;
    let outcomes: BTreeMap<_, _> = attempts.into_iter().map(|attempt| (attempt.shard, attempt.outcome)).collect();
    assert_eq!(outcomes.len(), 6);
    assert!(matches!(outcomes[&id(1)], Outcome::Skipped(Skip::Gone)));
    assert!(matches!(outcomes[&id(2)], Outcome::Skipped(Skip::NotReady(_))));
    assert!(matches!(outcomes[&id(3)], Outcome::Failed(UploadError::Generate(_))));
    assert!(matches!(outcomes[&id(4)], Outcome::Failed(UploadError::Stale { .. })));
    assert!(matches!(outcomes[&id(5)], Outcome::Skipped(Skip::Stale)));
    assert!(matches!(outcomes[&id(6)], Outcome::Uploaded));
    assert!(object(&*store, id(6)).await.is_some());
}

#[tokio::test]
async fn a_sweep_over_nothing_ends() {
    let uploader = uploader(&FakePageserver::new(), &BUILT_IN, &clock(), Arc::new(Memory::new()));
    assert_eq!(uploader.sweep(Vec::new(), DEFAULT_CONCURRENCY).await.count().await, 0);
}

#[tokio::test]
async fn a_sweep_that_is_dropped_lets_its_tenants_go() {
    let due = due(&[1_000; 4]);
    let pageserver = pageserver(&due);
    let gate = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Get]));
    let uploader = uploader(&pageserver, &BUILT_IN, &clock(), Arc::clone(&gate) as _);
    let sweep = tokio::spawn(async move { uploader.sweep(due, DEFAULT_CONCURRENCY).await.count().await });
    tokio::time::timeout(Duration::from_secs(60), gate.until_waiting(4)).await.unwrap();
    sweep.abort();
    assert!(sweep.await.unwrap_err().is_cancelled());
    assert_eq!((pageserver.held(), gate.waiting()), (0, 0));
}
