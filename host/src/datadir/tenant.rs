//! One folder of a data directory's `tenants`.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::{self, Mode};
use crate::layer::{Generation, TenantShardId};
use crate::pageserver::{Revision, Shard};

/// A tenant shard's folder, and how the shard is located here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Which shard, by the folder's name.
    pub id: TenantShardId,
    /// Whether it can have a heatmap.
    pub location: Location,
}

/// How a tenant shard is located here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// It is attached. In attach mode [`Stale`](crate::pageserver::AttachMode::Stale), a sweep over all tenants passes it over, and a
    /// command for it alone does not.
    Attached(Shard),
    /// It has no heatmap to upload.
    Skipped(Skip),
}

/// Why a tenant's folder has no heatmap to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// It is a warm standby: another pageserver uploads its heatmap.
    Secondary,
    /// It has no `config-v1`: the shard was detached, and its folder is what remains.
    Detached,
    /// It is attached without a generation, of which a heatmap has to carry the number.
    NoGeneration,
    /// It cannot be read.
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skip::Secondary => f.write_str("secondary: its attached location uploads the heatmap"),
            Skip::Detached => write!(f, "detached: there is no {}", config::FILE),
            Skip::NoGeneration => f.write_str("attached without a generation, which a heatmap has to carry"),
            Skip::Damaged { file, why } => write!(f, "damaged: {}: {}", file.display(), why.trim_end()),
        }
    }
}

/// Reads how a shard is located, from its folder.
pub(super) fn locate(id: TenantShardId, folder: &Path, default_period: Duration, revision: Revision) -> Location {
    let file = folder.join(config::FILE);
    let damaged = |why: String| Location::Skipped(Skip::Damaged { file: file.clone(), why });
    let text = match read_text(&file, config::MAX_BYTES) {
        Ok(Some(text)) => text,
        Ok(None) => return Location::Skipped(Skip::Detached),
        Err(error) => return damaged(error.to_string()),
    };
    let config = match config::parse(&text) {
        Ok(config) => config,
        Err(error) => return damaged(error.to_string()),
    };
    if config.shard != id.shard {
        let shard = config.shard;
        return damaged(format!("it is of shard {} of {}, but the folder of {id}", shard.number, shard.count));
    }
    match config.mode {
        Mode::Secondary => Location::Skipped(Skip::Secondary),
        Mode::Attached { generation: Generation::NONE, .. } => Location::Skipped(Skip::NoGeneration),
        Mode::Attached { generation, attach_mode } => Location::Attached(Shard {
            id,
            generation,
            attach_mode,
            active: true,
            upload_period: config.heatmap_period.unwrap_or(default_period),
            checkpoint_distance_bytes: config.checkpoint_distance_bytes,
            revision,
        }),
    }
}

/// Reads a file; `None` if there is none.
///
/// # Errors
/// As the file system gives them, and if it has more than `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // Whoever writes the file may let it grow after its size was asked for.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// The same for text.
pub(super) fn read_text(path: &Path, limit: u64) -> io::Result<Option<String>> {
    let text = read(path, limit)?.map(String::from_utf8).transpose();
    text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The shards that have a folder in `tenants`, in the order of their ids, and the names that are none.
///
/// # Errors
/// As the file system gives them, with the path.
pub(super) fn folders(tenants: &Path) -> io::Result<(Vec<TenantShardId>, Vec<String>)> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", tenants.display()));
    let (mut shards, mut unknown) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(tenants).map_err(named)? {
        let entry = entry.map_err(named)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match name.parse() {
            Ok(id) => shards.push(id),
            // A tenant that is being deleted.
            Err(_) if name.ends_with(crate::atomic_file::TEMPORARY_SUFFIX) => {}
            Err(_) => unknown.push(name.into_owned()),
        }
    }
    shards.sort_unstable();
    unknown.sort_unstable();
    Ok((shards, unknown))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::pageserver::AttachMode;

    const ID: &str = "0a330000000000000000000000000003-0102";
    const DEFAULT: Duration = Duration::from_secs(77);

    fn located(config: &str) -> Location {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config-v1"), config).unwrap();
        locate(ID.parse().unwrap(), folder.path(), DEFAULT, Revision::default())
    }

    fn attached(mode: &str, conf: &str) -> String {
        format!("[mode.Attached]\n{mode}\n[shard]\nnumber = 1\ncount = 2\n[tenant_conf]\n{conf}\n")
    }

    #[rstest]
    #[case::single("generation = 2\nattach_mode = 'Single'", AttachMode::Single)]
    #[case::stale("generation = 2\nattach_mode = 'Stale'", AttachMode::Stale)]
    fn an_attached_shard_is_listed(#[case] mode: &str, #[case] attach_mode: AttachMode) {
        let expected = Shard {
            id: ID.parse().unwrap(),
            generation: Generation::new(2),
            attach_mode,
            active: true,
            upload_period: DEFAULT,
            checkpoint_distance_bytes: 256 << 20,
            revision: Revision::default(),
        };
        assert_eq!(located(&attached(mode, "")), Location::Attached(expected));
    }

    #[test]
    fn a_period_of_zero_is_kept_and_not_the_default() {
        let config = attached("generation = 2\nattach_mode = 'Single'", "heatmap_period = '0s'");
        let Location::Attached(shard) = located(&config) else { panic!("attached") };
        assert_eq!(shard.upload_period, Duration::ZERO);
    }

    #[rstest]
    #[case::secondary("[mode.Secondary]\nwarm = true\n[shard]\nnumber = 1\ncount = 2", "secondary: ")]
    #[case::no_generation(&attached("attach_mode = 'Single'", ""), "attached without a generation")]
    #[case::other_shard(
        "[mode.Secondary]\n",
        "it is of shard 0 of 0, but the folder of 0a330000000000000000000000000003-0102"
    )]
    #[case::damaged("[mode.", "config-v1: TOML parse error")]
    #[case::truncated("", "config-v1: ")]
    fn other_shards_are_skipped_with_the_reason(#[case] config: &str, #[case] why: &str) {
        let Location::Skipped(skip) = located(config) else { panic!("skipped") };
        assert!(skip.to_string().contains(why), "{skip}");
    }

    #[test]
    fn a_folder_without_configuration_is_detached() {
        let folder = tempfile::tempdir().unwrap();
        let locate = || locate(ID.parse().unwrap(), folder.path(), DEFAULT, Revision::default());
        assert_eq!(locate(), Location::Skipped(Skip::Detached));
        fs::write(folder.path().join("config-v1"), [0xff]).unwrap();
        assert!(matches!(locate(), Location::Skipped(Skip::Damaged { .. })));
    }

    #[test]
    fn the_limit_on_a_files_size_is_obeyed_and_violated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(read(&path, 3).unwrap(), None);
        fs::write(&path, "123").unwrap();
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"123");
        assert_eq!(read(&path, 2).unwrap_err().to_string(), "it has more than 2 bytes");
    }

    #[test]
    fn folders_that_are_no_shards_are_told_apart() {
        let tenants = tempfile::tempdir().unwrap();
        for name in [ID, "0a110000000000000000000000000001", "0a220000000000000000000000000002.___temp", "lost+found"] {
            fs::create_dir(tenants.path().join(name)).unwrap();
        }
        let (shards, unknown) = folders(tenants.path()).unwrap();
        assert_eq!(shards, ["0a110000000000000000000000000001".parse().unwrap(), ID.parse().unwrap()]);
        assert_eq!(unknown, ["lost+found"]);
        let error = folders(&tenants.path().join("gone")).unwrap_err().to_string();
        assert!(error.contains("gone"), "{error}");
    }
}
