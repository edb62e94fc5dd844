//! `thermocline policy show`: one installed policy.

use super::compared::compared;
use super::shown::Card;
use crate::Verdict;
use crate::args::ShowPolicyArgs;
use crate::client::Client;
use crate::output::{self, bytes};
use crate::policy_answers::{PolicyDetails, RoleAnswer, RoleName};

pub(crate) fn show(args: &ShowPolicyArgs) -> anyhow::Result<Verdict> {
    let answer = Client::new(&args.daemon)?.get(&["v1", "policy", &args.policy.to_string()], &[])?;
    if args.daemon.json {
        output::json(&answer)?;
    } else {
        card(&serde_json::from_value(answer)?)?.print()?;
    }
    Ok(Verdict::Good)
}

fn card(details: &PolicyDetails) -> anyhow::Result<Card> {
    let row = &details.row;
    let mut card = Card::default();
    card.field("name", &row.name);
    card.field("version", &row.version);
    card.field("contract", row.contract.as_deref().unwrap_or_default());
    card.field("summary", &details.summary);
    card.field("digest", &format!("sha256:{}", row.sha256));
    card.field("size", &format!("{} ({} bytes)", bytes(row.size_bytes), row.size_bytes));
    card.field("installed", row.installed_at.as_deref().unwrap_or("built in"));
    card.field("by", row.installed_by.as_deref().unwrap_or_default());
    card.field("from", row.source.as_deref().unwrap_or_default());
    card.field("imports", &details.imports.join("\n"));
    card.field("exports", &details.exports.join("\n"));
    card.field("config", &serde_json::to_string_pretty(&details.config_schema)?);
    match &row.roles[..] {
        [] => card.field("role", "installed, no more"),
        roles => card.field("role", &roles.iter().map(role).collect::<Vec<_>>().join("\n")),
    }
    if let Some(shadow) = &details.shadow {
        compared(shadow, &mut card);
    }
    Ok(card)
}

fn role(role: &RoleAnswer) -> String {
    let with = role.config.as_ref().map(|config| format!(", with {config}")).unwrap_or_default();
    match role.role {
        RoleName::Active => format!("active{with}"),
        RoleName::Override => format!("active for {}{with}", role.tenant.as_deref().unwrap_or("some")),
        RoleName::Shadow => "watched".to_owned(),
        RoleName::RolledBack => format!(
            "rolled back since {}: it failed too often, and is not tried again until it is activated",
            role.since.as_deref().unwrap_or("some time")
        ),
        RoleName::Absent => format!(
            "absent: it should be {}{with}, and is not: {}",
            match (role.from, &role.tenant) {
                (Some(RoleName::Shadow), _) => "watched".to_owned(),
                (_, Some(tenant)) => format!("active for {tenant}"),
                _ => "active".to_owned(),
            },
            role.why.as_deref().unwrap_or("nobody knows why")
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_card_has_all_that_is_known() {
        let details = json!({
            "policy": format!("sha256:{}", "ab".repeat(32)), "name": "hot-first", "version": "1.2.3", "contract": "0.2.0",
            "sha256": "ab".repeat(32), "size_bytes": 49_152, "installed_at": "2026-11-22T12:30:00Z",
            "installed_by": "alice@laptop (says 127.0.0.1)", "source": "hot-first.wasm",
            "roles": [
                {"role": "override", "tenant": "0a330000000000000000000000000003", "config": {"limit": 3}},
                {"role": "shadow", "config": {"limit": 4}},
                {"role": "rolled-back", "since": "2026-11-22T11:00:00Z"},
                {"role": "absent", "from": "active", "why": "it could not be loaded at the start: it is gone"},
                {"role": "absent", "from": "shadow", "config": {"limit": 4}, "why": "it is gone"},
            ],
            "summary": "Lists what is read.", "config_schema": {"type": "object"},
            "imports": ["thermocline:policy/tables@0.1.0"], "exports": ["configure", "describe"],
            "shadow": {
                "policy": format!("sha256:{}", "ab".repeat(32)), "name": "hot-first", "version": "1.2.3",
                "config": {"limit": 4}, "tenant": null, "share": 0.1, "since": "2026-11-22T12:31:00Z",
                "agreement": {
                    "compared": 120, "same_layers": 118, "same_answer": 110, "common_layers": 4000,
                    "added_layers": 12, "added_bytes": 1_288_490_189, "dropped_layers": 3,
                    "dropped_bytes": 209_715_200, "failures": {"deadline": 1, "trap": 1},
                    "last_failure": "policy hot-first 1.2.3 (sha256:abababababab): `select` crashed: unreachable",
                    "skipped": 3, "elapsed_s": 2.16, "active_elapsed_s": 1.2,
                },
            },
        });
        insta::assert_snapshot!(card(&serde_json::from_value(details).unwrap()).unwrap().text());
    }
}
