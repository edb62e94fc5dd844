//! The versions of the contract that the host speaks.

use std::fmt;

use super::error::PolicyErrorKind;
use super::quote::quoted;

/// The package that the contract is, whatever its version.
const PACKAGE: &str = "thermocline:policy/";

/// Bytes of a foreign name that are shown.
const SHOWN_BYTES: usize = 256;

/// A version of the contract between host and policies, see `wit/`. A policy is built for one of them, and runs as
/// long as the host knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Contract {
    /// The tables and the log.
    V0_1,
    /// And since when layers are resident, and reasons.
    V0_2,
}

impl Contract {
    /// All that the host knows, the oldest first.
    pub const ALL: [Contract; 2] = [Contract::V0_1, Contract::V0_2];

    /// What policies are built for today.
    pub const NEWEST: Contract = Contract::V0_2;

    /// Its version, as in `0.1.0`.
    pub const fn version(self) -> &'static str {
        match self {
            Contract::V0_1 => "0.1.0",
            Contract::V0_2 => "0.2.0",
        }
    }

    /// The interfaces that a policy of this version may import. `types` has no functions, and comes with the others.
    pub(super) const fn interfaces(self) -> &'static [&'static str] {
        match self {
            Contract::V0_1 => &["tables", "log", "types"],
            Contract::V0_2 => &["tables", "log", "types", "reasons"],
        }
    }

    /// How a component names an interface of this version.
    pub(super) fn import(self, interface: &str) -> String {
        format!("{PACKAGE}{interface}@{}", self.version())
    }

    /// Which version a component with these imports was built for.
    pub(super) fn of_imports<'a>(imports: impl IntoIterator<Item = &'a str>) -> Result<Self, PolicyErrorKind> {
        let mut found = None;
        for import in imports {
            let foreign = || PolicyErrorKind::Import(quoted(import, SHOWN_BYTES));
            let (interface, version) =
                import.strip_prefix(PACKAGE).and_then(|name| name.split_once('@')).ok_or_else(foreign)?;
            let contract = Contract::ALL.into_iter().find(|known| known.version() == version);
            let contract = contract.ok_or_else(|| PolicyErrorKind::Contract(quoted(version, SHOWN_BYTES)))?;
            // Of one version only: each has its own tables, and the exports take those of one.
            if !contract.interfaces().contains(&interface) || *found.get_or_insert(contract) != contract {
                return Err(foreign());
            }
        }
        found.ok_or_else(|| PolicyErrorKind::World("it imports nothing of it".into()))
    }
}

/// As its version.
impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version())
    }
}

/// The versions that the host knows, as a message names them.
pub(super) struct Known;

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, contract) in Contract::ALL.iter().enumerate() {
            let before = match Contract::ALL.len() - index {
                _ if index == 0 => "",
                1 => " or ",
                _ => ", ",
            };
            write!(f, "{before}{contract}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_known_versions_are_named_in_order() {
        assert_eq!(Known.to_string(), "0.1.0 or 0.2.0");
        assert!(Contract::ALL.is_sorted());
        assert_eq!(Contract::ALL.last(), Some(&Contract::NEWEST));
    }

    #[rstest]
    #[case::first(&["thermocline:policy/tables@0.1.0", "thermocline:policy/types@0.1.0"], Contract::V0_1)]
    #[case::second(&["thermocline:policy/reasons@0.2.0"], Contract::V0_2)]
    fn imports_tell_the_version(#[case] imports: &[&str], #[case] contract: Contract) {
        assert_eq!(Contract::of_imports(imports.iter().copied()), Ok(contract));
    }

    #[rstest]
    #[case::nothing(&[], PolicyErrorKind::World("it imports nothing of it".into()))]
    #[case::another_package(&["wasi:cli/environment@0.2.0"], PolicyErrorKind::Import("wasi:cli/environment@0.2.0".into()))]
    #[case::no_version(&["thermocline:policy/log"], PolicyErrorKind::Import("thermocline:policy/log".into()))]
    #[case::another_interface(&["thermocline:policy/clock@0.2.0"], PolicyErrorKind::Import("thermocline:policy/clock@0.2.0".into()))]
    #[case::an_interface_of_a_later_version(&["thermocline:policy/reasons@0.1.0"], PolicyErrorKind::Import("thermocline:policy/reasons@0.1.0".into()))]
    #[case::two_versions(&["thermocline:policy/log@0.1.0", "thermocline:policy/log@0.2.0"], PolicyErrorKind::Import("thermocline:policy/log@0.2.0".into()))]
    #[case::a_version_to_come(&["thermocline:policy/log@0.3.0"], PolicyErrorKind::Contract("0.3.0".into()))]
    #[case::a_patch_that_never_was(&["thermocline:policy/log@0.2.1"], PolicyErrorKind::Contract("0.2.1".into()))]
    fn what_is_of_no_known_version_is_refused(#[case] imports: &[&str], #[case] why: PolicyErrorKind) {
        assert_eq!(Contract::of_imports(imports.iter().copied()), Err(why));
    }
}
