//! The end of the loop.

use rstest::rstest;
use thermocline::jobs::{CANCEL_GRACE, CommandError};

use super::*;

#[tokio::test(start_paused = true)]
async fn with_nothing_running_it_ends_at_once_and_takes_nothing_new() {
    let bench = Bench::new(1, State::default());
    bench.handle.set(0, PERIOD);
    assert_eq!(bench.handle.shutdown(s(100)).await, [0_u32; 0]);
    assert_eq!(bench.clock.elapsed(), Duration::ZERO);
    assert_eq!(bench.handle.command(0).await, Err(CommandError::ShuttingDown));
    bench.wait(10 * PERIOD).await;
    assert_eq!(bench.work.order(), [0_u32; 0]);
    bench.task.await.unwrap();
}

#[rstest]
#[case::ends_in_time(Does::Takes(s(5)), s(5), true)]
#[case::at_the_limit(Does::Takes(s(10)), s(10), true)]
#[case::ends_when_it_is_cancelled(Does::Takes(s(100)), s(10), false)]
#[case::insists(Does::Insists(s(100)), s(10).saturating_add(CANCEL_GRACE), false)]
#[tokio::test(start_paused = true)]
async fn what_runs_is_waited_for_and_then_cut_off(#[case] does: Does, #[case] took: Duration, #[case] whole: bool) {
    let bench = Bench::new(1, State { otherwise: does, ..State::default() });
    let command = bench.command(3);
    tokio::task::yield_now().await;
    while bench.work.state().running == 0 {
        tokio::task::yield_now().await;
    }
    let cut_off = bench.handle.shutdown(s(10)).await;
    let elapsed = bench.clock.elapsed();
    assert!((took..took + Duration::from_millis(5)).contains(&elapsed), "{elapsed:?}");
    assert_eq!(cut_off, if whole { vec![] } else { vec![3] });
    assert_eq!(bench.work.state().running, 0, "nothing is left behind");
    let answer = command.await.unwrap();
    assert_eq!(answer, if matches!(does, Does::Takes(_)) { Ok(0) } else { Err(CommandError::ShuttingDown) });
}

#[tokio::test(start_paused = true)]
async fn every_command_is_answered_and_a_second_shutdown_waits_for_the_same_end() {
    let bench = Bench::taking(1, s(5));
    let first = bench.command(0);
    bench.settle().await;
    let behind = bench.command(0);
    bench.settle().await;
    let (handle, other) = (bench.handle.clone(), bench.handle.clone());
    let shutdowns = [
        tokio::spawn(async move { handle.shutdown(s(60)).await }),
        tokio::spawn(async move { other.shutdown(Duration::ZERO).await }),
    ];
    bench.settle().await;
    assert_eq!(bench.handle.command(1).await, Err(CommandError::ShuttingDown));
    assert_eq!(behind.await.unwrap(), Err(CommandError::ShuttingDown), "its job will never begin");
    assert_eq!(bench.work.state().running, 1);
    for shutdown in shutdowns {
        assert_eq!(shutdown.await.unwrap(), [0_u32; 0], "the first one says how long");
    }
    assert_eq!(first.await.unwrap(), Ok(0));
    assert_eq!(bench.handle.shutdown(s(1)).await, [0_u32; 0], "and a third one, after the end");
}

#[tokio::test(start_paused = true)]
async fn what_is_due_does_not_begin_any_more() {
    let bench = Bench::taking(1, s(5));
    (0..5).for_each(|key| bench.handle.set(key, s(1)));
    bench.wait(s(2)).await;
    bench.handle.shutdown(s(60)).await;
    let begun = bench.work.order().len();
    bench.wait(s(100)).await;
    assert_eq!((bench.work.order().len(), begun), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_is_dropped_ends_its_jobs_and_answers_its_commands() {
    let bench = Bench::taking(1, s(100));
    let (running, behind) = (bench.command(0), bench.command(0));
    bench.settle().await;
    assert_eq!(bench.work.state().running, 1);
    bench.task.abort();
    assert_eq!(running.await.unwrap(), Err(CommandError::ShuttingDown));
    assert_eq!(behind.await.unwrap(), Err(CommandError::ShuttingDown));
    assert_eq!(bench.handle.command(0).await, Err(CommandError::ShuttingDown));
    assert_eq!(bench.handle.shutdown(s(100)).await, [0_u32; 0], "a shutdown has nothing to wait for");
    bench.settle().await;
    assert_eq!(bench.work.state().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_never_ran_answers_too() {
    let clock = Arc::new(SimClock::new(0));
    let work = Arc::new(Fake { clock: Arc::clone(&clock), state: Mutex::default() });
    let (jobs, handle) = JobLoop::new(work, clock, Random::seeded(1), NonZeroUsize::MIN);
    let command = tokio::spawn({
        let handle = handle.clone();
        async move { handle.command(0).await }
    });
    tokio::task::yield_now().await;
    drop(jobs);
    assert_eq!(command.await.unwrap(), Err(CommandError::ShuttingDown));
    assert_eq!(handle.shutdown(s(1)).await, [0_u32; 0]);
}
