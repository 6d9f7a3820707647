//! Checksums of what is stored: a flipped bit becomes an error, and never another answer.
//!
//! A checksum is the CRC-32 of an id and of the bytes, in their last four bytes (little-endian), so
//! that bytes that stand at the id of others are told, too.

use crate::varint::DecodeError;

/// Of a checksum.
const BYTES: usize = 4;
/// How a payload with a checksum begins: without one (format 8) a payload begins with the number of
/// its connections, which is not 0.
const TAG: u8 = 0;
/// So many bytes more has a sealed payload.
pub(crate) const PAYLOAD_OVERHEAD: usize = 1 + BYTES;

/// Appends the checksum of what `bytes` holds for `id`.
pub(crate) fn seal(id: i64, bytes: &mut Vec<u8>) {
    let checksum = checksum(id, bytes);
    bytes.extend(checksum.to_le_bytes());
}

/// What was sealed, unchecked, for who has to read its id first.
pub(crate) fn content(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let content = bytes.split_last_chunk::<BYTES>();
    content.map(|(content, _)| content).ok_or(DecodeError::Truncated)
}

/// What was sealed for `id`, without its checksum.
pub(crate) fn unseal(id: i64, bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let (content, stored) = bytes.split_last_chunk().ok_or(DecodeError::Truncated)?;
    match u32::from_le_bytes(*stored) == checksum(id, content) {
        true => Ok(content),
        false => Err(DecodeError::Checksum),
    }
}

/// The payload of block `id`, sealed.
pub(crate) fn seal_payload(id: i64, block: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(block.len() + PAYLOAD_OVERHEAD);
    bytes.push(TAG);
    bytes.extend(block);
    seal(id, &mut bytes);
    bytes
}

/// The block in the payload of `id`. One without a checksum is taken only as long as there may be some
/// of format 8: `are_checked` tells.
pub(crate) fn unseal_payload(
    id: i64,
    payload: &[u8],
    are_checked: bool,
) -> Result<&[u8], DecodeError> {
    match payload.first() {
        Some(&TAG) => Ok(&unseal(id, payload)?[1..]),
        _ if are_checked => Err(DecodeError::Checksum),
        _ => Ok(payload),
    }
}

fn checksum(id: i64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(id as u32 ^ (id >> 32) as u32);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_flipped_bit_and_another_place_are_told(
            block in prop::collection::vec(any::<u8>(), 1..300),
            id in 1..i64::from(u32::MAX),
            bit in any::<prop::sample::Index>(),
        ) {
            let sealed = seal_payload(id, &block);
            prop_assert_eq!(sealed.len(), block.len() + PAYLOAD_OVERHEAD);
            prop_assert_eq!(unseal_payload(id, &sealed, true), Ok(&block[..]));
            prop_assert!(unseal_payload(id + 1, &sealed, true).is_err());
            let bit = bit.index(sealed.len() * 8);
            let mut damaged = sealed;
            damaged[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(unseal_payload(id, &damaged, true).is_err());
        }
    }
}
