//! What the commands on installed policies show alike.

use thermocline::policies::{Entry, Scope, Which};

use crate::output;

/// Hex digits of a digest that are shown: enough to tell apart what an operator has, and to name it.
const SHOWN_DIGITS: usize = 12;

/// A policy as a table has it: `built-in`, or as many digits of its digest as tell it apart.
pub(super) fn digest(policy: &str) -> String {
    let digits = policy.find(':').map_or(0, |colon| colon + 1 + SHOWN_DIGITS);
    if digits == 0 { policy.to_owned() } else { policy.chars().take(digits).collect() }
}

/// `hot 1.2.3 (sha256:0123456789ab)`, as far as it is known.
pub(super) fn policy(name: Option<&str>, version: Option<&str>, which: Option<Which>) -> String {
    let which = which.map(|which| digest(&which.to_string()));
    match (name, version, which) {
        (Some(name), Some(version), Some(which)) => format!("{name} {version} ({which})"),
        (_, _, Some(which)) => which,
        _ => "-".to_owned(),
    }
}

/// The policy that an entry of the log is about.
pub(super) fn subject(entry: &Entry) -> String {
    policy(entry.name.as_deref(), entry.version.as_deref(), entry.to)
}

/// `all tenants`, or which.
pub(super) fn whom(tenant: Option<&Scope>) -> String {
    match tenant {
        None => "all tenants".to_owned(),
        Some(Scope::Tenant(tenant)) => format!("tenant {tenant}"),
        Some(Scope::Shard(shard)) => format!("shard {shard}"),
    }
}

/// What is said of a query's fields.
pub(super) fn given(fields: &[(&'static str, &Option<String>)]) -> Vec<(&'static str, String)> {
    fields.iter().filter_map(|(name, value)| Some((*name, (*value).clone()?))).collect()
}

/// Fields of a card, one a line, their names above each other.
#[derive(Debug, Default)]
pub(super) struct Card(Vec<String>);

impl Card {
    pub(super) fn field(&mut self, name: &str, value: &str) {
        // Further lines of a value stand below its first.
        for (index, line) in value.lines().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.0.push(format!("{name:<9} {line}").trim_end().to_owned());
        }
    }

    pub(super) fn print(&self) -> anyhow::Result<()> {
        output::line(self.0.join("\n"))
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.0.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use thermocline::Digest;

    use super::*;

    #[rstest]
    #[case("built-in", "built-in")]
    #[case("sha256:0123456789abcdef", "sha256:0123456789ab")]
    fn digests_are_cut(#[case] policy: &str, #[case] shown: &str) {
        assert_eq!(digest(policy), shown);
    }

    #[test]
    fn a_policy_is_told_as_far_as_it_is_known() {
        let which = Which::Component(Digest::of(b""));
        assert_eq!(policy(Some("hot"), Some("1.2.3"), Some(which)), "hot 1.2.3 (sha256:e3b0c44298fc)");
        assert_eq!(policy(None, None, Some(which)), "sha256:e3b0c44298fc");
        assert_eq!(policy(None, None, None), "-");
    }
}
