//! Hex digits, without allocation. Names are most of a heatmap, so this is where its bytes come from.

/// Two upper-case digits a byte, appended.
#[inline]
pub(crate) fn write_upper<const N: usize>(out: &mut Vec<u8>, bytes: &[u8; N]) {
    out.extend_from_slice(digits(b'A', bytes).as_flattened());
}

/// `bytes` as lower-case hex text.
pub(super) fn lower<const N: usize>(bytes: &[u8; N]) -> String {
    digits(b'a', bytes).as_flattened().iter().map(|digit| char::from(*digit)).collect()
}

/// Both digits of each byte, those above 9 from `ten` on. Computed rather than looked up: over a known number
/// of bytes the compiler turns this into vector instructions.
#[inline]
fn digits<const N: usize>(ten: u8, bytes: &[u8; N]) -> [[u8; 2]; N] {
    let digit = |nibble: u8| if nibble > 9 { nibble - 10 + ten } else { nibble + b'0' };
    let mut digits = [[0; 2]; N];
    for (pair, byte) in digits.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
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
