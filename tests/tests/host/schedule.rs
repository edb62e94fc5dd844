//! What is uploaded when, and what is not walked.

use std::num::NonZeroUsize;

use rstest::rstest;
use thermocline::upload::{Outcome, Skip, TURN_LIMIT};
use thermocline_tests::doubles::Gated;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_shard_is_uploaded_within_its_first_period_and_when_its_layers_change() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    assert_eq!(listed(&world, 1).await, Some(2));
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 1).await, Some(3));
    assert_eq!(last(&host, 1).0, OutcomeKind::Uploaded);
}

#[tokio::test(start_paused = true)]
async fn of_an_unchanged_shard_no_layer_is_walked_and_nothing_is_asked() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    world.forget();
    world.pass(PERIOD * 10).await;
    assert_eq!((world.walks(1), world.puts(), world.gets()), (0, 0, 0));
    // But it had its turns.
    assert_eq!(last(&host, 1).0, OutcomeKind::Unchanged);
    let confirmed = status(&host, 1).heatmap.unwrap().confirmed_unix_s;
    assert!(confirmed > world.clock.unix_s() - 64, "{confirmed}");
}

#[rstest]
#[case::small(1 << 28, false)]
#[case::large(0, true)]
#[tokio::test(start_paused = true)]
async fn where_only_access_times_moved_small_tenants_are_left_alone(#[case] distance: u64, #[case] uploaded: bool) {
    let world = World::empty();
    world.pageserver.attach(Shard { checkpoint_distance_bytes: distance, ..shard(1) }, layers(2));
    let host = world.start();
    world.pass(PERIOD).await;
    world.forget();
    world.pageserver.set_access_times(id(1), layers_read_at(2, NOW + 7));
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!((world.walks(1), world.puts()), (usize::from(uploaded), usize::from(uploaded)));
    let expected = if uploaded { OutcomeKind::Uploaded } else { OutcomeKind::Skipped };
    assert_eq!(last(&host, 1).0, expected);
}

#[rstest]
#[case::off(|shard: &mut Shard| shard.upload_period = Duration::ZERO)]
#[case::stale(|shard: &mut Shard| shard.attach_mode = AttachMode::Stale)]
#[case::without_a_generation(|shard: &mut Shard| shard.generation = Generation::NONE)]
#[tokio::test(start_paused = true)]
async fn others_have_no_schedule_until_they_get_one(#[case] change: fn(&mut Shard)) {
    let world = World::new();
    world.pageserver.update(id(1), change);
    let host = world.start();
    world.pass(PERIOD * 5).await;
    assert_eq!(world.puts(), 0);
    assert_eq!((host.status().scheduled, status(&host, 1).next_due), (0, None));

    world.pageserver.update(id(1), |now| *now = shard(1));
    host.changed(id(1));
    world.pass(PERIOD).await;
    assert_eq!(world.puts(), 1);

    world.pageserver.update(id(1), change);
    host.changed(id(1));
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(PERIOD * 5).await;
    assert_eq!(world.puts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_not_ready_is_passed_over_and_comes_back() {
    let world = World::new();
    world.pageserver.is_loading(id(1), "a timeline loads");
    let host = world.start();
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(last(&host, 1), (OutcomeKind::Skipped, "not ready: a timeline loads".into()));
    world.pageserver.set_layers(id(1), layers(2));
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(world.puts(), 1);
}

#[tokio::test(start_paused = true)]
async fn shards_come_and_go_with_and_without_being_told_of() {
    let world = World::empty();
    let host = world.builder().rescan_period(PERIOD * 3).build().spawn();
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(host.status().shards, 0);
    world.pageserver.attach(shard(1), layers(1));
    world.pageserver.attach(shard(2), layers(2));
    host.changed(id(2));
    world.pass(PERIOD).await;
    assert_eq!((listed(&world, 1).await, listed(&world, 2).await), (None, Some(2)));
    world.pass(PERIOD * 4).await;
    assert_eq!(listed(&world, 1).await, Some(1));

    world.pageserver.detach(id(1));
    world.pageserver.detach(id(2));
    host.changed(id(2));
    world.pass(Duration::from_secs(1)).await;
    assert_eq!((host.shard(id(1)).is_some(), host.shard(id(2)).is_some()), (true, false));
    world.pass(PERIOD * 4).await;
    assert_eq!(host.status().shards, 0);
    // By no guess is a heatmap removed.
    assert!(world.object(id(1)).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_turn_notices_by_itself_that_the_settings_are_others() {
    let world = World::new();
    let host = world.builder().rescan_period(PERIOD * 100).build().spawn();
    world.pass(PERIOD).await;
    world.pageserver.update(id(1), |shard| shard.upload_period = PERIOD / 6);
    world.pass(A_PERIOD_AND_A_BIT).await;
    world.forget();
    for count in 3..9 {
        world.pageserver.set_layers(id(1), layers(count));
        world.pass(PERIOD / 5).await;
    }
    assert_eq!(world.puts(), 6);
    assert_eq!(status(&host, 1).upload_period, PERIOD / 6);
}

#[tokio::test(start_paused = true)]
async fn a_pageserver_that_cannot_be_listed_is_asked_again_and_what_is_known_is_served() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    world.pageserver.cannot_be_listed(Some("it restarts"));
    world.pageserver.set_layers(id(1), layers(4));
    host.rescan();
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 1).await, Some(4));
    let told = host.status().pageserver_error.unwrap();
    assert_eq!(told, "the tenants cannot be listed: it restarts");
    world.pageserver.cannot_be_listed(None);
    world.pass(Duration::from_secs(6)).await;
    assert_eq!(host.status().pageserver_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_pageserver_that_does_not_list_its_shards_holds_nobody_up() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    world.pageserver.listing_hangs(true);
    world.pageserver.set_layers(id(1), layers(4));
    host.rescan();
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 1).await, Some(4));
    assert_eq!(host.status().pageserver_error.unwrap(), "the tenants cannot be listed: no answer within 60s");
    world.pageserver.listing_hangs(false);
    // It may just have been asked once more.
    world.pass(A_PERIOD_AND_A_BIT * 2).await;
    assert_eq!(host.status().pageserver_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_the_pageserver_does_not_answer_for_holds_no_other_up() {
    let world = World::new();
    world.pageserver.attach(shard(2), layers(2));
    let host = world.builder().concurrency(NonZeroUsize::new(2).unwrap()).build().spawn();
    world.pass(PERIOD).await;
    world.pageserver.hangs(id(1), true);
    world.pageserver.set_layers(id(2), layers(3));
    world.pageserver.attach(shard(3), layers(3));
    // It is looked at before the new one is.
    host.changed(id(1));
    host.changed(id(3));
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 2).await, Some(3));
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 3).await, Some(3));
    world.pass(TURN_LIMIT).await;
    let (outcome, why) = last(&host, 1);
    assert!(outcome == OutcomeKind::Failed && why.starts_with("given up after 600s"), "{why}");
    world.pageserver.hangs(id(1), false);
    world.pageserver.set_layers(id(1), layers(4));
    world.pass(TURN_LIMIT + A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 1).await, Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_panics_has_failed_and_the_next_one_is_as_any_other() {
    let world = World::new();
    world.pageserver.panics(id(1), true);
    let host = world.start();
    world.pass(PERIOD).await;
    let expected = (OutcomeKind::Failed, "broke off, which is a bug: the log says where it panicked".to_owned());
    assert_eq!((last(&host, 1), status(&host, 1).failures), (expected, 1));
    assert_eq!(turns(&host, "failed", "internal"), 1.0);
    assert_eq!(world.pageserver.held(), 0);
    world.pageserver.panics(id(1), false);
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!((listed(&world, 1).await, status(&host, 1).failures), (Some(2), 0));
}

#[tokio::test(start_paused = true)]
async fn a_command_uploads_what_no_schedule_would_and_says_what_happened() {
    let world = World::new();
    world.pageserver.update(id(1), |shard| shard.attach_mode = AttachMode::Stale);
    let host = world.start();
    assert!(matches!(host.upload_now(id(1)).await.unwrap().outcome, Outcome::Uploaded));
    // The bucket is asked, whatever is remembered.
    assert!(matches!(host.upload_now(id(1)).await.unwrap().outcome, Outcome::Unchanged));
    world.put(id(1), document(OURS)).await;
    assert!(matches!(host.upload_now(id(1)).await.unwrap().outcome, Outcome::Uploaded));
    assert!(matches!(host.upload_now(id(2)).await.unwrap().outcome, Outcome::Skipped(Skip::Gone)));
    world.pageserver.update(id(1), |shard| shard.active = false);
    assert!(matches!(host.upload_now(id(1)).await.unwrap().outcome, Outcome::Skipped(Skip::Inactive)));
}

#[rstest]
#[case::layers_moved(true, 2)]
#[case::nothing_moved(false, 1)]
#[tokio::test(start_paused = true)]
async fn a_command_behind_a_job_runs_again_if_the_revision_moved(#[case] moves: bool, #[case] puts: usize) {
    let bucket: Arc<dyn Remote> = Arc::new(Memory::new());
    let gated = Arc::new(Gated::new(bucket, &[Call::Put]));
    let world = World { remote: Arc::clone(&gated) as _, ..World::new() };
    let host = world.start();
    // By schedule: it waits at the gate.
    gated.until_waiting(1).await;
    let command = tokio::spawn({
        let host = host.clone();
        async move { host.upload_now(id(1)).await }
    });
    world.pass(Duration::from_secs(1)).await;
    if moves {
        world.pageserver.set_layers(id(1), layers(3));
    }
    gated.open();
    let attempt = command.await.unwrap().unwrap();
    assert!(matches!(attempt.outcome, Outcome::Uploaded));
    assert_eq!(attempt.generated.as_ref().unwrap().heatmap.hot_layers, if moves { 3 } else { 2 });
    let counted = host.metrics(0).into_iter().find(|family| family.name == "pageserver_secondary_upload_heatmap");
    assert_eq!(counted.unwrap().samples[0].value, thermocline::metrics::Value::Number(puts as f64));
}

#[tokio::test(start_paused = true)]
async fn the_concurrency_limit_is_reached_and_obeyed_and_changes_live() {
    let gated = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Put]));
    let world = World { remote: Arc::clone(&gated) as _, ..World::empty() };
    (1..=9).for_each(|number| world.pageserver.attach(shard(number), layers(1)));
    let host = world.builder().concurrency(NonZeroUsize::new(3).unwrap()).build().spawn();
    world.pass(PERIOD * 2).await;
    assert_eq!((gated.waiting(), world.pageserver.held(), host.status().due), (3, 3, 6));
    host.set_concurrency(NonZeroUsize::new(5).unwrap());
    world.pass(Duration::from_secs(1)).await;
    assert_eq!((gated.waiting(), host.status().running), (5, 5));
    gated.open();
    world.pass(PERIOD).await;
    assert_eq!((world.pageserver.held(), host.status().due), (0, 0));
}
