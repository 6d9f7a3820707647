//! What the cache no longer keeps: the oldest, by age and by size.

use rusqlite::{Connection as Database, params};

use super::blocks;
use crate::cache::CacheError;
use crate::cache::format::block;
use crate::cache::format::block_row::{HEADER_COLUMNS, Header};
use crate::cache::format::group::{self, Group};

const DAY_MS: i64 = 86_400_000;
/// A block that reaches back further than this beyond the limit is cut; less is left for the next
/// day, so that every group is rewritten at most daily.
const OVERHANG_MS: i64 = DAY_MS;

/// How long and how much a cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds; slow beacons need weeks.
    pub max_age_ms: i64,
    /// Bytes of the database file.
    pub max_bytes: u64,
}

impl Default for Retention {
    /// 30 days, 256 MB.
    fn default() -> Self {
        Retention { max_age_ms: 30 * DAY_MS, max_bytes: 256 << 20 }
    }
}

/// Removes connections older than the retention allows at `now_ms`; gives how many.
pub(crate) fn by_age(
    database: &mut Database,
    retention: &Retention,
    now_ms: i64,
) -> Result<u64, CacheError> {
    let limit_ms = now_ms.saturating_sub(retention.max_age_ms);
    let transaction = database.transaction()?;
    let expired = headers(
        &transaction,
        "last_ms < ?1 OR first_ms < ?2",
        params![limit_ms, limit_ms.saturating_sub(OVERHANG_MS)],
    )?;
    let mut removed = 0;
    let mut connections = Vec::new();
    for header in &expired {
        connections.clear();
        if header.last_ms >= limit_ms {
            blocks::read(header.id, &mut connections, &transaction)?;
            connections.retain(|connection: &block::Connection| connection.time_ms >= limit_ms);
        }
        blocks::remove(header, &transaction)?;
        if !connections.is_empty() {
            let group = group(header.group, &transaction)?;
            let bytes = block::encode(&connections);
            blocks::write(&group, header.id, (&connections, &bytes), &transaction)?;
        }
        removed += (header.connections - connections.len()) as u64;
    }
    if !expired.is_empty() {
        tidy(&transaction)?;
    }
    transaction.commit()?;
    if !expired.is_empty() {
        shrink(database)?;
    }
    Ok(removed)
}

/// Removes the oldest blocks until the file is a tenth below its largest size, if it is above it;
/// gives how many connections went, or `None` if nothing had to.
pub(crate) fn by_size(
    database: &mut Database,
    retention: &Retention,
) -> Result<Option<u64>, CacheError> {
    if used_bytes(database)? <= retention.max_bytes {
        return Ok(None);
    }
    let mut removed = 0;
    let target = retention.max_bytes - retention.max_bytes / 10;
    database.execute("DELETE FROM process_instance WHERE last_ms IS NULL", [])?;
    loop {
        let excess = used_bytes(database)?.saturating_sub(target);
        if excess == 0 {
            return Ok(Some(removed));
        }
        let transaction = database.transaction()?;
        let mut freed = 0;
        // Names and command lines go with the blocks that use them, unmeasured here: a part at a
        // time, then a look at what that has freed.
        let oldest = headers(
            &transaction,
            "TRUE ORDER BY last_ms, id LIMIT (SELECT count(*) / 16 + 1 FROM block)",
            params![],
        )?;
        if oldest.is_empty() {
            return Ok(Some(removed));
        }
        for header in oldest {
            if freed >= excess {
                break;
            }
            freed += header.bytes as u64 + 160; // the summary, about
            blocks::remove(&header, &transaction)?;
            removed += header.connections as u64;
        }
        tidy(&transaction)?;
        transaction.commit()?;
        shrink(database)?;
    }
}

fn group(id: u32, database: &Database) -> Result<Group, CacheError> {
    let select = format!("SELECT {} FROM connection_group WHERE id = ?1", group::COLUMNS);
    Ok(database.prepare_cached(&select)?.query_row([id], Group::from_row)?)
}

fn headers(
    database: &Database,
    condition: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Header>, CacheError> {
    let mut select =
        database.prepare(&format!("SELECT {HEADER_COLUMNS} FROM block WHERE {condition}"))?;
    let headers = select.query_map(parameters, Header::from_row)?;
    Ok(headers.collect::<Result<_, _>>()?)
}

/// Brings the other tables in line with the blocks that are left. Blocks name domains and
/// instances inside their payloads: those last used before the oldest block may go.
fn tidy(database: &Database) -> Result<(), CacheError> {
    database.execute_batch(
        "DELETE FROM connection_group WHERE id NOT IN (SELECT group_id FROM block);
         UPDATE connection_group SET (connections, first_ms) =
             (SELECT sum(connections), min(first_ms) FROM block WHERE group_id = connection_group.id)
         WHERE (connections, first_ms) IS NOT
             (SELECT sum(connections), min(first_ms) FROM block WHERE group_id = connection_group.id);
         UPDATE latest SET last_ms = (SELECT max(last_ms) FROM connection_group);
         DELETE FROM domain
         WHERE last_ms < (SELECT coalesce(min(first_ms), 9e18) FROM block);
         -- One that has not connected yet may still do so; its start is in ticks of FILETIME.
         DELETE FROM process_instance
         WHERE coalesce(last_ms, start / 10000 - 11644473600000, 0)
             < (SELECT coalesce(min(first_ms), 9e18) FROM block);
         DELETE FROM name WHERE id NOT IN (
             SELECT host FROM connection_group UNION SELECT pathname FROM connection_group
             UNION SELECT destination FROM connection_group UNION SELECT host FROM process_instance
             UNION SELECT pathname FROM process_instance UNION SELECT spelling FROM process_instance);",
    )?;
    Ok(())
}

fn shrink(database: &Database) -> Result<(), CacheError> {
    // The pragma gives a row for each page that it frees.
    let mut vacuum = database.prepare("PRAGMA incremental_vacuum")?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

fn used_bytes(database: &Database) -> Result<u64, CacheError> {
    let pragma = |name| database.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}
