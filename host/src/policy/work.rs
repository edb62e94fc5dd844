//! How much work a component is for the compiler: it takes more than linear time and memory over functions of many
//! branches, loops and variables, and cannot be stopped. So that is found out before it begins.

use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload};

/// Most work that the functions of a component may be together, in units of some nanoseconds: about three seconds, and
/// less than 300 MB, at the worst. Policies that compilers make are some million.
pub(super) const MAX_WORK: u64 = 500_000_000;

/// What a pair of loops is, beside two branches: each is a place at which a call is ended in time.
const LOOP_PAIR: u64 = 60;
/// What a variable is at each branch where it may have another value.
const VARIABLE_AT_BRANCH: u64 = 80;
/// What a variable is at each loop, all around which it may have another value.
const VARIABLE_AT_LOOP: u64 = 7_000;

/// What makes a function hard to compile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Function {
    /// Places where code comes together or parts.
    branches: u64,
    loops: u64,
    /// Variables that are used, parameters among them.
    variables: u64,
}

impl Function {
    fn read(body: &FunctionBody<'_>) -> Result<Self, BinaryReaderError> {
        let mut function = Function::default();
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Loop { .. } => {
                    function.branches += 1;
                    function.loops += 1;
                }
                Operator::Block { .. }
                | Operator::If { .. }
                | Operator::Else
                | Operator::Br { .. }
                | Operator::BrIf { .. } => function.branches += 1,
                Operator::BrTable { targets } => function.branches += 1 + u64::from(targets.len()),
                Operator::LocalGet { local_index }
                | Operator::LocalSet { local_index }
                | Operator::LocalTee { local_index } => {
                    function.variables = function.variables.max(1 + u64::from(local_index));
                }
                _ => {}
            }
        }
        Ok(function)
    }

    const fn work(self) -> u64 {
        let Function { branches, loops, variables } = self;
        let pairs = branches.saturating_mul(branches).saturating_add(LOOP_PAIR.saturating_mul(loops * loops));
        let per_variable = (VARIABLE_AT_BRANCH * branches).saturating_add(VARIABLE_AT_LOOP * loops);
        pairs.saturating_add(per_variable.saturating_mul(variables))
    }
}

/// What the functions of a component are together.
pub(super) fn of_component(bytes: &[u8]) -> Result<u64, BinaryReaderError> {
    let mut work = 0_u64;
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CodeSectionEntry(body) = payload? {
            work = work.saturating_add(Function::read(&body)?.work());
        }
    }
    Ok(work)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::policy::RESIDENT_SET;

    /// A policy of some size, and a hundred times as many would do.
    #[test]
    fn what_compilers_make_is_far_below_the_limit() {
        let work = of_component(RESIDENT_SET).unwrap();
        assert!((10_000..MAX_WORK / 20).contains(&work), "{work}");
    }

    #[rstest]
    #[case::nothing(0, 0, 0, 0)]
    #[case::straight_on(0, 0, 50_000, 0)]
    #[case::as_compilers_make_them(300, 30, 200, 90_000 + 54_000 + 4_800_000 + 42_000_000)]
    #[case::branches(22_360, 0, 0, 499_969_600)]
    #[case::absurd(u64::from(u32::MAX), u64::from(u32::MAX), u64::from(u32::MAX), u64::MAX)]
    fn work_grows_with_pairs(#[case] branches: u64, #[case] loops: u64, #[case] variables: u64, #[case] expected: u64) {
        assert_eq!(Function { branches, loops, variables }.work(), expected);
    }
}
