//! `thermocline heatmap verify`.

use serde::Serialize;
use thermocline::heatmap::{Complaints, Heatmap};

use crate::Verdict;
use crate::args::VerifyArgs;
use crate::location;
use crate::output::{self, count};

#[derive(Serialize)]
struct Verified<'a> {
    file: &'a str,
    valid: bool,
    /// Why it cannot be read at all.
    error: Option<String>,
    #[serde(flatten)]
    complaints: Complaints,
}

pub(crate) async fn verify(args: VerifyArgs) -> anyhow::Result<Verdict> {
    let options = args.s3.options();
    let mut good = true;
    let mut verified = Vec::new();
    for file in &args.files {
        let (error, complaints) = match location::read(file, &options).await.and_then(|bytes| examine(&bytes)) {
            Ok(complaints) => (None, complaints),
            Err(error) => (Some(output::told(&error)), Complaints::default()),
        };
        let valid = error.is_none() && complaints.errors == 0;
        good &= valid;
        verified.push(Verified { file, valid, error, complaints });
    }
    if args.json {
        output::json(&verified)?;
    } else {
        for verified in &verified {
            output::line(verdict(verified))?;
        }
    }
    Ok(Verdict::good_if(good))
}

fn examine(bytes: &[u8]) -> anyhow::Result<Complaints> {
    let heatmap = Heatmap::decode(bytes)?;
    let mut complaints = heatmap.verify();
    complaints.compare_bytes(bytes, &heatmap.to_bytes());
    Ok(complaints)
}

fn verdict(verified: &Verified<'_>) -> String {
    let Verified { file, valid, error, complaints } = verified;
    let mut lines = vec![match (valid, error) {
        (_, Some(error)) => format!("{file}: bad: {error}"),
        (true, None) if complaints.notes == 0 => format!("{file}: good"),
        (true, None) => format!("{file}: good, with {}", count(complaints.notes as u64, "note")),
        (false, None) => format!(
            "{file}: bad: {}, {}",
            count(complaints.errors as u64, "error"),
            count(complaints.notes as u64, "note")
        ),
    }];
    lines.extend(complaints.complaints.iter().map(|complaint| format!("  {complaint}")));
    if complaints.omitted() > 0 {
        lines.push(format!("  and {} more of these kinds", complaints.omitted()));
    }
    lines.join("\n")
}
