//! What was decided outlives the process.

use thermocline::policies::{Scope, Share};

use super::*;

fn open(folder: &std::path::Path) -> Policies {
    let store = PolicyStore::open(folder).unwrap();
    Policies::open(ENGINE.clone(), store, Arc::new(SimClock::new(NOW)) as _).unwrap()
}

fn summary(policies: &Policies) -> String {
    format!("{:#?} {:?}", policies.list(), policies.shadow_status())
}

#[tokio::test(start_paused = true)]
async fn a_restart_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let policies = open(folder.path());
    for (name, row) in [("first", 0), ("second", 1), ("third", 2)] {
        policies.install(&given(&lists(name, row, 1.0)), None, None, &note()).await.unwrap();
    }
    policies.activate(&reference("first"), None, None, &note()).unwrap();
    policies.activate(&reference("second"), Some("{\"a\": 1}"), None, &note()).unwrap();
    policies.activate(&reference("third"), None, Some(Scope::Tenant(id(3).tenant)), &note()).unwrap();
    let share = Share { tenant: Some(Scope::Tenant(id(4).tenant)), share: 0.25 };
    policies.shadow(&reference("third"), None, share, &note()).unwrap();
    let before = summary(&policies);
    drop(policies);

    let policies = open(folder.path());
    assert_eq!(summary(&policies), before);
    assert_eq!(policies.active().config(), "{\"a\": 1}");
    assert_eq!(policies.of(id(3)).identity().name(), Some("third"));
    policies.rollback(None, &note()).unwrap();
    assert_eq!(policies.active().identity().name(), Some("first"));
    assert_eq!(policies.log(0, 100).unwrap().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_gone_costs_its_place_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let policies = open(folder.path());
    let first = policies.install(&given(&lists("first", 0, 1.0)), None, None, &note()).await.unwrap().digest;
    policies.install(&given(&lists("second", 1, 1.0)), None, None, &note()).await.unwrap();
    policies.activate(&reference("first"), None, None, &note()).unwrap();
    policies.activate(&reference("second"), None, Some(Scope::Tenant(id(3).tenant)), &note()).unwrap();
    drop(policies);
    std::fs::remove_file(folder.path().join("components").join(format!("{first}.wasm"))).unwrap();

    let policies = open(folder.path());
    assert_eq!(policies.active().identity().name(), Some("resident-set"));
    assert_eq!(policies.of(id(3)).identity().name(), Some("second"));
    let roles = |policies: &Policies| {
        let first = policies.list().into_iter().find(|policy| policy.digest == first).unwrap();
        first.roles.into_iter().map(|(role, _)| role).collect::<Vec<_>>()
    };
    let told = roles(&policies);
    assert!(
        matches!(&told[..], [PolicyRole::Absent { from, why }]
            if **from == PolicyRole::Active && why.contains("is installed: install it again")),
        "who should decide shows, and why it does not: {told:?}"
    );
    // Whoever installs it again can have it again.
    policies.install(&given(&lists("first", 0, 1.0)), None, None, &note()).await.unwrap();
    policies.activate(&reference("first"), None, None, &note()).unwrap();
    assert_eq!(policies.active().identity().name(), Some("first"));
    assert_eq!(roles(&policies), [PolicyRole::Active]);
}
