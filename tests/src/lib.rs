//! placeholder

pub mod by_hand;
