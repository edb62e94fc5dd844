//! Policies: which layers a heatmap lists, in which order, how hot.
//!
//! A [`Policy`] is a WebAssembly component, run by an [`Engine`] within [`Limits`]. Whatever it does, a call
//! ends in time with a checked answer or with a [`PolicyError`] that says which policy failed, and how.

mod bindings;
mod builtin;
mod comparison;
mod compiled;
mod component;
pub mod conformance;
mod contract;
mod engine;
mod error;
mod identity;
mod judge;
mod limits;
mod memory;
mod permits;
mod pin;
mod queue;
mod quote;
mod reasons;
mod report;
mod rows;
mod schema;
mod selection;
mod shape;
mod stack;
mod work;

pub(crate) use builtin::BUILT_IN;
pub use builtin::RESIDENT_SET;
pub use comparison::{Comparison, Portion, moved_layers};
pub use component::{Called, NO_CONFIG, Policy};
pub use contract::Contract;
pub use engine::{Engine, EngineError};
pub use error::{PolicyError, PolicyErrorKind, Step};
pub(crate) use identity::is_policy_name;
pub use identity::{
    BadDescription, MAX_NAME_BYTES, MAX_SCHEMA_BYTES, MAX_SUMMARY_BYTES, MAX_VERSION_BYTES, PolicyIdentity,
};
pub use judge::{Judge, JudgeError, Verdict};
pub use limits::Limits;
pub(crate) use pin::PIN;
pub use pin::{BadPin, PolicyFile, WrongDigest};
pub use queue::{DueUpload, Ranking, UploadQueue};
pub(crate) use quote::quoted;
pub use reasons::Reasons;
pub use report::{Level, LogLine, Report};
pub use rows::BadRows;
pub use schema::BadSchema;
pub use selection::{BadSelection, Selection};
pub use shape::Shape;
pub use thermocline_policy::{Layers, Tenant};
