//! `thermocline policy install`: a component into a running daemon.

use anyhow::ensure;
use thermocline::policy::{Limits, PolicyFile};

use super::shown::{digest, given};
use crate::Verdict;
use crate::args::InstallArgs;
use crate::client::Client;
use crate::location;
use crate::output::{self, bytes};
use crate::policy_answers::{MAX_CONFIG_HEADER_BYTES, PoliciesAnswer, PolicyRow};

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
    let PoliciesAnswer { policies } = serde_json::from_value(client.get(&["v1", "policy"], &[])?)?;
    let PolicyRow { name, version, size_bytes, .. } = &policy;
    let reference = reference(&policy, &policies);
    output::line(format!(
        "{name} {version} is installed ({}, {}). It decides nothing yet: `thermocline policy shadow {reference}` \
         watches it, `thermocline policy activate {reference}` lets it decide",
        digest(&policy.policy),
        bytes(*size_bytes),
    ))?;
    Ok(Verdict::Good)
}

/// What means this policy and no other.
fn reference(policy: &PolicyRow, all: &[PolicyRow]) -> String {
    let called = |row: &PolicyRow| (row.name.clone(), row.version.clone());
    match all.iter().filter(|other| called(other) == called(policy)).count() {
        0 | 1 => format!("{}@{}", policy.name, policy.version),
        _ => digest(&policy.policy),
    }
}

/// As a header can carry it. A line's end within JSON is space: in a string it would be escaped.
fn on_one_line(config: &str) -> anyhow::Result<String> {
    ensure!(
        config.len() <= MAX_CONFIG_HEADER_BYTES,
        "--config: {} bytes, at most {MAX_CONFIG_HEADER_BYTES} to try a policy with: install it without, and give them \
         to `thermocline policy activate`",
        config.len()
    );
    Ok(config.replace(['\n', '\r', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(policy: &str, name: &str) -> PolicyRow {
        serde_json::from_value(json!({
            "policy": policy, "name": name, "version": "1.0.0", "sha256": "ab", "size_bytes": 1, "installed_at": null,
            "installed_by": null, "source": null, "roles": [],
        }))
        .unwrap()
    }

    #[test]
    fn what_is_told_to_type_means_what_was_installed() {
        let all =
            [row("built-in", "resident-set"), row("sha256:0123456789abcdef", "resident-set"), row("sha256:12", "hot")];
        assert_eq!(reference(&all[1], &all), "sha256:0123456789ab", "its name is the built-in one's");
        assert_eq!(reference(&all[2], &all), "hot@1.0.0");
    }

    #[test]
    fn a_configuration_fits_on_a_line_and_says_what_it_said() {
        let no_break_space = '\u{a0}';
        let config = format!("{{\r\n\t\"a\": \"b{no_break_space}c\"\n}}");
        assert_eq!(on_one_line(&config).unwrap(), format!("{{   \"a\": \"b{no_break_space}c\" }}"));
    }
}
