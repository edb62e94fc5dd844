//! What is in the bucket decides, also when it changes meanwhile.

use std::sync::Arc;

use rstest::rstest;
use thermocline::heatmap::Heatmap;
use thermocline::remote::RemoteError;
use thermocline::upload::{MAX_ATTEMPTS, Outcome, Skip, Trigger, UploadError};
use thermocline_tests::doubles::{Call, Event, Fault, Flaky, Rival};

use super::*;

#[tokio::test]
async fn a_first_upload_writes_the_object_and_the_local_heatmap() {
    let world = World::new();
    let attempt = world.upload().await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(world.object().await, Some(bytes(&attempt)));
    assert_eq!(world.local(), Some(bytes(&attempt)));
    assert_eq!(world.written().len(), 1);

    let heatmap = Heatmap::decode(&bytes(&attempt)).unwrap();
    assert_eq!((heatmap.generation, heatmap.upload_period_ms), (OURS, Some(60_000)));
    assert_eq!(heatmap.timelines[0].layers.len(), 2);
}

#[rstest]
#[tokio::test]
async fn a_second_upload_writes_nothing(#[values(Trigger::Schedule, Trigger::Command)] trigger: Trigger) {
    let world = World::new();
    world.upload().await;
    world.store.take();
    let attempt = world.uploader().upload(&world.shard, trigger).await;
    assert_outcome!(attempt, Outcome::Unchanged);
    assert_eq!(world.calls(), [Call::Get]);
    assert_eq!(world.object().await, Some(bytes(&attempt)));
}

#[tokio::test]
async fn an_upload_that_finds_all_unchanged_mends_the_local_heatmap() {
    let world = World::new();
    world.upload().await;
    world.pageserver.attach(world.shard.clone(), layers());
    assert_eq!(world.local(), None);
    let attempt = world.upload().await;
    assert_outcome!(attempt, Outcome::Unchanged);
    assert_eq!(world.local(), Some(bytes(&attempt)));
}

#[rstest]
#[case::of_a_small_tenant_by_schedule(1 << 28, Trigger::Schedule, false)]
#[case::of_a_small_tenant_by_command(1 << 28, Trigger::Command, true)]
#[case::of_a_tenant_of_that_size_by_schedule(2 * 8192, Trigger::Schedule, true)]
#[case::of_a_tenant_of_that_size_by_command(2 * 8192, Trigger::Command, true)]
#[tokio::test]
async fn access_times_alone(#[case] checkpoint_distance_bytes: u64, #[case] trigger: Trigger, #[case] uploaded: bool) {
    let world = World::of(Shard { checkpoint_distance_bytes, ..shard(1) });
    let before = world.upload().await;
    world.pageserver.set_layers(world.shard.id, layers_read_at(NOW + 60));

    let attempt = world.uploader().upload(&world.shard, trigger).await;
    assert_ne!(bytes(&attempt), bytes(&before));
    let expected = if uploaded { bytes(&attempt) } else { bytes(&before) };
    match uploaded {
        true => assert_outcome!(attempt, Outcome::Uploaded),
        false => assert_outcome!(attempt, Outcome::Skipped(Skip::OnlyAccessTimes)),
    }
    assert_eq!(world.object().await, Some(expected.clone()));
    assert_eq!(world.local(), Some(expected));
}

#[rstest]
#[tokio::test]
async fn a_small_tenant_whose_layers_changed_is_uploaded(
    #[values(Trigger::Schedule, Trigger::Command)] trigger: Trigger,
) {
    let world = World::new();
    world.upload().await;
    world.pageserver.set_layers(world.shard.id, layers().l0("flushed", 40..48).resident().visible());
    let attempt = world.uploader().upload(&world.shard, trigger).await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(world.object().await, Some(bytes(&attempt)));
}

#[rstest]
#[case::of_a_lower_generation(document(OURS - 1))]
#[case::of_the_same_generation(document(OURS))]
#[case::garbage("\0garbage".into())]
#[case::nothing(String::new())]
#[case::of_a_lower_generation_cut_off(document(OURS - 1)[..30].into())]
#[tokio::test]
async fn an_object_that_is_no_newer_is_replaced(#[case] there: String) {
    let world = World::with_object(there).await;
    let attempt = world.upload().await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(world.object().await, Some(bytes(&attempt)));
}

#[rstest]
#[case::by_schedule(document(OURS + 1), Trigger::Schedule)]
#[case::by_command(document(OURS + 1), Trigger::Command)]
#[case::cut_off(document(OURS + 1)[..30].into(), Trigger::Schedule)]
#[tokio::test]
async fn a_newer_heatmap_is_never_replaced(#[case] there: String, #[case] trigger: Trigger) {
    let world = World::with_object(there.clone()).await;
    let attempt = world.uploader().upload(&world.shard, trigger).await;
    assert_outcome!(attempt, Outcome::Failed(UploadError::Stale { generation: OURS, bucket_generation: 6 }));
    let Outcome::Failed(error) = &attempt.outcome else { unreachable!() };
    assert_eq!(
        error.to_string(),
        "stale: the heatmap in the bucket is of generation 6, this location is attached in generation 5; it was not \
         replaced. Upload from the location of generation 6"
    );
    assert_eq!(world.calls(), [Call::Get], "a stale location does not try again");
    assert_eq!(world.object().await, Some(there.into()));
    assert_eq!(world.local(), None);
}

/// Somebody else writes between our look and our put.
#[rstest]
#[case::a_lower_generation(None, document(OURS - 1), None)]
#[case::the_same_generation(None, document(OURS), None)]
#[case::a_higher_generation(None, document(OURS + 1), Some(OURS + 1))]
#[case::a_lower_generation_over_a_lower(Some(document(1)), document(OURS - 1), None)]
#[case::a_higher_generation_over_a_lower(Some(document(1)), document(OURS + 1), Some(OURS + 1))]
#[case::a_higher_generation_cut_off(None, document(OURS + 1)[..30].into(), Some(OURS + 1))]
#[case::garbage(Some(document(1)), "garbage".into(), None)]
#[tokio::test]
async fn a_conflict_is_looked_at_again(
    #[case] before: Option<String>,
    #[case] meanwhile: String,
    #[case] newer: Option<u32>,
) {
    let world = World::with_or_without_object(before).await;
    let rival = Rival::new(Arc::clone(&world.store) as _, [meanwhile.clone().into()]);
    let attempt = world.uploader_to(Arc::new(rival)).upload(&world.shard, Trigger::Schedule).await;
    match newer {
        None => {
            assert_outcome!(attempt, Outcome::Uploaded);
            assert_eq!(world.written(), [meanwhile.into(), bytes(&attempt)]);
            assert_eq!(world.local(), Some(bytes(&attempt)));
        }
        Some(newer) => {
            assert_outcome!(
                attempt,
                Outcome::Failed(UploadError::Stale { bucket_generation, .. }) if *bucket_generation == newer
            );
            assert_eq!(world.written(), [Bytes::from(meanwhile)]);
            assert_eq!(world.local(), None);
        }
    }
    assert!(world.clock.sleeps().is_empty(), "what another wrote is looked at at once");
}

/// Two hosts that upload the same bytes at the same time are both right.
#[tokio::test]
async fn a_conflict_with_our_own_bytes_is_no_upload_of_ours() {
    let ours = bytes(&World::new().upload().await);
    let world = World::new();
    let rival = Rival::new(Arc::clone(&world.store) as _, [ours.clone()]);
    let attempt = world.uploader_to(Arc::new(rival)).upload(&world.shard, Trigger::Schedule).await;
    assert_outcome!(attempt, Outcome::Unchanged);
    assert_eq!(world.written(), [ours]);
}

#[rstest]
#[case::obeyed(MAX_ATTEMPTS - 1, true)]
#[case::violated(MAX_ATTEMPTS, false)]
#[tokio::test]
async fn the_limit_on_conflicts_is(#[case] conflicts: u32, #[case] uploaded: bool) {
    let world = World::new();
    let rival =
        Rival::new(Arc::clone(&world.store) as _, (0..conflicts).map(|number| format!("garbage {number}").into()));
    let attempt = world.uploader_to(Arc::new(rival)).upload(&world.shard, Trigger::Schedule).await;
    if uploaded {
        assert_outcome!(attempt, Outcome::Uploaded);
        assert_eq!(world.object().await, Some(bytes(&attempt)));
    } else {
        assert_outcome!(
            attempt,
            Outcome::Failed(UploadError::Remote { error: RemoteError::Conflict { .. }, attempts: MAX_ATTEMPTS })
        );
        assert_eq!(world.written().len(), MAX_ATTEMPTS as usize);
        assert_eq!(world.local(), None);
    }
}

#[rstest]
#[case::nothing_there(None, None)]
#[case::a_lower_generation_there(Some(document(1)), None)]
#[case::a_higher_generation_there(Some(document(9)), Some(9))]
#[tokio::test]
async fn a_dry_run_writes_nothing(#[case] there: Option<String>, #[case] stale: Option<u32>) {
    let world = World::with_or_without_object(there.clone()).await;
    let attempt = world.uploader().dry_run().upload(&world.shard, Trigger::Schedule).await;
    match stale {
        None => assert_outcome!(attempt, Outcome::Uploaded),
        Some(_) => assert_outcome!(attempt, Outcome::Failed(UploadError::Stale { .. })),
    }
    assert_eq!(world.calls(), [Call::Get]);
    assert_eq!(world.object().await, there.map(Bytes::from));
    assert_eq!(world.local(), None);
    assert!(!world.pageserver.take_events(world.shard.id).contains(&Event::Uploaded));
}

#[tokio::test]
async fn a_dry_run_that_finds_all_unchanged_leaves_the_local_heatmap_alone() {
    let world = World::new();
    world.upload().await;
    world.pageserver.attach(world.shard.clone(), layers());
    let attempt = world.uploader().dry_run().upload(&world.shard, Trigger::Schedule).await;
    assert_outcome!(attempt, Outcome::Unchanged);
    assert_eq!(world.local(), None);
}

#[tokio::test]
async fn without_a_period_standbys_are_told_none() {
    let world = World::of(Shard { upload_period: Duration::ZERO, ..shard(1) });
    let attempt = world.uploader().upload(&world.shard, Trigger::Command).await;
    assert_outcome!(attempt, Outcome::Uploaded);
    let text = String::from_utf8(bytes(&attempt).to_vec()).unwrap();
    assert!(text.ends_with(r#""upload_period_ms":null}"#), "{text}");
}

#[tokio::test]
async fn an_attempt_says_how_long_it_took() {
    let world = World::new();
    let flaky = Flaky::scripted(Arc::clone(&world.store) as _);
    flaky.plan([Some(Fault::Busy)]);
    let attempt = world.uploader_to(Arc::new(flaky)).upload(&world.shard, Trigger::Schedule).await;
    assert_eq!(vec![attempt.elapsed], world.clock.sleeps());
}
