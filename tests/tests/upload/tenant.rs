//! The tenant while its heatmap is uploaded: held open, or left alone.

use std::sync::Arc;

use rstest::rstest;
use thermocline::upload::{GenerateError, Outcome, Skip, Trigger, UploadError};
use thermocline_policy::Selection;
use thermocline_tests::by_hand::ByHand;
use thermocline_tests::doubles::{Call, Event, Gated};

use super::*;

#[tokio::test]
async fn a_tenant_is_held_open_from_before_its_layers_are_read_until_its_local_heatmap_is_written() {
    let world = World::new();
    world.upload().await;
    let events = world.pageserver.take_events(world.shard.id);
    assert_eq!(events, [Event::Held, Event::Layers, Event::Uploaded, Event::Released]);
}

#[rstest]
#[case::while_the_bucket_is_read(Call::Get)]
#[case::while_the_bucket_is_written(Call::Put)]
#[tokio::test]
async fn an_upload_that_is_dropped_lets_the_tenant_go(#[case] held: Call) {
    let world = World::new();
    let gate = Arc::new(Gated::new(Arc::clone(&world.store) as _, &[held]));
    let uploader = world.uploader_to(Arc::clone(&gate) as _);
    let shard = world.shard.clone();
    let upload = tokio::spawn(async move { uploader.upload(&shard, Trigger::Schedule).await });
    tokio::time::timeout(Duration::from_secs(60), gate.until_waiting(1)).await.unwrap();
    assert_eq!(world.pageserver.held(), 1);
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    assert_eq!(world.pageserver.held(), 0);
    assert_eq!(world.object().await, None);
    assert_eq!(world.local(), None);
}

#[rstest]
#[case::detached(|world: &World| world.pageserver.detach(world.shard.id), Skip::Gone, &[])]
#[case::shutting_down(
    |world: &World| world.pageserver.is_closing(world.shard.id),
    Skip::NotReady("it is being shut down".into()),
    &[],
)]
#[case::loading(
    |world: &World| world.pageserver.is_loading(world.shard.id, "timeline 11 loads"),
    Skip::NotReady("timeline 11 loads".into()),
    &[Event::Held, Event::Layers, Event::Released],
)]
#[tokio::test]
async fn a_tenant_that_is_not_there_is_skipped(
    #[case] change: fn(&World),
    #[case] expected: Skip,
    #[case] events: &[Event],
    #[values(Trigger::Schedule, Trigger::Command)] trigger: Trigger,
) {
    let world = World::new();
    change(&world);
    let attempt = world.uploader().upload(&world.shard, trigger).await;
    assert_outcome!(attempt, Outcome::Skipped(skip) if *skip == expected);
    assert!(attempt.generated.is_none());
    assert_eq!(world.calls(), []);
    assert_eq!(world.pageserver.take_events(world.shard.id), events);
}

#[rstest]
#[case::stale(Shard { attach_mode: AttachMode::Stale, ..shard(1) }, Skip::Stale)]
#[case::off(Shard { upload_period: Duration::ZERO, ..shard(1) }, Skip::Off)]
#[case::inactive(Shard { active: false, ..shard(1) }, Skip::Inactive)]
#[case::no_generation(Shard { generation: Generation::NONE, ..shard(1) }, Skip::NoGeneration)]
#[tokio::test]
async fn a_shard_that_has_no_turn_is_not_even_looked_at(#[case] shard: Shard, #[case] expected: Skip) {
    let world = World::of(shard);
    let attempt = world.upload().await;
    assert_outcome!(attempt, Outcome::Skipped(skip) if *skip == expected);
    assert_eq!(world.calls(), []);
    assert_eq!(world.pageserver.take_events(world.shard.id), []);
}

/// A migration flushes its last heatmap that way.
#[tokio::test]
async fn a_stale_location_uploads_by_command_until_its_successor_has() {
    let world = World::of(Shard { attach_mode: AttachMode::Stale, ..shard(1) });
    let uploader = world.uploader();
    assert_outcome!(uploader.upload(&world.shard, Trigger::Command).await, Outcome::Uploaded);
    put(&*world.store, world.shard.id, document(OURS + 1)).await;
    let attempt = uploader.upload(&world.shard, Trigger::Command).await;
    assert_outcome!(attempt, Outcome::Failed(UploadError::Stale { .. }));
}

#[tokio::test]
async fn a_tenant_that_cannot_be_read_fails() {
    let world = World::new();
    world.pageserver.set_layers(world.shard.id, layers().resident().l0("a", 1..2).l0("a", 1..2));
    let attempt = world.upload().await;
    assert_outcome!(attempt, Outcome::Failed(UploadError::Generate(GenerateError::Pageserver(_))));
    assert_eq!(world.calls(), []);
    assert_eq!(world.pageserver.held(), 0);
}

#[tokio::test]
async fn a_local_heatmap_that_cannot_be_written_only_warns() {
    let world = World::new();
    world.pageserver.has_full_disk(world.shard.id);
    let attempt = world.upload().await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(world.object().await, Some(bytes(&attempt)));
    assert_outcome!(world.upload().await, Outcome::Unchanged);
}

#[tokio::test]
async fn a_policy_that_fails_costs_no_heatmap() {
    let world = World::new();
    let expected = bytes(&World::new().upload().await);
    let component = ByHand::new().selects(&Selection::hot(vec![99])).build().unwrap();
    let uploader = uploader(&world.pageserver, &judge(&component), &world.clock, Arc::clone(&world.store) as _);
    let attempt = uploader.upload(&world.shard, Trigger::Schedule).await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(world.object().await, Some(expected));
    let generated = attempt.generated.unwrap();
    assert_eq!(generated.policy.name, "by-hand");
    let why = generated.policy_error.as_ref().unwrap().to_string();
    assert!(why.contains("rows[0] is 99, but the table has 3 rows"), "{why}");
}
