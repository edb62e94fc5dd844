//! `thermocline serve`: the host beside a pageserver, with its settings, its log and its HTTP API.

pub mod config;
pub mod exposition;

mod auth;
pub(crate) mod bounded_file;
mod http;
mod log;
mod parts;
mod policy_service;
mod run;
mod service;
mod systemd;

pub(crate) use run::run;
