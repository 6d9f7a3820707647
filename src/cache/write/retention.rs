//! What the cache no longer keeps, by age: connections older than it allows, and those from the
//! future. What goes for the file's size is chosen by `eviction`.

use rusqlite::{Connection as Database, OptionalExtension, params};

use super::clock::DAY_MS;
use super::{blocks, removal};
use crate::cache::CacheError;
use crate::cache::evictions::{self, Reason};
use crate::cache::format::block;
use crate::cache::format::block_row::{HEADER_COLUMNS, Header};

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

/// Removes connections older than the retention allows at `now_ms`, and those after `future_ms`;
/// gives how many.
pub(crate) fn by_age(
    database: &mut Database,
    retention: &Retention,
    now_ms: i64,
    future_ms: i64,
) -> Result<u64, CacheError> {
    let limit_ms = now_ms.saturating_sub(retention.max_age_ms);
    let transaction = database.transaction()?;
    let due = headers(&transaction, limit_ms, future_ms)?;
    let (mut of_age, mut of_future) = (0, 0);
    let mut connections = Vec::new();
    for header in &due {
        connections.clear();
        let is_cut = header.last_ms >= limit_ms && header.first_ms <= future_ms;
        if is_cut {
            blocks::read(header.id, &mut connections, &transaction)?;
        }
        let is_kept =
            |connection: &block::Connection| (limit_ms..=future_ms).contains(&connection.time_ms);
        let from_future = match (is_cut, header.first_ms > future_ms) {
            (true, _) => connections.iter().filter(|each| each.time_ms > future_ms).count(),
            (false, true) => header.connections,
            (false, false) => 0,
        };
        connections.retain(is_kept);
        blocks::keep(header, &connections, &transaction)?;
        of_future += from_future as u64;
        of_age += (header.connections - connections.len()).saturating_sub(from_future) as u64;
    }
    if !due.is_empty() {
        removal::update_groups(due.iter().map(|header| header.group), &transaction)?;
        evictions::add(Reason::Age, of_age, now_ms, &transaction)?;
        evictions::add(Reason::Future, of_future, now_ms, &transaction)?;
        remove_unused(&transaction)?;
    }
    transaction.commit()?;
    if !due.is_empty() {
        removal::remove_unused_names(database)?;
        removal::shrink(database)?;
    }
    Ok(of_age + of_future)
}

/// The blocks of which something is too old or from the future.
fn headers(database: &Database, limit_ms: i64, future_ms: i64) -> Result<Vec<Header>, CacheError> {
    let mut select = database.prepare(&format!(
        "SELECT {HEADER_COLUMNS} FROM block WHERE last_ms < ?1 OR first_ms < ?2 OR last_ms > ?3"
    ))?;
    let parameters = params![limit_ms, limit_ms.saturating_sub(OVERHANG_MS), future_ms];
    let headers = select.query_map(parameters, Header::from_row)?;
    Ok(headers.collect::<Result<_, _>>()?)
}

/// Removes process instances and domains last used before the oldest block. Blocks name them inside
/// their payloads, so that some that are not used any more stay for as long as a block is cut late.
fn remove_unused(database: &Database) -> Result<(), CacheError> {
    database.execute_batch(
        "DELETE FROM domain
         WHERE last_ms < (SELECT coalesce(min(first_ms), 9e18) FROM block);
         -- One that has not connected yet may still do so; its start is in ticks of FILETIME.
         DELETE FROM process_instance
         WHERE coalesce(last_ms, start / 10000 - 11644473600000, 0)
             < (SELECT coalesce(min(first_ms), 9e18) FROM block);",
    )?;
    Ok(())
}

/// Bytes of the file's pages that are in use.
pub(crate) fn used_bytes(database: &Database) -> Result<u64, CacheError> {
    let pragma = |name| database.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
}

/// The time up to which retention by age has believed the clock.
pub(crate) fn believed_ms(database: &Database) -> Result<Option<i64>, CacheError> {
    let believed = database
        .prepare_cached("SELECT believed_ms FROM retention_clock")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(believed.flatten())
}

/// The latest connection.
pub(crate) fn latest_ms(database: &Database) -> Result<Option<i64>, CacheError> {
    let latest = "SELECT last_ms FROM latest";
    Ok(database.prepare_cached(latest)?.query_row([], |row| row.get(0))?)
}

/// Remembers that it has.
pub(crate) fn believe(now_ms: i64, database: &Database) -> Result<(), CacheError> {
    database.prepare_cached("UPDATE retention_clock SET believed_ms = ?1")?.execute([now_ms])?;
    Ok(())
}
