//! The simulation itself: it repeats itself, hosts pass it, and it catches a bug of each kind.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rstest::rstest;
use thermocline_tests::sim::{INVARIANTS, Options, PLANTS, Plant, Policies, Run, Size, run};

/// Seeds that a host passes here; `tests/run sim` takes more and larger ones.
const SEEDS: u64 = 30;

/// Within so many seeds a planted bug is caught.
const SEEDS_TO_CATCH: u64 = 60;

static POLICIES: LazyLock<Policies> = LazyLock::new(|| Policies::new().unwrap());

fn small(seed: u64, plant: Option<Plant>) -> Run {
    run(seed, Options { size: Size::Small, plant, trace: false }, &POLICIES).unwrap()
}

#[rstest]
fn a_seed_repeats_itself(#[values(1, 2, 3, 4, 5)] seed: u64) {
    let traced = || run(seed, Options { size: Size::Small, plant: None, trace: true }, &POLICIES).unwrap();
    let (one, other) = (traced(), traced());
    assert_eq!(one.trace, other.trace);
    assert_eq!((one.events, one.digest), (other.events, other.digest));
    assert!(one.events > 100, "only {} events", one.events);
}

#[test]
fn seeds_differ() {
    let digests: BTreeSet<_> = (1..=5).map(|seed| small(seed, None).digest).collect();
    assert_eq!(digests.len(), 5);
}

#[test]
fn hosts_pass() {
    for seed in 1..=SEEDS {
        let violations = small(seed, None).violations;
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
    }
}

#[test]
fn a_large_world_is_passed_too() {
    let run = run(3, Options::default(), &POLICIES).unwrap();
    assert!(run.violations.is_empty(), "{:#?}", run.violations);
}

#[test]
fn each_invariant_has_a_bug_that_breaks_it() {
    let broken: BTreeSet<_> = PLANTS.iter().map(|(_, _, invariant)| *invariant).collect();
    assert_eq!(broken, BTreeSet::from(INVARIANTS));
}

#[rstest]
#[case::unconditional(Plant::Unconditional)]
#[case::halves(Plant::Halves)]
#[case::still(Plant::Still)]
#[case::rare(Plant::Rare)]
#[case::crowd(Plant::Crowd)]
#[case::unheld(Plant::Unheld)]
#[case::stubborn(Plant::Stubborn)]
#[case::undead(Plant::Undead)]
#[case::forgetful(Plant::Forgetful)]
#[case::restless(Plant::Restless)]
#[case::keeping(Plant::Keeping)]
fn a_planted_bug_is_caught(#[case] plant: Plant) {
    let (_, _, invariant) = PLANTS.iter().find(|(planted, _, _)| *planted == plant).unwrap();
    let broken = |run: &Run| run.violations.iter().any(|violation| violation.invariant == *invariant);
    let caught = (1..=SEEDS_TO_CATCH).find(|seed| broken(&small(*seed, Some(plant))));
    let seed = caught.unwrap_or_else(|| panic!("{SEEDS_TO_CATCH} seeds did not break {invariant}"));
    let violations = small(seed, None).violations;
    assert!(violations.is_empty(), "seed {seed} breaks without the bug: {violations:#?}");
}

/// A simulation in which nothing goes wrong proves nothing.
#[test]
fn everything_that_can_happen_does() {
    let traced = |seed| run(seed, Options { trace: true, ..Options::default() }, &POLICIES).unwrap().trace;
    let traces: Vec<String> = [3, 4, 6, 12, 13, 20, 45].into_iter().flat_map(traced).collect();
    let never = [
        "reply: Uploaded",
        "reply: Unchanged",
        "reply: Skipped(\"gone\")",
        "reply: Skipped(\"inactive\")",
        "reply: Skipped(\"not_ready\")",
        "reply: Stale",
        "reply: Remote",
        "reply: Cancelled",
        "reply: ShuttingDown",
        "reply: Done",
        "reply: Attached",
        "end: Conflict",
        "end: Busy",
        "end: Unknown",
        "end: Dropped",
        "mode: Stale",
        "mode: Multi",
        "-0002",
        "Removed",
        "Crashed",
        "ShutdownEnded",
        "Jumped",
        // A policy that traps, and one that fails now and then.
        "policy: Traps",
        "policy: Moody",
        "policy: RanksTheSame",
        // A state that was lost, one that is old, and one that is as it was left.
        "kept: Some(Nothing)",
        "kept: Some(Old)",
        "kept: Some(All)",
        // A store that hangs; one that only one host cannot reach, and one that fails for some tenants.
        "hang: 1000",
        "scope: Node(A)",
        "scope: Keys",
    ];
    let never: Vec<_> = never.iter().filter(|what| !traces.iter().any(|line| line.contains(**what))).collect();
    assert!(never.is_empty(), "{never:?}");
}
