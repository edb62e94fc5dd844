//! What policies remember, how long their answers stay right, and what a failing one costs.

use thermocline_policy::Selection;
use thermocline_tests::by_hand::ByHand;
use thermocline_tests::doubles::{Fault, Flaky, Gated};

use super::*;

/// Lists the first layer, and remembers something; traps where it is handed what it remembered.
fn remembers() -> Vec<u8> {
    let traps = "(if (i32.eq (local.get $memory-len) (i32.const 3)) (then unreachable))";
    let selection = Selection { rows: vec![0], cold_from: 1, heats: None, valid_for: None, memory: b"abc".to_vec() };
    ByHand::new().name("remembers").before_select(traps).selects(&selection).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_handed_what_it_remembered_also_after_a_restart() {
    let world = World::new().judged_by(&remembers());
    let host = world.start();
    world.pass(PERIOD).await;
    assert_eq!(status(&host, 1).last.unwrap().policy_error, None);
    host.shutdown().await;
    world.pageserver.set_layers(id(1), layers(3));
    let host = world.start();
    world.pass(PERIOD).await;
    let told = status(&host, 1).last.unwrap().policy_error.unwrap();
    assert!(told.contains("remembers 1.2.3"), "{told}");
    host.shutdown().await;

    // What it remembered is nothing to another policy, not even to the same one under another configuration.
    let policy = Policy::load(&ENGINE, &remembers(), r#"{"other":1}"#).unwrap();
    let world = World { judge: Arc::new(Judge::new(Arc::new(policy))), ..world };
    let host = world.start();
    world.pass(PERIOD).await;
    assert_eq!(status(&host, 1).last.unwrap().policy_error, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_remembers_of_a_shard_that_went_while_nobody_ran_is_forgotten() {
    let world = World::empty().judged_by(&remembers());
    // It never has a heatmap, only a policy that remembers something.
    let flaky = Arc::new(Flaky::scripted(Arc::clone(&world.bucket) as _));
    flaky.plan([Some(Fault::Busy); 100]);
    let world = world.through(|_| flaky);
    world.pageserver.attach(shard(1), layers(1));
    let host = world.start();
    world.pass(PERIOD + Duration::from_secs(20)).await;
    assert_eq!(status(&host, 1).last.unwrap().policy_error, None);
    host.shutdown().await;
    world.pageserver.detach(id(1));
    let host = world.start();
    world.pass(Duration::from_secs(3)).await;
    host.shutdown().await;

    world.pageserver.attach(shard(1), layers(2));
    let host = world.start();
    world.pass(PERIOD + Duration::from_secs(20)).await;
    let last = status(&host, 1).last.unwrap();
    assert_eq!((last.outcome, last.policy_error), (OutcomeKind::Failed, None));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_valid_for_a_time_is_asked_for_again() {
    let selection = Selection { rows: vec![0], cold_from: 1, heats: None, valid_for: Some(150), memory: Vec::new() };
    let component = ByHand::new().selects(&selection).build().unwrap();
    let world = World::new().judged_by(&component);
    let _host = world.start();
    world.pass(PERIOD).await;
    world.forget();
    // A clock that somebody sets does not make it older or younger.
    world.clock.jump(-86_400);
    world.pass(Duration::from_secs(100)).await;
    assert_eq!(world.walks(1), 0);
    world.pass(PERIOD * 2).await;
    assert_eq!(world.walks(1), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failing_policy_costs_no_heatmap_is_counted_and_asked_again_at_every_turn() {
    let component = ByHand::new().name("broken").select("unreachable").build().unwrap();
    let world = World::new().judged_by(&component);
    let host = world.start();
    world.pass(PERIOD).await;
    assert_eq!(listed(&world, 1).await, Some(2));
    assert!(status(&host, 1).last.unwrap().policy_error.unwrap().contains("broken 1.2.3"));
    world.forget();
    world.pass(PERIOD * 3).await;
    assert!((2..=4).contains(&world.walks(1)));
    assert_eq!(world.puts(), 0);
    let calls = host.metrics(0).into_iter().find(|family| family.name == "thermocline_policy_calls_total").unwrap();
    let labels: Vec<_> = calls.samples[0].labels.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!((labels[0], labels[3], labels[4]), ("broken", "select", "trap"));
}

#[tokio::test(start_paused = true)]
async fn due_shards_run_in_the_order_of_the_policy() {
    // Asked where more is due than can run, it answers: the third, the last, and leaves out the others.
    let component = ByHand::new().ranks(&[2, 4]).build().unwrap();
    let world = World::empty().judged_by(&component);
    let gated = Arc::new(Gated::new(Arc::clone(&world.bucket) as _, &[Call::Get]));
    let world = World { remote: Arc::clone(&gated) as _, ..world };
    (1..=6).for_each(|number| world.pageserver.attach(shard(number), layers(1)));
    let host = world.builder().concurrency(std::num::NonZeroUsize::MIN).build().spawn();
    world.pass(PERIOD).await;
    let ranked = || {
        let calls = host.metrics(0).into_iter().find(|family| family.name == "thermocline_policy_calls_total").unwrap();
        calls.samples.iter().any(|sample| sample.labels.iter().any(|(_, value)| value == "rank-uploads"))
    };
    assert_eq!((host.status().due, ranked()), (5, false), "there is no place, and so nothing to rank");
    let mut due: Vec<_> = (1..=6).map(|number| (status(&host, number).overdue, number)).collect();
    due.retain(|(overdue, _)| !overdue.is_zero());
    due.sort_unstable_by(|one, other| other.cmp(one));
    gated.release(1);
    world.pass(Duration::from_secs(1)).await;
    assert!(ranked());
    world.forget();
    gated.open();
    world.pass(Duration::from_secs(1)).await;
    let put: Vec<_> = world.bucket.take().into_iter().filter(|record| record.call == Call::Put).collect();
    let expected = [2, 4, 0, 1, 3].map(|row: usize| keys::heatmap(id(due[row].1)));
    assert_eq!(put.into_iter().map(|record| record.key).collect::<Vec<_>>(), expected);
}
