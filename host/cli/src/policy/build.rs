//! From a policy's crate to its component.
//!
//! The bytes depend on the sources, the versions in `Cargo.lock` and the compiler, and on nothing
//! else: not on where the sources are, nor on how the caller has set up cargo. So a component that
//! somebody else built can be checked against its source by building it again.

mod cargo;
mod package;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use thermocline::Digest;

use self::package::Package;
use self::toolchain::Toolchain;
use crate::atomic::write_whole;

/// The one target that components are built for: it imports nothing, where a WASI target would.
const TARGET: &str = "wasm32-unknown-unknown";

/// What the world `policy` has its components export.
const EXPORTS: [&str; 4] = ["describe", "configure", "select", "rank-uploads"];

/// A component that was built and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Where it is.
    pub file: PathBuf,
    /// Of its bytes: what operators know a policy by.
    pub digest: Digest,
    /// Of the file.
    pub size_bytes: usize,
    /// The compiler, as it calls itself: another may make other bytes of the same source.
    pub rustc: String,
}

/// Builds the crate in `dir` and writes its component to `out`, or to `DIR/<name of the crate>.wasm`.
/// What cargo has to say goes to stderr. The file is written whole or not at all.
///
/// # Errors
/// Where the crate is no policy, does not compile, or nothing on this machine compiles for
/// WebAssembly. The message says what to do.
pub fn build(dir: &Path, out: Option<&Path>) -> anyhow::Result<Built> {
    let package = Package::read(dir)?;
    // A folder of its own: other flags in the caller's would have cargo compile everything twice.
    let target_dir = package.target_dir.join("component");
    build_package(&package, &target_dir, out)
}

/// [`build`], with cargo keeping what it makes on the way in `target_dir`.
///
/// # Errors
/// As those of [`build`].
pub fn build_in(target_dir: &Path, dir: &Path, out: Option<&Path>) -> anyhow::Result<Built> {
    build_package(&Package::read(dir)?, target_dir, out)
}

fn build_package(package: &Package, target_dir: &Path, out: Option<&Path>) -> anyhow::Result<Built> {
    let toolchain = Toolchain::find(package)?;
    let module_file = cargo::compile(package, &toolchain, target_dir)?;
    let module = fs::read(&module_file).with_context(|| format!("reading {}", module_file.display()))?;
    let component = component(package, &module, &toolchain.version)?;
    let file = out.map_or_else(|| package.dir.join(format!("{}.wasm", package.name)), Path::to_owned);
    write_whole(&file, &component).with_context(|| format!("writing {}", file.display()))?;
    Ok(Built { file, digest: Digest::of(&component), size_bytes: component.len(), rustc: toolchain.version })
}

/// The compiler that built `component`, as it called itself; `None` where the component does not say.
pub fn built_with(component: &[u8]) -> Option<String> {
    let producers = wasm_metadata::Producers::from_wasm(component).ok()??;
    producers.get(PROCESSED_BY)?.get(RUSTC).cloned()
}

/// Where a component says which tools made it, by the convention for WebAssembly.
const PROCESSED_BY: &str = "processed-by";
const RUSTC: &str = "rustc";

fn component(package: &Package, module: &[u8], rustc_version: &str) -> anyhow::Result<Vec<u8>> {
    let name = &package.name;
    let (_, contract) =
        wit_component::metadata::decode(module).with_context(|| format!("reading the module of crate {name}"))?;
    let world = contract.resolve.worlds.get(contract.world);
    let missing = EXPORTS.iter().find(|export| {
        !world.is_some_and(|world| world.exports.keys().any(|key| contract.resolve.name_world_key(key) == **export))
    });
    if let Some(export) = missing {
        bail!(
            "crate {name} does not export `{export}`: at the root of the crate, hand the type that implements \
             `thermocline_policy::Policy` to `thermocline_policy::export!(...)`"
        );
    }
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("making a component of crate {name}"))?;
    let mut producers = wasm_metadata::Producers::empty();
    producers.add(PROCESSED_BY, RUSTC, rustc_version);
    producers
        .add_to_wasm(&component)
        .with_context(|| format!("recording the compiler in the component of crate {name}"))
}
