//! Why a policy could not be loaded, or gave no answer.

use std::fmt;
use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};

use super::contract::Known;
use super::identity::{BadDescription, PolicyIdentity};
use super::quote::quoted;
use super::report::{Level, Report};
use super::rows::BadRows;
use super::selection::BadSelection;

/// Frames of a trap's backtrace that an error names, innermost first.
const SHOWN_FRAMES: usize = 4;
/// Bytes of a function's name in an error: generic code has names as long as pages.
const SHOWN_NAME_BYTES: usize = 128;

/// Which part of a call it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The instance is made; start functions run.
    Start,
    /// The policy says who it is.
    Describe,
    /// The policy reads its configuration.
    Configure,
    /// The policy selects layers.
    Select,
    /// The policy ranks due uploads.
    RankUploads,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Start => "start",
            Step::Describe => "describe",
            Step::Configure => "configure",
            Step::Select => "select",
            Step::RankUploads => "rank-uploads",
        })
    }
}

/// A policy could not be loaded, or gave no answer. Prints as one line: which policy, what happened, and
/// what to do about it.
#[derive(Debug)]
pub struct PolicyError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    identity: PolicyIdentity,
    kind: PolicyErrorKind,
    report: Report,
}

impl PolicyError {
    pub(super) fn new(identity: PolicyIdentity, kind: PolicyErrorKind, report: Report) -> Self {
        PolicyError(Box::new(Inner { identity, kind, report }))
    }

    /// Whose error it is.
    pub const fn identity(&self) -> &PolicyIdentity {
        &self.0.identity
    }

    /// What happened.
    pub const fn kind(&self) -> &PolicyErrorKind {
        &self.0.kind
    }

    /// What the call used up and logged before it failed. All zero if there was no call.
    pub const fn report(&self) -> &Report {
        &self.0.report
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.identity, self.0.kind)?;
        // A panic's message comes as a line in the log: the trap behind it says only `unreachable`.
        let last_warning = self.0.report.log.iter().rfind(|line| line.level == Level::Warn);
        match (&self.0.kind, last_warning) {
            (PolicyErrorKind::Trap { .. }, Some(line)) => write!(f, "; its last warning was: {}", line.message),
            _ => Ok(()),
        }
    }
}

/// Without a source: it prints all of them, and whoever prints a chain would print them again.
impl std::error::Error for PolicyError {}

impl PolicyErrorKind {
    /// What happened, in a word that does not change: what is counted.
    pub const fn code(&self) -> &'static str {
        match self {
            PolicyErrorKind::Refused { .. } => "refused",
            PolicyErrorKind::Deadline { .. } => "deadline",
            PolicyErrorKind::Memory { .. } => "memory",
            PolicyErrorKind::Trap { .. } => "trap",
            PolicyErrorKind::Unreadable { .. } | PolicyErrorKind::Selection(_) | PolicyErrorKind::Ranking(_) => {
                "answer"
            }
            PolicyErrorKind::Busy { .. } => "busy",
            _ => "other",
        }
    }
}

/// What happened to a policy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// The file is larger than a policy may be.
    #[error(
        "the component is {bytes} bytes, and at most {limit} are allowed: build it in release, without debug information"
    )]
    TooLarge {
        /// Of the file.
        bytes: usize,
        /// How many it may be.
        limit: usize,
    },
    /// Not the magic number of WebAssembly.
    #[error("this is not WebAssembly: give the component file that `thermocline policy build` makes")]
    NotWasm,
    /// A module where a component is meant.
    #[error("this is a core module, not a component: `thermocline policy build` makes a component of a crate")]
    CoreModule,
    /// Damaged, or made for another machine.
    #[error("the file is damaged, or uses a feature of WebAssembly that policies may not use: {0}")]
    Invalid(String),
    /// The compiler would take too long, or too much memory.
    #[error(
        "it is too much work for the compiler: {work} units, and at most {limit} are allowed; its functions have too many \
         branches, loops and variables: make large ones smaller"
    )]
    TooComplex {
        /// What its functions are together.
        work: u64,
        /// What they may be.
        limit: u64,
    },
    /// It wants something that policies do not get.
    #[error(
        "it imports `{0}`, and a policy gets nothing but the interfaces of `thermocline:policy`, all of one version \
         ({known}): build it for wasm32-unknown-unknown, against the contract of one of these",
        known = Known
    )]
    Import(String),
    /// It was built for a version of the contract that the host does not know.
    #[error(
        "it is built for `thermocline:policy@{0}`, and this host knows {known}: build it against the contract of one of \
         these, or run a host that knows {0}",
        known = Known
    )]
    Contract(String),
    /// It does not offer what a policy must.
    #[error(
        "it does not fit the world `policy` of `thermocline:policy` ({known}): {0}; build it against the contract of one \
         of these",
        known = Known
    )]
    World(String),
    /// The compiler gave up.
    #[error("it cannot be compiled: {0}")]
    Compile(String),
    /// What it says of itself is not as it must be.
    #[error("`describe` answered badly: {0}; correct the policy")]
    Description(BadDescription),
    /// The configuration is longer than one may be.
    #[error("the configuration is {bytes} bytes, and at most {limit} are allowed: shorten it")]
    ConfigTooLarge {
        /// Of the text.
        bytes: usize,
        /// How many it may be.
        limit: usize,
    },
    /// The configuration is not JSON.
    #[error("the configuration must be JSON: {0}")]
    ConfigNotJson(String),
    /// The configuration is not what the policy says it may be.
    #[error("the configuration does not fit the policy's own schema: {0}")]
    ConfigSchema(String),
    /// The policy itself refused, in its own words.
    #[error("`{step}` refused: \"{message}\"")]
    Refused {
        /// What it was asked.
        step: Step,
        /// What it said, on one line and bounded.
        message: String,
    },
    /// It took longer than it may.
    #[error(
        "`{step}` was stopped because the call took longer than {limit:?}: the policy loops, or is too slow for this table"
    )]
    Deadline {
        /// Where it was.
        step: Step,
        /// How long it may take.
        limit: Duration,
    },
    /// It wanted more memory than it may have, and could not do without.
    #[error(
        "`{step}` was refused memory: it wanted {wanted_bytes} bytes in all, and at most {limit_bytes} are allowed for \
         this table; make the policy need less"
    )]
    Memory {
        /// Where it was.
        step: Step,
        /// All that it would have held.
        wanted_bytes: usize,
        /// What it may hold.
        limit_bytes: usize,
    },
    /// It crashed.
    #[error("`{step}` crashed: {reason}{}; this is a fault of the policy", Backtrace(.backtrace))]
    Trap {
        /// Where it was.
        step: Step,
        /// The machine's word for it.
        reason: String,
        /// Names of the functions it was in, innermost first, as far as the component carries names.
        backtrace: Vec<String>,
    },
    /// Its answer is not even data: a list beyond its memory, text that is not UTF-8, more than may be
    /// handed over.
    #[error("`{step}` handed over something that cannot be read: {why}; this is a fault of the policy")]
    Unreadable {
        /// Where it was.
        step: Step,
        /// What is wrong.
        why: String,
    },
    /// Its selection does not fit the table.
    #[error("`select` answered badly: {0}; this is a fault of the policy")]
    Selection(BadSelection),
    /// Its ranking does not fit the queue.
    #[error("`rank-uploads` answered badly: {0}; this is a fault of the policy")]
    Ranking(BadRows),
    /// No slot was free in time.
    #[error("no slot was free within {waited:?}: allow more calls at a time, or shorten what they may take")]
    Busy {
        /// How long the call waited.
        waited: Duration,
    },
}

struct Backtrace<'a>(&'a [String]);

impl fmt::Display for Backtrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(depth, name)| write!(f, "{}{name}", if depth == 0 { " in " } else { ", called by " }))
    }
}

/// An error of the engine as text on one line.
pub(super) fn one_line(error: &wasmtime::Error, limit_bytes: usize) -> String {
    quoted(&format!("{error:#}"), limit_bytes)
}

/// A trap, or `None` if `error` is none.
pub(super) fn trap(error: &wasmtime::Error, step: Step) -> Option<PolicyErrorKind> {
    let trap = error.downcast_ref::<Trap>()?;
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    let reason = trap.to_string();
    let reason = reason.strip_prefix("wasm trap: ").unwrap_or(&reason).to_owned();
    Some(PolicyErrorKind::Trap { step, reason, backtrace })
}

/// What a panic of Rust goes through on its way to the trap: the functions of authors come behind.
const PANICKING: [&str; 5] = ["__rust", "rust_panic", "core::panicking::", "std::panicking::", "std::sys::backtrace::"];

fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let names = backtrace.frames().iter().filter_map(|frame| frame.func_name());
    shown(names.map(|name| format!("{:#}", rustc_demangle::demangle(name))))
}

fn shown(names: impl Iterator<Item = String>) -> Vec<String> {
    names
        .skip_while(|name| PANICKING.iter().any(|start| name.starts_with(start)))
        .take(SHOWN_FRAMES)
        .map(|name| quoted(&name, SHOWN_NAME_BYTES))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_begins_where_an_author_can_do_something() {
        let panicking = ["__rustc::rust_panic", "std::panicking::panic_with_hook", "__rustc::rust_begin_unwind"];
        let own = ["core::option::unwrap_failed", "hot::select", "__rust_begin", "hot::main"];
        let names = panicking.iter().chain(&["core::panicking::panic_fmt"]).chain(&own);
        assert_eq!(shown(names.map(|name| (*name).to_owned())), own);
    }

    #[test]
    fn the_limits_of_a_backtrace_are_obeyed_and_violated() {
        let frames = |count: usize, bytes: usize| shown((0..count).map(|_| "f".repeat(bytes)));
        assert_eq!(frames(SHOWN_FRAMES, SHOWN_NAME_BYTES), vec!["f".repeat(SHOWN_NAME_BYTES); SHOWN_FRAMES]);
        let cut = format!("{}...", "f".repeat(SHOWN_NAME_BYTES));
        assert_eq!(frames(SHOWN_FRAMES + 1, SHOWN_NAME_BYTES + 1), vec![cut; SHOWN_FRAMES]);
    }
}
