//! `thermocline policy inspect`: who a component says it is.

use serde::Serialize;
use thermocline::policy::{Engine, Limits};

use crate::Verdict;
use crate::args::InspectArgs;
use crate::location;
use crate::output::{self, bytes};

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
