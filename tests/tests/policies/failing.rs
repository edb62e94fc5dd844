//! A policy that fails too often is taken back by itself.

use std::num::NonZeroUsize;

use thermocline::metrics::Value;
use thermocline::policies::{RollbackRule, Scope, Share};
use thermocline_tests::by_hand::ByHand;

use super::*;

/// When a policy of [`fails_later`] begins to fail. Checks of conformance show it later times and earlier ones.
const FAILS_FROM: i64 = NOW + 600;

/// Lists one row, until it traps.
fn fails_later(name: &str, row: u32) -> Vec<u8> {
    ByHand::conforming()
        .lists(row, 1.0)
        .before_select(&format!(
            "(if (i32.and (i64.ge_s (local.get $now) (i64.const {FAILS_FROM}))
                 (i64.lt_s (local.get $now) (i64.const {}))) (then unreachable))",
            NOW + 1_000_000
        ))
        .name(name)
        .build()
        .unwrap()
}

fn metric(host: &HostHandle, name: &str, label: &str) -> f64 {
    let family = host.metrics(0).into_iter().find(|family| family.name == name).unwrap();
    let sample = family.samples.iter().find(|sample| sample.labels.iter().any(|(_, value)| value == label));
    match sample.map(|sample| &sample.value) {
        Some(Value::Number(number)) => *number,
        _ => 0.0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_starts_failing_is_rolled_back_and_no_heatmap_suffers() {
    let world = World::new(5);
    world.install(&lists("good", 1, 1.0)).await;
    world.install(&fails_later("sour", 0)).await;
    let host = world.start();
    world.activate("good");
    world.activate("sour");
    world.pass(PERIOD * 3).await;
    assert_eq!(world.listed(1).await, (vec![0], Some("sour".into())));
    assert_eq!(metric(&host, "thermocline_policy_rolled_back", "sour"), 0.0);

    let before = world.log().len();
    world.work(Duration::from_secs(900)).await;
    let log = world.log();
    assert_eq!(log.len(), before + 1, "{log:#?}");
    let last = log.last().unwrap();
    assert!(last.contains(r#""action":"rollback""#) && last.contains(r#""name":"good""#), "{last}");
    assert!(
        last.contains(r#""by":"thermocline","why":"it failed 5 times within 5m, the last time so: policy sour 1.2.3"#),
        "{last}"
    );
    assert_eq!(metric(&host, "thermocline_policy_rolled_back", "sour"), 1.0);
    assert_eq!(metric(&host, "thermocline_policy_rollbacks_total", "automatic"), 1.0);
    // Whatever was published meanwhile was whole: of the one, of the other, or of the built-in one in between.
    for number in 1..=5 {
        assert_eq!(world.listed(number).await, (vec![1], Some("good".into())));
    }
    for record in world.bucket.take() {
        let Some((body, _)) = record.put else { continue };
        let heatmap = Heatmap::decode(&body).unwrap();
        let rows = heatmap.timelines[0].layers.len();
        assert_eq!(rows, if heatmap.policy.is_some() { 1 } else { 3 });
    }

    // Nobody tries it again but who says so.
    let world = world.restarted();
    assert_eq!(world.policies.active().identity().name(), Some("good"));
    assert_eq!(world.policies.rolled_back().len(), 1);
    world.activate("sour");
    assert_eq!(world.policies.rolled_back(), []);
    assert_eq!(world.policies.active().identity().name(), Some("sour"));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_passes_over_what_failed_before() {
    let world = World::new(3);
    world.install(&fails_later("first", 0)).await;
    world.install(&fails_later("second", 1)).await;
    let _host = world.start();
    world.activate("first");
    world.activate("second");
    world.work(Duration::from_secs(2400)).await;
    assert_eq!(world.policies.active().identity().name(), Some("resident-set"));
    assert_eq!(world.policies.rolled_back().len(), 2);
    assert_eq!(world.policies.rollbacks(), (2, 0));
    assert_eq!(world.listed(1).await, (vec![0, 1, 2], None));
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_for_the_policy_and_not_for_each_tenant() {
    // Every tenant is asked once a period, and five of them make five.
    let rule = RollbackRule { failures: NonZeroUsize::new(5).unwrap(), window: Duration::from_secs(70) };
    for (tenants, rolled_back) in [(2, false), (5, true)] {
        let world = World::new(tenants);
        world.policies.set_rollback_rule(Some(rule));
        world.install(&fails_later("sour", 0)).await;
        let _host = world.start();
        world.activate("sour");
        world.work(Duration::from_secs(1200)).await;
        assert_eq!(world.policies.active().identity().name() == Some("resident-set"), rolled_back, "{tenants} tenants");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_rule_nothing_is_taken_back() {
    let world = World::new(5);
    world.policies.set_rollback_rule(None);
    world.install(&fails_later("sour", 0)).await;
    let _host = world.start();
    world.activate("sour");
    world.work(Duration::from_secs(3600)).await;
    assert_eq!(world.policies.active().identity().name(), Some("sour"));
    assert_eq!(world.listed(1).await, (vec![0, 1, 2], None), "the built-in one answers for it");
}

#[tokio::test(start_paused = true)]
async fn a_tenants_own_policy_that_fails_makes_way_for_the_one_of_all() {
    let world = World::new(3);
    world.install(&lists("good", 1, 1.0)).await;
    world.install(&fails_later("sour", 0)).await;
    let host = world.start();
    world.activate("good");
    let scope = Scope::Tenant(id(2).tenant);
    world.policies.activate(&reference("sour"), None, Some(scope), &note()).unwrap();
    world.work(Duration::from_secs(2400)).await;
    assert_eq!(world.listed(2).await, (vec![1], Some("good".into())));
    assert_eq!(host.status().overrides, []);
    let last = world.log().pop().unwrap();
    assert!(last.contains(&format!(r#""action":"rollback","tenant":"{scope}""#)), "{last}");
    assert_eq!(metric(&host, "thermocline_policy_rolled_back", "sour"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_watched_policy_that_fails_is_not_watched_any_more() {
    let world = World::new(3);
    world.install(&fails_later("sour", 0)).await;
    let host = world.start();
    world.policies.shadow(&reference("sour"), None, Share::default(), &note()).unwrap();
    world.pass(Duration::from_secs(300)).await;
    assert!(host.status().shadow.is_some());
    world.work(Duration::from_secs(1800)).await;
    assert_eq!(host.status().shadow, None);
    let last = world.log().pop().unwrap();
    assert!(last.contains(r#""action":"end-shadow""#) && last.contains(r#""by":"thermocline""#), "{last}");
    assert_eq!(world.listed(1).await, (vec![0, 1, 2], None));
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_many_tenants_is_counted_as_one_and_leaves_all_of_them() {
    let world = World::new(6);
    world.install(&fails_later("sour", 0)).await;
    let host = world.start();
    for number in 1..=6 {
        // As embedders have it: the shard of a tenant that has but one.
        world.policies.activate(&reference("sour"), None, Some(Scope::Shard(id(number))), &note()).unwrap();
    }
    world.work(Duration::from_secs(1200)).await;
    assert_eq!(host.status().overrides, []);
    assert_eq!(world.policies.rolled_back().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_is_not_gone_back_to_and_another_configuration_of_it_may_be() {
    let world = World::new(5);
    world.install(&lists("good", 1, 1.0)).await;
    world.install(&fails_later("sour", 0)).await;
    let _host = world.start();
    // Decided, in this order: sour, good, sour, which fails.
    world.activate("sour");
    world.activate("good");
    world.activate("sour");
    world.work(Duration::from_secs(1200)).await;
    assert_eq!(world.policies.active().identity().name(), Some("good"));
    world.policies.rollback(None, &note()).unwrap();
    assert_eq!(world.policies.active().identity().name(), Some("resident-set"), "and not the one that failed");
}
