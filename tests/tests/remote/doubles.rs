//! The remotes that stand in for real ones do what they say.

use std::sync::Arc;
use std::time::Duration;

use thermocline::remote::{Got, PutIf, Remote, RemoteError};
use thermocline_tests::doubles::{Call, Fault, Flaky, Gated, Memory, Odds, Recording};

#[tokio::test]
async fn a_flaky_remote_fails_the_same_way_for_the_same_seed() {
    let odds = Odds { busy: 100, lost_request: 100, lost_answer: 100, refused: 100 };
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let flaky = Flaky::new(Arc::new(Memory::new()), odds, seed);
        let mut outcomes = Vec::new();
        for number in 0..1000 {
            outcomes.push(flaky.put(&number.to_string(), "body".into(), PutIf::Absent).await.is_ok());
        }
        let went_well = outcomes.iter().filter(|ok| **ok).count();
        assert!((550..650).contains(&went_well), "{went_well}");
        assert_eq!(flaky.faults().len(), 1000 - went_well);
        for fault in [Fault::Busy, Fault::LostRequest, Fault::LostAnswer, Fault::Refused] {
            let count = flaky.faults().iter().filter(|other| **other == fault).count();
            assert!((60..140).contains(&count), "{fault:?}: {count}");
        }
        runs.push(outcomes);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_lost_answer_is_a_put_that_was_written_and_the_others_are_not() {
    for (fault, written) in
        [(Fault::Busy, false), (Fault::LostRequest, false), (Fault::LostAnswer, true), (Fault::Refused, false)]
    {
        let flaky = Flaky::scripted(Arc::new(Memory::new()));
        flaky.plan([Some(fault)]);
        let error = flaky.put("key", "body".into(), PutIf::Absent).await.unwrap_err();
        match fault {
            Fault::Busy => assert!(matches!(error, RemoteError::Busy { .. })),
            Fault::LostRequest | Fault::LostAnswer => assert!(matches!(error, RemoteError::Unknown { .. })),
            Fault::Refused => assert!(matches!(error, RemoteError::Refused { .. })),
        }
        assert_eq!(flaky.get("key", None).await.unwrap() != Got::Missing, written, "{fault:?}");
        assert_eq!(flaky.faults(), [fault]);
    }
}

#[tokio::test]
async fn a_gate_holds_calls_until_they_are_released() {
    let gated = Arc::new(Gated::new(Arc::new(Memory::new()), &[Call::Put]));
    let put = |key: &'static str| {
        let gated = Arc::clone(&gated);
        tokio::spawn(async move { gated.put(key, "body".into(), PutIf::Absent).await })
    };
    let (first, second, third) = (put("first"), put("second"), put("third"));
    tokio::time::timeout(Duration::from_secs(10), gated.until_waiting(3)).await.unwrap();
    // Reads are not held, and nothing was written.
    assert_eq!(gated.list("").await.unwrap(), []);

    third.abort();
    assert!(third.await.unwrap_err().is_cancelled());
    assert_eq!(gated.waiting(), 2);

    gated.release(1);
    first.await.unwrap().unwrap();
    assert_eq!(gated.list("").await.unwrap().len(), 1);
    assert!(!second.is_finished());

    gated.open();
    second.await.unwrap().unwrap();
    put("fourth").await.unwrap().unwrap();
    assert_eq!(gated.list("").await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_recording_has_every_call_with_its_outcome() {
    let recording = Recording::new(Arc::new(Memory::new()));
    let etag = recording.put("key", "body".into(), PutIf::Absent).await.unwrap();
    recording.put("key", "body".into(), PutIf::Absent).await.unwrap_err();
    recording.get("key", Some(&etag)).await.unwrap();
    assert_eq!((recording.count(Call::Put), recording.count(Call::Get), recording.count(Call::List)), (2, 1, 0));

    let records = recording.take();
    assert_eq!(records[0].put, Some(("body".into(), PutIf::Absent)));
    assert_eq!(records[0].outcome, Ok(()));
    assert!(records[1].outcome.as_ref().unwrap_err().contains("memory:key"));
    assert_eq!((records[2].call, records[2].key.as_str()), (Call::Get, "key"));
    assert_eq!(recording.records(), []);
}
