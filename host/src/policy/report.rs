//! What a call used up, and what it logged.

use std::time::Duration;

pub use thermocline_policy::Level;

use super::identity::PolicyIdentity;
use super::quote::quoted;
use super::reasons::Reasons;

/// A line that a policy logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// On one line, cut off where the policy wrote too much.
    pub message: String,
}

/// What a call used up, and what it logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// From the fresh instance to the checked answer.
    pub elapsed: Duration,
    /// Waiting for its turn before that.
    pub waited: Duration,
    /// Linear memory and tables, at their largest.
    pub memory_bytes: usize,
    /// Instructions, roughly. Only where the engine [meters](super::Engine::metered).
    pub fuel: Option<u64>,
    /// What the policy logged.
    pub log: Vec<LogLine>,
    /// Lines that were over the limit and dropped.
    pub log_dropped: u64,
    /// Why rows are where they are. Only of calls [that ask](super::Policy::select_with_reasons).
    pub reasons: Reasons,
}

impl Report {
    /// Writes what the policy logged to the host's log.
    pub(super) fn trace(&self, identity: &PolicyIdentity, shard: Option<&str>) {
        macro_rules! line {
            ($level:ident, $message:expr) => {
                tracing::$level!(
                    target: "thermocline::policy::log",
                    policy = identity.name(),
                    version = identity.version(),
                    digest = %identity.digest(),
                    shard,
                    "{}", $message
                )
            };
        }
        for LogLine { level, message } in &self.log {
            match level {
                Level::Debug => line!(debug, message),
                Level::Info => line!(info, message),
                Level::Warn => line!(warn, message),
            }
        }
        if self.log_dropped > 0 {
            line!(warn, format_args!("{} more lines were dropped: the policy logs too much", self.log_dropped));
        }
    }
}

/// The lines of one call, as many as may be.
#[derive(Debug)]
pub(super) struct LogBook {
    lines: Vec<LogLine>,
    dropped: u64,
    line_limit: usize,
    line_bytes_limit: usize,
}

impl LogBook {
    pub(super) const fn new(line_limit: usize, line_bytes_limit: usize) -> Self {
        LogBook { lines: Vec::new(), dropped: 0, line_limit, line_bytes_limit }
    }

    /// Whether another line is dropped unread.
    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= self.line_limit
    }

    /// Counts a line that is dropped.
    pub(super) const fn drop_line(&mut self) {
        self.dropped += 1;
    }

    /// As much of a message as is kept.
    pub(super) fn fit(&self, message: &str) -> String {
        quoted(message, self.line_bytes_limit)
    }

    /// Keeps a line that [fits](Self::fit), if there is room.
    pub(super) fn push(&mut self, level: Level, message: String) {
        if self.is_full() {
            self.drop_line();
        } else {
            self.lines.push(LogLine { level, message });
        }
    }

    pub(super) fn close(self) -> (Vec<LogLine>, u64) {
        (self.lines, self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_on_lines_is_obeyed_and_violated() {
        let mut book = LogBook::new(2, 8);
        book.push(Level::Info, "first".into());
        book.push(Level::Warn, "second".into());
        assert_eq!(book.dropped, 0);
        book.push(Level::Warn, "third".into());
        let (lines, dropped) = book.close();
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(dropped, 1);
    }

    #[test]
    fn the_limit_on_a_line_is_obeyed_and_violated() {
        let book = LogBook::new(2, 8);
        assert_eq!(book.fit("12345678"), "12345678");
        assert_eq!(book.fit("123456789"), "12345678...");
    }
}
