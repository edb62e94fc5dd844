//! A watched policy is compared, and never heard.

use thermocline::policies::{Scope, Share};

use super::memory::remembers;
use super::*;

#[tokio::test(start_paused = true)]
async fn what_a_watched_policy_says_is_counted_and_not_used() {
    let world = World::new(2);
    world.install(&lists("quiet", 1, 1.0)).await;
    let host = world.start();
    world.policies.shadow(&reference("quiet"), None, Share::default(), &note()).unwrap();
    world.pass(PERIOD).await;
    assert_eq!(world.listed(1).await, (vec![0, 1, 2], None));
    let status = host.status().shadow.unwrap();
    let (calls, agreement) = (status.agreement.compared, status.agreement);
    assert_eq!((status.name.as_str(), calls), ("quiet", 2));
    assert_eq!((agreement.same_layers, agreement.same_answer), (0, 0));
    assert_eq!((agreement.common_layers, agreement.added_layers, agreement.dropped_layers), (2, 0, 4));
    assert_eq!((agreement.added_bytes, agreement.dropped_bytes), (0, 4 << 20));

    // The same layers as the one that decides, and then a whole answer that is the same.
    world.install(&lists("twin", 1, 2.0)).await;
    world.activate("twin");
    world.touch();
    world.pass(PERIOD).await;
    let agreement = host.status().shadow.unwrap().agreement;
    assert_eq!((agreement.compared, agreement.same_layers, agreement.same_answer), (4, 2, 0));
    world.install(&lists("like-it", 1, 1.0)).await;
    world.activate("like-it");
    world.touch();
    world.pass(PERIOD).await;
    let agreement = host.status().shadow.unwrap().agreement;
    assert_eq!((agreement.compared, agreement.same_layers, agreement.same_answer), (6, 4, 2));

    let entry = world.policies.end_shadow(&note()).unwrap();
    assert!(entry.from.is_some());
    assert_eq!(host.status().shadow, None);
    let error = world.policies.end_shadow(&note()).unwrap_err().to_string();
    assert!(error.contains("no policy is watched"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_share_sees_the_same_shards_always_and_one_tenant_only_its_own() {
    let world = World::new(40);
    world.install(&lists("quiet", 1, 1.0)).await;
    let host = world.start();
    let share = |share| Share { share, ..Share::default() };
    world.policies.shadow(&reference("quiet"), None, share(0.5), &note()).unwrap();
    world.pass(PERIOD).await;
    let first = host.status().shadow.unwrap().agreement.compared;
    assert!((8..=32).contains(&first), "{first}");
    world.touch();
    world.pass(PERIOD + Duration::from_secs(5)).await;
    assert_eq!(host.status().shadow.unwrap().agreement.compared, 2 * first);

    let tenant = Share { tenant: Some(Scope::Tenant(id(7).tenant)), share: 1.0 };
    world.policies.shadow(&reference("quiet"), None, tenant, &note()).unwrap();
    world.touch();
    world.pass(PERIOD + Duration::from_secs(5)).await;
    assert_eq!(host.status().shadow.unwrap().agreement.compared, 1);
    for wrong in [0.0, -1.0, 1.01, f64::NAN, f64::INFINITY] {
        let error = world.policies.shadow(&reference("quiet"), None, share(wrong), &note()).unwrap_err().to_string();
        assert!(error.contains("a share is more than 0 and at most 1"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_learns_while_it_is_watched_is_its_own_and_nobody_elses() {
    let world = World::new(1);
    world.install(&remembers("old")).await;
    world.install(&remembers("new")).await;
    let host = world.start();
    world.activate("old");
    world.pass(PERIOD).await;
    assert_eq!(world.listed(1).await.0, [0], "it remembers nothing yet");
    world.policies.shadow(&reference("new"), None, Share::default(), &note()).unwrap();
    world.touch();
    world.pass(PERIOD).await;
    assert_eq!(world.listed(1).await.0, [0, 1]);
    let agreement = host.status().shadow.unwrap().agreement;
    assert_eq!((agreement.compared, agreement.same_layers), (1, 0), "what the old one remembers is not handed to it");
    world.touch();
    world.pass(PERIOD).await;
    let agreement = host.status().shadow.unwrap().agreement;
    assert_eq!((agreement.compared, agreement.same_layers), (2, 1), "what it remembers itself is");

    // It goes on with what it has learned. One that was not watched starts anew, whatever others left.
    world.activate("new");
    assert_eq!(host.status().shadow, None, "nobody need watch what decides");
    world.pass(PERIOD).await;
    assert_eq!(world.listed(1).await.0, [0, 1]);
    world.install(&remembers("newest")).await;
    world.activate("newest");
    world.pass(PERIOD).await;
    assert_eq!(world.listed(1).await.0, [0]);
}
