//! Hostile components: each does one thing that a policy must not be able to do to a host.
//!
//! The table in `tests/hostile/README.md` lists them all. Most are a file beside it: what the component does, in
//! WebAssembly text, over a prelude that does the rest as the built-in policy would. The others are made here.

mod made;
mod prelude;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use prelude::{Wakes, with};

/// The table of all of them.
const TABLE: &str = include_str!("../../hostile/README.md");

/// What the table says where the host says nothing.
const NOTHING: &str = "-";

/// Where the host meets what a component does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bites {
    /// Before it is a policy: its file, its instance, what it says of itself.
    Install,
    /// When it is handed its configuration.
    Configure,
    /// When it is put through the checks that every policy has to pass, and not before.
    Check,
    /// When it selects.
    Select,
    /// When it ranks.
    Rank,
    /// When it has answered well for a while, or for others.
    Later,
    /// Never: what it tries does no harm, and its answer is good.
    Never,
}

impl Bites {
    const ALL: [(Bites, &str); 7] = [
        (Bites::Install, "install"),
        (Bites::Configure, "configure"),
        (Bites::Check, "check"),
        (Bites::Select, "select"),
        (Bites::Rank, "rank"),
        (Bites::Later, "later"),
        (Bites::Never, "never"),
    ];
}

impl fmt::Display for Bites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Bites::ALL.into_iter().find(|(bites, _)| bites == self).map_or("", |(_, name)| name))
    }
}

/// A hostile component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostile {
    /// What it calls itself, and its file.
    pub name: &'static str,
    /// In a sentence.
    pub does: &'static str,
    /// Where the host meets that.
    pub bites: Bites,
    /// What the host's error says, among other things; nothing where there is none.
    pub says: &'static str,
}

/// All of them, in the order of the table.
///
/// # Errors
/// If the table is wrong.
pub fn all() -> anyhow::Result<Vec<Hostile>> {
    TABLE.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| Hostile::read(row).context(row)).collect()
}

/// The folder of their files.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile")
}

impl Hostile {
    /// A row of the table, from the name on.
    fn read(row: &'static str) -> anyhow::Result<Self> {
        let (name, rest) = row.split_once("` | ").context("the name comes first, in backticks")?;
        let rest = rest.strip_suffix(" |").context("a row ends with a bar")?;
        let mut cells = rest.split(" | ");
        let mut cell = || cells.next().context("a row has four cells");
        let (does, bites, says) = (cell()?, cell()?, cell()?);
        ensure!(cells.next().is_none(), "a row has four cells");
        let bites = Bites::ALL.into_iter().find(|(_, name)| *name == bites);
        let (bites, _) = bites.context("no such time to bite")?;
        Ok(Hostile { name, does, bites, says: says.trim_start_matches(NOTHING) })
    }

    /// The component.
    ///
    /// # Errors
    /// If there is no such, or its file is no WebAssembly.
    pub fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        self.waking(Wakes::Always)
    }

    /// The same, but it behaves while it is checked, and does what it does when it is asked for a tenant of somebody's.
    /// Only what bites in `select` or `rank` can.
    ///
    /// # Errors
    /// If there is no such, or its file is no WebAssembly.
    pub fn asleep(&self) -> anyhow::Result<Vec<u8>> {
        ensure!(matches!(self.bites, Bites::Select | Bites::Rank), "{} cannot sleep", self.name);
        self.waking(Wakes::AfterTheChecks)
    }

    fn waking(&self, wakes: Wakes) -> anyhow::Result<Vec<u8>> {
        if let Some(made) = made::made(self.name) {
            return made;
        }
        let file = folder().join(self.name).with_extension("wat");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        with(self.name, &text, wakes).build().with_context(|| file.display().to_string())
    }
}
