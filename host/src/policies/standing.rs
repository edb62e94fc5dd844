//! What the entries of the log add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::{Action, CONFIGURATION, Entry, Outcome};
use super::scope::Scope;
use super::which::Which;
use crate::Digest;
use crate::policy::{BUILT_IN, NO_CONFIG};

/// Most policies that rollbacks lead back to, the last first.
const MAX_BEFORE: usize = 16;

/// A component and its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The component.
    pub which: Which,
    /// Its configuration, JSON text.
    pub config: String,
}

impl Chosen {
    /// A component under a configuration, which is kept as the log can have it: on one line. In JSON, line breaks stand
    /// between tokens and nowhere else.
    pub fn new(which: Which, config: &str) -> Self {
        Chosen { which, config: config.trim().replace(['\n', '\r'], " ") }
    }
}

impl Default for Chosen {
    fn default() -> Self {
        Chosen { which: Which::BuiltIn, config: NO_CONFIG.into() }
    }
}

/// A component in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// What it calls itself.
    pub name: String,
    /// What it calls its version.
    pub version: String,
    /// The version of the contract that it was built for; absent where a host of before did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Its size.
    pub size_bytes: u64,
    /// When it was installed, as the log has it.
    pub at: String,
    /// By whom.
    pub by: String,
    /// Where it came from.
    pub source: String,
}

/// A policy that is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shadowed {
    /// Which.
    pub chosen: Chosen,
    /// Whose calls; absent where it is for all.
    pub tenant: Option<Scope>,
    /// Of their shards, the share that is watched, 0 to 1.
    pub share: f64,
    /// Since when, as the log has it.
    pub since: String,
}

/// What the entries of the log add up to: what a restart begins with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The last entry's number.
    pub seq: u64,
    /// What is in the store.
    pub installed: BTreeMap<Digest, Installed>,
    /// Which policy decides.
    pub active: Chosen,
    /// Number of the entry with which that began; 0 where it always has.
    pub active_since: u64,
    /// Which ones decided before, the last one last.
    pub before: Vec<Chosen>,
    /// Which policy the configuration named when it last named another.
    pub configured: Option<Chosen>,
    /// Which policies decide for some.
    pub overrides: BTreeMap<Scope, Chosen>,
    /// Numbers of the entries with which that began.
    pub overrides_since: BTreeMap<Scope, u64>,
    /// Which policy is watched.
    pub shadow: Option<Shadowed>,
    /// Which policies failed too often since they were last activated, and when that was.
    pub rolled_back: BTreeMap<Which, String>,
}

impl Standing {
    /// Takes in one more entry. One that was refused changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        self.seq = entry.seq;
        if entry.outcome != Outcome::Ok {
            return;
        }
        if entry.is_automatic()
            && matches!(entry.action, Action::Rollback | Action::EndShadow)
            && let Some(from) = entry.from
            // Under another configuration the same component may do well.
            && entry.to != Some(from)
        {
            self.rolled_back.insert(from, entry.at.clone());
        }
        match entry.action {
            Action::Install => self.install(entry),
            Action::Remove => self.remove(entry),
            Action::Activate => {
                let Some(to) = chosen(entry) else { return };
                self.rolled_back.remove(&to.which);
                if entry.tenant.is_none() && entry.by == CONFIGURATION {
                    self.configured = Some(to.clone());
                }
                match entry.tenant {
                    Some(scope) => self.override_for(scope, to),
                    None => {
                        // Nobody need watch what decides.
                        self.shadow.take_if(|shadowed| shadowed.chosen == to);
                        self.activate(to);
                    }
                }
            }
            Action::Rollback => match (entry.tenant, chosen(entry)) {
                (Some(scope), _) => {
                    self.overrides.remove(&scope);
                    self.overrides_since.remove(&scope);
                }
                (None, Some(to)) => self.go_back(to),
                (None, None) => {}
            },
            Action::Shadow => {
                let Some(to) = chosen(entry) else { return };
                let share = entry.share.unwrap_or(1.0);
                self.shadow = Some(Shadowed { chosen: to, tenant: entry.tenant, share, since: entry.at.clone() });
            }
            Action::EndShadow => self.shadow = None,
            Action::EndOverrides => {
                self.overrides.clear();
                self.overrides_since.clear();
            }
        }
    }

    fn install(&mut self, entry: &Entry) {
        let Some(Which::Component(digest)) = entry.to else { return };
        let installed = Installed {
            name: entry.name.clone().unwrap_or_default(),
            version: entry.version.clone().unwrap_or_default(),
            contract: entry.contract.clone(),
            size_bytes: entry.size_bytes.unwrap_or_default(),
            at: entry.at.clone(),
            by: entry.by.clone(),
            source: entry.source.clone().unwrap_or_default(),
        };
        self.installed.insert(digest, installed);
    }

    fn remove(&mut self, entry: &Entry) {
        let Some(Which::Component(digest)) = entry.to else { return };
        self.installed.remove(&digest);
        // Nor can anybody go back to it.
        self.rolled_back.remove(&Which::Component(digest));
        self.before.retain(|chosen| chosen.which != Which::Component(digest));
        self.before.dedup();
        if self.before.last() == Some(&self.active) {
            self.before.pop();
        }
    }

    fn activate(&mut self, to: Chosen) {
        if to == self.active {
            return;
        }
        self.active_since = self.seq;
        self.before.push(std::mem::replace(&mut self.active, to));
        if self.before.len() > MAX_BEFORE {
            self.before.remove(0);
        }
    }

    /// What was decided after `to` is not gone back to. Where `to` is none that decided before, all of them are kept.
    fn go_back(&mut self, to: Chosen) {
        if let Some(position) = self.before.iter().rposition(|before| *before == to) {
            self.before.truncate(position);
        }
        if to != self.active {
            self.active_since = self.seq;
        }
        self.active = to;
    }

    fn override_for(&mut self, scope: Scope, to: Chosen) {
        // The same once more changes nothing, nor does it where everybody has it.
        let since = match self.overrides.get(&scope) {
            Some(own) if *own == to => self.since(Some(scope)),
            None if self.active == to => self.active_since,
            _ => self.seq,
        };
        self.overrides_since.insert(scope, since);
        self.overrides.insert(scope, to);
    }

    /// Number of the entry with which the policy began to decide that does; `tenant` absent: for all that have none of
    /// their own.
    pub(super) fn since(&self, tenant: Option<Scope>) -> u64 {
        let own = |scope| self.overrides_since.get(&scope).copied().unwrap_or_default();
        tenant.map_or(self.active_since, own)
    }

    /// Which policies decided before and were not taken back, the last one first.
    pub(super) fn good_before(&self) -> impl Iterator<Item = &Chosen> {
        self.before.iter().rev().filter(|chosen| !self.rolled_back.contains_key(&chosen.which))
    }

    /// What a policy calls itself and its version; `None` if it is not installed.
    pub(super) fn names(&self, which: Which) -> Option<(&str, &str)> {
        match which {
            Which::BuiltIn => BUILT_IN.name().zip(BUILT_IN.version()),
            Which::Component(digest) => {
                let installed = self.installed.get(&digest)?;
                Some((&installed.name, &installed.version))
            }
        }
    }

    /// The components that it speaks of: those in the store, and those that should be.
    pub(super) fn mentions(&self, digest: Digest) -> bool {
        let which = Which::Component(digest);
        let chosen = self.before.iter().chain(self.overrides.values()).chain([&self.active]);
        let mut chosen = chosen.chain(self.shadow.as_ref().map(|shadow| &shadow.chosen));
        self.installed.contains_key(&digest) || chosen.any(|chosen| chosen.which == which)
    }
}

/// What the entry puts into a place.
fn chosen(entry: &Entry) -> Option<Chosen> {
    let config = entry.config.as_ref().map_or(NO_CONFIG, |config| config.get());
    entry.to.map(|which| Chosen::new(which, config))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::value::RawValue;

    use super::*;
    use crate::policies::entry::HOST;

    pub(in crate::policies) fn digest(number: u8) -> Digest {
        Digest::of(&[number])
    }

    fn which(number: u8) -> Which {
        if number == 0 { Which::BuiltIn } else { Which::Component(digest(number)) }
    }

    fn with(number: u8, config: &str) -> Chosen {
        Chosen::new(which(number), config)
    }

    fn scope(number: u8) -> Scope {
        format!("{number:032x}").parse().unwrap()
    }

    /// Numbers stand for policies, 0 for the built-in one.
    fn entry(action: Action, to: u8) -> Entry {
        Entry { to: Some(which(to)), ..Entry::plain(action) }
    }

    fn configured(action: Action, to: u8, config: &str) -> Entry {
        Entry { config: Some(RawValue::from_string(config.into()).unwrap()), ..entry(action, to) }
    }

    fn by_host(action: Action, from: u8, to: u8) -> Entry {
        Entry { from: Some(which(from)), by: HOST.into(), ..entry(action, to) }
    }

    fn for_tenant(entry: Entry) -> Entry {
        Entry { tenant: Some(scope(7)), ..entry }
    }

    fn after(entries: impl IntoIterator<Item = Entry>) -> Standing {
        let mut standing = Standing::default();
        for (seq, entry) in (1..).zip(entries) {
            standing.apply(&Entry { seq, ..entry });
        }
        standing
    }

    #[test]
    fn what_was_refused_changes_nothing() {
        let entries = [entry(Action::Install, 1), entry(Action::Install, 2), entry(Action::Activate, 1)];
        let before = after(entries.clone());
        for action in
            [Action::Install, Action::Remove, Action::Shadow, Action::EndShadow, Action::Activate, Action::Rollback]
        {
            let refused = Entry { outcome: Outcome::Refused("no".into()), ..by_host(action, 1, 2) };
            let standing = after(entries.iter().cloned().chain([refused]));
            assert_eq!(standing, Standing { seq: 4, ..before.clone() }, "{action:?}");
        }
    }

    #[test]
    fn a_component_comes_and_goes() {
        let install = Entry {
            name: Some("hot".into()),
            version: Some("1.2.3".into()),
            contract: Some("0.2.0".into()),
            size_bytes: Some(9),
            source: Some("hot.wasm".into()),
            ..entry(Action::Install, 1)
        };
        let installed = Installed {
            name: "hot".into(),
            version: "1.2.3".into(),
            contract: Some("0.2.0".into()),
            size_bytes: 9,
            at: install.at.clone(),
            by: "anna".into(),
            source: "hot.wasm".into(),
        };
        let standing = after([install.clone()]);
        assert_eq!(standing.installed, BTreeMap::from([(digest(1), installed)]));
        assert_eq!(after([install, entry(Action::Remove, 1)]), Standing { seq: 2, ..Standing::default() });
    }

    /// After the installation of policies 1 to 3: who decides, and who decided before.
    #[rstest]
    #[case::nothing(&[], 0, &[])]
    #[case::activations(&[entry(Action::Activate, 1), entry(Action::Activate, 2)], 2, &[0, 1])]
    #[case::the_same_again(&[entry(Action::Activate, 1), entry(Action::Activate, 1)], 1, &[0])]
    #[case::back(&[entry(Action::Activate, 1), entry(Action::Activate, 2), entry(Action::Rollback, 1)], 1, &[0])]
    #[case::back_twice(
        &[entry(Action::Activate, 1), entry(Action::Activate, 2), entry(Action::Rollback, 1), entry(Action::Rollback, 0)],
        0,
        &[]
    )]
    #[case::to_the_last_of_several(
        &[entry(Action::Activate, 1), entry(Action::Activate, 2), entry(Action::Activate, 1), entry(Action::Activate, 3),
          entry(Action::Rollback, 1)],
        1,
        &[0, 1, 2]
    )]
    #[case::over_a_bad_one(
        &[entry(Action::Activate, 1), entry(Action::Activate, 2), entry(Action::Activate, 3), by_host(Action::Rollback, 3, 1)],
        1,
        &[0]
    )]
    #[case::to_none_that_decided_before(
        &[entry(Action::Activate, 1), entry(Action::Activate, 2), by_host(Action::Rollback, 2, 3)],
        3,
        &[0, 1]
    )]
    #[case::one_is_removed(
        &[entry(Action::Activate, 1), entry(Action::Activate, 0), entry(Action::Activate, 2), entry(Action::Remove, 1)],
        2,
        &[0]
    )]
    #[case::the_one_between_is_removed(
        &[entry(Action::Activate, 1), entry(Action::Activate, 2), entry(Action::Activate, 1), entry(Action::Remove, 2)],
        1,
        &[0]
    )]
    #[case::for_a_tenant(&[for_tenant(entry(Action::Activate, 1)), for_tenant(entry(Action::Rollback, 0))], 0, &[])]
    fn what_decided_before_is_known(#[case] entries: &[Entry], #[case] active: u8, #[case] before: &[u8]) {
        let installed = [1, 2, 3].map(|number| entry(Action::Install, number));
        let standing = after(installed.into_iter().chain(entries.iter().cloned()));
        assert_eq!(standing.active, with(active, "{}"));
        assert_eq!(standing.before, before.iter().map(|number| with(*number, "{}")).collect::<Vec<_>>());
    }

    #[rstest]
    #[case::obeyed(MAX_BEFORE, 0)]
    #[case::violated(MAX_BEFORE + 1, 1)]
    fn as_many_as_may_be_gone_back_to_are_known(#[case] activations: usize, #[case] first: u8) {
        let numbers = 1..=u8::try_from(activations).unwrap();
        let standing = after(numbers.map(|number| entry(Action::Activate, number)));
        assert_eq!(standing.before.len(), MAX_BEFORE);
        assert_eq!(standing.before.first(), Some(&with(first, "{}")));
    }

    #[test]
    fn another_configuration_is_another_choice() {
        let standing = after([
            configured(Action::Activate, 1, "{\"days\": 1}"),
            configured(Action::Activate, 1, " {\r\n \"days\":\n2} "),
        ]);
        assert_eq!(standing.before, [with(0, "{}"), with(1, "{\"days\": 1}")]);
        assert_eq!(standing.active.config, "{   \"days\": 2}", "on one line");
    }

    #[test]
    fn a_tenant_has_its_own_until_that_is_undone() {
        let own = for_tenant(configured(Action::Activate, 1, "[]"));
        let standing = after([own.clone()]);
        assert_eq!(standing.overrides, BTreeMap::from([(scope(7), with(1, "[]"))]));
        assert_eq!(standing.active, Chosen::default());
        assert_eq!(after([own.clone(), for_tenant(entry(Action::Rollback, 0))]).overrides, BTreeMap::new());
        assert_eq!(after([own, Entry::plain(Action::EndOverrides)]), Standing { seq: 2, ..Standing::default() });
    }

    #[test]
    fn one_is_watched_until_that_ends() {
        let shadow = Entry { share: Some(0.25), ..for_tenant(configured(Action::Shadow, 1, "[]")) };
        let standing = after([shadow.clone()]);
        let since = shadow.at.clone();
        let watched = Shadowed { chosen: with(1, "[]"), tenant: Some(scope(7)), share: 0.25, since };
        assert_eq!(standing.shadow, Some(watched));
        assert_eq!(after([shadow, Entry::plain(Action::EndShadow)]).shadow, None);
        assert_eq!(after([entry(Action::Shadow, 1)]).shadow.unwrap().share, 1.0);
    }

    /// Policy 1 is active, for a tenant, or watched, and is then taken back.
    #[rstest]
    #[case::active_by_the_host(by_host(Action::Rollback, 1, 0), true)]
    #[case::of_a_tenant_by_the_host(for_tenant(by_host(Action::Rollback, 1, 0)), true)]
    #[case::watched_by_the_host(Entry { to: None, ..by_host(Action::EndShadow, 1, 0) }, true)]
    #[case::active_by_somebody(Entry { by: "anna".into(), ..by_host(Action::Rollback, 1, 0) }, false)]
    #[case::watched_by_somebody(Entry { by: "anna".into(), ..by_host(Action::EndShadow, 1, 0) }, false)]
    fn what_the_host_takes_back_is_marked_until_somebody_wants_it(#[case] back: Entry, #[case] marked: bool) {
        let entries = [entry(Action::Install, 1), entry(Action::Activate, 1), Entry { at: "then".into(), ..back }];
        let standing = after(entries.clone());
        let expected = if marked { BTreeMap::from([(which(1), "then".to_owned())]) } else { BTreeMap::new() };
        assert_eq!(standing.rolled_back, expected);
        for cleared in [entry(Action::Activate, 1), for_tenant(entry(Action::Activate, 1)), entry(Action::Remove, 1)] {
            let standing = after(entries.iter().cloned().chain([cleared]));
            assert_eq!(standing.rolled_back, BTreeMap::new());
        }
        // Whoever watches it wants to see whether it still fails.
        for kept in [entry(Action::Activate, 2), entry(Action::Install, 1), entry(Action::Shadow, 1)] {
            assert_eq!(after(entries.iter().cloned().chain([kept])).rolled_back, expected);
        }
    }

    #[test]
    fn a_component_that_decides_under_another_configuration_is_not_marked() {
        let back = Entry { by: HOST.into(), from: Some(which(1)), ..configured(Action::Rollback, 1, "[1]") };
        let standing = after([configured(Action::Activate, 1, "[1]"), configured(Action::Activate, 1, "[2]"), back]);
        assert_eq!((standing.active, standing.rolled_back), (with(1, "[1]"), BTreeMap::new()));
    }

    #[test]
    fn what_is_watched_and_then_decides_is_not_watched_any_more() {
        let shadow = configured(Action::Shadow, 1, "[1]");
        assert!(after([shadow.clone(), configured(Action::Activate, 1, "[2]")]).shadow.is_some());
        assert!(after([shadow.clone(), for_tenant(configured(Action::Activate, 1, "[1]"))]).shadow.is_some());
        assert_eq!(after([shadow, configured(Action::Activate, 1, "[1]")]).shadow, None);
    }

    #[test]
    fn whatever_is_used_is_mentioned() {
        let standing = after([
            entry(Action::Install, 1),
            entry(Action::Activate, 2),
            entry(Action::Activate, 3),
            for_tenant(entry(Action::Activate, 4)),
            entry(Action::Shadow, 5),
        ]);
        let mentioned: Vec<u8> = (0..9).filter(|number| standing.mentions(digest(*number))).collect();
        assert_eq!(mentioned, [1, 2, 3, 4, 5]);
    }

    pub(in crate::policies) fn any_entry() -> impl Strategy<Value = Entry> {
        let action = prop::sample::select(vec![
            Action::Install,
            Action::Remove,
            Action::Shadow,
            Action::EndShadow,
            Action::Activate,
            Action::Rollback,
            Action::EndOverrides,
        ]);
        let config = prop::option::of(prop::sample::select(vec!["{}", "{\"days\":\n1}", " [1, \"\\n\"] "]));
        let policy = || prop::option::of(0_u8..4);
        (action, policy(), policy(), config, prop::option::of(0_u8..3), any::<[bool; 2]>(), 0_u8..=4).prop_map(
            |(action, from, to, config, tenant, [ok, automatic], quarters)| Entry {
                from: from.map(which),
                to: to.map(which),
                config: config.map(|config| RawValue::from_string(config.into()).unwrap()),
                tenant: tenant.map(scope),
                share: Some(f64::from(quarters) / 4.0),
                by: if automatic { HOST } else { "anna" }.into(),
                outcome: if ok { Outcome::Ok } else { Outcome::Refused("no\nway".into()) },
                ..Entry::plain(action)
            },
        )
    }

    proptest! {
        #[test]
        fn any_log_adds_up(entries in prop::collection::vec(any_entry(), 0..64), cut in 0_usize..64) {
            let entries: Vec<Entry> = (1..).zip(entries).map(|(seq, entry)| Entry { seq, ..entry }).collect();
            let standing = after(entries.clone());
            prop_assert_eq!(standing.seq, entries.len() as u64);
            prop_assert!(standing.before.len() <= MAX_BEFORE);
            let line: Vec<&Chosen> = standing.before.iter().chain([&standing.active]).collect();
            prop_assert!(line.windows(2).all(|two| two[0] != two[1]), "{line:?}");

            // Carried over in the middle, it goes on as if nothing had been.
            let (first, rest) = entries.split_at(cut.min(entries.len()));
            let carried = serde_json::to_string(&after(first.iter().cloned())).unwrap();
            let mut standing_again: Standing = serde_json::from_str(&carried).unwrap();
            rest.iter().for_each(|entry| standing_again.apply(entry));
            prop_assert_eq!(standing_again, standing);
        }
    }
}
