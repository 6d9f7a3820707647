//! Blocks as rows: the payload, and beside it the summary that may save decoding it.

use rusqlite::{Connection as Database, Row, params};

use super::block::{self, CAPACITY, Connection, MOST_BYTES};
use super::decoded::{DecodedBlock, Parts, Run};
use super::group::Group;
use super::{CacheError, claims};
use crate::beacon::sketch::{self, BlockSketch};
use crate::varint::{DecodeError, put_varint, take_varint};

/// A group's blocks are numbered within it; the payload's row id is both numbers together, so
/// that the payloads of a group lie side by side.
const NUMBER_BITS: u32 = 24;

/// Where a block is and what it spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) group: u32,
    pub(super) id: i64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) connections: usize,
    /// Of its connections.
    pub(super) bytes: usize,
}

/// The columns of [`Header`], in its order.
pub(super) const HEADER_COLUMNS: &str = "group_id, id, first_ms, last_ms, connections, bytes";

impl Header {
    /// From a row of [`HEADER_COLUMNS`].
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Header> {
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
    pub(super) fn has_room(&self) -> bool {
        self.connections < CAPACITY && self.bytes < MOST_BYTES - MOST_BYTES / 32
    }
}

/// The row id of a group's block of this number.
pub(super) fn id(group: u32, number: u32) -> Result<i64, CacheError> {
    checked_id(group, number).ok_or(CacheError::Full("block of a group"))
}

fn checked_id(group: u32, number: u32) -> Option<i64> {
    (number >> NUMBER_BITS == 0).then_some(i64::from(group) << NUMBER_BITS | i64::from(number))
}

/// A block without its connections. All of it is in one value of its row, though the key and other
/// columns tell parts of it, too: SQLite hands on one value sooner than six.
pub(super) struct Described<'d> {
    pub(super) id: i64,
    pub(super) group: Group,
    pub(super) sketch: BlockSketch<'d>,
}

impl<'d> Described<'d> {
    /// The value of the row of block `id`, with connections at `times_ms`, sorted.
    fn bytes_of(id: i64, group: &Group, times_ms: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        group.put(&mut bytes);
        put_varint(id as u64 & ((1 << NUMBER_BITS) - 1), &mut bytes);
        if let (Some(first_ms), Some(last_ms)) = (times_ms.first(), times_ms.last()) {
            bytes.extend(first_ms.to_le_bytes());
            put_varint((last_ms - first_ms) as u64, &mut bytes);
            put_varint(times_ms.len() as u64, &mut bytes);
        }
        sketch::encode(times_ms, &mut bytes);
        bytes
    }

    /// From the value of its row.
    pub(super) fn from_bytes(mut bytes: &'d [u8]) -> Result<Described<'d>, DecodeError> {
        let group = Group::take(&mut bytes)?;
        let number = u32::try_from(take_varint(&mut bytes)?).ok();
        let id = number.and_then(|number| checked_id(group.id, number));
        let id = id.ok_or(DecodeError::Overflow)?;
        let (first_ms, rest) = bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        bytes = rest;
        let milliseconds = |number| i64::try_from(number).map_err(|_| DecodeError::Overflow);
        let first_ms = milliseconds(u64::from_le_bytes(*first_ms))?;
        let last_ms = first_ms
            .checked_add(milliseconds(take_varint(&mut bytes)?)?)
            .ok_or(DecodeError::Overflow)?;
        let connections = take_varint(&mut bytes)?;
        let sketch = BlockSketch::decode((first_ms, last_ms), connections, bytes)?;
        Ok(Described { id, group, sketch })
    }
}

/// Appends the connections of block `id` to `out`.
pub(super) fn read(
    id: i64,
    out: &mut Vec<Connection>,
    database: &Database,
) -> Result<(), CacheError> {
    let mut decoded = DecodedBlock::default();
    let mut select = database.prepare_cached("SELECT bytes FROM payload WHERE id = ?1")?;
    select.query_row([id], |row| {
        Ok(block::decode(row.get_ref(0)?.as_blob()?, Parts::ALL, &mut decoded))
    })??;
    out.extend(decoded.runs().flat_map(Run::connections));
    Ok(())
}

/// Writes a block of `connections` (sorted, not empty) of `group` as `id`; they are encoded as `bytes`.
pub(super) fn write(
    group: &Group,
    id: i64,
    (connections, bytes): (&[Connection], &[u8]),
    database: &Database,
) -> Result<(), CacheError> {
    let times_ms: Vec<i64> = connections.iter().map(|connection| connection.time_ms).collect();
    let (Some(first_ms), Some(last_ms)) = (times_ms.first(), times_ms.last()) else {
        return Ok(());
    };
    database
        .prepare_cached(
            "INSERT INTO block (group_id, first_ms, last_ms, id, connections, bytes, summary)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            group.id,
            first_ms,
            last_ms,
            id,
            times_ms.len() as i64,
            bytes.len(),
            Described::bytes_of(id, group, &times_ms),
        ])?;
    database
        .prepare_cached("INSERT OR REPLACE INTO payload (id, bytes) VALUES (?1, ?2)")?
        .execute(params![id, bytes])?;
    Ok(())
}

/// Removes a block's summary; its payload stays, for `id` to be written again.
pub(super) fn remove_summary(header: &Header, database: &Database) -> Result<(), CacheError> {
    database
        .prepare_cached(
            "DELETE FROM block
             WHERE group_id = ?1 AND first_ms = ?2 AND last_ms = ?3 AND id = ?4",
        )?
        .execute(params![header.group, header.first_ms, header.last_ms, header.id])?;
    Ok(())
}

/// Removes a block.
pub(super) fn remove(header: &Header, database: &Database) -> Result<(), CacheError> {
    remove_summary(header, database)?;
    remove_payload(header.id, database)
}

/// Removes what is left of a block after [`remove_summary`].
pub(super) fn remove_payload(id: i64, database: &Database) -> Result<(), CacheError> {
    database.prepare_cached("DELETE FROM payload WHERE id = ?1")?.execute([id])?;
    claims::remove(id, database)
}
