//! What is remembered of a layer: 12 bytes a row, of the 24 that there are.

use thermocline_policy::history::{Carried, NextHistory};
pub(crate) use thermocline_warmth::note::{Call, Source, Warmth};

/// Says what the fields and the columns mean. Another one reads nothing of this.
pub(crate) const VERSION: u32 = 1;

/// Of a record: how warm the layer is, and what was counted.
pub(crate) const COLUMNS: usize = 2;

pub(crate) type Notes = Carried<COLUMNS>;
pub(crate) type Next = NextHistory<COLUMNS>;
