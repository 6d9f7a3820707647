//! Which stored connections the pass under way has already met, beside the database.
//!
//! A temporary table, gone with the pass: a pass that is killed leaves no trace here, and the
//! next one starts from what was committed.

use rusqlite::{Connection, OptionalExtension, params};

use super::duplicates::Claim;
use crate::cache::CacheError;

/// Makes the table.
pub(crate) fn prepare(connection: &Connection) -> Result<(), CacheError> {
    connection.execute_batch(
        "CREATE TEMP TABLE claim (block INTEGER PRIMARY KEY, claims BLOB NOT NULL)",
    )?;
    Ok(())
}

/// Forgets the claims of the pass that has ended.
pub(crate) fn clear(connection: &Connection) -> Result<(), CacheError> {
    connection.execute("DELETE FROM temp.claim", [])?;
    Ok(())
}

/// Appends the claims on a block of `connections` to `claims`.
pub(crate) fn load(
    block: i64,
    connections: usize,
    claims: &mut Vec<Claim>,
    connection: &Connection,
) -> Result<(), CacheError> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached("SELECT claims FROM temp.claim WHERE block = ?1")?
        .query_row([block], |row| row.get(0))
        .optional()?;
    let stored = stored.unwrap_or_default();
    let (stored, _) = stored.as_chunks::<4>();
    let complete = stored.len() == connections;
    claims.extend((0..connections).map(|index| match complete {
        true => Claim::from_bytes(stored[index]),
        false => Claim::NONE,
    }));
    Ok(())
}

/// Stores the claims on a block.
pub(crate) fn store(
    block: i64,
    claims: &[Claim],
    connection: &Connection,
) -> Result<(), CacheError> {
    let bytes: Vec<u8> = claims.iter().flat_map(|claim| claim.to_bytes()).collect();
    connection
        .prepare_cached("INSERT OR REPLACE INTO temp.claim (block, claims) VALUES (?1, ?2)")?
        .execute(params![block, bytes])?;
    Ok(())
}

/// Forgets the claims on a block that is no more.
pub(crate) fn remove(block: i64, connection: &Connection) -> Result<(), CacheError> {
    connection.prepare_cached("DELETE FROM temp.claim WHERE block = ?1")?.execute([block])?;
    Ok(())
}
