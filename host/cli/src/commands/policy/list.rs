//! `thermocline policy list`: what is installed in a running daemon.

use super::shown::digest;
use crate::Verdict;
use crate::args::ListArgs;
use crate::client::Client;
use crate::output::{self, Table, bytes};
use crate::policy_answers::{PoliciesAnswer, PolicyRow, RoleAnswer, RoleName};

/// Tenants that a row names; a number says how many more there are.
const NAMED_TENANTS: usize = 2;

pub(crate) fn list(args: &ListArgs) -> anyhow::Result<Verdict> {
    let answer = Client::new(&args.daemon)?.get(&["v1", "policy"], &[])?;
    if args.daemon.json {
        output::json(&answer)?;
    } else {
        let PoliciesAnswer { policies } = serde_json::from_value(answer)?;
        output::line(table(&policies).to_string())?;
    }
    Ok(Verdict::Good)
}

fn table(policies: &[PolicyRow]) -> Table {
    let mut table = Table::new(&["NAME", "VERSION", "CONTRACT", "POLICY", "ROLE", ">SIZE", "INSTALLED", "BY"]);
    for policy in policies {
        let or_dash = |shown: &Option<String>| shown.clone().unwrap_or_else(|| "-".into());
        table.row([
            policy.name.clone(),
            policy.version.clone(),
            or_dash(&policy.contract),
            digest(&policy.policy),
            roles(&policy.roles),
            bytes(policy.size_bytes),
            or_dash(&policy.installed_at),
            or_dash(&policy.installed_by),
        ]);
    }
    table
}

/// What a policy does, in a few words.
fn roles(roles: &[RoleAnswer]) -> String {
    let has = |wanted: RoleName| roles.iter().any(|role| role.role == wanted);
    let overrides = roles.iter().filter(|role| role.role == RoleName::Override);
    let tenants: Vec<&str> = overrides.filter_map(|role| role.tenant.as_deref()).collect();
    let mut words = Vec::new();
    words.extend(has(RoleName::Active).then(|| "active".to_owned()));
    words.extend(tenants.iter().take(NAMED_TENANTS).map(|tenant| format!("for {tenant}")));
    words.extend(
        tenants.len().checked_sub(NAMED_TENANTS).filter(|more| *more > 0).map(|more| format!("and {more} more")),
    );
    words.extend(has(RoleName::Shadow).then(|| "shadow".to_owned()));
    words.extend(has(RoleName::RolledBack).then(|| "rolled back".to_owned()));
    words.extend(has(RoleName::Absent).then(|| "absent".to_owned()));
    if words.is_empty() { "installed".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::none(json!([]), "installed")]
    #[case::active(json!([{"role": "active", "config": {}}]), "active")]
    #[case::all(
        json!([{"role": "active"}, {"role": "override", "tenant": "0a"}, {"role": "shadow"}]),
        "active, for 0a, shadow"
    )]
    #[case::as_many_as_are_named(
        json!([{"role": "override", "tenant": "0a"}, {"role": "override", "tenant": "0b"}]),
        "for 0a, for 0b"
    )]
    #[case::more_than_are_named(
        json!([{"role": "override", "tenant": "0a"}, {"role": "override", "tenant": "0b"}, {"role": "override", "tenant": "0c"}]),
        "for 0a, for 0b, and 1 more"
    )]
    #[case::absent(
        json!([{"role": "absent", "from": "override", "tenant": "0a", "why": "it is gone"}, {"role": "shadow"}]),
        "shadow, absent"
    )]
    #[case::failed(json!([{"role": "rolled-back", "since": "2026-11-22T12:30:00Z"}]), "rolled back")]
    fn what_a_policy_does(#[case] answer: serde_json::Value, #[case] shown: &str) {
        let answer: Vec<RoleAnswer> = serde_json::from_value(answer).unwrap();
        assert_eq!(roles(&answer), shown);
    }
}
