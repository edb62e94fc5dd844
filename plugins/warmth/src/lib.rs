//! How warm layers are, from counted reads that fade: what policies of Thermocline share.
//!
//! A read counts 1, half after a half-life, a quarter after two ([`fading`]). The pageserver counts reads since a layer
//! became resident, so a policy remembers how often and how warm ([`note`]), and adds what came since the last call
//! ([`reads`]). What is new takes over from what it replaces ([`newcomers`]); an L0 layer counts for as long as it will
//! live ([`l0`]). [`settings`] are numbers with bounds, and [`words`] say why to people who ask.

pub mod fading;
pub mod l0;
pub mod newcomers;
pub mod note;
pub mod reads;
pub mod settings;
pub mod words;

/// What a request costs beside the bytes that it fetches, in bytes: small layers are worth much for their size, and a
/// standby that fetches thousands of them waits for each.
pub const REQUEST_BYTES: u64 = 128 << 10;
