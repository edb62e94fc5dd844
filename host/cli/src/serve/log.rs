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
    pub(crate) fn set(&self, filter: &str) -> anyhow::Result<()> {
        self.0.reload(EnvFilter::try_new(filter)?).context("the log's filter cannot change")
    }
}

pub(crate) fn start(format: LogFormat, filter: &str) -> anyhow::Result<Filter> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Human => lines.with_target(false).with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // Only where the process has a log already, as in a test.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(Filter(handle))
}
