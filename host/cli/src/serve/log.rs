//! The daemon's log, on stderr: lines for people, or JSON for what collects them.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use super::config::LogFormat;

/// What is logged, which can change while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// From the next line on.
    pub(crate) fn set(&self, filter: Filtered) -> anyhow::Result<()> {
        self.0.reload(filter.0).context("the log's filter cannot change")
    }
}

/// What is to be logged, understood.
#[derive(Debug)]
pub(crate) struct Filtered(EnvFilter);

impl Filtered {
    pub(crate) fn read(filter: &str) -> anyhow::Result<Self> {
        filter_of(filter).map(Filtered)
    }
}

/// Libraries that are loud about what is ordinary here. A filter that names one of them has its way.
const LOUD: [&str; 3] = ["notify=error", "cranelift_codegen=warn", "wasmtime=warn"];

/// A filter as it was given, with loud libraries turned down.
fn filter_of(given: &str) -> anyhow::Result<EnvFilter> {
    let named = |quiet: &&&str| quiet.split('=').next().is_none_or(|library| !given.contains(library));
    let filters: Vec<_> = LOUD.iter().filter(named).copied().chain([given]).collect();
    Ok(EnvFilter::try_new(filters.join(","))?)
}

pub(crate) fn start(format: LogFormat, filter: &str) -> anyhow::Result<Filter> {
    let (filter, handle) = reload::Layer::new(filter_of(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Human => lines.with_target(false).with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // Only where the process has a log already, as in a test.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(Filter(handle))
}
