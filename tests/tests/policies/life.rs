//! What operators change holds at once, for whom it is meant, and is written down.

use thermocline::layer::ShardIndex;
use thermocline::policies::{Action, MAX_INSTALLED, MAX_OVERRIDES, MAX_OVERRIDES_CONFIG_BYTES, Scope, Which};
use thermocline_tests::by_hand::ByHand;

use super::*;

const ALL: [u32; 3] = [0, 1, 2];

#[tokio::test(start_paused = true)]
async fn an_installed_policy_decides_nothing_until_it_is_activated_and_then_everything() {
    let world = World::new(2);
    let _host = world.start();
    let first = world.install(&lists("first", 0, 1.0)).await;
    world.pass(PERIOD).await;
    assert_eq!(world.listed(1).await, (ALL.into(), None));
    assert_eq!(world.roles("first"), []);
    assert_eq!(world.roles("resident-set"), [PolicyRole::Active]);

    let entry = world.activate("first");
    assert_eq!((entry.from, entry.to), (Some(Which::BuiltIn), Some(Which::Component(first))));
    world.pass(PERIOD * 2).await;
    for number in [1, 2] {
        assert_eq!(world.listed(number).await, (vec![0], Some("first".into())));
    }
    assert_eq!(world.roles("first"), [PolicyRole::Active]);
    assert_eq!(world.roles("resident-set"), []);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_leads_back_step_by_step() {
    let world = World::new(1);
    world.install(&lists("first", 0, 1.0)).await;
    world.install(&lists("second", 1, 1.0)).await;
    let _host = world.start();
    world.activate("first");
    world.activate("second");
    let back = world.policies.rollback(None, &note()).unwrap();
    assert_eq!((back.action, back.name.as_deref()), (Action::Rollback, Some("first")));
    world.pass(PERIOD * 2).await;
    assert_eq!(world.listed(1).await, (vec![0], Some("first".into())));
    world.policies.rollback(None, &note()).unwrap();
    assert_eq!(world.roles("resident-set"), [PolicyRole::Active]);
    let error = world.policies.rollback(None, &note()).unwrap_err().to_string();
    assert!(error.contains("no policy decided before this one"), "{error}");
    assert_eq!(world.policies.rollbacks(), (0, 2));
    // What somebody undid is not what failed.
    assert_eq!(world.policies.rolled_back(), []);
}

#[tokio::test(start_paused = true)]
async fn one_tenant_can_run_a_policy_before_all_do() {
    let world = World::new(3);
    world.install(&lists("first", 0, 1.0)).await;
    world.install(&lists("second", 1, 1.0)).await;
    let host = world.start();
    let scope = Scope::Tenant(id(2).tenant);
    world.policies.activate(&reference("first"), None, Some(scope), &note()).unwrap();
    world.pass(PERIOD * 2).await;
    assert_eq!(world.listed(1).await, (ALL.into(), None));
    assert_eq!(world.listed(2).await, (vec![0], Some("first".into())));
    assert_eq!(host.shard(id(2)).unwrap().policy.name, "first");
    assert_eq!(host.status().overrides.len(), 1);
    assert_eq!(world.roles("first"), [PolicyRole::Override(scope)]);

    // Its own policy stays its own when all others get another.
    world.activate("second");
    world.pass(PERIOD * 2).await;
    assert_eq!(world.listed(1).await.0, [1]);
    assert_eq!(world.listed(2).await.0, [0]);
    // The only shard of a tenant is the tenant.
    world.policies.rollback(Some(Scope::Shard(id(2))), &note()).unwrap();
    world.pass(PERIOD * 2).await;
    assert_eq!(world.listed(2).await.0, [1]);
    let error = world.policies.rollback(Some(scope), &note()).unwrap_err().to_string();
    assert!(error.contains("has no policy of its own"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_one_shard_goes_before_one_of_its_tenant() {
    let world = World::new(0);
    world.install(&lists("tenants", 0, 1.0)).await;
    world.install(&lists("shards", 1, 1.0)).await;
    let [one, other] =
        [0, 1].map(|number| TenantShardId { tenant: id(9).tenant, shard: ShardIndex { number, count: 2 } });
    world.policies.activate(&reference("shards"), None, Some(Scope::Shard(one)), &note()).unwrap();
    world.policies.activate(&reference("tenants"), None, Some(Scope::Tenant(id(9).tenant)), &note()).unwrap();
    let name = |shard| world.policies.of(shard).identity().name().unwrap().to_owned();
    assert_eq!([name(one), name(other), name(id(8))], ["shards", "tenants", "resident-set"]);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_is_part_of_the_choice() {
    let world = World::new(1);
    let schema = r#"{"type":"object","properties":{"share":{"type":"number","maximum":1}}}"#;
    world.install(&ByHand::conforming().name("tuned").config_schema(schema).build().unwrap()).await;
    let activate = |config| world.policies.activate(&reference("tuned"), Some(config), None, &note());
    activate(r#"{"share": 0.5}"#).unwrap();
    assert_eq!(world.policies.active().config(), r#"{"share": 0.5}"#);
    let error = activate(r#"{"share": 5}"#).unwrap_err().to_string();
    assert!(error.contains("share"), "{error}");
    assert_eq!(world.policies.active().config(), r#"{"share": 0.5}"#, "nothing changed");
    activate("{}").unwrap();
    world.policies.rollback(None, &note()).unwrap();
    assert_eq!(world.policies.active().config(), r#"{"share": 0.5}"#, "the same component, as it was configured");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_is_not_removed_and_what_is_not_goes() {
    let world = World::new(1);
    let digest = world.install(&lists("first", 0, 1.0)).await;
    world.activate("first");
    let error = world.policies.remove(&reference("first"), &note()).unwrap_err().to_string();
    assert!(error.contains("first is in use"), "{error}");
    let error = world.policies.remove(&reference("built-in"), &note()).unwrap_err().to_string();
    assert!(error.contains("is part of the host, and stays"), "{error}");
    world.policies.rollback(None, &note()).unwrap();
    world.policies.remove(&reference("first"), &note()).unwrap();
    let error = world.policies.activate(&PolicyRef::of(digest), None, None, &note()).unwrap_err().to_string();
    assert!(error.contains("install it"), "{error}");
    // It may come again.
    world.install(&lists("first", 0, 1.0)).await;
    world.activate("first");
}

#[tokio::test(start_paused = true)]
async fn the_store_holds_so_many_and_no_more() {
    let world = World::new(0);
    for number in 0..MAX_INSTALLED {
        world.install(&lists(&format!("policy-{number}"), 0, 1.0)).await;
    }
    let install = async |name: &str| world.policies.install(&given(&lists(name, 0, 1.0)), None, None, &note()).await;
    let error = install("one-more").await.unwrap_err().to_string();
    assert_eq!(error, "64 policies are installed, at most 64: remove one (`thermocline policy remove`)");
    install("policy-3").await.unwrap();
    world.policies.remove(&reference("policy-3"), &note()).unwrap();
    install("one-more").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn so_many_tenants_have_a_policy_of_their_own_and_no_more() {
    let world = World::new(0);
    world.install(&lists("first", 0, 1.0)).await;
    let activate = |number: usize| {
        let scope = format!("{number:032x}").parse().unwrap();
        world.policies.activate(&reference("first"), None, Some(scope), &note())
    };
    (0..MAX_OVERRIDES).for_each(|number| drop(activate(number).unwrap()));
    let error = activate(MAX_OVERRIDES).unwrap_err().to_string();
    assert!(error.starts_with("1000 tenants have a policy of their own, and more may not"), "{error}");
    activate(7).unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_tenant_goes_back_to_what_decides_for_all_at_once() {
    let world = World::new(3);
    world.install(&lists("first", 0, 1.0)).await;
    world.install(&lists("second", 1, 1.0)).await;
    let host = world.start();
    world.activate("second");
    for scope in [Scope::Tenant(id(1).tenant), Scope::Tenant(id(3).tenant)] {
        world.policies.activate(&reference("first"), None, Some(scope), &note()).unwrap();
    }
    world.pass(PERIOD * 2).await;
    assert_eq!([world.listed(1).await.0, world.listed(2).await.0, world.listed(3).await.0], [[0], [1], [0]]);
    let entry = world.policies.end_overrides(&note()).unwrap();
    assert_eq!((entry.action, entry.why.as_deref()), (Action::EndOverrides, Some("to see")));
    assert_eq!(host.status().overrides, []);
    assert_eq!(world.roles("first"), []);
    world.pass(PERIOD * 2).await;
    assert_eq!([world.listed(1).await.0, world.listed(2).await.0, world.listed(3).await.0], [[1], [1], [1]]);
    assert_eq!(world.policies.rollbacks(), (0, 1));
    let error = world.policies.end_overrides(&note()).unwrap_err().to_string();
    assert!(error.contains("no tenant has a policy of its own"), "{error}");
    // Also for whoever reads the log.
    let world = world.restarted();
    assert_eq!(world.policies.overrides().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn configurations_of_tenants_policies_fit_into_the_log_together_or_are_refused() {
    let world = World::new(0);
    world.install(&lists("first", 0, 1.0)).await;
    let largest = ENGINE.limits().config_bytes;
    let activate = |number: usize, bytes: usize| {
        let scope = format!("{number:032x}").parse().unwrap();
        let config = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - r#"{"a":""}"#.len()));
        world.policies.activate(&reference("first"), Some(&config), Some(scope), &note())
    };
    let fit = MAX_OVERRIDES_CONFIG_BYTES / largest;
    (0..fit).for_each(|number| drop(activate(number, largest).unwrap()));
    let error = activate(fit, 10).unwrap_err().to_string();
    assert!(error.contains("would take 8388618 bytes together, at most 8388608"), "{error}");
    // In the place of a larger one there is room.
    activate(0, largest - 10).unwrap();
    activate(fit, 10).unwrap();
    assert!(activate(0, largest).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_log_says_who_changed_what_from_which_to_which_and_why() {
    let world = World::new(1);
    let digest = world.install(&lists("first", 0, 1.0)).await;
    world.pass(Duration::from_secs(5)).await;
    world.activate("first");
    let nobody = Note { by: " ".into(), why: Some(String::new()) };
    world.policies.rollback(None, &nobody).unwrap();
    let host = Note { by: "thermocline".into(), why: Some("a\nlie".into()) };
    world.policies.activate(&PolicyRef::of(digest), None, Some("07".repeat(16).parse().unwrap()), &host).unwrap();
    let size = lists("first", 0, 1.0).len();
    let named = format!(r#""to":"sha256:{digest}","name":"first","version":"1.2.3""#);
    let resident_set = world.policies.list()[0].version.clone();
    assert_eq!(
        world.log(),
        [
            format!(
                r#"{{"seq":1,"at":"2023-11-14T22:13:20Z","action":"install",{named},"contract":"0.2.0","source":"given","size_bytes":{size},"by":"ada","why":"to see","result":"ok"}}"#
            ),
            format!(
                r#"{{"seq":2,"at":"2023-11-14T22:13:25Z","action":"activate","from":"built-in",{named},"config":{{}},"by":"ada","why":"to see","result":"ok"}}"#
            ),
            format!(
                r#"{{"seq":3,"at":"2023-11-14T22:13:25Z","action":"rollback","from":"sha256:{digest}","to":"built-in","name":"resident-set","version":"{resident_set}","config":{{}},"by":"unknown","result":"ok"}}"#
            ),
            format!(
                r#"{{"seq":4,"at":"2023-11-14T22:13:25Z","action":"activate","tenant":"{}","from":"built-in",{named},"config":{{}},"by":"unknown","why":"a\\nlie","result":"ok"}}"#,
                "07".repeat(16)
            ),
        ]
    );
}
