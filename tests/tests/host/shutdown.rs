//! Ends of hosts.

use thermocline_tests::doubles::{Fault, Flaky, Gated};

use super::*;

#[tokio::test(start_paused = true)]
async fn it_is_prompt_where_nothing_runs_and_can_be_asked_for_twice() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    let before = world.clock.elapsed();
    let (one, other) = tokio::join!(host.shutdown(), host.shutdown());
    assert_eq!((one.cut_off.len(), other.cut_off.len()), (0, 0));
    assert_eq!(world.clock.elapsed(), before);
    assert!(host.upload_now(id(1)).await.is_err());
    assert!(host.status().shutting_down);
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(PERIOD * 3).await;
    assert_eq!(listed(&world, 1).await, Some(2));
}

#[rstest::rstest]
#[case::in_time(5, 0)]
#[case::too_late(60, 1)]
#[tokio::test(start_paused = true)]
async fn uploads_that_run_are_waited_for_up_to_a_limit(#[case] opens_after_s: u64, #[case] cut_off: usize) {
    let gated = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Put]));
    let world = World { remote: Arc::clone(&gated) as _, ..World::new() };
    let host = world.builder().shutdown_limit(Duration::from_secs(10)).build().spawn();
    gated.until_waiting(1).await;
    let began = world.clock.elapsed();
    tokio::spawn({
        let (gated, clock) = (Arc::clone(&gated), Arc::clone(&world.clock));
        async move {
            clock.sleep(Duration::from_secs(opens_after_s)).await;
            gated.open();
        }
    });
    let drained = host.shutdown().await;
    assert_eq!(drained.cut_off.len(), cut_off);
    let took = world.clock.elapsed() - began;
    assert!(took <= Duration::from_secs(11) && took >= Duration::from_secs(opens_after_s.min(10)), "{took:?}");
    assert_eq!(world.pageserver.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn tries_that_failed_are_not_repeated() {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    flaky.plan([Some(Fault::Busy); 6]);
    let world = world.through({
        let flaky = Arc::clone(&flaky);
        |_| flaky
    });
    let host = world.start();
    while flaky.faults().len() < 3 {
        world.pass(Duration::from_millis(1)).await;
    }
    let before = world.clock.elapsed();
    host.shutdown().await;
    assert_eq!((world.clock.elapsed(), flaky.faults().len()), (before, 3));
}
