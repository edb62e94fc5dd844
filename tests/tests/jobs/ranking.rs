//! More is due than can run.

use rstest::rstest;
use thermocline::jobs::{OVERDUE_PERIODS, RANK_LIMIT};

use super::*;

/// A loop whose one place is taken for 100 seconds by key 1000, and in which keys `0..count` become due meanwhile.
async fn crowded(count: u32, period: Duration, state: State) -> Bench {
    let bench = Bench::new(1, state);
    bench.work.state().does.insert(1000, Does::Takes(s(100)));
    bench.handle.set(1000, Duration::from_millis(10));
    bench.wait(s(1)).await;
    bench.handle.set(1000, Duration::ZERO);
    (0..count).for_each(|key| bench.handle.set(key, period));
    bench.wait(s(98)).await;
    assert_eq!(bench.work.order(), [1000]);
    bench
}

#[rstest]
#[case::as_said(Ranks::Rows(vec![3, 1, 0, 2]), [3, 1, 0, 2])]
#[case::nothing(Ranks::Nothing, [0, 1, 2, 3])]
#[case::too_many_twice_and_missing(Ranks::Rows(vec![9, 2, 2, u32::MAX, 2]), [2, 0, 1, 3])]
#[case::a_panic(Ranks::Panics, [0, 1, 2, 3])]
#[tokio::test(start_paused = true)]
async fn what_is_due_runs_in_the_order_of_the_ranking(#[case] ranks: Ranks, #[case] order: [usize; 4]) {
    let bench =
        crowded(4, PERIOD, State { ranks, otherwise: Does::Takes(Duration::from_millis(100)), ..State::default() })
            .await;
    bench.wait(s(3)).await;
    let state = bench.work.state();
    let [(_, due), ..] = &state.rankings[..] else { panic!("nothing was ranked") };
    assert_eq!(state.rankings.len(), 1);
    let expected: Vec<_> = order.iter().map(|row| due[*row].key).collect();
    let ran: Vec<_> = state.runs.iter().skip(1).take(4).map(|run| run.key).collect();
    assert_eq!(ran, expected);
    assert!(due.is_sorted_by(|one, other| one.overdue >= other.overdue), "{due:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ranking_that_hangs_is_given_up() {
    let bench = crowded(40, 10 * PERIOD, State { ranks: Ranks::Hangs, ..State::default() }).await;
    // The place is free from 100 s on, and it is 99 s.
    bench.wait(s(1) + RANK_LIMIT - Duration::from_millis(100)).await;
    assert_eq!(bench.work.order(), [1000], "it is waited for");
    let due: Vec<_> = bench.work.state().rankings[0].1.iter().map(|due| due.key).collect();
    bench.wait(Duration::from_millis(200)).await;
    assert!(due.len() >= 2, "{due:?}");
    assert_eq!(bench.work.order()[1..=due.len()], due, "the longest overdue first");
}

#[tokio::test(start_paused = true)]
async fn no_key_starves_whatever_the_ranking() {
    // A second each and a place for one: of 30 keys with 20 seconds, some always wait.
    let state = State { ranks: Ranks::Last(7), otherwise: Does::Takes(s(1)), ..State::default() };
    let bench = Bench::new(1, state);
    (0..30).for_each(|key| bench.handle.set(key, s(20)));
    bench.wait(s(2000)).await;
    let began = bench.work.began(7);
    // Three periods after it became due, and then behind those that are as late.
    let spacing = began.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(spacing <= (OVERDUE_PERIODS + 1) * s(20) + s(30), "{spacing:?}");
    assert!(began.len() >= 2000 / 115, "{}", began.len());
    assert!(began.len() < bench.work.began(6).len(), "the ranking has a say");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_late_runs_while_the_ranking_is_outstanding() {
    let bench =
        crowded(4, s(30), State { ranks: Ranks::Hangs, otherwise: Does::Takes(s(1)), ..State::default() }).await;
    // Each is due at 31 s at the latest, and late at 121 s at the latest.
    let began = |key| bench.work.began(key).first().copied();
    let due: Vec<_> = (0..4).map(|key| bench.handle.times(key).unwrap().overdue).collect();
    let now = bench.clock.elapsed();
    bench.wait(s(5)).await;
    let late: Vec<_> = (0..4).filter(|key| due[*key as usize] + s(5) > s(90)).collect();
    for key in late {
        let at = began(key).expect("a key that is late has run");
        assert!(at >= now);
    }
    bench.wait(s(30)).await;
    assert!((0..4).all(|key| began(key).is_some()));
}

#[tokio::test(start_paused = true)]
async fn rankings_are_not_asked_for_all_the_time() {
    // One place, jobs of 10 ms, and twice as many keys as can be served.
    let bench = Bench::taking(1, Duration::from_millis(10));
    (0..2000).for_each(|key| bench.handle.set(key, s(10)));
    bench.wait(s(60)).await;
    let state = bench.work.state();
    let at: Vec<_> = state.rankings.iter().map(|(at, _)| *at).filter(|at| *at > s(20)).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= s(1)), "{at:?}");
    assert!((35..=41).contains(&at.len()), "new keys are ranked, too: {}", at.len());
    assert!(state.runs.len() > 4000, "the place is never empty for long: {}", state.runs.len());
}
