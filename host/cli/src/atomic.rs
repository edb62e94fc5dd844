//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Readers of `file` see what was there before, or all of `bytes`.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole_by(file, |temporary| temporary.write_all(bytes))
}

/// Readers of `file` see what was there before, or all that `write` wrote; where it fails, what was there before.
pub(crate) fn write_whole_by<T, E: From<io::Error>>(
    file: &Path,
    write: impl FnOnce(&mut fs::File) -> Result<T, E>,
) -> Result<T, E> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Temporary files are for their owner alone; this one is to become an ordinary one.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.prefix(".thermocline-").suffix(".tmp").tempfile_in(folder)?;
    let written = write(temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(io::Error::from)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(written)
}
