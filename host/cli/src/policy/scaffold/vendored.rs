//! What a crate outside of this repository needs of it.

/// The files named, from the root of the repository on, with what is in them.
macro_rules! files {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../../../../", $path))),)*]
    };
}

/// The SDK but for its manifest, and the contract that it is built for: paths below the root of the repository, which the
/// SDK relies on, and texts.
pub const VENDORED: &[(&str, &str)] = files![
    "LICENSE",
    "plugins/sdk/src/arena.rs",
    "plugins/sdk/src/columns.rs",
    "plugins/sdk/src/component.rs",
    "plugins/sdk/src/export.rs",
    "plugins/sdk/src/history.rs",
    "plugins/sdk/src/history/index.rs",
    "plugins/sdk/src/history/stretches.rs",
    "plugins/sdk/src/hottest.rs",
    "plugins/sdk/src/lib.rs",
    "plugins/sdk/src/marks.rs",
    "plugins/sdk/src/policy.rs",
    "plugins/sdk/src/reasons.rs",
    "plugins/sdk/src/settings.rs",
    "plugins/sdk/src/tables.rs",
    "wit/policy.wit",
];
