//! Jobs by schedule.

use rstest::rstest;
use thermocline::jobs::Trigger;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_key_runs_within_its_first_period_and_then_once_a_period() {
    let bench = Bench::taking(100, s(5));
    (0..100).for_each(|key| bench.handle.set(key, PERIOD));
    bench.wait(10 * PERIOD).await;
    let mut spacings = Vec::new();
    for key in 0..100 {
        let began = bench.work.began(key);
        assert!(began[0] < PERIOD, "{:?}", began[0]);
        spacings.extend(began.windows(2).map(|pair| pair[1] - pair[0] - s(5)));
        // A period and five seconds each time.
        assert!((8..=11).contains(&began.len()), "{}", began.len());
    }
    assert!(spacings.iter().all(|spacing| (s(57)..=s(63) + Duration::from_millis(2)).contains(spacing)));
    assert!(spacings.iter().min().unwrap() < &s(58) && spacings.iter().max().unwrap() > &s(62), "no jitter");
    assert!(bench.work.state().runs.iter().all(|run| run.trigger == Trigger::Schedule));
    assert!(bench.work.state().rankings.is_empty(), "everything fits");
}

#[tokio::test(start_paused = true)]
async fn as_many_run_as_may_and_one_of_a_key() {
    let bench = Bench::taking(3, s(200));
    (0..10).for_each(|key| bench.handle.set(key, PERIOD));
    bench.wait(PERIOD).await;
    assert_eq!(bench.work.state().running, 3);
    assert_eq!((bench.handle.stats().running, bench.handle.stats().due), (3, 7));
    bench.wait(20 * PERIOD).await;
    let state = bench.work.state();
    assert_eq!(state.most_running, 3);
    for (number, run) in state.runs.iter().enumerate() {
        let before = state.runs[..number].iter().rfind(|before| before.key == run.key);
        assert!(before.is_none_or(|before| before.ended.unwrap() < run.at), "two jobs of {} at once", run.key);
    }
    let overruns: u64 = bench.handle.stats().overruns.iter().map(|(_, count)| count).sum();
    assert_eq!(overruns, state.runs.iter().filter(|run| run.ended.is_some()).count() as u64);
}

#[tokio::test(start_paused = true)]
async fn concurrency_changes_while_jobs_run() {
    let bench = Bench::taking(2, s(100));
    (0..20).for_each(|key| bench.handle.set(key, s(1)));
    bench.wait(s(10)).await;
    assert_eq!(bench.work.state().running, 2);
    bench.handle.set_concurrency(NonZeroUsize::new(5).unwrap());
    bench.settle().await;
    assert_eq!(bench.work.state().running, 5);
    bench.handle.set_concurrency(NonZeroUsize::MIN);
    bench.settle().await;
    assert_eq!(bench.work.state().running, 5, "those that run go on");
    bench.wait(s(101)).await;
    assert_eq!(bench.work.state().running, 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_comes_back_a_period_later() {
    let bench = Bench::new(1, State { otherwise: Does::Panics, ..State::default() });
    bench.handle.set(0, PERIOD);
    bench.wait(10 * PERIOD).await;
    let began = bench.work.began(0);
    assert!((9..=11).contains(&began.len()), "{began:?}");
    assert!(began.windows(2).all(|pair| pair[1] - pair[0] >= s(57)));
}

#[rstest]
#[case::never(Duration::ZERO, 0, 0)]
#[case::each_minute(PERIOD, 8, 11)]
#[tokio::test(start_paused = true)]
async fn zero_is_no_schedule(#[case] period: Duration, #[case] least: usize, #[case] most: usize) {
    let bench = Bench::new(1, State::default());
    bench.handle.set(0, period);
    bench.wait(10 * PERIOD).await;
    let runs = bench.work.state().runs.len();
    assert!((least..=most).contains(&runs), "{runs}");
}

#[tokio::test(start_paused = true)]
async fn a_period_changes_and_the_loop_wakes_for_it() {
    let bench = Bench::new(1, State::default());
    bench.handle.set(0, 1000 * PERIOD);
    bench.wait(s(1)).await;
    assert_eq!(bench.work.order(), [0_u32; 0]);
    bench.handle.set(0, s(1));
    bench.wait(s(10)).await;
    assert!((8..=11).contains(&bench.work.order().len()), "shorter: {:?}", bench.work.began(0));
    bench.handle.set(0, Duration::ZERO);
    let before = bench.work.order().len();
    bench.wait(s(10)).await;
    assert_eq!(bench.work.order().len(), before, "off");
    bench.handle.set(0, s(1));
    bench.wait(s(10)).await;
    assert!((before + 8..=before + 11).contains(&bench.work.order().len()), "back");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_removed_while_it_runs_ends_and_does_not_come_back_until_it_is_set() {
    let bench = Bench::taking(2, s(30));
    bench.handle.set(0, s(10));
    bench.wait(s(11)).await;
    bench.handle.remove(0);
    assert_eq!(bench.handle.times(0), None);
    bench.wait(s(1000)).await;
    assert_eq!(bench.work.order(), [0]);
    assert!(bench.work.state().runs[0].ended.is_some());
    bench.handle.set(0, s(10));
    bench.wait(s(11)).await;
    assert_eq!(bench.work.order(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn set_again_while_its_removed_job_runs_a_key_waits_for_its_end() {
    let bench = Bench::taking(2, s(30));
    bench.handle.set(0, s(10));
    bench.wait(s(11)).await;
    bench.handle.remove(0);
    bench.handle.set(0, s(1));
    bench.wait(s(1000)).await;
    let state = bench.work.state();
    assert!(state.runs.len() > 25 && state.most_running == 1, "{} {}", state.runs.len(), state.most_running);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_runs_at_once_where_it_fits_after_a_removal() {
    let bench = Bench::new(1, State { ranks: Ranks::Hangs, otherwise: Does::Takes(s(2)), ..State::default() });
    bench.handle.set(9, Duration::from_nanos(1));
    bench.wait(Duration::from_millis(2)).await;
    bench.handle.set(9, Duration::ZERO);
    // It runs until 2 s. Both others become due meanwhile.
    bench.handle.set(0, s(2));
    bench.handle.set(1, s(2));
    bench.wait(s(3)).await;
    assert_eq!(bench.work.order(), [9], "both wait for the ranking");
    bench.handle.remove(0);
    bench.settle().await;
    assert_eq!(bench.work.order(), [9, 1]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_are_due_at_once_leave_turns_to_others() {
    let bench = Bench::new(20_000, State::default());
    (0..10_000).for_each(|key| bench.handle.set(key, Duration::from_nanos(1)));
    // All are due from now on, and each is to run once.
    let turns = tokio::spawn({
        let work = Arc::clone(&bench.work);
        async move {
            let mut turns = 0;
            while work.state().runs.len() < 10_000 {
                turns += 1;
                tokio::task::yield_now().await;
            }
            turns
        }
    });
    let turns = turns.await.unwrap();
    assert!(turns > 100, "{turns} turns");
    bench.task.abort();
}
