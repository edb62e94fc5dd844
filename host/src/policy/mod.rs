//! Policies: which layers a heatmap lists, in which order, how hot.

mod selection;

pub use selection::{BadSelection, Selection};
