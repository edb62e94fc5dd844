//! Commands.

use rstest::rstest;
use thermocline::jobs::{CommandError, MAX_COMMANDS, Trigger};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_command_runs_at_once_also_for_a_key_that_there_is_not() {
    let bench = Bench::new(1, State::default());
    assert_eq!(bench.handle.command(7).await, Ok(0));
    let state = bench.work.state();
    assert_eq!((state.runs[0].key, state.runs[0].trigger, state.runs[0].at), (7, Trigger::Command, Duration::ZERO));
    assert_eq!(state.asked, 0, "no other command waited");
}

#[tokio::test(start_paused = true)]
async fn commands_run_past_the_concurrency_limit_and_up_to_their_own() {
    let bench = Bench::taking(1, s(100));
    bench.handle.set(1000, s(1));
    bench.wait(s(2)).await;
    let commands: Vec<_> = (0..64).map(|key| bench.command(key)).collect();
    bench.settle().await;
    assert_eq!(bench.work.state().running, 65);
    assert_eq!(bench.handle.command(64).await, Err(CommandError::Busy { limit: MAX_COMMANDS }));
    assert_eq!(bench.handle.command(0).await, Err(CommandError::Busy { limit: 64 }), "those behind a job count");
    for command in commands {
        assert!(command.await.unwrap().is_ok());
    }
    assert!(bench.handle.command(64).await.is_ok(), "there is a place again");
}

#[rstest]
#[case::answered(true, &[0, 0, 0], 1)]
#[case::not_answered(false, &[1, 1, 1], 2)]
#[tokio::test(start_paused = true)]
async fn commands_behind_a_running_job_share_its_outcome_or_one_run(
    #[case] answers: bool,
    #[case] outcomes: &[usize],
    #[case] runs: usize,
) {
    let bench = Bench::new(1, State { answers, otherwise: Does::Takes(s(10)), ..State::default() });
    bench.handle.set(0, s(1));
    bench.wait(s(2)).await;
    bench.handle.set(0, Duration::ZERO);
    let commands: Vec<_> = (0..3).map(|_| bench.command(0)).collect();
    bench.wait(s(100)).await;
    let mut told = Vec::new();
    for command in commands {
        told.push(command.await.unwrap().unwrap());
    }
    assert_eq!(told, outcomes);
    let state = bench.work.state();
    assert_eq!((state.runs.len(), state.asked, state.most_running), (runs, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_comes_while_it_is_asked_gets_a_run_of_its_own() {
    let state = State { answers: true, answers_after: s(5), otherwise: Does::Takes(s(10)), ..State::default() };
    let bench = Bench::new(1, state);
    let (first, behind) = (bench.command(0), bench.command(1));
    bench.settle().await;
    let second = bench.command(0);
    bench.wait(s(12)).await;
    let third = bench.command(0);
    bench.wait(s(100)).await;
    let outcome = |command: JoinHandle<Result<usize, CommandError>>| async move { command.await.unwrap().unwrap() };
    assert_eq!(outcome(first).await, outcome(second).await);
    assert_ne!(outcome(behind).await, outcome(third).await);
    assert_eq!(bench.work.began(0).len(), 2);
    assert_eq!(bench.work.state().most_running, 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_told_to_those_it_ran_for_and_those_behind_run() {
    let bench = Bench::new(1, State::default());
    bench.work.state().does.insert(0, Does::Panics);
    assert_eq!(bench.handle.command(0).await, Err(CommandError::BrokeOff));
    bench.work.state().does.clear();
    assert!(bench.handle.command(0).await.is_ok());
    assert_eq!(bench.handle.stats().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_nobody_waits_for_runs_on_once_begun_and_keeps_its_place() {
    let bench = Bench::taking(1, s(10));
    for key in 0..64 {
        let command = bench.command(key);
        bench.settle().await;
        command.abort();
    }
    bench.settle().await;
    assert_eq!(bench.work.state().running, 64);
    assert_eq!(bench.handle.command(64).await, Err(CommandError::Busy { limit: 64 }), "they still run");
    bench.wait(s(20)).await;
    assert!(bench.work.state().runs.iter().all(|run| run.ended.is_some()));
    assert!(bench.handle.command(64).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_nobody_waits_for_does_not_begin() {
    let bench = Bench::taking(1, s(10));
    let first = bench.command(0);
    bench.settle().await;
    for _ in 0..1000 {
        let behind = bench.command(0);
        tokio::task::yield_now().await;
        behind.abort();
        let _ = behind.await;
    }
    let others: Vec<_> = (1..64).map(|key| bench.command(key)).collect();
    bench.wait(s(100)).await;
    for command in others.into_iter().chain([first]) {
        assert!(command.await.unwrap().is_ok(), "those that have gone hold no place");
    }
    assert_eq!(bench.work.began(0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_puts_off_the_next_run_by_schedule() {
    let bench = Bench::new(1, State::default());
    bench.handle.set(0, PERIOD);
    for _ in 0..10 {
        bench.wait(s(50)).await;
        bench.handle.command(0).await.unwrap();
    }
    let scheduled = bench.work.state().runs.iter().filter(|run| run.trigger == Trigger::Schedule).count();
    assert!(scheduled <= 1, "{scheduled}");
    bench.wait(s(64)).await;
    assert_eq!(bench.work.state().runs.last().unwrap().trigger, Trigger::Schedule);
}
