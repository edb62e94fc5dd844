//! Where settings are written: a file, and the environment over it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::SettingError;
use super::names::{SETTINGS, variable};
use crate::args::CLIENT_VARIABLES;

/// How variables of the environment begin that set something here.
pub(super) const PREFIX: &str = "THERMOCLINE_";

/// What stands in a variable's name between a table and its setting.
pub(super) const BETWEEN: &str = "__";

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nowhere.
    Default,
    /// In the file, on this line.
    File {
        /// Counted from 1.
        line: usize,
    },
    /// In this variable of the environment.
    Environment(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { line } => write!(f, "line {line}"),
            Source::Environment(variable) => f.write_str(variable),
        }
    }
}

/// A value as it was written, before it is known whether it is right.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) value: Written,
    pub(super) source: Source,
}

/// A file has types; a variable of the environment is text, whatever it is to be.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Toml(toml::Value),
    Text(String),
}

/// As a person would find it: text in quotes, and no password of a URL.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Written::Toml(toml::Value::String(text)) | Written::Text(text) => text,
            Written::Toml(other) => return write!(f, "{other}"),
        };
        match (text.contains("://"), text.rsplit_once('@')) {
            (true, Some((_, host))) => write!(f, "\"…@{}\"", host.escape_debug()),
            _ => write!(f, "{text:?}"),
        }
    }
}

/// All that was written, by the names of settings.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) given: BTreeMap<&'static str, Given>,
    pub(super) errors: Vec<SettingError>,
    /// What looks like a setting in the environment and is none, but may be meant for something else.
    pub(super) ignored: Vec<String>,
}

impl Document {
    /// Reads a file's text, and `environment` over it.
    pub(super) fn read(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut document = Document::default();
        match (DeTable::parse(text), text.parse::<toml::Table>()) {
            (Ok(spans), Ok(values)) => document.table(text, "", spans.get_ref(), &values),
            (Err(error), _) | (_, Err(error)) => document.errors.push(SettingError::syntax(text, &error)),
        }
        document.environment(environment);
        document
    }

    fn table(&mut self, text: &str, under: &str, spans: &DeTable<'_>, values: &toml::Table) {
        for (key, span) in spans {
            let Some(value) = values.get(key.get_ref().as_ref()) else { continue };
            let path = if under.is_empty() { key.get_ref().to_string() } else { format!("{under}.{}", key.get_ref()) };
            let source = Source::File { line: line(text, key.span()) };
            if let Some(name) = SETTINGS.iter().find(|name| **name == path) {
                self.given.insert(name, Given { value: Written::Toml(value.clone()), source });
                continue;
            }
            let inside = format!("{path}.");
            let is_table = SETTINGS.iter().any(|name| name.starts_with(&inside));
            match (span.get_ref(), value) {
                (DeValue::Table(spans), toml::Value::Table(values)) if is_table => {
                    self.table(text, &path, spans, values);
                }
                (_, value) if is_table => {
                    let value = Written::Toml(value.clone());
                    let allowed = format!("a table with {}", siblings(&inside));
                    self.errors.push(SettingError::wrong(&path, &Given { value, source }, allowed));
                }
                _ => self.errors.push(SettingError::unknown(&path, source, siblings(under_with_dot(under).as_str()))),
            }
        }
    }

    fn environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        for (variable_name, text) in environment {
            let Some(rest) = variable_name.strip_prefix(PREFIX) else { continue };
            // Whoever operates a daemon may have set them for its clients.
            if CLIENT_VARIABLES.contains(&variable_name.as_str()) {
                continue;
            }
            match SETTINGS.iter().find(|name| variable(name) == variable_name) {
                Some(name) => {
                    let source = Source::Environment(variable_name);
                    self.given.insert(name, Given { value: Written::Text(text), source });
                }
                // No other program has this in the names of its variables.
                None if rest.contains(BETWEEN) => {
                    let table = rest.split_once(BETWEEN).map_or("", |(table, _)| table).to_lowercase() + ".";
                    let known =
                        if SETTINGS.iter().any(|name| name.starts_with(&table)) { table } else { String::new() };
                    let known = siblings_in_environment(&known);
                    self.errors.push(SettingError::unknown_variable(&variable_name, known));
                }
                None => self.ignored.push(variable_name),
            }
        }
    }
}

fn under_with_dot(under: &str) -> String {
    if under.is_empty() { String::new() } else { format!("{under}.") }
}

/// The settings of one table, without those of tables in it, for people.
fn siblings(under: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in SETTINGS.iter().filter_map(|name| name.strip_prefix(under)) {
        let name = name.split_once('.').map_or(name, |(table, _)| table);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn siblings_in_environment(under: &str) -> String {
    let names: Vec<String> =
        SETTINGS.iter().filter(|name| name.starts_with(under)).map(|name| variable(name)).collect();
    names.join(", ")
}

/// On which line a span begins.
pub(super) fn line(text: &str, span: Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
}
