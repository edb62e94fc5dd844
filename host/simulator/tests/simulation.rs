//! What a simulation says, whoever takes part.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of this is tests")]

use std::sync::Arc;

use rstest::rstest;
use thermocline::heatmap::PolicyIdentity;
use thermocline::layer::LayerTable;
use thermocline::policy::{Layers, Selection, Tenant};
use thermocline_policy::Policy as _;
use thermocline_resident_set::ResidentSet;
use thermocline_simulator::trace::Kind;
use thermocline_simulator::{
    CLAIRVOYANT, Contestant, Decider, Decision, NOTHING, Native, Report, Room, Row, Settings, SimulationError, Trace,
    simulate,
};

fn contestant(name: &str, decider: impl Decider + 'static, settings: &Settings) -> Contestant {
    let decider: Arc<dyn Decider> = Arc::new(decider);
    Contestant { name: name.into(), deciders: vec![decider; settings.budgets.len()] }
}

fn today(settings: &Settings) -> Contestant {
    contestant("resident-set", Native(ResidentSet), settings)
}

fn quick(trace: &Trace) -> Settings {
    Settings { failovers: 10, ..Settings::for_trace(trace) }
}

fn report(trace: &Trace, settings: &Settings) -> Report {
    simulate(trace, None, &[today(settings)], settings, |_| {}).unwrap()
}

fn rows<'a>(report: &'a Report, policy: &str) -> Vec<&'a Row> {
    report.rows.iter().filter(|row| row.policy == policy).collect()
}

/// What is true of every simulation.
fn check(report: &Report, settings: &Settings) {
    for (nothing, limit) in rows(report, NOTHING).into_iter().zip(rows(report, CLAIRVOYANT)) {
        assert_eq!([nothing.hit_10s, nothing.hit_60s, nothing.hit_600s], [Some(0.0); 3]);
        assert_eq!((nothing.bytes_held, nothing.bytes_fetched, nothing.bytes_unread), (0, 0, 0));
        assert_eq!(limit.bytes_unread, 0);
        for row in report.rows.iter().filter(|row| row.budget.total_cmp(&limit.budget).is_eq()) {
            let shares = [(row.hit_10s, limit.hit_10s), (row.hit_60s, limit.hit_60s), (row.hit_600s, limit.hit_600s)];
            for (share, most) in shares {
                assert!((0.0..=most.unwrap() + 1e-9).contains(&share.unwrap()), "{row:?} is above {limit:?}");
            }
            assert!(row.bytes_unread <= row.bytes_fetched && row.bytes_held <= row.bytes_fetched, "{row:?}");
            assert_eq!(row.failovers, settings.failovers);
        }
    }
    for limits in rows(report, CLAIRVOYANT).windows(2) {
        assert!(limits[0].hit_60s <= limits[1].hit_60s && limits[0].hit_600s <= limits[1].hit_600s);
    }
}

#[rstest]
fn nobody_is_above_the_limit_or_below_nothing(
    #[values(Kind::Zipf, Kind::Moving, Kind::Scan, Kind::Append, Kind::Sleepy)] kind: Kind,
    #[values(Room::Share(1.0), Room::Share(0.5))] disk: Room,
) {
    let trace = kind.generate(3);
    let settings = Settings { disk, ..quick(&trace) };
    check(&report(&trace, &settings), &settings);
}

#[test]
fn a_seed_gives_one_report() {
    let trace = Kind::Append.generate(1);
    let settings = quick(&trace);
    let text = |settings: &Settings| serde_json::to_string(&report(&trace, settings)).unwrap();
    assert_eq!(text(&settings), text(&settings));
    assert_ne!(text(&settings), text(&Settings { seed: 1, ..settings.clone() }));
}

#[test]
fn who_holds_all_that_does_not_change_misses_nothing() {
    let trace = Kind::Scan.generate(0);
    let settings = Settings { budgets: vec![1.0], ..quick(&trace) };
    let report = report(&trace, &settings);
    let row = rows(&report, "resident-set")[0];
    assert_eq!([row.hit_10s, row.hit_60s, row.hit_600s], [Some(1.0); 3]);
    assert_eq!(row.bytes_held, 1 << 30);
}

#[test]
fn a_slow_standby_holds_less() {
    let trace = Kind::Zipf.generate(0);
    let settings = Settings { budgets: vec![1.0], ..quick(&trace) };
    let slow = Settings { bandwidth_bytes_per_s: 100 << 10, ..settings.clone() };
    let (fast, slow) = (report(&trace, &settings), report(&trace, &slow));
    let (fast, slow) = (rows(&fast, "resident-set")[0], rows(&slow, "resident-set")[0]);
    assert!(slow.bytes_held < fast.bytes_held / 2 && slow.hit_60s < fast.hit_60s, "{slow:?} {fast:?}");
    let most = u64::from(trace.duration_ms()) * (100 << 10) / 1000;
    assert!(slow.bytes_fetched <= most, "{} of {most}", slow.bytes_fetched);
}

#[test]
fn progress_goes_from_nothing_to_all() {
    let trace = Kind::Append.generate(0);
    let settings = quick(&trace);
    let mut told = Vec::new();
    simulate(&trace, None, &[today(&settings)], &settings, |share| told.push(share)).unwrap();
    assert!(told.len() > 10 && told.is_sorted() && told.iter().all(|share| (0.0..=1.0).contains(share)), "{told:?}");
}

/// Answers with nothing, and says that it failed; or does not answer at all.
#[derive(Debug)]
struct Broken {
    answers: bool,
}

impl Decider for Broken {
    fn decide(&self, _: &Tenant, table: &Arc<LayerTable>, memory: &[u8]) -> Result<Decision, String> {
        assert!(memory.is_empty(), "what a failed call hands back is nobody's memory");
        if !self.answers {
            return Err("it is broken".into());
        }
        let selection = ResidentSet.select_of(table);
        Ok(Decision { selection, failure: Some("it is shaky".into()) })
    }

    fn identity(&self) -> PolicyIdentity {
        PolicyIdentity { name: "broken".into(), version: "1.0.0".into(), digest: "0".repeat(64) }
    }
}

trait SelectOf {
    fn select_of(&self, table: &LayerTable) -> Selection;
}

impl SelectOf for ResidentSet {
    fn select_of(&self, table: &LayerTable) -> Selection {
        let tenant = Tenant { shard: "a".repeat(32), generation: 1, now: 0, checkpoint_distance: 0 };
        Selection::check(self.select(&tenant, table, &[]).unwrap(), table.rows()).unwrap()
    }
}

#[test]
fn failures_of_a_policy_are_told() {
    let trace = Kind::Append.generate(0);
    let settings = Settings { budgets: vec![0.5], ..quick(&trace) };
    let run =
        |answers| simulate(&trace, None, &[contestant("broken", Broken { answers }, &settings)], &settings, |_| {});
    let report = run(true).unwrap();
    assert_eq!(rows(&report, "broken")[0].policy_failures, vec!["it is shaky"; 19]);
    let error = run(false).unwrap_err();
    assert_eq!(error.to_string(), "policy broken: it is broken");
}

#[test]
fn each_budget_wants_a_decider() {
    let trace = Kind::Append.generate(0);
    let settings = quick(&trace);
    let one = Contestant { name: "one".into(), deciders: vec![Arc::new(Native(ResidentSet))] };
    let error = simulate(&trace, None, &[one], &settings, |_| {}).unwrap_err();
    assert!(matches!(error, SimulationError::Deciders { deciders: 1, budgets: 4, .. }), "{error}");
}

#[test]
fn a_trace_that_ends_before_a_failover_makes_sense_is_refused() {
    let trace = Kind::Append.generate(0);
    let settings = Settings { period_ms: 570_000, ..quick(&trace) };
    let error = simulate(&trace, None, &[], &settings, |_| {}).unwrap_err();
    assert!(matches!(error, SimulationError::TooShort { first_ms: 1_200_000, .. }), "{error}");
}

#[rstest]
#[case::no_budget(|settings: &mut Settings| settings.budgets.clear(), "the number of budgets is 0")]
#[case::a_budget(|settings: &mut Settings| settings.budgets = vec![-0.1], "a budget is -0.1")]
#[case::no_number(|settings: &mut Settings| settings.budgets = vec![f64::NAN], "a budget is NaN")]
#[case::failovers(|settings: &mut Settings| settings.failovers = 10_001, "failovers is 10001, and may be from 1 to 10000")]
#[case::period(|settings: &mut Settings| settings.period_ms = 999, "period in milliseconds is 999")]
#[case::bandwidth(|settings: &mut Settings| settings.bandwidth_bytes_per_s = 0, "bandwidth")]
#[case::no_disk(|settings: &mut Settings| settings.disk = Room::Share(0.0), "the disk is 0 of the layers")]
#[case::layers(|settings: &mut Settings| settings.rules.layer_bytes = 8191, "size of a layer is 8191")]
#[case::distance(|settings: &mut Settings| settings.rules.checkpoint_distance_bytes = 1, "checkpoint distance is 1")]
#[case::changes(|settings: &mut Settings| settings.rules.change_bytes = 0, "bytes of a change is 0")]
#[case::compaction(|settings: &mut Settings| settings.rules.compaction_threshold = 0, "compaction threshold is 0")]
#[case::images(|settings: &mut Settings| settings.rules.image_creation_threshold = 0, "image creation threshold is 0")]
fn a_setting_out_of_its_range_is_refused_by_name(#[case] wrong: fn(&mut Settings), #[case] says: &str) {
    let trace = Kind::Append.generate(0);
    let mut settings = quick(&trace);
    assert_eq!(settings.check(), Ok(()));
    wrong(&mut settings);
    let error = simulate(&trace, None, &[], &settings, |_| {}).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}
