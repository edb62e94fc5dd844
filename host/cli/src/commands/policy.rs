//! `thermocline policy`: those who write policies, and those who run them.

mod change;
mod compared;
mod install;
mod list;
mod log;
mod show;
mod shown;

pub(crate) use change::{activate, remove, rollback, shadow};
pub(crate) use install::install;
pub(crate) use list::list;
pub(crate) use log::log;
pub(crate) use show::show;

use serde::Serialize;
use thermocline::policy::conformance::{self, Conformance, Depth};
use thermocline::policy::{Engine, Limits, NO_CONFIG};

use crate::Verdict;
use crate::args::{BuildArgs, CheckArgs, InspectArgs};
use crate::location;
use crate::output::{self, bytes};
use crate::policy::build;

pub(crate) fn build(args: &BuildArgs) -> anyhow::Result<Verdict> {
    let built = build::build(&args.dir, args.out.as_deref())?;
    output::line(format!(
        "{}: {}, sha256 {}, built with {}",
        built.file.display(),
        bytes(built.size_bytes as u64),
        built.digest,
        built.rustc
    ))?;
    Ok(Verdict::Good)
}

#[derive(Serialize)]
struct Inspected {
    name: String,
    version: String,
    contract: &'static str,
    summary: String,
    digest: String,
    size_bytes: usize,
    imports: Vec<String>,
    exports: Vec<String>,
    config_schema: serde_json::Value,
}

pub(crate) fn inspect(args: &InspectArgs) -> anyhow::Result<Verdict> {
    let engine = Engine::new(Limits::default())?;
    let policy = location::load_unconfigured(&engine, &args.file)?;
    let (description, shape) = (policy.description().clone(), policy.shape().clone());
    let schema = serde_json::from_str(&description.config_schema);
    let inspected = Inspected {
        name: description.name,
        version: description.version,
        contract: shape.contract.version(),
        summary: description.summary,
        digest: policy.identity().digest().to_string(),
        size_bytes: policy.size_bytes(),
        imports: shape.imports,
        exports: shape.exports,
        // What is no JSON is shown as the text that it is.
        config_schema: schema.unwrap_or(serde_json::Value::String(description.config_schema)),
    };
    if args.json {
        output::json(&inspected)?;
    } else {
        output::line(card(&inspected)?)?;
    }
    Ok(Verdict::Good)
}

fn card(inspected: &Inspected) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    let mut field = |name: &str, value: &str| lines.push(format!("{name:<9} {value}").trim_end().to_owned());
    field("name", &inspected.name);
    field("version", &inspected.version);
    field("contract", inspected.contract);
    field("summary", &inspected.summary);
    field("digest", &format!("sha256:{}", inspected.digest));
    field("size", &format!("{} ({} bytes)", bytes(inspected.size_bytes as u64), inspected.size_bytes));
    for (name, items) in [("imports", &inspected.imports), ("exports", &inspected.exports)] {
        for (index, item) in items.iter().enumerate() {
            field(if index == 0 { name } else { "" }, item);
        }
    }
    for (index, line) in serde_json::to_string_pretty(&inspected.config_schema)?.lines().enumerate() {
        field(if index == 0 { "config" } else { "" }, line);
    }
    Ok(lines.join("\n"))
}

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
