//! Whole numbers as bytes, and what can be wrong with bytes that are decoded.
//!
//! Used by all that is kept in the cache's file: blocks of connections, and their sketches.

/// The bytes are not what was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("the block ends too early")]
    Truncated,
    /// They go on after the end.
    #[error("the block has bytes left over")]
    TrailingBytes,
    /// A number in them is out of range.
    #[error("the block holds a number that is out of range")]
    Overflow,
    /// They are not those that were stored there.
    #[error("the block does not match its checksum")]
    Checksum,
}

/// Appends `value` in LEB128: seven bits a byte, the lowest first.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number that [`put_varint`] has put off the front of `input`.
#[inline]
pub(crate) fn take_varint(input: &mut &[u8]) -> Result<u64, DecodeError> {
    match input {
        [byte, rest @ ..] if *byte < 0x80 => {
            *input = rest;
            Ok(u64::from(*byte))
        }
        [low, high, rest @ ..] if *high < 0x80 => {
            *input = rest;
            Ok(u64::from(*high) << 7 | u64::from(low & 0x7f))
        }
        _ => take_long_varint(input),
    }
}

#[inline(never)]
fn take_long_varint(input: &mut &[u8]) -> Result<u64, DecodeError> {
    // Of at most eight bytes it is taken at once: seven bits a byte are closed up two by two.
    let word = input.first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
    let ends = !word & 0x8080_8080_8080_8080;
    if ends != 0 {
        let bits = ends.trailing_zeros() + 1;
        *input = input.get(bits as usize / 8..).unwrap_or_default();
        let sevens = word & (u64::MAX >> (u64::BITS - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
        let pairs = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
        let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
        return Ok(fours & 0x0fff_ffff | fours >> 32 << 28);
    }
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(DecodeError::Truncated)?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(DecodeError::Overflow);
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DecodeError::Overflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_of_any_length_come_back(
            number: u64, bits in 0..64u32, behind in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut bytes = Vec::new();
            put_varint(number >> bits, &mut bytes);
            for length in 0..bytes.len() {
                prop_assert!(take_varint(&mut &bytes[..length]).is_err());
            }
            bytes.extend(&behind);
            let mut input = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut input), Ok(number >> bits));
            prop_assert_eq!(input, behind);
        }
    }
}
