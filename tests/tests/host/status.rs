//! What the host says of itself.

use std::collections::BTreeSet;

use thermocline::metrics::{Family, Kind};
use thermocline_tests::doubles::{Fault, Flaky};

use super::*;

fn number(families: &[Family], name: &str) -> f64 {
    let family = families.iter().find(|family| family.name == name).unwrap();
    match family.samples[0].value {
        Value::Number(number) => number,
        Value::Histogram(_) => panic!("{name} is a histogram"),
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_how_fresh_every_heatmap_is_also_during_an_outage() {
    let world = World::new();
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    let world = world.through({
        let flaky = Arc::clone(&flaky);
        |_| flaky
    });
    let host = world.start();
    assert_eq!((host.status().shards, host.status().without_heatmap), (0, 0));
    world.pass(Duration::from_millis(1)).await;
    assert_eq!((host.status().shards, host.status().without_heatmap, host.status().stalest), (1, 1, None));
    world.pass(PERIOD).await;
    assert!(host.status().stalest.unwrap() <= PERIOD);
    let digest = status(&host, 1).heatmap.unwrap().digest;
    assert_eq!(digest, thermocline::Digest::of(&world.object(id(1)).await.unwrap()));

    flaky.plan([Some(Fault::Busy); 1000]);
    world.pageserver.set_layers(id(1), layers(3));
    world.pass(Duration::from_secs(600)).await;
    let stalest = host.status().stalest.unwrap();
    assert!((Duration::from_secs(600)..Duration::from_secs(670)).contains(&stalest), "{stalest:?}");
    let families = host.metrics(10);
    assert_eq!(number(&families, "thermocline_heatmap_age_seconds").floor(), stalest.as_secs_f64().floor());
    assert!(status(&host, 1).failures > 3);
    assert!(number(&families, "pageserver_secondary_upload_heatmap_errors") > 3.0);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_changes_no_schedule_and_no_age() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    for jump in [-86_400, 200_000] {
        world.clock.jump(jump);
        assert!(host.status().stalest.unwrap() <= A_PERIOD_AND_A_BIT);
        world.pageserver.set_layers(id(1), layers(2 + jump.unsigned_abs() % 7));
        world.forget();
        world.pass(A_PERIOD_AND_A_BIT).await;
        assert_eq!(world.puts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_have_the_names_that_dashboards_read() {
    let world = World::new();
    let host = world.start();
    world.pass(PERIOD).await;
    let families = host.metrics(10);
    let named: Vec<_> = families.iter().map(|family| (family.name, family.kind)).collect();
    for expected in [
        ("pageserver_secondary_upload_heatmap", Kind::Untyped),
        ("pageserver_secondary_upload_heatmap_errors", Kind::Untyped),
        ("pageserver_secondary_upload_heatmap_duration", Kind::Histogram),
        ("pageserver_background_loop_period_overrun_count", Kind::Untyped),
        ("pageserver_secondary_heatmap_total_size", Kind::Gauge),
        ("thermocline_heatmap_age_seconds", Kind::Gauge),
        ("thermocline_heatmap_age_distribution_seconds", Kind::Histogram),
        ("thermocline_heatmap_uploads_total", Kind::Counter),
        ("thermocline_policy_calls_total", Kind::Counter),
        ("thermocline_policy_call_duration_seconds", Kind::Histogram),
    ] {
        assert!(named.contains(&expected), "{expected:?} in {named:?}");
    }
    let names: BTreeSet<_> = named.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), named.len(), "none twice");
    let size = families.iter().find(|family| family.name == "pageserver_secondary_heatmap_total_size").unwrap();
    assert_eq!(
        size.samples[0].labels,
        [("tenant_id", id(1).tenant.to_string()), ("shard_id", "0000".to_owned())],
        "as the original labels an unsharded tenant"
    );
}

#[tokio::test(start_paused = true)]
async fn series_of_single_shards_are_bounded_and_show_the_stalest() {
    let world = World::empty();
    (1..=5).for_each(|number| world.pageserver.attach(shard(number), layers(1)));
    let host = world.start();
    world.pass(PERIOD).await;
    world.pageserver.is_loading(id(4), "it loads");
    world.pageserver.update(id(4), |shard| shard.revision.layers += 1);
    world.pass(PERIOD * 5).await;
    for (series, shown) in [(0, 0), (1, 1), (4, 4), (5, 5), (6, 5)] {
        let families = host.metrics(series);
        let ages = families.iter().find(|family| family.name == "thermocline_heatmap_age_seconds").unwrap();
        assert_eq!(ages.samples.len(), shown);
        let stalest = id(4).tenant.to_string();
        let has = ages.samples.iter().any(|sample| sample.labels[0].1 == stalest);
        assert_eq!(has, series > 0, "{series}");
    }
    let all = host.metrics(0);
    let ages = all.iter().find(|family| family.name == "thermocline_heatmap_age_distribution_seconds").unwrap();
    assert!(matches!(&ages.samples[0].value, Value::Histogram(buckets) if buckets.count == 5));
}
