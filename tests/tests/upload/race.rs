//! Two locations of one tenant shard that upload at the same time, to a store that fails.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::Poll;

use proptest::prelude::*;
use thermocline::heatmap::peek_generation;
use thermocline::upload::{Outcome, UploadError};
use thermocline_tests::doubles::{Call, Fault, Flaky, Gated, Late};
use tokio::runtime::Runtime;

use super::*;

/// Uploads that each location makes, one after the other.
const ROUNDS: u64 = 3;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());

/// What happens next. Locations are the older, 0, and the newer, 1.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// One call of a location's reaches the store.
    Call(usize, Option<Fault>),
    /// The same; if it is a put, it does so later, and is answered as one that timed out.
    Late(usize),
    /// All that is late arrives.
    Arrives,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Fault::Busy)),
        1 => Just(Some(Fault::LostRequest)),
        2 => Just(Some(Fault::LostAnswer)),
        1 => Just(Some(Fault::Refused)),
    ];
    prop_oneof![
        8 => (0..2_usize, fault).prop_map(|(location, fault)| Step::Call(location, fault)),
        2 => (0..2_usize).prop_map(Step::Late),
        1 => Just(Step::Arrives),
    ]
}

/// One location, whose calls wait until they have their turn.
struct Location {
    gate: Arc<Gated>,
    flaky: Arc<Flaky>,
    late: Arc<Late>,
    uploads: Pin<Box<dyn Future<Output = Vec<Attempt>>>>,
    ended: Option<Vec<Attempt>>,
}

impl Location {
    fn new(generation: u32, store: &Arc<Recording>) -> Self {
        let shard = Shard { generation: Generation::new(generation), ..shard(1) };
        let pageserver = FakePageserver::new();
        pageserver.attach(shard.clone(), layers());
        let late = Arc::new(Late::new(Arc::clone(store) as _));
        let flaky = Arc::new(Flaky::scripted(Arc::clone(&late) as _));
        let gate = Arc::new(Gated::new(Arc::clone(&flaky) as _, &[Call::Get, Call::Put]));
        let uploader = uploader(&pageserver, &BUILT_IN, &Arc::new(FakeClock::new(NOW)), Arc::clone(&gate) as _);
        let uploads = async move {
            let mut attempts = Vec::new();
            for round in 0..ROUNDS {
                pageserver.set_layers(shard.id, layers().l0("flushed", 40..41 + round).resident().visible());
                attempts.push(uploader.upload(&shard, Trigger::Schedule).await);
            }
            attempts
        };
        // Whether it waits at the gate or not must not depend on how much it did before.
        let uploads = Box::pin(tokio::task::unconstrained(uploads));
        Location { gate, flaky, late, uploads, ended: None }
    }

    /// Goes on until a call waits for its turn, or all uploads have ended.
    async fn go_on(&mut self) {
        std::future::poll_fn(|context| {
            if self.ended.is_some() {
                return Poll::Ready(());
            }
            match self.uploads.as_mut().poll(context) {
                Poll::Ready(attempts) => {
                    self.ended = Some(attempts);
                    Poll::Ready(())
                }
                Poll::Pending if self.gate.waiting() > 0 => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
    }

    async fn one_call(&mut self, fault: Option<Fault>) {
        self.go_on().await;
        if self.ended.is_none() {
            self.flaky.plan([fault]);
            self.gate.release(1);
            self.go_on().await;
        }
    }
}

/// What each location says, and every version that the bucket had.
async fn run(generations: [u32; 2], steps: &[Step]) -> (Vec<Vec<Attempt>>, Vec<Bytes>) {
    let store = Arc::new(Recording::new(Arc::new(Memory::new())));
    let mut locations = generations.map(|generation| Location::new(generation, &store));
    for step in steps {
        match *step {
            Step::Call(location, fault) => locations[location].one_call(fault).await,
            Step::Late(location) => {
                locations[location].late.delay_next();
                locations[location].one_call(None).await;
            }
            Step::Arrives => {
                for location in &locations {
                    location.late.deliver().await;
                }
            }
        }
    }
    for location in &mut locations {
        while location.ended.is_none() {
            location.one_call(None).await;
        }
    }
    for location in &locations {
        location.late.deliver().await;
    }
    let said = locations.into_iter().map(|location| location.ended.unwrap()).collect();
    let written = store.records().into_iter().filter(|record| record.outcome.is_ok());
    (said, written.filter_map(|record| record.put.map(|(body, _)| body)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_newer_heatmap_is_never_replaced_by_an_older(
        older in 0..3_u32,
        newer_by in 1..3_u32,
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let (said, written) = RUNTIME.block_on(run([older, older + newer_by], &steps));
        let generations: Vec<_> = written.iter().map(|body| peek_generation(body).unwrap()).collect();
        prop_assert!(generations.is_sorted(), "{generations:?}");

        for (location, attempts) in said.iter().enumerate() {
            for attempt in attempts {
                let there = written.contains(&bytes(attempt));
                match &attempt.outcome {
                    Outcome::Uploaded | Outcome::Unchanged => prop_assert!(there),
                    Outcome::Failed(UploadError::Stale { .. }) => prop_assert_eq!(location, 0),
                    // A put of ours may still arrive after we have given up.
                    Outcome::Failed(UploadError::Remote { .. }) => {}
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
        // Undisturbed, the last upload of the newer location is what the bucket has.
        let last = said[1].last().unwrap();
        if matches!(last.outcome, Outcome::Uploaded | Outcome::Unchanged) {
            prop_assert_eq!(written.last(), Some(&bytes(last)));
        }
    }
}
