//! Write a Thermocline policy as a Rust trait, and export it as a WebAssembly component.
//!
//! A policy decides which layers a warm standby should hold, how hot each is, and whose heatmap is
//! uploaded first. It is a pure function of the tables that the host shows it: no clock, no
//! randomness, no I/O. Implement [`Policy`], and hand the type to [`export!`]:
//!
//! ```
//! use thermocline_policy::{Description, Layers, Marks, NO_SETTINGS, Policy, Selection, Tenant, no_settings};
//!
//! /// Lists every layer that is on the pageserver's disk.
//! struct Everything;
//!
//! impl Policy for Everything {
//!     fn describe() -> Description {
//!         Description {
//!             name: "everything".into(),
//!             version: env!("CARGO_PKG_VERSION").into(),
//!             summary: "Lists every resident layer.".into(),
//!             config_schema: NO_SETTINGS.into(),
//!         }
//!     }
//!
//!     fn configure(config: &str) -> Result<Self, String> {
//!         no_settings(config)?;
//!         Ok(Everything)
//!     }
//!
//!     fn select(&self, _: &Tenant, layers: &dyn Layers, _: &[u8]) -> Result<Selection, String> {
//!         let marks = layers.marks();
//!         let resident = (0..).zip(marks.iter()).filter(|(_, mark)| Marks(**mark).is_resident());
//!         Ok(Selection::hot(resident.map(|(row, _)| row).collect()))
//!     }
//! }
//!
//! thermocline_policy::export!(Everything);
//! ```
//!
//! The same code compiles natively over the same columns: [`Columns`] holds a table for tests that
//! need no WebAssembly.

#[cfg(any(target_arch = "wasm32", test))]
mod arena;
mod columns;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
mod export;
pub mod history;
mod hottest;
mod marks;
mod policy;
mod reasons;
mod settings;
mod tables;

pub use columns::{Columns, Queue};
pub use hottest::{Ranked, hottest_first};
pub use marks::{Marks, Standing};
pub use policy::{Description, Level, Policy, Selection, Tenant, log};
#[cfg(not(target_arch = "wasm32"))]
pub use reasons::with_reasons;
pub use reasons::{give_reason, reasons_wanted};
pub use settings::{NO_SETTINGS, no_settings};
pub use tables::{Layers, Uploads, oldest_first};
