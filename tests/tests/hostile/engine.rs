//! Each against the engine: it bites where the table says, and the host says what the table says.

use thermocline::policy::conformance::{Depth, check};
use thermocline::policy::{NO_CONFIG, Policy, PolicyError, Report};
use thermocline_tests::hostile::Bites;

use super::*;

/// Where a component bites, and what the host says then.
fn bite(hostile: &Hostile, bytes: &[u8]) -> (Bites, String) {
    match meet(hostile, bytes) {
        Ok(()) => (Bites::Never, String::new()),
        Err((bites, said)) => (bites, said),
    }
}

fn meet(hostile: &Hostile, bytes: &[u8]) -> Result<(), (Bites, String)> {
    let told = |bites: Bites| {
        move |error: PolicyError| {
            let said = error.to_string();
            assert!(said.len() < 4096 && !said.chars().any(char::is_control), "{}: {said:?}", hostile.name);
            let named = error.identity().name().is_none_or(|name| said.contains(name));
            assert!(named && said.contains("sha256:"), "{said}");
            is_bounded(error.report(), LARGE);
            (bites, said)
        }
    };
    let policy = Policy::load_unconfigured(&ENGINE, bytes).map_err(told(Bites::Install))?;
    let policy = policy.with_config(NO_CONFIG).map_err(told(Bites::Configure))?;
    let (small, large) = (table(SMALL), table(LARGE));
    let first = policy.select(&tenant(), &small, &[]).map_err(told(Bites::Select))?;
    is_bounded(&first.report, SMALL);
    policy.rank_uploads(1, &queue(3)).map_err(told(Bites::Rank))?;
    let checked = check(&policy, Depth::Quick);
    let failed = checked.checks.iter().find(|check| check.failure.is_some());

    let later = told(Bites::Later);
    let mut memory = first.answer.memory().to_vec();
    for _ in 0..CALLS {
        let called = policy.select(&tenant(), &small, &memory).map_err(&later)?;
        assert_eq!(called.answer.rows(), first.answer.rows(), "{} answers otherwise", hostile.name);
        memory = called.answer.memory().to_vec();
    }
    policy.select(&tenant(), &small, &[0xff; 64]).map_err(&later)?;
    let called = policy.select(&tenant(), &large, &[]).map_err(&later)?;
    is_bounded(&called.report, LARGE);
    failed.map_or(Ok(()), |failed| Err((Bites::Check, failed.to_string())))
}

/// What a call took is within what a call over so many rows may take.
fn is_bounded(report: &Report, rows: u32) {
    assert!(report.memory_bytes <= limits().memory_for(rows), "{report:?}");
    assert!(report.log.len() <= limits().log_lines, "{report:?}");
    assert!(report.log.iter().all(|line| line.message.len() <= limits().log_line_bytes + "...".len()));
}

#[test]
fn each_bites_where_the_table_says_and_the_host_says_what_the_table_says() {
    let mut wrong = Vec::new();
    for hostile in &*ALL {
        println!("{}", hostile.name);
        let (bites, said) = bite(hostile, &hostile.bytes().unwrap());
        if bites != hostile.bites || !said.contains(hostile.says) {
            wrong.push(format!("{}: {bites}: {said}", hostile.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the checks of an installation cannot find is found by whoever is bitten.
#[test]
fn those_that_sleep_pass_every_check_and_bite_then() {
    for hostile in ALL.iter().filter(|hostile| matches!(hostile.bites, Bites::Select | Bites::Rank)) {
        let bytes = hostile.asleep().unwrap();
        let policy = Policy::load(&ENGINE, &bytes, NO_CONFIG).unwrap();
        let checked = check(&policy, Depth::Quick);
        assert!(checked.passed(), "{}: {:#?}", hostile.name, checked.checks);
        let (bites, said) = bite(hostile, &bytes);
        assert!(bites == hostile.bites && said.contains(hostile.says), "{}: {bites}: {said}", hostile.name);
    }
}

#[test]
fn a_flood_of_lines_is_counted_and_cut_off() {
    let report = |name: &str| {
        let hostile = ALL.iter().find(|hostile| hostile.name == name).unwrap();
        let policy = Policy::load(&ENGINE, &hostile.bytes().unwrap(), NO_CONFIG).unwrap();
        policy.select(&tenant(), &table(SMALL), &[]).unwrap().report
    };
    let flood = report("log-flood");
    assert_eq!((flood.log.len(), flood.log_dropped), (limits().log_lines, 2_000 - limits().log_lines as u64));
    let line = report("log-all-it-has");
    let message = &line.log[0].message;
    assert!(message.ends_with("...") && message.len() <= limits().log_line_bytes + "...".len(), "{message}");
}
