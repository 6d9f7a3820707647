//! Blocks in the database, one by one: reading, writing and removing them.

use rusqlite::{Connection as Database, params};

use super::claims;
use crate::cache::CacheError;
use crate::cache::format::block::{self, Connection};
use crate::cache::format::block_row::{BlockRow, Header};
use crate::cache::format::decoded::{DecodedBlock, Parts, Run};
use crate::cache::format::group::{self, Group};
use crate::cache::format::{checksum, schema};
use crate::varint::DecodeError;

/// Appends the connections of block `id` to `out`.
pub(crate) fn read(
    id: i64,
    out: &mut Vec<Connection>,
    database: &Database,
) -> Result<(), CacheError> {
    let mut decoded = DecodedBlock::default();
    let are_checked = schema::are_checked(database)?;
    let mut select = database.prepare_cached("SELECT bytes FROM payload WHERE id = ?1")?;
    select
        .query_row([id], |row| {
            let block = checksum::unseal_payload(id, row.get_ref(0)?.as_blob()?, are_checked);
            Ok(block.and_then(|block| block::decode(block, Parts::ALL, &mut decoded)))
        })?
        .map_err(|error| damaged(id, error, database))?;
    out.extend(decoded.runs().flat_map(Run::connections));
    Ok(())
}

/// The error of block `id`, which names its group.
pub(crate) fn damaged(id: i64, error: DecodeError, database: &Database) -> CacheError {
    CacheError::Block { error, group: group::describe_block(id, database) }
}

/// Writes a block of `connections` (sorted, not empty) of `group` as `id`; they are encoded as `bytes`.
pub(crate) fn write(
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
            BlockRow::bytes_of(id, group, &times_ms),
        ])?;
    database
        .prepare_cached("INSERT OR REPLACE INTO payload (id, bytes) VALUES (?1, ?2)")?
        .execute(params![id, checksum::seal_payload(id, bytes)])?;
    Ok(())
}

/// Removes a block's summary; its payload stays, for `id` to be written again.
pub(crate) fn remove_summary(header: &Header, database: &Database) -> Result<(), CacheError> {
    database
        .prepare_cached(
            "DELETE FROM block
             WHERE group_id = ?1 AND first_ms = ?2 AND last_ms = ?3 AND id = ?4",
        )?
        .execute(params![header.group, header.first_ms, header.last_ms, header.id])?;
    Ok(())
}

/// Removes a block.
pub(crate) fn remove(header: &Header, database: &Database) -> Result<(), CacheError> {
    remove_summary(header, database)?;
    remove_payload(header.id, database)
}

/// Writes a block anew with those of its connections that are kept (sorted); without any it goes.
pub(crate) fn keep(
    header: &Header,
    kept: &[Connection],
    database: &Database,
) -> Result<(), CacheError> {
    remove(header, database)?;
    if kept.is_empty() {
        return Ok(());
    }
    let group = format!("SELECT {} FROM connection_group WHERE id = ?1", group::COLUMNS);
    let group = database.prepare_cached(&group)?.query_row([header.group], Group::from_row)?;
    write(&group, header.id, (kept, &block::encode(kept)), database)
}

/// Removes what is left of a block after [`remove_summary`].
pub(crate) fn remove_payload(id: i64, database: &Database) -> Result<(), CacheError> {
    database.prepare_cached("DELETE FROM payload WHERE id = ?1")?.execute([id])?;
    claims::remove(id, database)
}
