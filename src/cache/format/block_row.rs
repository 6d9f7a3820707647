//! The row of a block: where the block lies, and what is known of its connections without decoding them.

use rusqlite::Row;

use super::block::{CAPACITY, MOST_BYTES};
use super::checksum;
use super::group::Group;
use crate::beacon::sketch::{self, BlockSketch};
use crate::cache::CacheError;
use crate::varint::{DecodeError, put_varint, take_varint};

/// A group's blocks are numbered within it; the payload's row id is both numbers together, so
/// that the payloads of a group lie side by side.
pub(crate) const NUMBER_BITS: u32 = 24;

/// Where a block is and what it spans.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) group: u32,
    pub(crate) id: i64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) connections: usize,
    /// Of its connections.
    pub(crate) bytes: usize,
}

/// The columns of [`Header`], in its order.
pub(crate) const HEADER_COLUMNS: &str = "group_id, id, first_ms, last_ms, connections, bytes";

impl Header {
    /// From a row of [`HEADER_COLUMNS`].
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Header> {
        Ok(Header {
            group: row.get(0)?,
            id: row.get(1)?,
            first_ms: row.get(2)?,
            last_ms: row.get(3)?,
            connections: row.get(4)?,
            bytes: row.get(5)?,
        })
    }

    /// Whether more connections may follow in it.
    pub(crate) fn has_room(&self) -> bool {
        self.connections < CAPACITY && self.bytes < FULL_BYTES
    }
}

/// A block of so many bytes has no room for more connections.
const FULL_BYTES: usize = MOST_BYTES - MOST_BYTES / 32;

/// The condition in SQL that says of a row of `block` what [`Header::has_room`] does.
pub(crate) fn has_room() -> String {
    format!("(block.connections < {CAPACITY} AND block.bytes < {FULL_BYTES})")
}

/// The row id of a group's block of this number.
pub(crate) fn id(group: u32, number: u32) -> Result<i64, CacheError> {
    checked_id(group, number).ok_or(CacheError::Full("block of a group"))
}

fn checked_id(group: u32, number: u32) -> Option<i64> {
    (number >> NUMBER_BITS == 0).then_some(i64::from(group) << NUMBER_BITS | i64::from(number))
}

/// How the value of a row begins since format 9. Format 8 began with the id of the group, which is
/// never 0; nothing of it is used but what both have.
const TAG: u8 = 0;

/// A block without its connections. All of it is in one value of its row, though the key and other
/// columns tell parts of it, too: SQLite hands on one value sooner than six.
pub(crate) struct BlockRow<'d> {
    pub(crate) id: i64,
    pub(crate) group: Group,
    /// Unix milliseconds of its first and its last connection.
    pub(crate) span_ms: (i64, i64),
    /// `None` where it has to be made anew from the connections.
    pub(crate) sketch: Option<BlockSketch<'d>>,
}

impl<'d> BlockRow<'d> {
    /// The value of the row of block `id`, with connections at `times_ms`, sorted.
    pub(crate) fn bytes_of(id: i64, group: &Group, times_ms: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        bytes.push(TAG);
        group.put(&mut bytes);
        put_varint(id as u64 & ((1 << NUMBER_BITS) - 1), &mut bytes);
        if let (Some(first_ms), Some(last_ms)) = (times_ms.first(), times_ms.last()) {
            bytes.extend(first_ms.to_le_bytes());
            put_varint((last_ms - first_ms) as u64, &mut bytes);
            put_varint(times_ms.len() as u64, &mut bytes);
        }
        sketch::encode(times_ms, &mut bytes);
        checksum::seal(id, &mut bytes);
        bytes
    }

    /// From the value of its row. One of format 8, without a checksum, is taken only as long as there may
    /// be some: `are_checked` tells.
    pub(crate) fn from_bytes(bytes: &'d [u8], are_checked: bool) -> Result<Self, DecodeError> {
        let whole = bytes;
        let has_sketch = bytes.first() == Some(&TAG);
        let mut bytes = match has_sketch {
            true => checksum::content(bytes)?.get(1..).unwrap_or_default(),
            false if are_checked => return Err(DecodeError::Checksum),
            false => bytes,
        };
        let group = Group::take(&mut bytes)?;
        let number = u32::try_from(take_varint(&mut bytes)?).ok();
        let id = number.and_then(|number| checked_id(group.id, number));
        let id = id.ok_or(DecodeError::Overflow)?;
        if has_sketch {
            checksum::unseal(id, whole)?;
        }
        let (first_ms, rest) = bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        bytes = rest;
        let milliseconds = |number| i64::try_from(number).map_err(|_| DecodeError::Overflow);
        let first_ms = milliseconds(u64::from_le_bytes(*first_ms))?;
        let last_ms = first_ms
            .checked_add(milliseconds(take_varint(&mut bytes)?)?)
            .ok_or(DecodeError::Overflow)?;
        let connections = take_varint(&mut bytes)?;
        let span_ms = (first_ms, last_ms);
        let sketch = match has_sketch {
            true => BlockSketch::decode(span_ms, connections, bytes)?,
            false => None,
        };
        Ok(BlockRow { id, group, span_ms, sketch })
    }
}
