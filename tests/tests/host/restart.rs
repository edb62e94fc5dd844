//! What a restart costs, and what it must not.

use thermocline_tests::doubles::Gated;

use super::*;

#[tokio::test(start_paused = true)]
async fn after_a_restart_only_what_changed_is_uploaded() {
    let world = World::new();
    world.pageserver.attach(shard(2), layers(2));
    let host = world.start();
    world.pass(PERIOD).await;
    host.shutdown().await;
    world.forget();
    world.pageserver.set_layers(id(2), layers(3));
    let host = world.start();
    world.pass(PERIOD).await;
    assert_eq!((world.puts(), listed(&world, 2).await), (1, Some(3)));
    assert_eq!((last(&host, 1).0, last(&host, 2).0), (OutcomeKind::Unchanged, OutcomeKind::Uploaded));
    // What is remembered is compared with the bucket once, and nothing is sent back.
    assert_eq!(world.gets(), 3);
    let heatmap = status(&host, 1).heatmap.unwrap();
    assert!(heatmap.written_unix_s <= NOW + 60, "{}", heatmap.written_unix_s);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_lost_its_state_reads_the_bucket_and_uploads_what_changed() {
    let world = World::new();
    world.start().shutdown().await;
    let host = world.start();
    world.pass(PERIOD).await;
    host.shutdown().await;
    let world = World { state: State::in_memory(), ..world };
    world.forget();
    let host = world.start();
    world.pass(PERIOD).await;
    assert_eq!((last(&host, 1).0, world.puts(), world.gets()), (OutcomeKind::Unchanged, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_an_old_state_hides_nothing_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("state.redb"), folder.path().join("copy.redb"));
    let opened = |file: &std::path::Path| State::open(file).unwrap();
    let world = World { state: opened(&file), ..World::new() };
    let host = world.start();
    world.pass(PERIOD).await;
    host.shutdown().await;
    drop(host);
    std::fs::copy(&file, &copy).unwrap();

    // Goes on to three layers, and back to two; the copy knows of the two of before, under another ETag.
    let host = world.start();
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(PERIOD).await;
    host.shutdown().await;
    drop(host);
    world.pageserver.set_layers(id(1), layers(2));
    let world = World { state: opened(&copy), ..world };
    let host = world.start();
    world.pass(PERIOD).await;
    assert_eq!((last(&host, 1).0, listed(&world, 1).await), (OutcomeKind::Uploaded, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_dropped_with_its_host_was_cut_off() {
    let gated = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Put]));
    let world = World { remote: Arc::clone(&gated) as _, ..World::new() };
    let host = world.builder().build();
    let handle = host.handle();
    let running = tokio::spawn(host.run());
    gated.until_waiting(1).await;
    running.abort();
    let _ = running.await;
    world.pass(Duration::from_millis(1)).await;
    let expected = (OutcomeKind::Failed, "cut off: the host is shutting down".to_owned());
    assert_eq!((last(&handle, 1), turns(&handle, "failed", "cancelled")), (expected, 1.0));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_as_in_a_crash_ends_at_once_and_leaves_a_whole_bucket() {
    let world = World::new();
    let host = world.builder().build();
    let handle = host.handle();
    let running = tokio::spawn(host.run());
    world.pass(PERIOD).await;
    running.abort();
    let _ = running.await;
    assert!(handle.upload_now(id(1)).await.is_err());
    assert_eq!(handle.shutdown().await.cut_off, []);
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(PERIOD * 3).await;
    assert_eq!(listed(&world, 1).await, Some(2));
}
