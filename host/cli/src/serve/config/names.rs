//! What can be set.

use super::document::{BETWEEN, PREFIX};

pub(super) const LISTEN: &str = "listen";
pub(super) const DATA_DIR: &str = "pageserver.data_dir";
pub(super) const LOCAL_PATH: &str = "remote_storage.local_path";
pub(super) const BUCKET_NAME: &str = "remote_storage.bucket_name";
pub(super) const BUCKET_REGION: &str = "remote_storage.bucket_region";
pub(super) const PREFIX_IN_BUCKET: &str = "remote_storage.prefix_in_bucket";
pub(super) const ENDPOINT: &str = "remote_storage.endpoint";
pub(super) const PATH_STYLE: &str = "remote_storage.path_style";
pub(super) const CONCURRENCY: &str = "heatmap_upload_concurrency";
pub(super) const HEATMAP_PERIOD: &str = "heatmap_period";
pub(super) const RESCAN_PERIOD: &str = "rescan_period";
pub(super) const RECHECK_PERIOD: &str = "recheck_period";
pub(super) const SHUTDOWN_TIMEOUT: &str = "shutdown_timeout";
pub(super) const STATE_DIR: &str = "state_dir";
pub(super) const POLICY_FILE: &str = "policy.file";
pub(super) const POLICY_CONFIG: &str = "policy.config";
pub(super) const ROLLBACK_FAILURES: &str = "policy.rollback_failures";
pub(super) const ROLLBACK_WINDOW: &str = "policy.rollback_window";
pub(super) const LOG_FORMAT: &str = "log.format";
pub(super) const LOG_FILTER: &str = "log.filter";
pub(super) const PUBLIC_KEY_FILE: &str = "auth.public_key_file";
pub(super) const TENANT_SERIES: &str = "metrics.tenant_series";
pub(super) const MAX_CONNECTIONS: &str = "http.max_connections";
pub(super) const REQUEST_TIMEOUT: &str = "http.request_timeout";
pub(super) const MAX_BODY_BYTES: &str = "http.max_body_bytes";

/// All of them, in the order in which they are shown.
pub(super) const SETTINGS: [&str; 25] = [
    LISTEN,
    DATA_DIR,
    LOCAL_PATH,
    BUCKET_NAME,
    BUCKET_REGION,
    PREFIX_IN_BUCKET,
    ENDPOINT,
    PATH_STYLE,
    CONCURRENCY,
    HEATMAP_PERIOD,
    RESCAN_PERIOD,
    RECHECK_PERIOD,
    SHUTDOWN_TIMEOUT,
    STATE_DIR,
    POLICY_FILE,
    POLICY_CONFIG,
    ROLLBACK_FAILURES,
    ROLLBACK_WINDOW,
    LOG_FORMAT,
    LOG_FILTER,
    PUBLIC_KEY_FILE,
    TENANT_SERIES,
    MAX_CONNECTIONS,
    REQUEST_TIMEOUT,
    MAX_BODY_BYTES,
];

/// The variable of the environment that sets a setting: `THERMOCLINE_REMOTE_STORAGE__LOCAL_PATH`.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', BETWEEN).to_uppercase())
}
