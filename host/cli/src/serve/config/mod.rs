//! `thermocline.toml`: what runs, decoded once into types that cannot be wrong.

mod document;
mod error;
mod names;
mod value;

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thermocline::policies::RollbackRule;
use thermocline::policy::{NO_CONFIG, PolicyFile};
use thermocline::remote::{RemoteUrl, S3Options, check_key};
use thermocline::upload::DEFAULT_CONCURRENCY;

pub use document::Source;
pub use error::{ConfigError, SettingError};

use super::bounded_file;
use document::{Document, Given, Written};
use names::{
    BUCKET_NAME, BUCKET_REGION, CONCURRENCY, DATA_DIR, ENDPOINT, HEATMAP_PERIOD, LISTEN, LOCAL_PATH, LOG_FILTER,
    LOG_FORMAT, MAX_BODY_BYTES, MAX_CONNECTIONS, PATH_STYLE, POLICY_CONFIG, POLICY_FILE, PREFIX_IN_BUCKET,
    PUBLIC_KEY_FILE, RECHECK_PERIOD, REQUEST_TIMEOUT, RESCAN_PERIOD, ROLLBACK_FAILURES, ROLLBACK_WINDOW,
    SHUTDOWN_TIMEOUT, STATE_DIR, TENANT_SERIES,
};
use value::Expected;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Uploads that run at once. Each holds a heatmap, and a connection to the bucket.
const CONCURRENCY_RANGE: RangeInclusive<usize> = 1..=1000;
/// Below, the bucket is written more often than standbys read it; above, nobody would call a heatmap fresh.
const HEATMAP_PERIOD_RANGE: RangeInclusive<Duration> = SECOND..=DAY.saturating_mul(7);
const RESCAN_RANGE: RangeInclusive<Duration> = SECOND..=DAY;
const DEFAULT_RESCAN: Duration = Duration::from_mins(10);
const RECHECK_RANGE: RangeInclusive<Duration> = MINUTE..=DAY.saturating_mul(7);
const DEFAULT_RECHECK: Duration = Duration::from_hours(1);
/// A service manager loses its patience after a minute or two.
const SHUTDOWN_RANGE: RangeInclusive<Duration> = SECOND..=Duration::from_mins(10);
const DEFAULT_SHUTDOWN: Duration = Duration::from_secs(10);
/// None: a policy that fails stays, and the built-in one answers for it whenever it does.
const ROLLBACK_FAILURES_RANGE: RangeInclusive<usize> = 0..=RollbackRule::MAX_FAILURES.get();
const ROLLBACK_WINDOW_RANGE: RangeInclusive<Duration> = SECOND..=DAY;
/// Each is a few series in whatever scrapes them.
const TENANT_SERIES_RANGE: RangeInclusive<usize> = 0..=100_000;
const DEFAULT_TENANT_SERIES: usize = 1000;
const CONNECTIONS_RANGE: RangeInclusive<usize> = 1..=65_536;
const DEFAULT_CONNECTIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
const REQUEST_RANGE: RangeInclusive<Duration> = SECOND..=Duration::from_mins(10);
const DEFAULT_REQUEST: Duration = Duration::from_secs(30);
/// Bodies are read whole, so this times the connections is memory.
const BODY_RANGE: RangeInclusive<usize> = 0..=(16 << 20);
const DEFAULT_BODY: usize = 64 << 10;
/// Largest file of settings that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

const DEFAULT_FILTER: &str = "info";

/// All settings of the daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The pageserver's.
    pub data_dir: PathBuf,
    /// Where heatmaps go.
    pub remote: RemoteUrl,
    /// How to reach it.
    pub s3: S3Options,
    /// Uploads that run at once by schedule.
    pub concurrency: NonZeroUsize,
    /// For tenants that do not say, nor does `pageserver.toml`.
    pub heatmap_period: Option<Duration>,
    /// How often all tenants are listed, beside watching them.
    pub rescan_period: Duration,
    /// How often the bucket is asked for the heatmap of a tenant that does not change.
    pub recheck_period: Duration,
    /// How long uploads that run may take when the daemon is told to end.
    pub shutdown_timeout: Duration,
    /// What survives a restart is in there.
    pub state_dir: PathBuf,
    /// The component that decides; the built-in policy where none is named.
    pub policy_file: Option<PolicyFile>,
    /// Its configuration, JSON.
    pub policy_config: String,
    /// When a policy that fails is taken back by itself; `None`: never.
    pub rollback: Option<RollbackRule>,
    /// How the log looks.
    pub log_format: LogFormat,
    /// What is in it.
    pub log_filter: String,
    /// Of those who sign tokens. Without one, there are no credentials.
    pub public_key_file: Option<PathBuf>,
    /// Tenants that have series of their own in `/metrics`.
    pub tenant_series: usize,
    /// Connections that are served at once.
    pub max_connections: NonZeroUsize,
    /// How long a request may take, but for uploads.
    pub request_timeout: Duration,
    /// Largest body of a request.
    pub max_body_bytes: usize,
}

/// How the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines that people read.
    Human,
    /// An object a line.
    Json,
}

/// A setting as it will be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// As in the file, with its table.
    pub name: &'static str,
    /// As in the file; where it is not set, what holds instead.
    pub value: String,
    /// Where it was written.
    pub source: Source,
}

/// A configuration with where it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is set.
    pub config: Config,
    /// Every setting, in the order of the documentation.
    pub effective: Vec<Effective>,
    /// Variables of the environment that begin as ours do and are none: perhaps misspelt.
    pub ignored: Vec<String>,
}

/// Reads the file at `path`, and `environment` over it. Relative paths, also those in the environment, are relative to
/// the file's folder.
///
/// # Errors
/// With all that is wrong at once.
pub fn load(path: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, ConfigError> {
    let failed = |wrong| ConfigError { file: path.to_owned(), wrong };
    let cannot_read = |why: &dyn Display| failed(vec![SettingError::file(why)]);
    let text = bounded_file::read(path, MAX_FILE_BYTES).map_err(|error| cannot_read(&error))?;
    let absolute = std::path::absolute(path).map_err(|error| cannot_read(&error))?;
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    parse(&text, folder, environment).map_err(failed)
}

/// The same, from a text. `folder` is what relative paths are relative to.
fn parse(
    text: &str,
    folder: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, Vec<SettingError>> {
    let Document { given, errors, ignored } = Document::read(text, environment);
    let mut reader = Reader { given, errors, effective: Vec::new(), folder };
    let config = reader.config();
    match config {
        Some(config) if reader.errors.is_empty() => Ok(Loaded { config, effective: reader.effective, ignored }),
        _ => Err(reader.errors),
    }
}

/// Takes settings one after the other, and notes what is wrong with them.
struct Reader<'a> {
    given: std::collections::BTreeMap<&'static str, Given>,
    errors: Vec<SettingError>,
    effective: Vec<Effective>,
    folder: &'a Path,
}

impl Reader<'_> {
    fn config(&mut self) -> Option<Config> {
        let listen = self.required(LISTEN, "the address to serve HTTP at, as in \"127.0.0.1:9899\"", value::address);
        let data_dir = self.required(DATA_DIR, "the pageserver's data directory, as in pageserver -D", value::path);
        let data_dir = data_dir.map(|path| self.folder.join(path));
        let remote = self.remote();
        let number = |range: RangeInclusive<usize>| move |written: &Written| value::number(written, range.clone());
        let positive = |range: RangeInclusive<usize>| {
            move |written: &Written| {
                let expected = || format!("a whole number from {} to {}", range.start(), range.end());
                NonZeroUsize::new(value::number(written, range.clone())?).ok_or_else(expected)
            }
        };
        let duration =
            |range: RangeInclusive<Duration>| move |written: &Written| value::duration(written, range.clone(), None);
        let concurrency = self.or(CONCURRENCY, DEFAULT_CONCURRENCY, positive(CONCURRENCY_RANGE));
        let heatmap_period = self.optional(HEATMAP_PERIOD, "pageserver.toml's, else 1m", |written| {
            value::duration(written, HEATMAP_PERIOD_RANGE, Some("for no uploads by schedule"))
        });
        let rescan_period = self.or_duration(RESCAN_PERIOD, DEFAULT_RESCAN, duration(RESCAN_RANGE));
        let recheck_period = self.or_duration(RECHECK_PERIOD, DEFAULT_RECHECK, duration(RECHECK_RANGE));
        let shutdown_timeout = self.or_duration(SHUTDOWN_TIMEOUT, DEFAULT_SHUTDOWN, duration(SHUTDOWN_RANGE));
        let default_state = data_dir.as_ref().map(|data_dir| data_dir.join("thermocline")).unwrap_or_default();
        let shown = default_state.display().to_string();
        let state_dir = self.optional(STATE_DIR, &shown, value::path).map(|path| self.folder.join(path));
        let policy_file = self.optional(POLICY_FILE, "resident-set, built in", value::policy_file);
        let policy_file = policy_file.map(|file| file.within(self.folder));
        let policy_config = self.or(POLICY_CONFIG, NO_CONFIG.to_owned(), value::policy_config);
        let rollback = self.rollback();
        let log_format = self.or_shown(LOG_FORMAT, LogFormat::Human, "human", value::format);
        let log_filter = self.or(LOG_FILTER, DEFAULT_FILTER.to_owned(), value::filter);
        let public_key_file = self.optional(PUBLIC_KEY_FILE, "none: no credentials", value::path);
        let public_key_file = public_key_file.map(|path| self.folder.join(path));
        let tenant_series = self.or(TENANT_SERIES, DEFAULT_TENANT_SERIES, number(TENANT_SERIES_RANGE));
        let max_connections = self.or(MAX_CONNECTIONS, DEFAULT_CONNECTIONS, positive(CONNECTIONS_RANGE));
        let request_timeout = self.or_duration(REQUEST_TIMEOUT, DEFAULT_REQUEST, duration(REQUEST_RANGE));
        let max_body_bytes = self.or(MAX_BODY_BYTES, DEFAULT_BODY, number(BODY_RANGE));

        if let Some(listen) = listen
            && !listen.ip().is_loopback()
            && !self.given.contains_key(PUBLIC_KEY_FILE)
        {
            let why = format!(
                "anybody who reaches this address could give commands: set {PUBLIC_KEY_FILE} to the public key of those \
                 who sign tokens, or expected a loopback address, as in \"127.0.0.1:{}\"",
                listen.port()
            );
            self.at_odds(LISTEN, why);
        }
        let (remote, s3) = remote?;
        Some(Config {
            listen: listen?,
            data_dir: data_dir?,
            remote,
            s3,
            concurrency,
            heatmap_period,
            rescan_period,
            recheck_period,
            shutdown_timeout,
            state_dir: state_dir.unwrap_or(default_state),
            policy_file,
            policy_config,
            rollback,
            log_format,
            log_filter,
            public_key_file,
            tenant_series,
            max_connections,
            request_timeout,
            max_body_bytes,
        })
    }

    fn rollback(&mut self) -> Option<RollbackRule> {
        let default = RollbackRule::default();
        let failures = self
            .or(ROLLBACK_FAILURES, default.failures.get(), |written| value::number(written, ROLLBACK_FAILURES_RANGE));
        let window = self.or_duration(ROLLBACK_WINDOW, default.window, |written| {
            value::duration(written, ROLLBACK_WINDOW_RANGE, None)
        });
        Some(RollbackRule { failures: NonZeroUsize::new(failures)?, window })
    }

    /// A folder or a bucket, and not both.
    fn remote(&mut self) -> Option<(RemoteUrl, S3Options)> {
        let local_path = self.optional(LOCAL_PATH, "none", value::path).map(|path| self.folder.join(path));
        let bucket = self.optional(BUCKET_NAME, "none", |written| {
            let expected = "the name of a bucket, without s3://, 3 to 63 letters, digits, dots, dashes and underscores";
            let name = value::words(written, expected)?;
            let is_name = !name.contains('/') && format!("s3://{name}").parse::<RemoteUrl>().is_ok();
            if is_name { Ok(name) } else { Err(expected.into()) }
        });
        let expected = "the name of a region, as in \"eu-central-1\"";
        let region = self.optional(BUCKET_REGION, "AWS_REGION", |written| value::words(written, expected));
        let prefix = self.optional(PREFIX_IN_BUCKET, "none", |written| {
            let prefix = value::words(written, "names with one `/` between each two, as in \"pageserver/v1\"")?;
            let prefix = prefix.trim_matches('/');
            check_key(prefix).map(|()| prefix.to_owned()).map_err(|why| format!("a prefix of keys: {why}"))
        });
        let endpoint = self.optional(ENDPOINT, "AWS_ENDPOINT_URL, else AWS", |written| {
            let expected = "the address of an S3 store, without credentials, as in \"http://127.0.0.1:8333\"";
            let text = value::words(written, expected)?;
            let url = url::Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let plain = url.filter(|url| url.has_host() && url.username().is_empty() && url.password().is_none());
            plain.map(|_| text).ok_or_else(|| expected.into())
        });
        let path_style = self.optional(PATH_STYLE, "true where there is an endpoint", value::boolean);

        let (has_path, has_bucket) = (self.given.contains_key(LOCAL_PATH), self.given.contains_key(BUCKET_NAME));
        match (has_path, has_bucket) {
            (false, false) => self.errors.push(SettingError::missing(
                LOCAL_PATH,
                "a folder, or set remote_storage.bucket_name to the name of a bucket",
            )),
            (true, true) => {
                self.at_odds(LOCAL_PATH, format!("{BUCKET_NAME} is set as well: expected one of the two"));
            }
            (true, false) => {
                for name in [BUCKET_REGION, PREFIX_IN_BUCKET, ENDPOINT, PATH_STYLE] {
                    self.at_odds(
                        name,
                        format!("it counts for a bucket only: expected {BUCKET_NAME}, and no {LOCAL_PATH}"),
                    );
                }
            }
            (false, true) => {}
        }
        let s3 = S3Options { endpoint, region, path_style, ..S3Options::default() };
        match (local_path, bucket) {
            (Some(path), _) => Some((RemoteUrl::File { path }, s3)),
            (None, Some(bucket)) => Some((RemoteUrl::S3 { bucket, prefix: prefix.unwrap_or_default() }, s3)),
            (None, None) => None,
        }
    }

    fn at_odds(&mut self, name: &'static str, why: String) {
        if let Some(given) = self.given.get(name) {
            self.errors.push(SettingError::at_odds(name, given, why));
        }
    }

    /// `otherwise` says what holds where it is not set.
    fn optional<T>(
        &mut self,
        name: &'static str,
        otherwise: &str,
        decode: impl Fn(&Written) -> Result<T, Expected>,
    ) -> Option<T> {
        let Some(given) = self.given.get(name) else {
            self.effective.push(Effective { name, value: otherwise.to_owned(), source: Source::Default });
            return None;
        };
        let (value, source) = (given.value.to_string(), given.source.clone());
        self.effective.push(Effective { name, value, source });
        decode(&given.value).map_err(|expected| self.errors.push(SettingError::wrong(name, given, expected))).ok()
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        what: &str,
        decode: impl Fn(&Written) -> Result<T, Expected>,
    ) -> Option<T> {
        if !self.given.contains_key(name) {
            self.errors.push(SettingError::missing(name, what));
        }
        self.optional(name, "", decode)
    }

    fn or<T: Display>(
        &mut self,
        name: &'static str,
        default: T,
        decode: impl Fn(&Written) -> Result<T, Expected>,
    ) -> T {
        let shown = default.to_string();
        self.or_shown(name, default, &shown, decode)
    }

    fn or_duration(
        &mut self,
        name: &'static str,
        default: Duration,
        decode: impl Fn(&Written) -> Result<Duration, Expected>,
    ) -> Duration {
        let shown = humantime::format_duration(default).to_string();
        self.or_shown(name, default, &shown, decode)
    }

    /// What is wrong is an error, so that the default that stands in for it is never used.
    fn or_shown<T>(
        &mut self,
        name: &'static str,
        default: T,
        shown: &str,
        decode: impl Fn(&Written) -> Result<T, Expected>,
    ) -> T {
        self.optional(name, shown, decode).unwrap_or(default)
    }
}

impl Config {
    /// The settings that differ from `other`'s and take a restart to change, by name.
    pub(crate) fn needs_restart(&self, other: &Config) -> Vec<&'static str> {
        let differs = [
            (LISTEN, self.listen != other.listen),
            (DATA_DIR, self.data_dir != other.data_dir),
            ("remote_storage", self.remote != other.remote || self.s3 != other.s3),
            (RECHECK_PERIOD, self.recheck_period != other.recheck_period),
            (SHUTDOWN_TIMEOUT, self.shutdown_timeout != other.shutdown_timeout),
            (STATE_DIR, self.state_dir != other.state_dir),
            (LOG_FORMAT, self.log_format != other.log_format),
            (MAX_CONNECTIONS, self.max_connections != other.max_connections),
        ];
        differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }
}

#[cfg(test)]
mod tests;
