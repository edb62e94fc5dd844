//! Files that zstd compressed, or not.

use std::io::{self, BufReader, Read};

/// What stands before a file that zstd compressed.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What is in a file, whether it is compressed or not, whatever its name.
pub(super) fn unpacked<'a>(file: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut file = BufReader::new(file);
    let mut start = [0; 4];
    let known = read_up_to(&mut file, &mut start)?;
    let start = start.get(..known).unwrap_or_default().to_vec();
    let compressed = start == ZSTD_MAGIC;
    let whole = io::Cursor::new(start).chain(file);
    if compressed { Ok(Box::new(zstd::Decoder::new(whole)?)) } else { Ok(Box::new(whole)) }
}

/// Fills as much of `buffer` as there is.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
