//! What the host does about a bucket that is not as it left it, or does not answer.

use thermocline::remote::CALL_LIMIT;
use thermocline_tests::doubles::{Fault, Flaky, Gated, Rival};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_change_is_put_without_asking_on_the_condition_that_the_bucket_is_as_it_was_left() {
    let world = World::new();
    let _host = world.start();
    world.pass(PERIOD).await;
    world.forget();
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(A_PERIOD_AND_A_BIT).await;
    let records = world.bucket.take();
    assert_eq!(records.len(), 1);
    assert!(matches!(&records[0].put, Some((_, PutIf::Matches(_)))));
}

#[rstest::rstest]
#[case::lower(OURS - 1, OutcomeKind::Uploaded, Some(3))]
#[case::the_same(OURS, OutcomeKind::Uploaded, Some(3))]
#[case::higher(OURS + 1, OutcomeKind::Failed, Some(0))]
#[tokio::test(start_paused = true)]
async fn a_conflict_compares_generations(
    #[case] theirs: u32,
    #[case] outcome: OutcomeKind,
    #[case] in_bucket: Option<usize>,
) {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    world.put(id(1), document(theirs)).await;
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!((last(&host, 1).0, listed(&world, 1).await), (outcome, in_bucket));
    let conflicts = host.metrics(0).into_iter().find(|family| family.name == "thermocline_upload_conflicts_total");
    assert_eq!(conflicts.unwrap().samples[0].value, thermocline::metrics::Value::Number(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_stale_location_says_so_and_neither_walks_nor_writes_any_more() {
    let world = World::new();
    world.put(id(1), document(OURS + 1)).await;
    let host = world.start();
    world.pass(PERIOD).await;
    let (outcome, why) = last(&host, 1);
    assert_eq!(outcome, OutcomeKind::Failed);
    assert!(why.contains("generation 6") && why.contains("generation 5"), "{why}");
    world.forget();
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(PERIOD * 5).await;
    assert_eq!((world.walks(1), world.puts()), (0, 0));
    // It asks, because the other may be gone for good; and gets its turn when it is attached anew.
    assert!((3..=6).contains(&world.gets()), "{}", world.gets());
    world.pageserver.update(id(1), |shard| shard.generation = Generation::new(OURS + 2));
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 1).await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_lost_or_others_damaged_comes_back() {
    let world = World::new();
    world.pageserver.attach(shard(2), layers(2));
    let _host = world.builder().recheck_period(PERIOD * 10).build().spawn();
    world.pass(PERIOD).await;
    world.bucket.delete(&keys::heatmap(id(1))).await.unwrap();
    world.put(id(2), "damaged").await;
    world.forget();
    world.pass(PERIOD * 8).await;
    assert_eq!((world.gets(), world.puts()), (0, 0));
    world.pass(PERIOD * 4).await;
    assert_eq!((listed(&world, 1).await, listed(&world, 2).await), (Some(2), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_settled_by_reading() {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    flaky.plan([None, Some(Fault::LostAnswer)]);
    let world = world.through(|_| flaky);
    let host = world.start();
    world.pass(PERIOD + Duration::from_secs(2)).await;
    assert_eq!((last(&host, 1).0, world.puts()), (OutcomeKind::Uploaded, 1));
}

/// Between the first try and the second.
#[rstest::rstest]
#[case::detached(|world: &World| world.pageserver.detach(id(1)), 0)]
#[case::stale(|world: &World| world.pageserver.update(id(1), |shard| shard.attach_mode = AttachMode::Stale), 0)]
#[case::inactive(|world: &World| world.pageserver.update(id(1), |shard| shard.active = false), 0)]
#[case::other_layers(|world: &World| world.pageserver.set_layers(id(1), layers(7)), 7)]
#[case::another_generation(
    |world: &World| world.pageserver.update(id(1), |shard| shard.generation = Generation::new(OURS + 3)), 2
)]
#[tokio::test(start_paused = true)]
async fn every_try_looks_at_the_shard_anew(#[case] meanwhile: fn(&World), #[case] expected: usize) {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    flaky.plan([None, Some(Fault::Busy)]);
    let world = world.through({
        let flaky = Arc::clone(&flaky);
        |_| flaky
    });
    let host = world.start();
    while flaky.faults().is_empty() {
        world.pass(Duration::from_millis(1)).await;
    }
    assert_eq!(world.pageserver.held(), 0, "whoever waits for another try holds nothing open");
    meanwhile(&world);
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(listed(&world, 1).await.unwrap_or_default(), expected);
    let retries = host.metrics(0).into_iter().find(|family| family.name == "thermocline_upload_retries_total");
    assert_eq!(retries.unwrap().samples[0].value, thermocline::metrics::Value::Number(1.0));
}

#[tokio::test(start_paused = true)]
async fn tries_are_bounded_and_the_next_period_tries_again() {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    flaky.plan([Some(Fault::Busy); 6]);
    let world = world.through(|_| flaky);
    let host = world.start();
    world.pass(PERIOD + Duration::from_secs(16)).await;
    let (outcome, why) = last(&host, 1);
    assert!(outcome == OutcomeKind::Failed && why.ends_with("given up at try 6"), "{why}");
    assert_eq!(status(&host, 1).failures, 1);
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!((listed(&world, 1).await, status(&host, 1).failures), (Some(2), 0));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_and_holds_nobody_else_up() {
    let gated = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Get]));
    let world = World { remote: Arc::clone(&gated) as _, ..World::new() };
    let host = world.start();
    world.pass(PERIOD + CALL_LIMIT * 6 + Duration::from_secs(30)).await;
    assert_eq!(last(&host, 1).0, OutcomeKind::Failed);
    gated.open();
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_ne!(last(&host, 1).0, OutcomeKind::Failed);
    assert!(matches!(gated.get(&keys::heatmap(id(1)), None).await, Ok(Got::Object(_))));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_overtaken_again_and_again_gives_up_and_keeps_the_newer() {
    let world = World::new();
    let rival =
        Rival::new(Arc::clone(&world.bucket) as _, (1..=9).map(|extra| Bytes::from(document(OURS - extra % 2))));
    let world = world.through(|_| Arc::new(rival));
    let host = world.start();
    world.pass(PERIOD + Duration::from_secs(1)).await;
    assert_eq!(last(&host, 1).0, OutcomeKind::Failed);
    world.pass(A_PERIOD_AND_A_BIT).await;
    assert_eq!(listed(&world, 1).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_put_that_lands_late_is_noticed_at_the_next_turn() {
    let world = World::new();
    let late = Arc::new(thermocline_tests::doubles::Late::new(Arc::clone(&world.bucket) as _));
    let world = world.through({
        let late = Arc::clone(&late);
        |_| late
    });
    let _host = world.start();
    world.pass(PERIOD).await;
    // It times out, and the next try finds the bucket as it was. Meanwhile all but one layer are evicted again.
    late.delay_next();
    world.pageserver.set_layers(id(1), layers(3));
    while listed(&world, 1).await != Some(3) {
        world.pass(Duration::from_secs(1)).await;
    }
    late.deliver().await;
    world.pageserver.set_layers(id(1), layers(1));
    world.pass(A_PERIOD_AND_A_BIT * 2).await;
    assert_eq!(listed(&world, 1).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn until_a_put_without_an_answer_can_land_no_more_the_bucket_is_asked_at_every_turn() {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    flaky.plan([None, Some(Fault::LostRequest)]);
    let world = world.through(|_| flaky);
    let _host = world.start();
    world.pass(PERIOD + Duration::from_secs(2)).await;
    assert_eq!(listed(&world, 1).await, Some(2));
    world.forget();
    world.pass(CALL_LIMIT - PERIOD).await;
    assert!(world.gets() > 0, "nobody asks, and nothing has changed");
    world.pass(PERIOD * 3).await;
    world.forget();
    world.pass(PERIOD * 10).await;
    assert_eq!((world.gets(), world.puts()), (0, 0));
}
