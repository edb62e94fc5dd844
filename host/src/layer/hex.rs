//! Hex digits, without allocation. Names are most of a heatmap, so this is where its bytes come from.

const UPPER: [[u8; 2]; 256] = pairs(b"0123456789ABCDEF");
const LOWER: [[u8; 2]; 256] = pairs(b"0123456789abcdef");

#[allow(clippy::indexing_slicing, reason = "a constant: an index out of range does not compile")]
#[allow(clippy::cast_possible_truncation, reason = "a nibble is below 16")]
const fn pairs(digits: &[u8; 16]) -> [[u8; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
}

/// Two upper-case digits a byte, appended.
#[inline]
pub(crate) fn write_upper(out: &mut Vec<u8>, bytes: &[u8]) {
    write(&UPPER, out, bytes);
}

/// `bytes` as lower-case hex text.
pub(super) fn lower(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    write(&LOWER, &mut out, bytes);
    String::from_utf8(out).unwrap_or_default()
}

#[inline]
#[allow(clippy::indexing_slicing, reason = "a byte is always within a table of 256")]
fn write(table: &[[u8; 2]; 256], out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        out.extend_from_slice(&table[usize::from(byte)]);
    }
}

/// Exactly `N` bytes from `2 * N` hex digits of either case; `None` for anything else.
///
/// Every digit is read before any is refused: a loop without a way out is what the compiler turns into
/// vector instructions, and names are most of what is read.
#[inline]
pub(super) fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut wrong = !rest.is_empty();
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (digit(*high), digit(*low));
        wrong |= high > 15 || low > 15;
        *byte = high << 4 | (low & 15);
    }
    (!wrong).then_some(bytes)
}

/// A number from 1 to 16 hex digits of either case; no sign, no prefix.
#[inline]
pub(super) fn parse_u64(text: &str) -> Option<u64> {
    if text.len() == 16 {
        return parse(text).map(u64::from_be_bytes);
    }
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.bytes().map(digit).try_fold(0, |number, digit| (digit < 16).then_some(number << 4 | u64::from(digit)))
}

/// The value of a digit; above 15 for anything else.
#[inline]
fn digit(byte: u8) -> u8 {
    let decimal = byte.wrapping_sub(b'0');
    let letter = (byte | 0x20).wrapping_sub(b'a');
    if decimal < 10 {
        decimal
    } else if letter < 6 {
        letter + 10
    } else {
        u8::MAX
    }
}
