//! What a policy wants remembered is handed to it as long as it decides, and to nobody after that.

use rstest::rstest;
use thermocline::policies::{Scope, Share};
use thermocline_policy::Selection;
use thermocline_tests::by_hand::ByHand;

use super::*;

/// What a policy of [`remembers_but`] does first: nothing.
const NOTHING: &str = "";

/// Lists the first row; and the second as well where it is handed what it remembers.
pub(super) fn remembers(name: &str) -> Vec<u8> {
    remembers_but(name, NOTHING)
}

/// The same, with something before.
fn remembers_but(name: &str, first: &str) -> Vec<u8> {
    let selection = Selection { memory: b"abc".to_vec(), ..Selection::hot(vec![0, 1]) };
    // The answer's list of rows is one shorter where nothing is remembered.
    ByHand::conforming()
        .selects(&selection)
        .field("(global $table-rows (mut i32) (i32.const 0))")
        .before_select(&format!(
            "{first}
             (global.set $table-rows (call $rows (local.get $layers)))
             (i32.store (i32.const 204) (i32.const 1)) (i32.store (i32.const 208) (i32.const 1))
             (if (i32.eq (local.get $memory-len) (i32.const 3)) (then
               (i32.store (i32.const 204) (i32.const 2)) (i32.store (i32.const 208) (i32.const 2))))
             (if (i32.lt_u (global.get $table-rows) (i32.const 2)) (then
               (i32.store (i32.const 204) (i32.const 0)) (i32.store (i32.const 208) (i32.const 0))))",
        ))
        .name(name)
        .build()
        .unwrap()
}

const REMEMBERS: [u32; 2] = [0, 1];
const STARTS_ANEW: [u32; 1] = [0];

impl World {
    /// One shard, whose policy `keeper` has answered twice; `other` remembers nothing, and lists the third row.
    async fn keeping() -> (Self, HostHandle) {
        let world = World::new(1);
        world.install(&remembers("keeper")).await;
        world.install(&lists("other", 2, 1.0)).await;
        let host = world.start();
        world.activate("keeper");
        world.asked().await;
        assert_eq!(world.listed(1).await.0, STARTS_ANEW);
        world.asked().await;
        assert_eq!(world.listed(1).await.0, REMEMBERS);
        (world, host)
    }

    /// Every shard's policy is asked once.
    async fn asked(&self) {
        self.touch();
        self.pass(PERIOD + Duration::from_secs(5)).await;
    }
}

/// What happens to a policy that remembers something, and whether it is handed that at its next call.
#[rstest]
#[case::nothing(async |_: &World| (), true)]
#[case::it_is_activated_once_more(async |world: &World| drop(world.activate("keeper")), true)]
#[case::another_one_was_asked(
    async |world: &World| {
        world.activate("other");
        world.asked().await;
        assert_eq!(world.listed(1).await.0, [2]);
        world.activate("keeper");
    },
    false
)]
#[case::another_one_decided_and_was_not_asked(
    async |world: &World| {
        world.activate("other");
        world.activate("keeper");
    },
    false
)]
#[case::it_was_gone_back_to(
    async |world: &World| {
        world.activate("other");
        world.policies.rollback(None, &note()).unwrap();
    },
    false
)]
#[case::the_tenant_had_another_one(
    async |world: &World| {
        let scope = Some(Scope::Tenant(id(1).tenant));
        world.policies.activate(&reference("other"), None, scope, &note()).unwrap();
        world.asked().await;
        assert_eq!(world.listed(1).await.0, [2]);
        world.policies.rollback(scope, &note()).unwrap();
    },
    false
)]
#[case::the_tenant_is_given_what_all_have(
    async |world: &World| {
        let scope = Some(Scope::Tenant(id(1).tenant));
        world.policies.activate(&reference("keeper"), None, scope, &note()).unwrap();
    },
    true
)]
#[tokio::test(start_paused = true)]
async fn memory_is_empty_after_a_change_of_policy(#[case] happens: impl AsyncFn(&World), #[case] handed: bool) {
    let (world, _host) = World::keeping().await;
    happens(&world).await;
    world.asked().await;
    assert_eq!(world.listed(1).await.0, if handed { &REMEMBERS[..] } else { &STARTS_ANEW });
    world.asked().await;
    assert_eq!(world.listed(1).await.0, REMEMBERS, "and then it remembers again");
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_no_change() {
    let (world, host) = World::keeping().await;
    host.shutdown().await;
    let world = world.restarted();
    let _host = world.start();
    world.asked().await;
    assert_eq!(world.listed(1).await.0, REMEMBERS);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_while_it_was_watched_outlives_a_first_call_that_fails() {
    let world = World::new(1);
    world.policies.set_rollback_rule(None);
    let trap = format!(
        "(if (i32.and (i64.ge_s (local.get $now) (i64.const {}))
                      (i64.lt_s (local.get $now) (i64.const {}))) (then unreachable))",
        NOW + 300,
        NOW + 600
    );
    world.install(&remembers_but("keeper", &trap)).await;
    let _host = world.start();
    world.policies.shadow(&reference("keeper"), None, Share::default(), &note()).unwrap();
    world.asked().await;
    world.pass(Duration::from_secs(240)).await;
    world.activate("keeper");
    world.asked().await;
    assert_eq!(world.listed(1).await.0, [0, 1, 2], "the built-in one answers for it");
    world.pass(Duration::from_secs(240)).await;
    world.asked().await;
    assert_eq!(world.listed(1).await.0, REMEMBERS);
    // It handed back what it was handed, which is kept all the same.
    world.asked().await;
    assert_eq!(world.listed(1).await.0, REMEMBERS);
}
