//! `thermocline policy test`: a component over its author's fixtures.

use std::path::Path;

use anyhow::bail;
use serde::Serialize;
use thermocline::policy::{Engine, Limits, Policy, PolicyFile};

use crate::Verdict;
use crate::args::TestArgs;
use crate::location;
use crate::output;
use crate::policy::{build, fixture};

/// What became of a fixture.
#[derive(Serialize)]
struct Tested {
    fixture: String,
    about: Option<String>,
    passed: bool,
    /// Whether the fixture was rewritten.
    updated: bool,
    /// How what came out differs from what was expected.
    differences: Vec<String>,
    /// Why it could not be run.
    error: Option<String>,
}

pub(crate) fn test(args: &TestArgs) -> anyhow::Result<Verdict> {
    let fixtures = fixture::find(&args.dir)?;
    let engine = Engine::new(Limits::default())?;
    let policy = match &args.component {
        Some(file) => location::load_unconfigured(&engine, file)?,
        None => built(&engine, &args.dir)?,
    };
    let tested: Vec<_> = fixtures.iter().map(|file| run(&policy, file, &args.dir, args.update)).collect();
    if args.json {
        output::json(&tested)?;
    } else {
        output::line(report(&tested))?;
    }
    Ok(Verdict::good_if(tested.iter().all(|tested| tested.passed)))
}

/// The component of a crate, as it is now. Beside what its author built, which stays.
fn built(engine: &Engine, dir: &Path) -> anyhow::Result<Policy> {
    if !dir.join("Cargo.toml").is_file() {
        bail!("{} is no crate: name the component to test with --component", dir.display());
    }
    let folder = tempfile::tempdir()?;
    let file = build::build(dir, Some(&folder.path().join("policy.wasm")))?.file;
    location::load_unconfigured(engine, &PolicyFile::new(file))
}

fn run(policy: &Policy, file: &Path, dir: &Path, update: bool) -> Tested {
    let fixture = file.strip_prefix(dir).unwrap_or(file).display().to_string();
    match fixture::run(policy, file, update) {
        Ok(fixture::Ran { about, differences, updated }) => {
            Tested { fixture, about, passed: updated || differences.is_empty(), updated, differences, error: None }
        }
        Err(error) => Tested {
            fixture,
            about: None,
            passed: false,
            updated: false,
            differences: Vec::new(),
            error: Some(output::told(&error)),
        },
    }
}

fn report(tested: &[Tested]) -> String {
    let mut lines = Vec::new();
    for Tested { fixture, about, passed, updated, differences, error } in tested {
        let what = if *updated {
            "wrote"
        } else if *passed {
            "ok   "
        } else {
            "FAIL "
        };
        let about = about.as_ref().map(|about| format!(": {about}")).unwrap_or_default();
        lines.push(format!("{what} {fixture}{about}"));
        let said = differences.iter().chain(error).flat_map(|said| said.lines());
        lines.extend(said.map(|line| format!("      {line}")));
    }
    let count = |counted: fn(&&Tested) -> bool| tested.iter().filter(counted).count();
    let updated = count(|tested| tested.updated);
    let failed = count(|tested| !tested.passed);
    let passed = tested.len() - failed - updated;
    lines.push(match updated {
        0 => format!("{passed} passed, {failed} failed"),
        _ => format!("{passed} passed, {failed} failed, {updated} rewritten: read what changed before you keep it"),
    });
    lines.join("\n")
}
