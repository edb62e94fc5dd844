//! What the `thermocline` command does, apart from reading its arguments: so that tests can do it too.

pub mod policy;
