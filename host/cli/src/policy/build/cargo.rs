//! Runs cargo such that nothing but the sources, the lock file and the compiler decides the bytes.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::TARGET;
use super::package::Package;
use super::toolchain::{SOURCE, Std, Toolchain};

/// The cargo that runs this program, if one does; else the one on the path.
pub(super) fn program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The release profile of a component, wherever its crate lives. A call costs as much as the code is
/// slow, so it is optimised for speed. The names of functions stay, a tenth of the file: they are what the
/// error of a policy that crashes can say. Debug information would be most of the file.
const PROFILE: [&str; 9] = [
    "profile.release.opt-level=3",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.strip=\"debuginfo\"",
    "profile.release.debug=false",
    "profile.release.debug-assertions=false",
    "profile.release.overflow-checks=false",
    "profile.release.incremental=false",
];

/// Compiles the crate, and returns where its module is.
pub(super) fn compile(package: &Package, toolchain: &Toolchain, target_dir: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(program());
    for (name, _) in env::vars_os().filter(|(name, _)| decides_bytes(name)) {
        cargo.env_remove(name);
    }
    cargo
        .current_dir(&package.dir)
        // Only the module: asked for a library beside it, cargo would not optimise across crates.
        .args(["rustc", "--release", "--lib", "--crate-type=cdylib", "--target", TARGET, "--manifest-path"])
        .arg(&package.manifest)
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .env("CARGO_TARGET_DIR", target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(package, toolchain, target_dir))
        // Set, and empty: what a configuration file says does not count.
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("RUSTC", &toolchain.rustc)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Std::FromSource { linker } = &toolchain.std {
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    let status = cargo.status().context("running cargo: is it installed?")?;
    if !status.success() {
        bail!("crate {} does not compile for {TARGET}: cargo says why, above", package.name);
    }
    Ok(target_dir.join(TARGET).join("release").join(&package.module))
}

/// Variables that change what cargo makes; not those for its network, its registries and its output.
fn decides_bytes(name: &OsStr) -> bool {
    const HARMLESS: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_TERM_"];
    let name = name.to_string_lossy();
    let cargo = name.starts_with("CARGO_") && !HARMLESS.iter().any(|harmless| name.starts_with(harmless));
    cargo || name.starts_with("RUSTC") || name.starts_with("RUSTFLAGS") || name == "RUSTDOCFLAGS"
}

/// Stack of a component, in its linear memory. What needs more traps, as what recurses without end does.
const STACK_BYTES: usize = 256 << 10;

/// Flags for the module's crates, as cargo wants them: apart by the unit separator.
fn rustflags(package: &Package, toolchain: &Toolchain, target_dir: &Path) -> OsString {
    let mut flags = OsString::from("-Ctarget-feature=+simd128,+bulk-memory");
    // What a call began with is cleared before the next, and a stack of a MiB, as is usual, would be most of it.
    flags.push(format!("\x1f-Clink-arg=-zstack-size={STACK_BYTES}"));
    // Where the sources are goes into the messages of panics. The last that fits counts.
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let known = [
        (cargo_home, "/cargo".to_owned()),
        (Some(package.workspace_root.clone()), String::new()),
        (Some(target_dir.to_owned()), "/target".to_owned()),
        (Some(toolchain.sysroot.join(SOURCE)), "/rust".to_owned()),
    ];
    let foreign = package.foreign.iter().map(|(name, folder)| (Some(folder.clone()), format!("/{name}")));
    for (from, to) in known.into_iter().chain(foreign).filter_map(|(from, to)| Some((from?, to))) {
        let resolved = from.canonicalize().ok().filter(|resolved| *resolved != from);
        for from in [Some(from), resolved].into_iter().flatten() {
            flags.push("\x1f--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(&to);
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("RUSTFLAGS", true)]
    #[case("CARGO_ENCODED_RUSTFLAGS", true)]
    #[case("CARGO_BUILD_RUSTFLAGS", true)]
    #[case("CARGO_TARGET_DIR", true)]
    #[case("CARGO_PROFILE_RELEASE_LTO", true)]
    #[case("CARGO_MANIFEST_DIR", true)]
    #[case("RUSTC_WRAPPER", true)]
    #[case("RUSTC_BOOTSTRAP", true)]
    #[case("CARGO_HOME", false)]
    #[case("CARGO_HTTP_PROXY", false)]
    #[case("CARGO_REGISTRIES_CORP_TOKEN", false)]
    #[case("CARGO_NET_OFFLINE", false)]
    #[case("RUSTUP_TOOLCHAIN", false)]
    #[case("PATH", false)]
    fn only_what_cannot_change_the_bytes_is_passed_on(#[case] name: &str, #[case] dropped: bool) {
        assert_eq!(decides_bytes(OsStr::new(name)), dropped);
    }
}
