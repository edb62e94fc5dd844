//! Whether one contract may follow another.

use wit_parser::{Resolve, WorldId};

/// Whether what was built for `old` fits into a host of `new`.
pub(crate) fn semver_check(old: &str, new: &str) -> anyhow::Result<()> {
    let mut resolve = Resolve::default();
    let mut world = |name, text| -> anyhow::Result<WorldId> {
        let package = resolve.push_source(name, text)?;
        resolve.select_world(&[package], Some("policy"))
    };
    let (old, new) = (world("old.wit", old)?, world("new.wit", new)?);
    wit_component::semver_check(resolve, old, new)
}
