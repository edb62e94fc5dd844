//! `thermocline policy install`: a component into a running daemon.

use anyhow::ensure;
use thermocline::policy::{Limits, PolicyFile};

use super::shown::{digest, given};
use crate::Verdict;
use crate::args::InstallArgs;
use crate::client::Client;
use crate::location;
use crate::output::{self, bytes};
use crate::policy_answers::{MAX_CONFIG_HEADER_BYTES, PolicyRow};

pub(crate) fn install(args: &InstallArgs) -> anyhow::Result<Verdict> {
    let client = Client::new(&args.daemon)?;
    let config = args.config.as_deref().map(on_one_line).transpose()?;
    // The daemon checks the pin, so that a wrong one is in its log.
    let file = PolicyFile::new(args.file.path());
    let component = location::read_component(Limits::default().component_bytes, &file)?;
    let mut query = given(&[("why", &args.why)]);
    query.push(("source", args.file.path().display().to_string()));
    query.extend(args.file.pin().map(|pin| ("pin", pin.to_string())));
    let answer = client.send(&["v1", "policy"], &query, &component, config.as_deref())?;
    if args.daemon.json {
        output::json(&answer)?;
        return Ok(Verdict::Good);
    }
    let policy: PolicyRow = serde_json::from_value(answer)?;
    let PolicyRow { name, version, size_bytes, .. } = &policy;
    output::line(format!(
        "{name} {version} is installed ({}, {}). It decides nothing yet: `thermocline policy shadow {name}@{version}` \
         watches it, `thermocline policy activate {name}@{version}` lets it decide",
        digest(&policy.policy),
        bytes(*size_bytes),
    ))?;
    Ok(Verdict::Good)
}

/// As a header can carry it. A line's end within JSON is space: in a string it would be escaped.
fn on_one_line(config: &str) -> anyhow::Result<String> {
    ensure!(
        config.len() <= MAX_CONFIG_HEADER_BYTES,
        "--config: {} bytes, at most {MAX_CONFIG_HEADER_BYTES} to try a policy with: install it without, and give them \
         to `thermocline policy activate`",
        config.len()
    );
    Ok(config.replace(char::is_whitespace, " "))
}
