//! What stands in for the outside world does what it says.

use thermocline::clock::Clock as _;
use thermocline::pageserver::PageserverError;
use thermocline::remote::RemoteError;
use thermocline_tests::doubles::{Event, Late, Rival};

use super::*;

#[tokio::test]
async fn a_clock_moves_on_by_sleeps_alone() {
    let clock = FakeClock::new(NOW);
    assert_eq!((clock.unix_s(), clock.elapsed()), (NOW, Duration::ZERO));
    clock.sleep(Duration::from_millis(1_500)).await;
    assert_eq!((clock.unix_s(), clock.elapsed()), (NOW + 1, Duration::from_millis(1_500)));
    clock.sleep(Duration::from_secs(1 << 40)).await;
    assert_eq!(clock.unix_s(), NOW + 1 + (1 << 40));
}

#[tokio::test]
async fn a_late_put_is_carried_out_when_it_is_delivered() {
    let memory: Arc<dyn Remote> = Arc::new(Memory::new());
    let late = Late::new(Arc::clone(&memory));
    late.delay_next();
    let error = late.put("key", "late".into(), PutIf::Absent).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unknown { .. }));
    assert_eq!(memory.get("key", None).await.unwrap(), Got::Missing);
    late.deliver().await;
    assert!(matches!(memory.get("key", None).await.unwrap(), Got::Object(object) if object.body == "late"));
    late.put("other", "in time".into(), PutIf::Absent).await.unwrap();
}

#[tokio::test]
async fn a_rival_is_faster_as_often_as_told() {
    let memory: Arc<dyn Remote> = Arc::new(Memory::new());
    let rival = Rival::new(Arc::clone(&memory), ["theirs".into()]);
    let error = rival.put("key", "ours".into(), PutIf::Absent).await.unwrap_err();
    assert!(matches!(error, RemoteError::Conflict { .. }));
    let Got::Object(theirs) = rival.get("key", None).await.unwrap() else { panic!("nobody wrote") };
    assert_eq!(theirs.body, "theirs");
    rival.put("key", "ours".into(), PutIf::Matches(theirs.etag)).await.unwrap();
}

#[tokio::test]
async fn a_pageserver_counts_who_is_held_open() {
    let pageserver = FakePageserver::new();
    pageserver.attach(shard(1), layers());
    assert!(matches!(pageserver.hold(id(2)), Err(PageserverError::NotAttached(shard)) if shard == id(2)));
    let twice = (pageserver.hold(id(1)).unwrap(), pageserver.hold(id(1)).unwrap());
    assert_eq!((pageserver.held(), pageserver.most_held()), (2, 2));
    drop(twice);
    assert_eq!((pageserver.held(), pageserver.most_held()), (0, 2));
    let events = [Event::Held, Event::Held, Event::Released, Event::Released];
    assert_eq!(pageserver.take_events(id(1)), events);
    assert_eq!(pageserver.take_events(id(1)), []);
    pageserver.is_closing(id(1));
    assert!(matches!(pageserver.hold(id(1)), Err(PageserverError::NotReady { .. })));
}
