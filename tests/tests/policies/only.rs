//! A policy that an embedder handed over.

use std::num::NonZeroUsize;

use thermocline::policies::{RollbackRule, Which};
use thermocline::policy::Policy;
use thermocline_tests::by_hand::ByHand;

use super::*;

const CONFIG: &str = r#"{"a": 1}"#;

fn handed_over() -> Policies {
    Policies::only(Arc::new(Policy::load(&ENGINE, &lists("handed", 1, 1.0), CONFIG).unwrap()))
}

fn active(policies: &Policies) -> (String, String) {
    let policy = policies.active();
    (policy.identity().name().unwrap().to_owned(), policy.config().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_rollback_leads_back_to_the_policy_that_was_handed_over() {
    let policies = handed_over();
    let digest = policies.active().identity().digest();
    policies.install(&given(&lists("other", 0, 1.0)), None, None, &note()).await.unwrap();
    let entry = policies.activate(&reference("other"), None, None, &note()).unwrap();
    assert_eq!(entry.from, Some(Which::Component(digest)));
    assert_eq!(active(&policies).0, "other");
    let listed = policies.list();
    let handed = listed.iter().find(|policy| policy.name == "handed").unwrap();
    assert_eq!((handed.digest, handed.source.as_deref()), (digest, Some("handed over by the program")));

    let entry = policies.rollback(None, &note()).unwrap();
    assert_eq!((entry.to, entry.name.as_deref()), (Some(Which::Component(digest)), Some("handed")));
    assert_eq!(active(&policies), ("handed".to_owned(), CONFIG.to_owned()));
    let error = policies.rollback(None, &note()).unwrap_err().to_string();
    assert!(error.contains("no policy decided before this one"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn it_can_be_activated_by_name_under_another_configuration() {
    let policies = handed_over();
    policies.activate(&reference("built-in"), None, None, &note()).unwrap();
    policies.activate(&reference("handed@1.2.3"), Some("{}"), None, &note()).unwrap();
    assert_eq!(active(&policies), ("handed".to_owned(), "{}".to_owned()));
    let (summary, policy) = policies.show(&reference("handed")).unwrap();
    assert_eq!((summary.roles.len(), policy.identity().name()), (1, Some("handed")));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_in_its_place_makes_way_for_it() {
    let policies = handed_over();
    policies.set_rollback_rule(Some(RollbackRule { failures: NonZeroUsize::MIN, window: PERIOD }));
    let sour = ByHand::conforming()
        .before_select(&format!("(if (i64.eq (local.get $now) (i64.const {NOW})) (then unreachable))"))
        .name("sour")
        .build()
        .unwrap();
    policies.install(&given(&sour), None, None, &note()).await.unwrap();
    policies.activate(&reference("sour"), None, None, &note()).unwrap();
    let world = World { policies: policies.clone(), ..World::new(1) };
    world.pageserver.set_layers(id(1), layers(3));
    let generator = thermocline::upload::Generator::new(
        Arc::new(world.pageserver.clone()),
        policies.clone(),
        Arc::new(SimClock::new(NOW)),
    );
    generator.generate(&shard(1), 5).await.unwrap();
    assert_eq!(active(&policies), ("handed".to_owned(), CONFIG.to_owned()));
}
