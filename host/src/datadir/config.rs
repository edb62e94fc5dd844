//! `config-v1`: how a tenant shard is located on a pageserver.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::layer::{Generation, ShardIndex};
use crate::pageserver::AttachMode;

/// The file's name, in the folder of a tenant shard. A folder without it holds no tenant.
pub(super) const FILE: &str = "config-v1";

/// Most bytes of `config-v1` and of `pageserver.toml`: a hundred times what they have.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// Bytes; what a pageserver takes where a tenant's configuration does not say.
const DEFAULT_CHECKPOINT_DISTANCE_BYTES: u64 = 256 << 20;

/// What `config-v1` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocationConfig {
    pub(super) mode: Mode,
    pub(super) shard: ShardIndex,
    /// `None` where it does not say: the pageserver's own setting counts.
    pub(super) heatmap_period: Option<Duration>,
    pub(super) checkpoint_distance_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Attached { generation: Generation, attach_mode: AttachMode },
    Secondary,
}

#[derive(Deserialize)]
struct File {
    mode: FileMode,
    #[serde(default)]
    shard: FileShard,
    #[serde(default)]
    tenant_conf: TenantConfig,
}

#[derive(Deserialize)]
enum FileMode {
    Attached(FileAttached),
    Secondary(IgnoredAny),
}

#[derive(Deserialize)]
struct FileAttached {
    generation: Option<u32>,
    attach_mode: FileAttachMode,
}

#[derive(Deserialize)]
enum FileAttachMode {
    Single,
    Multi,
    Stale,
}

#[derive(Default, Deserialize)]
struct FileShard {
    number: u8,
    count: u8,
}

#[derive(Default, Deserialize)]
struct TenantConfig {
    heatmap_period: Option<Period>,
    checkpoint_distance: Option<u64>,
}

/// As operators write it: `10m`, `1h 30m`; `0s` switches uploads off.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Period(Duration);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        humantime::parse_duration(&text)
            .map(Period)
            .map_err(|error| format!("{text:?} is not a period, such as \"1m\" or \"0s\": {error}"))
    }
}

/// What is wrong with a configuration, and where: on one line, as rows of tables and of the log want it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConfigError(String);

impl From<toml::de::Error> for ConfigError {
    fn from(error: toml::de::Error) -> Self {
        let drawn = error.to_string();
        let message = error.message().replace('\n', ", ");
        ConfigError(match (error.span(), drawn.lines().next()) {
            // The first line says where; the others draw it.
            (Some(_), Some(place)) => format!("{place}: {message}"),
            _ => message,
        })
    }
}

/// Reads `config-v1`.
///
/// # Errors
/// With what is wrong, and where.
pub(super) fn parse(text: &str) -> Result<LocationConfig, ConfigError> {
    let File { mode, shard, tenant_conf } = toml::from_str(text)?;
    let mode = match mode {
        FileMode::Secondary(_) => Mode::Secondary,
        FileMode::Attached(FileAttached { generation, attach_mode }) => Mode::Attached {
            generation: generation.map_or(Generation::NONE, Generation::new),
            attach_mode: match attach_mode {
                FileAttachMode::Single => AttachMode::Single,
                FileAttachMode::Multi => AttachMode::Multi,
                FileAttachMode::Stale => AttachMode::Stale,
            },
        },
    };
    Ok(LocationConfig {
        mode,
        shard: ShardIndex { number: shard.number, count: shard.count },
        heatmap_period: tenant_conf.heatmap_period.map(|Period(period)| period),
        checkpoint_distance_bytes: tenant_conf.checkpoint_distance.unwrap_or(DEFAULT_CHECKPOINT_DISTANCE_BYTES),
    })
}

/// Reads `[tenant_config] heatmap_period` of `pageserver.toml`: the period of tenants that do not say.
///
/// # Errors
/// With what is wrong, and where.
pub(super) fn parse_default_period(text: &str) -> Result<Option<Duration>, ConfigError> {
    #[derive(Deserialize)]
    struct Pageserver {
        #[serde(default)]
        tenant_config: TenantConfig,
    }
    let Pageserver { tenant_config } = toml::from_str(text)?;
    Ok(tenant_config.heatmap_period.map(|Period(period)| period))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const ATTACHED: &str = r#"# This file contains a specific per-tenant's config.
#  It is read in case of pageserver restart.
[mode.Attached]
generation = 2
attach_mode = "Single"

[shard]
number = 1
count = 2
stripe_size = 128
layout = 1

[tenant_conf]
checkpoint_distance = 524288
compaction_period = "0s"
heatmap_period = "10s"
lsn_lease_length = "0s"
"#;

    const SECONDARY: &str =
        "[mode.Secondary]\nwarm = true\n\n[shard]\nnumber = 0\ncount = 0\nstripe_size = 32768\n\n[tenant_conf]\n";

    #[test]
    fn an_attached_shard_is_read() {
        let expected = LocationConfig {
            mode: Mode::Attached { generation: Generation::new(2), attach_mode: AttachMode::Single },
            shard: ShardIndex { number: 1, count: 2 },
            heatmap_period: Some(Duration::from_secs(10)),
            checkpoint_distance_bytes: 524_288,
        };
        assert_eq!(parse(ATTACHED).unwrap(), expected);
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let expected = LocationConfig {
            mode: Mode::Secondary,
            shard: ShardIndex::UNSHARDED,
            heatmap_period: None,
            checkpoint_distance_bytes: 268_435_456,
        };
        assert_eq!(parse(SECONDARY).unwrap(), expected);
        assert_eq!(parse("[mode.Secondary]\nwarm = false").unwrap(), expected);
        let Mode::Attached { generation, .. } = parse("[mode.Attached]\nattach_mode = 'Multi'").unwrap().mode else {
            panic!("attached")
        };
        assert_eq!(generation, Generation::NONE);
    }

    #[test]
    fn what_later_pageservers_may_add_is_passed_over() {
        let later =
            ATTACHED.replace("generation = 2", "generation = 2\nlease = '1m'").replace("[shard]", "[shard]\nx = 1");
        assert_eq!(parse(&format!("version = 2\n{later}[later]\n")).unwrap(), parse(ATTACHED).unwrap());
    }

    #[rstest]
    #[case::minutes("1m", 60)]
    #[case::off("0s", 0)]
    #[case::compound("1h 30m", 5400)]
    fn periods_are_written_for_people(#[case] text: &str, #[case] seconds: u64) {
        let period = Some(Duration::from_secs(seconds));
        assert_eq!(parse(&ATTACHED.replace("10s", text)).unwrap().heatmap_period, period);
        let pageserver = format!("listen_pg_addr = 'x'\n[tenant_config]\nheatmap_period = '{text}'\n");
        assert_eq!(parse_default_period(&pageserver).unwrap(), period);
    }

    #[test]
    fn a_pageserver_need_not_say_its_period() {
        assert_eq!(parse_default_period("").unwrap(), None);
        assert_eq!(parse_default_period("[tenant_config]\ngc_period = '1h'").unwrap(), None);
    }

    #[rstest]
    #[case::nothing("", "mode")]
    #[case::no_toml("[mode.", "TOML")]
    #[case::unknown_mode("[mode.Detached]\n", "Detached")]
    #[case::unknown_attach_mode("[mode.Attached]\ngeneration = 1\nattach_mode = 'Both'\n", "Both")]
    #[case::generation_too_large("[mode.Attached]\ngeneration = 4294967296\nattach_mode = 'Single'\n", "4294967296")]
    #[case::shard_too_large("[mode.Secondary]\n[shard]\nnumber = 256\ncount = 0\n", "256")]
    #[case::period("[mode.Secondary]\n[tenant_conf]\nheatmap_period = 'soon'\n", "\"soon\" is not a period")]
    fn anything_else_is_an_error_that_says_what(#[case] text: &str, #[case] names: &str) {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn an_error_says_where_and_what_on_one_line() {
        let error = parse("[mode.Attached]\ngeneration = \"two\"\n").unwrap_err().to_string();
        assert_eq!(error, "TOML parse error at line 2, column 14: invalid type: string \"two\", expected u32");
    }

    #[test]
    fn no_truncated_file_panics() {
        (0..ATTACHED.len()).for_each(|end| drop(parse(&ATTACHED[..end])));
        // Cut off within the mode, it is no configuration any more.
        assert!(parse(&ATTACHED[..ATTACHED.find("attach_mode").unwrap()]).is_err());
    }

    proptest! {
        #[test]
        fn no_damaged_file_panics(at in 0..ATTACHED.len(), byte: u8) {
            let mut bytes = ATTACHED.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(&String::from_utf8_lossy(&bytes));
            let _ = parse_default_period(&String::from_utf8_lossy(&bytes));
        }
    }
}
