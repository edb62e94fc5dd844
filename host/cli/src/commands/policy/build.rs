//! `thermocline policy build`: from a crate to a component.

use crate::Verdict;
use crate::args::BuildArgs;
use crate::output::{self, bytes};
use crate::policy::build;

pub(crate) fn build(args: &BuildArgs) -> anyhow::Result<Verdict> {
    let built = build::build(&args.dir, args.out.as_deref())?;
    output::line(format!(
        "{}: {}, sha256 {}, built with {}",
        built.file.display(),
        bytes(built.size_bytes as u64),
        built.digest,
        built.rustc
    ))?;
    Ok(Verdict::Good)
}
