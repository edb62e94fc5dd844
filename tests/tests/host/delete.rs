//! The heatmaps of deleted tenants.

use thermocline::host::DeleteError;
use thermocline_tests::doubles::{Fault, Flaky, Gated};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_deleted_tenants_heatmap_is_removed_and_not_made_again() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    assert!(matches!(host.delete_now(id(1), OURS).await, Err(DeleteError::Attached(_))));
    assert!(world.object(id(1)).await.is_some());
    world.pageserver.detach(id(1));
    host.delete_now(id(1), OURS).await.unwrap();
    assert_eq!(world.object(id(1)).await, None);
    assert_eq!(host.shard(id(1)), None);
    world.pass(PERIOD * 3).await;
    assert_eq!(world.object(id(1)).await, None);
    // That there is none is no error.
    host.delete_now(id(1), OURS).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_heatmap_of_a_later_location_stays() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    world.put(id(1), document(OURS + 1)).await;
    world.pageserver.detach(id(1));
    let error = host.delete_now(id(1), OURS).await.unwrap_err();
    assert!(matches!(error, DeleteError::Stale { generation: OURS, bucket_generation: 6, .. }), "{error}");
    assert!(world.object(id(1)).await.is_some());
    // The host need not remember the shard for that.
    host.changed(id(1));
    world.pass(PERIOD).await;
    assert!(matches!(host.delete_now(id(1), OURS).await, Err(DeleteError::Stale { .. })));
    assert!(world.object(id(1)).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs_is_waited_for() {
    let gated = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Put]));
    let world = World { remote: Arc::clone(&gated) as _, ..World::new() };
    let host = world.start();
    gated.until_waiting(1).await;
    world.pageserver.detach(id(1));
    let delete = tokio::spawn({
        let host = host.clone();
        async move { host.delete_now(id(1), OURS).await }
    });
    world.pass(Duration::from_secs(5)).await;
    assert!(!delete.is_finished());
    gated.open();
    delete.await.unwrap().unwrap();
    assert!(matches!(gated.get(&keys::heatmap(id(1)), None).await, Ok(Got::Missing)));
}

#[tokio::test(start_paused = true)]
async fn a_busy_store_is_asked_again_within_bounds() {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    let world = world.through({
        let flaky = Arc::clone(&flaky);
        |_| flaky
    });
    let host = world.start();
    world.pass(PERIOD).await;
    world.pageserver.detach(id(1));
    flaky.plan([Some(Fault::Busy); 6]);
    assert!(matches!(host.delete_now(id(1), OURS).await, Err(DeleteError::Remote(_))));
    flaky.plan([Some(Fault::Busy), None, Some(Fault::LostAnswer)]);
    host.delete_now(id(1), OURS).await.unwrap();
    assert_eq!(world.object(id(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_ended_deletes_nothing() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    host.shutdown().await;
    world.pageserver.detach(id(1));
    assert!(matches!(host.delete_now(id(1), OURS).await, Err(DeleteError::Command(_))));
    assert!(world.object(id(1)).await.is_some());
}
