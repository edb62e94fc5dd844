//! The harness for policies: build a table, show it to a policy, look at the answer.
//!
//! The policy runs as in production: a component in the host's own engine, under the host's own limits,
//! with every answer checked. Or it runs natively, over the same tables and with the same checks, where a
//! debugger reaches it. A test need not know which:
//!
//! ```
//! use thermocline_resident_set::ResidentSet;
//! use thermocline_tests::{Failed, Subject, Table};
//!
//! fn lists_what_is_resident_and_visible(policy: &Subject) -> Result<(), Failed> {
//!     let table = Table::new()
//!         .timeline("main")
//!         .image("base", 0..100, 16).resident().visible()
//!         .delta("recent", 0..100, 17..32).resident().visible().size(8 << 20).read_at(1_700_000_000)
//!         .delta("covered", 0..50, 8..16).resident()
//!         .timeline("branch")
//!         .l0("newest", 40..48).resident().visible()
//!         .now(1_700_000_060);
//!
//!     let answer = policy.select(&table)?;
//!     assert_eq!(answer.hot(), ["recent", "base", "newest"]);
//!     assert_eq!(answer.cold(), [""; 0]);
//!     assert_eq!(answer.heat("base"), None, "this policy does not score");
//!     assert!(answer.log().is_empty());
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), Failed> {
//! lists_what_is_resident_and_visible(&Subject::native::<ResidentSet>("{}")?)?;
//! // and the component: Subject::file("target/resident-set.wasm", "{}")?
//! # Ok(())
//! # }
//! ```
//!
//! A component also says what it took: [`Answer::fuel`] counts instructions and is the same on every
//! machine, [`Answer::memory_bytes`] is its memory at the largest. [`Subject::conformance`] puts it through
//! what every policy must do. [`by_hand`] makes components that misbehave.

mod answer;
pub mod browser;
pub mod by_hand;
pub mod doubles;
pub mod hostile;
mod queue;
pub mod servers;
pub mod sim;
mod subject;
mod table;

pub use answer::Answer;
pub use queue::Queue;
pub use subject::{Failed, Subject};
pub use table::Table;
