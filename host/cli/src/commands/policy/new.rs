//! `thermocline policy new`: the crate of a policy that works.

use std::path::Path;

use crate::Verdict;
use crate::args::NewArgs;
use crate::output::{self, quoted};
use crate::policy::scaffold::scaffold;

pub(crate) fn new(args: &NewArgs) -> anyhow::Result<Verdict> {
    let here = Path::new("");
    let parent = args.dir.as_deref().unwrap_or(here);
    let folder = scaffold(&args.name, if parent == here { Path::new(".") } else { parent })?;
    let name = &args.name;
    let folder = folder.strip_prefix(".").unwrap_or(&folder).to_string_lossy();
    // What the user typed, so that the lines can be pasted.
    let typed = std::env::args().next().unwrap_or_else(|| "thermocline".into());
    let thermocline = quoted(&typed);
    output::line(format!(
        "{folder}: a policy that works. src/lib.rs is the policy, fixtures/ is what it should answer; README.md says the \
         rest.\n\
         \nWhat to try next:\n  \
           cd {}\n  \
           cargo test\n  \
           {thermocline} policy build .\n  \
           {thermocline} policy check {name}.wasm\n  \
           {thermocline} policy test .",
        quoted(&folder),
    ))?;
    Ok(Verdict::Good)
}
