//! From what was written to values of the right type: each kind of value says what it takes.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use thermocline::policy::PolicyFile;
use tracing_subscriber::EnvFilter;

use super::LogFormat;
use super::document::Written;

/// What was expected instead.
pub(super) type Expected = String;

impl Written {
    /// The text, and not a number that looks like one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Written::Text(text) | Written::Toml(toml::Value::String(text)) => Some(text),
            Written::Toml(_) => None,
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Written::Toml(toml::Value::Integer(integer)) => Some(*integer),
            Written::Toml(_) => None,
            Written::Text(text) => text.parse().ok(),
        }
    }
}

pub(super) fn address(written: &Written) -> Result<SocketAddr, Expected> {
    let address = written.text().and_then(|text| text.parse().ok());
    address.ok_or_else(|| "an IP address and a port, as in \"127.0.0.1:9899\" or \"[::1]:9899\"".into())
}

pub(super) fn path(written: &Written) -> Result<PathBuf, Expected> {
    let text = written.text().filter(|text| !text.is_empty() && !text.contains('\0'));
    text.map(PathBuf::from).ok_or_else(|| "a path".into())
}

/// A path, and behind it maybe the digest that the file must have.
pub(super) fn policy_file(written: &Written) -> Result<PolicyFile, Expected> {
    let expected =
        || "a path, or one with @sha256: and all 64 hex digits of the component's digest behind it".to_owned();
    let file = path(written).ok().and_then(|path| PolicyFile::from_os(path.into()).ok());
    file.filter(|file| !file.path().as_os_str().is_empty()).ok_or_else(expected)
}

pub(super) fn words(written: &Written, what: &str) -> Result<String, Expected> {
    let text = written.text().filter(|text| !text.is_empty() && !text.contains(char::is_control));
    text.map(String::from).ok_or_else(|| what.into())
}

pub(super) fn boolean(written: &Written) -> Result<bool, Expected> {
    let boolean = match written {
        Written::Toml(value) => value.as_bool(),
        Written::Text(text) => text.parse().ok(),
    };
    boolean.ok_or_else(|| "true or false".into())
}

pub(super) fn number(written: &Written, range: RangeInclusive<usize>) -> Result<usize, Expected> {
    let number = written.integer().and_then(|integer| usize::try_from(integer).ok());
    let expected = || format!("a whole number from {} to {}", range.start(), range.end());
    number.filter(|number| range.contains(number)).ok_or_else(expected)
}

/// `zero`: what a duration of zero would do, where it is allowed below the range.
pub(super) fn duration(
    written: &Written,
    range: RangeInclusive<Duration>,
    zero: Option<&str>,
) -> Result<Duration, Expected> {
    let duration = written.text().and_then(|text| humantime::parse_duration(text).ok());
    let allowed = |duration: &Duration| range.contains(duration) || (zero.is_some() && duration.is_zero());
    duration.filter(allowed).ok_or_else(|| {
        let shown = |duration: &Duration| humantime::format_duration(*duration).to_string();
        let zero = zero.map(|zero| format!(", or \"0s\" {zero}")).unwrap_or_default();
        format!(
            "a duration from \"{}\" to \"{}\", as in \"90s\" or \"1h 30m\"{zero}",
            shown(range.start()),
            shown(range.end())
        )
    })
}

pub(super) fn format(written: &Written) -> Result<LogFormat, Expected> {
    match written.text() {
        Some("human") => Ok(LogFormat::Human),
        Some("json") => Ok(LogFormat::Json),
        _ => Err("\"human\" or \"json\"".into()),
    }
}

pub(super) fn filter(written: &Written) -> Result<String, Expected> {
    let text = written.text().filter(|text| !text.is_empty() && EnvFilter::try_new(text).is_ok());
    let expected = "levels as RUST_LOG has them, as in \"info\" or \"warn,thermocline=debug\"";
    text.map(String::from).ok_or_else(|| expected.into())
}

/// A table in the file, a JSON object in the environment; JSON for the policy.
pub(super) fn policy_config(written: &Written) -> Result<String, Expected> {
    let expected = || "a table, or in the environment a JSON object".to_owned();
    match written {
        Written::Toml(table @ toml::Value::Table(_)) => serde_json::to_string(table).map_err(|_| expected()),
        Written::Toml(_) => Err(expected()),
        Written::Text(text) => {
            let object: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(text).map_err(|_| expected())?;
            serde_json::to_string(&object).map_err(|_| expected())
        }
    }
}
