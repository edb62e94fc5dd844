//! The crate that becomes a component, as cargo describes it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::{TARGET, cargo};

/// A crate that can become a component.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Absolute, and with links resolved, as cargo prints it.
    pub(super) dir: PathBuf,
    pub(super) manifest: PathBuf,
    /// File name of the module that cargo makes of it.
    pub(super) module: String,
    pub(super) workspace_root: PathBuf,
    /// The caller's target folder.
    pub(super) target_dir: PathBuf,
    /// Crates that are neither in the workspace nor from a registry: name and folder.
    pub(super) foreign: Vec<(String, PathBuf)>,
}

/// The part of `cargo metadata` that is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    /// `None` for a crate in a folder.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Package {
    /// Asks cargo about the crate in `dir`.
    pub(super) fn read(dir: &Path) -> anyhow::Result<Self> {
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            bail!("there is no {}: name the folder of a policy's crate", manifest.display());
        }
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        let manifest = dir.join("Cargo.toml");
        let output = Command::new(cargo::program())
            .current_dir(&dir)
            .args(["metadata", "--format-version=1", "--filter-platform", TARGET, "--manifest-path"])
            .arg(&manifest)
            .output()
            .context("running cargo: is it installed?")?;
        if !output.status.success() {
            bail!("cargo cannot read {}:\n{}", manifest.display(), String::from_utf8_lossy(&output.stderr).trim_end());
        }
        let metadata = serde_json::from_slice(&output.stdout).context("reading what `cargo metadata` printed")?;
        Self::among(metadata, dir, manifest)
    }

    fn among(metadata: Metadata, dir: PathBuf, manifest: PathBuf) -> anyhow::Result<Self> {
        let Metadata { packages, workspace_root, target_directory } = metadata;
        let Some(package) = packages.iter().find(|package| package.manifest_path == manifest) else {
            bail!("{} is that of a workspace: name the folder of one of its crates", manifest.display());
        };
        let name = package.name.clone();
        let is_library =
            |target: &&Target| target.crate_types.iter().any(|kind| ["lib", "rlib", "cdylib"].contains(&kind.as_str()));
        let Some(target) = package.targets.iter().find(is_library) else {
            bail!("crate {name} has no library to make a policy of: write src/lib.rs beside {}", manifest.display());
        };
        let module = format!("{}.wasm", target.name.replace('-', "_"));
        let foreign = packages
            .iter()
            .filter(|package| package.source.is_none() && !package.manifest_path.starts_with(&workspace_root))
            .filter_map(|package| Some((package.name.clone(), package.manifest_path.parent()?.to_owned())))
            .collect();
        Ok(Package { name, dir, manifest, module, workspace_root, target_dir: target_directory, foreign })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(crate_types: &str) -> Metadata {
        let json = r#"{
            "packages": [
                {"name": "hot-half", "manifest_path": "/w/hot-half/Cargo.toml", "source": null,
                 "targets": [{"name": "build-script-build", "crate_types": ["bin"]},
                             {"name": "hot-half", "crate_types": [TYPES]}]},
                {"name": "sdk", "manifest_path": "/elsewhere/sdk/Cargo.toml", "source": null, "targets": []},
                {"name": "itoa", "manifest_path": "/home/.cargo/itoa/Cargo.toml", "source": "registry", "targets": []}
            ],
            "workspace_root": "/w", "target_directory": "/w/target", "version": 1
        }"#;
        serde_json::from_str(&json.replace("TYPES", crate_types)).unwrap()
    }

    fn among(metadata: Metadata, dir: &str) -> anyhow::Result<Package> {
        Package::among(metadata, dir.into(), Path::new(dir).join("Cargo.toml"))
    }

    #[test]
    fn a_crate_is_found_in_its_workspace() {
        for crate_types in [r#""lib""#, r#""cdylib", "rlib""#] {
            let package = among(metadata(crate_types), "/w/hot-half").unwrap();
            assert_eq!((&*package.name, &*package.module), ("hot-half", "hot_half.wasm"));
        }
        let package = among(metadata(r#""lib""#), "/w/hot-half").unwrap();
        assert_eq!(package.foreign, [("sdk".to_owned(), PathBuf::from("/elsewhere/sdk"))]);
    }

    #[test]
    fn a_crate_without_a_library_is_told_to_write_one() {
        let refused = among(metadata(r#""bin""#), "/w/hot-half").unwrap_err().to_string();
        assert!(refused.contains("hot-half") && refused.contains("src/lib.rs"), "{refused}");
        assert!(refused.contains("/w/hot-half/Cargo.toml"), "{refused}");
    }

    #[test]
    fn a_workspace_is_not_a_crate() {
        let refused = among(metadata(""), "/w").unwrap_err().to_string();
        assert_eq!(refused, "/w/Cargo.toml is that of a workspace: name the folder of one of its crates");
    }

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let refused = Package::read(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&dir.path().join("Cargo.toml").display().to_string()), "{refused}");
    }

    #[test]
    fn what_cargo_says_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Cargo.toml"), "[package]\nname = 3\n").unwrap();
        let refused = Package::read(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("cargo cannot read") && refused.contains("name = 3"), "{refused}");
    }
}
