//! Stores that are busy, silent, or refuse.

use std::sync::Arc;

use rstest::rstest;
use thermocline::remote::RemoteError;
use thermocline::upload::{MAX_ATTEMPTS, Outcome, Trigger, UploadError};
use thermocline_tests::doubles::{Call, Fault, Flaky, Late};

use super::*;

const TRIES: usize = MAX_ATTEMPTS as usize;

/// Uploads to a store whose calls fail as planned.
async fn upload(world: &World, faults: impl IntoIterator<Item = Option<Fault>>) -> Attempt {
    let flaky = Flaky::scripted(Arc::clone(&world.store) as _);
    flaky.plan(faults);
    world.uploader_to(Arc::new(flaky)).upload(&world.shard, Trigger::Schedule).await
}

fn every_get(fault: Fault, times: usize) -> Vec<Option<Fault>> {
    vec![Some(fault); times]
}

/// Each put comes after a get that goes well.
fn every_put(fault: Fault, times: usize) -> Vec<Option<Fault>> {
    [None, Some(fault)].repeat(times)
}

#[rstest]
#[case::busy_gets(every_get(Fault::Busy, TRIES - 1))]
#[case::busy_puts(every_put(Fault::Busy, TRIES - 1))]
#[case::lost_gets(every_get(Fault::LostRequest, TRIES - 1))]
#[case::lost_answers_to_gets(every_get(Fault::LostAnswer, TRIES - 1))]
#[case::lost_puts(every_put(Fault::LostRequest, TRIES - 1))]
#[case::one_of_each([
    every_get(Fault::Busy, 1), every_put(Fault::Busy, 1), every_get(Fault::LostAnswer, 1),
    every_put(Fault::LostRequest, 1),
].concat())]
#[tokio::test]
async fn the_limit_on_tries_is_obeyed(#[case] faults: Vec<Option<Fault>>) {
    let world = World::new();
    let failing = faults.iter().flatten().count();
    let attempt = upload(&world, faults).await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(world.written(), [bytes(&attempt)]);
    assert_eq!(world.local(), Some(bytes(&attempt)));
    assert_eq!(world.clock.sleeps().len(), failing);
}

#[rstest]
#[case::busy_gets(every_get(Fault::Busy, 100), "the store is busy")]
#[case::busy_puts(every_put(Fault::Busy, 100), "the store is busy")]
#[case::lost_gets(every_get(Fault::LostRequest, 100), "no answer from the store")]
#[case::lost_puts(every_put(Fault::LostRequest, 100), "no answer from the store")]
#[tokio::test]
async fn the_limit_on_tries_is_violated(#[case] faults: Vec<Option<Fault>>, #[case] why: &str) {
    let world = World::new();
    let attempt = upload(&world, faults).await;
    assert_outcome!(attempt, Outcome::Failed(UploadError::Remote { attempts: MAX_ATTEMPTS, .. }));
    let Outcome::Failed(error) = &attempt.outcome else { unreachable!() };
    assert!(error.to_string().contains(why), "{error}");
    assert!(error.to_string().ends_with("; given up at try 6"), "{error}");
    assert_eq!(world.written(), [Bytes::new(); 0]);
    assert_eq!(world.local(), None);
    assert!(attempt.generated.is_some(), "there was a heatmap");
}

#[tokio::test]
async fn waits_grow_and_end() {
    let world = World::new();
    let attempt = upload(&world, every_get(Fault::Busy, 100)).await;
    let waits = world.clock.sleeps();
    assert_eq!(waits.len(), TRIES - 1, "nothing is waited for after the last try");
    let longest = [500, 1000, 2000, 4000, 5000].map(Duration::from_millis);
    for (wait, longest) in waits.iter().zip(longest) {
        assert!((longest / 2..longest).contains(wait), "{waits:?}");
    }
    assert_eq!(attempt.elapsed, waits.iter().sum::<Duration>());
}

#[rstest]
#[case::the_first_get(vec![Some(Fault::Refused)], 1)]
#[case::the_first_put(vec![None, Some(Fault::Refused)], 1)]
#[case::a_later_put(vec![None, Some(Fault::Busy), None, Some(Fault::Refused)], 2)]
#[tokio::test]
async fn what_a_store_refuses_is_not_tried_again(#[case] faults: Vec<Option<Fault>>, #[case] tries: u32) {
    let world = World::new();
    let attempt = upload(&world, faults).await;
    assert_outcome!(
        attempt,
        Outcome::Failed(UploadError::Remote { error: RemoteError::Refused { .. }, attempts }) if *attempts == tries
    );
    assert_eq!(world.written(), [Bytes::new(); 0]);
    assert_eq!(world.clock.sleeps().len() + 1, tries as usize);
}

#[rstest]
#[case::at_the_first_try(vec![None, Some(Fault::LostAnswer)])]
#[case::and_the_look_behind_it_fails(vec![None, Some(Fault::LostAnswer), Some(Fault::Busy), Some(Fault::LostRequest)])]
#[case::at_the_last_try([every_get(Fault::Busy, TRIES - 1), every_put(Fault::LostAnswer, 1)].concat())]
#[case::before_tries_that_cannot_look(
    [every_put(Fault::LostAnswer, 1), every_get(Fault::Busy, TRIES - 1)].concat()
)]
#[case::after_one_that_did_not_arrive([every_put(Fault::LostRequest, 1), every_put(Fault::LostAnswer, 1)].concat())]
#[tokio::test]
async fn a_put_that_was_written_but_not_answered_is_an_upload(#[case] faults: Vec<Option<Fault>>) {
    let world = World::new();
    let attempt = upload(&world, faults).await;
    assert_outcome!(attempt, Outcome::Uploaded);
    assert_eq!(world.written(), [bytes(&attempt)], "one version, once");
    assert_eq!(world.local(), Some(bytes(&attempt)));
}

#[tokio::test]
async fn a_put_that_was_written_but_not_answered_and_then_replaced_is_not_put_over_a_newer_one() {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.store) as _));
    // While the look behind the lost put waits for its second try, a newer location writes.
    flaky.plan([None, Some(Fault::LostAnswer)]);
    let uploader = world.uploader_to(Arc::clone(&flaky) as _);
    let first = uploader.upload(&world.shard, Trigger::Schedule).await;
    assert_outcome!(first, Outcome::Uploaded);
    put(&*world.store, world.shard.id, document(OURS + 1)).await;
    world.pageserver.set_layers(world.shard.id, layers().l0("flushed", 40..48).resident().visible());
    flaky.plan(every_put(Fault::LostAnswer, 3));
    let second = uploader.upload(&world.shard, Trigger::Schedule).await;
    assert_outcome!(second, Outcome::Failed(UploadError::Stale { .. }));
    assert_eq!(world.object().await, Some(document(OURS + 1).into()));
}

/// A put that timed out may reach the store after all.
#[rstest]
#[case::after_ours_was_written_again(OURS, false)]
#[case::after_a_newer_location_wrote(OURS + 1, true)]
#[tokio::test]
async fn a_put_that_comes_late_overwrites_nothing(#[case] generation: u32, #[case] newer_writes: bool) {
    let world = World::new();
    let late = Arc::new(Late::new(Arc::clone(&world.store) as _));
    late.delay_next();
    let attempt = world.uploader_to(Arc::clone(&late) as _).upload(&world.shard, Trigger::Schedule).await;
    assert_outcome!(attempt, Outcome::Uploaded);
    let expected = if newer_writes {
        put(&*world.store, world.shard.id, document(generation)).await;
        document(generation).into()
    } else {
        bytes(&attempt)
    };
    let versions = world.written().len();
    late.deliver().await;
    assert_eq!(world.object().await, Some(expected));
    assert_eq!(world.written().len(), versions);
    assert_eq!(world.store.count(Call::Put), versions + 1, "it did arrive");
}
