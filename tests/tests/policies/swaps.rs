//! Swaps under load: no upload fails, and no heatmap is of two policies.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use thermocline::clock::SystemClock;
use thermocline::upload::Outcome;
use thermocline_tests::doubles::Call;

use super::*;

const SWAPS: usize = 1000;
const SHARDS: u8 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_swaps_under_load_fail_no_upload_and_mix_nothing() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store = PolicyStore::in_memory();
    let policies = Policies::open(Engine::new(Limits::default()).unwrap(), store, Arc::clone(&clock)).unwrap();
    let pageserver = FakePageserver::new();
    (1..=SHARDS).for_each(|number| pageserver.attach(shard(number), layers(3)));
    let bucket = Arc::new(Recording::new(Arc::new(Memory::new())));
    let host = Host::builder(Arc::new(pageserver.clone()), Arc::clone(&bucket) as _, policies.clone())
        .clock(clock)
        .concurrency(NonZeroUsize::new(4).unwrap())
        .build()
        .spawn();
    for (name, row) in [("first", 0), ("second", 1)] {
        policies.install(&given(&lists(name, row, 1.0 + row as f32)), None, None, &note()).await.unwrap();
    }

    let (stop, uploads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (1..=SHARDS)
        .map(|number| {
            let (host, pageserver) = (host.clone(), pageserver.clone());
            let (stop, uploads) = (Arc::clone(&stop), Arc::clone(&uploads));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    pageserver.set_layers(id(number), layers(3));
                    let attempt = host.upload_now(id(number)).await.unwrap();
                    let outcome = &attempt.outcome;
                    assert!(matches!(outcome, Outcome::Uploaded | Outcome::Unchanged), "{outcome:?}");
                    uploads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for swap in 0..SWAPS {
        let (policies, name) = (policies.clone(), ["first", "second"][swap % 2]);
        let swapped = move || policies.activate(&reference(name), None, None, &note());
        tokio::task::spawn_blocking(swapped).await.unwrap().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    host.shutdown().await;

    let mut published = [0; 2];
    for record in bucket.records() {
        let Some((body, _)) = record.put.filter(|_| record.call == Call::Put) else { continue };
        let heatmap = Heatmap::decode(&body).unwrap();
        let Some(policy) = heatmap.policy else { continue };
        let layers: Vec<_> = heatmap.timelines.iter().flat_map(|timeline| &timeline.layers).collect();
        let row = usize::from(policy.name == "second");
        assert_eq!((layers.len(), row_of(&layers[0].name.to_string()) as usize), (1, row), "{}", policy.name);
        assert_eq!(layers[0].heat, Some(1.0 + row as f32));
        published[row] += 1;
    }
    assert!(published.iter().all(|count| *count > 0), "{published:?} of {uploads:?}");
    let log = policies.log(0, 2 * SWAPS).unwrap();
    let swaps: Vec<_> = log.iter().filter(|entry| entry.name.is_some() && entry.config.is_some()).collect();
    assert_eq!(swaps.len(), SWAPS, "the log is complete");
    assert!(swaps.windows(2).all(|pair| pair[0].to == pair[1].from), "and goes from one to the other");
}
