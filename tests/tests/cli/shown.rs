//! What users see, without what changes from run to run.

use std::path::Path;

use insta::Settings;

/// Snapshots in which `root` is `/tmp`, and times, memory and the widths of columns are left out.
pub(crate) fn in_folder(root: &Path) -> Settings {
    let mut settings = Settings::clone_current();
    settings.add_filter(root.to_str().unwrap(), "/tmp");
    settings.add_filter(r"\d[\d.]* [mu]?s\b", "[TIME]");
    settings.add_filter(r"\d[\d.]* [KM]iB of memory", "[SIZE] of memory");
    settings.add_filter(r"(\S) {2,}", "$1  ");
    settings
}

/// Snapshots without what every build of a component changes.
pub(crate) fn of_any_build() -> Settings {
    let mut settings = Settings::clone_current();
    settings.add_filter("[0-9a-f]{64}", "[DIGEST]");
    settings.add_filter(r"\d[\d.]* KiB \(\d+ bytes\)", "[SIZE]");
    settings.add_filter(r#""size_bytes": \d+"#, r#""size_bytes": [SIZE]"#);
    settings
}
