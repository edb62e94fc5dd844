//! Errors, as people read them.

/// An error with its causes, on one line. Many errors name their cause themselves, and none is told twice.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if cause.starts_with(&told) {
            told = cause;
        } else if !told.contains(&cause) {
            told.push_str(": ");
            told.push_str(&cause);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::alone(anyhow!("no disk"), "no disk")]
    #[case::with_its_cause(anyhow!("no disk").context("cannot read x"), "cannot read x: no disk")]
    #[case::that_names_its_cause(anyhow!("no disk").context("x: no disk"), "x: no disk")]
    #[case::whose_cause_names_it_too(anyhow!("s3://x: busy").context("s3://x"), "s3://x: busy")]
    #[case::deep(anyhow!("no disk").context("x: no disk").context("policy y"), "policy y: x: no disk")]
    fn a_cause_is_told_once(#[case] error: anyhow::Error, #[case] expected: &str) {
        assert_eq!(told(&error), expected);
    }
}
