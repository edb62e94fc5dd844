//! What is wrong with a configuration: all of it at once, so that it is mended in one go.

use std::fmt;
use std::path::PathBuf;

use super::document::{Given, Source, line};
use super::names::variable;

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, each naming the setting, its value, where it was written, and what is allowed.
    pub wrong: Vec<SettingError>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        match self.wrong.as_slice() {
            [one] => write!(f, "{one}"),
            all => {
                write!(f, "{} things are wrong:", all.len())?;
                all.iter().try_for_each(|wrong| write!(f, "\n  {wrong}"))
            }
        }
    }
}

/// One thing that is wrong, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError(String);

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SettingError {
    pub(super) fn wrong(name: &str, given: &Given, allowed: impl fmt::Display) -> Self {
        SettingError(format!("{name} = {} ({}): expected {allowed}", given.value, given.source))
    }

    /// Right by itself, and not beside another setting.
    pub(super) fn at_odds(name: &str, given: &Given, why: impl fmt::Display) -> Self {
        SettingError(format!("{name} = {} ({}): {why}", given.value, given.source))
    }

    pub(super) fn missing(name: &str, what: &str) -> Self {
        SettingError(format!(
            "{name} is missing: set it in the file, or {} in the environment, to {what}",
            variable(name)
        ))
    }

    pub(super) fn unknown(name: &str, source: Source, known: impl fmt::Display) -> Self {
        SettingError(format!("there is no setting {name} ({source}): expected one of {known}"))
    }

    pub(super) fn unknown_variable(name: &str, known: impl fmt::Display) -> Self {
        SettingError(format!("no setting has the variable {name}: expected one of {known}"))
    }

    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let message = error.message();
        SettingError(match error.span() {
            Some(span) => format!("line {} is no TOML: {message}", line(text, span)),
            None => format!("no TOML: {message}"),
        })
    }

    pub(super) fn file(why: impl fmt::Display) -> Self {
        SettingError(format!("cannot be read: {why}"))
    }
}
