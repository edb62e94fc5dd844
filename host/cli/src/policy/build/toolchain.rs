//! Finds a compiler that can make WebAssembly. It installs nothing: it says what is missing.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use super::TARGET;
use super::package::Package;

/// A compiler, and where it has WebAssembly's standard library from.
#[derive(Clone, Debug)]
pub(super) struct Toolchain {
    pub(super) rustc: OsString,
    /// As the compiler calls itself, without its name.
    pub(super) version: String,
    pub(super) sysroot: PathBuf,
    pub(super) std: Std,
}

/// The standard library for WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Std {
    /// Comes with the compiler, and so does the linker.
    Installed,
    /// Is built along, as Debian has only its source for its own compiler.
    FromSource {
        /// Where the linker is.
        linker: PathBuf,
    },
}

/// Where to look.
struct Places {
    /// The caller's own compiler.
    rustc: OsString,
    debian_rustc: PathBuf,
    debian_linker: PathBuf,
}

impl Toolchain {
    pub(super) fn find(package: &Package) -> anyhow::Result<Self> {
        let places = Places {
            rustc: std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()),
            debian_rustc: "/usr/bin/rustc".into(),
            debian_linker: "/usr/bin/rust-lld".into(),
        };
        places.find(&package.dir)
    }
}

impl Places {
    fn find(self, dir: &Path) -> anyhow::Result<Toolchain> {
        let Places { rustc, debian_rustc, debian_linker } = self;
        if let Some(found) = Compiler::ask(&rustc, dir)
            && found.has_std()
        {
            return Ok(found.with(Std::Installed));
        }
        let mut missing = vec![format!(
            "`{}` has no standard library for {TARGET}: with rustup, run `rustup target add {TARGET}`",
            rustc.display()
        )];
        match Compiler::ask(debian_rustc.as_os_str(), dir) {
            Some(found) if found.has_std() => return Ok(found.with(Std::Installed)),
            Some(found) if found.has_source() && debian_linker.is_file() => {
                return Ok(found.with(Std::FromSource { linker: debian_linker }));
            }
            found => {
                let lacks_source = !found.as_ref().is_some_and(Compiler::has_source);
                // Debian's linker is a link to that of LLVM, in a package that has the link's name and is
                // not installed along.
                let linker_package = fs::read_link(&debian_linker)
                    .ok()
                    .and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned()))
                    .unwrap_or_else(|| "rust-web-llvm lld".to_owned());
                let packages = [
                    (found.is_none(), debian_rustc.display().to_string(), "rustc-web"),
                    (lacks_source, "the source of its standard library".to_owned(), "rust-web-src"),
                    (!debian_linker.is_file(), debian_linker.display().to_string(), &linker_package),
                ];
                let lacking = || packages.iter().filter(|(lacks, ..)| *lacks);
                missing.push(format!(
                    "without rustup, on Debian, what is missing is {}: run `apt-get install {}`",
                    lacking().map(|(_, what, _)| what.as_str()).collect::<Vec<_>>().join(", "),
                    lacking().map(|(.., package)| *package).collect::<Vec<_>>().join(" ")
                ));
            }
        }
        bail!("nothing here compiles for WebAssembly. Either will do:\n- {}", missing.join("\n- "));
    }
}

/// A compiler that answers.
struct Compiler {
    rustc: OsString,
    version: String,
    sysroot: PathBuf,
    libdir: PathBuf,
}

impl Compiler {
    /// Asks in the folder of the crate, where rustup may choose another compiler than elsewhere.
    fn ask(rustc: &OsStr, dir: &Path) -> Option<Self> {
        let output = |args: &[&str]| {
            let output = Command::new(rustc).args(args).current_dir(dir).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let version = output(&["--version"])?;
        Some(Compiler {
            rustc: rustc.to_owned(),
            version: version.strip_prefix("rustc ").unwrap_or(&version).to_owned(),
            sysroot: output(&["--print", "sysroot"])?.into(),
            libdir: output(&["--print", "target-libdir", "--target", TARGET])?.into(),
        })
    }

    fn has_std(&self) -> bool {
        self.libdir.is_dir()
    }

    fn has_source(&self) -> bool {
        self.sysroot.join(SOURCE).join("library/std/src/lib.rs").is_file()
    }

    fn with(self, std: Std) -> Toolchain {
        let Compiler { rustc, version, sysroot, .. } = self;
        Toolchain { rustc, version, sysroot, std }
    }
}

/// Where a compiler keeps the sources of its standard library, below its sysroot.
pub(super) const SOURCE: &str = "lib/rustlib/src/rust";

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A machine in a folder, whose compilers say what a test has them say.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            Machine(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// A compiler `name`, whose sysroot is the folder `name.d`.
        fn compiler(self, name: &str) -> Self {
            let (program, sysroot) = (self.path(name), self.path(&format!("{name}.d")));
            let script = format!(
                "#!/bin/sh\ncase \"$*\" in\n--version) echo 'rustc 1.0.0 ({name})';;\n*sysroot) echo {0};;\n*) echo {0}/std;;\nesac\n",
                sysroot.display()
            );
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            self
        }

        fn std(self, name: &str) -> Self {
            fs::create_dir_all(self.path(&format!("{name}.d/std"))).unwrap();
            self
        }

        fn source(self, name: &str) -> Self {
            let folder = self.path(&format!("{name}.d")).join(SOURCE).join("library/std/src");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("lib.rs"), "").unwrap();
            self
        }

        fn dangling_linker(self) -> Self {
            symlink("lld-99", self.path("lld")).unwrap();
            self
        }

        fn linker(self) -> Self {
            fs::write(self.path("lld"), "").unwrap();
            self
        }

        fn find(&self) -> anyhow::Result<Toolchain> {
            let places = Places {
                rustc: self.path("own").into(),
                debian_rustc: self.path("debian"),
                debian_linker: self.path("lld"),
            };
            places.find(self.0.path())
        }
    }

    #[test]
    fn the_callers_own_compiler_comes_first() {
        let machine = Machine::new().compiler("own").std("own").compiler("debian").source("debian").linker();
        let found = machine.find().unwrap();
        assert_eq!((&*found.version, found.std), ("1.0.0 (own)", Std::Installed));
    }

    #[test]
    fn debians_compiler_builds_the_standard_library_along() {
        let machine = Machine::new().compiler("own").compiler("debian").source("debian").linker();
        let found = machine.find().unwrap();
        assert_eq!((&*found.version, found.std), ("1.0.0 (debian)", Std::FromSource { linker: machine.path("lld") }));
    }

    #[rstest::rstest]
    #[case::everything(Machine::new(), "apt-get install rustc-web rust-web-src rust-web-llvm lld`")]
    #[case::source(Machine::new().compiler("debian").linker(), "apt-get install rust-web-src`")]
    #[case::linker(Machine::new().compiler("debian").source("debian"), "apt-get install rust-web-llvm lld`")]
    #[case::what_the_linker_links_to(Machine::new().compiler("debian").source("debian").dangling_linker(), "apt-get install lld-99`")]
    fn what_is_missing_is_said(#[case] machine: Machine, #[case] command: &str) {
        let refused = machine.find().unwrap_err().to_string();
        assert!(refused.contains(command), "{refused}");
        assert!(refused.contains("rustup target add wasm32-unknown-unknown"), "{refused}");
    }
}
