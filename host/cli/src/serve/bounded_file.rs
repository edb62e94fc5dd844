//! Small files that settings name, and whoever wrote the settings may have named something else.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The text of a file of at most `limit` bytes.
///
/// # Errors
/// As the file system gives them; and if it is no file but a device or a pipe, which may have no end, is larger, or is no
/// text.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<String> {
    // Before it is opened: that of a pipe waits for a writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = String::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_obeyed_and_violated_and_devices_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "1234").unwrap();
        assert_eq!(read(&file, 4).unwrap(), "1234");
        assert_eq!(read(&file, 3).unwrap_err().to_string(), "it has more than 3 bytes");
        assert_eq!(read(Path::new("/dev/zero"), 3).unwrap_err().to_string(), "it is not a file");
        assert_eq!(read(folder.path(), 3).unwrap_err().to_string(), "it is not a file");
    }
}
