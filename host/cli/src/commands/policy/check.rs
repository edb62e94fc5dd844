//! `thermocline policy check`: what every policy must do.

use thermocline::policy::conformance::{self, Conformance, Depth};
use thermocline::policy::{Engine, Limits, NO_CONFIG};

use crate::Verdict;
use crate::args::CheckArgs;
use crate::location;
use crate::output;

pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<Verdict> {
    let engine = Engine::new(Limits::default())?;
    let config = args.policy_config.as_deref().unwrap_or(NO_CONFIG);
    let policy = location::load_policy(&engine, &args.file, config)?;
    let conformance = conformance::check(&policy, Depth::Full);
    if args.json {
        output::json(&conformance.checks)?;
    } else {
        output::line(report(&conformance))?;
    }
    Ok(Verdict::good_if(conformance.passed()))
}

fn report(conformance: &Conformance) -> String {
    let mut lines = Vec::new();
    for check in &conformance.checks {
        lines.push(match &check.failure {
            None => format!("ok    {}: {}", check.name, check.rule),
            Some(why) => format!("FAIL  {}: {}\n      {why}", check.name, check.rule),
        });
    }
    let failed = conformance.checks.iter().filter(|check| check.failure.is_some()).count();
    lines.push(format!("{} passed, {failed} failed", conformance.checks.len() - failed));
    lines.join("\n")
}
