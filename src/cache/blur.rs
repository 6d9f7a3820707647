//! By how much the times of this endpoint's connections are off, where their source cannot tell
//! them better: the largest blur of each day.
//!
//! The table is made when it is first needed. A cache without it holds no blurred times, and is of
//! no other format.

use rusqlite::{Connection, OptionalExtension, params};

use crate::beacon::Window;
use crate::cache::CacheError;

const DAY_MS: i64 = 86_400_000;
/// Days are kept for longer than any connection.
const KEPT_DAYS: i64 = 3660;
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS blur (
        source TEXT NOT NULL,
        day INTEGER NOT NULL,
        seconds INTEGER NOT NULL,
        PRIMARY KEY (source, day)
    ) WITHOUT ROWID";

/// Of times that are of batches so far apart, the shortest period that can be told, in seconds. A
/// check-in is up to a whole gap late, and so is the next one or not: of a period under two gaps,
/// an interval may be read as half of it or as its double.
pub fn shortest_period_s(blur_s: u32) -> u32 {
    blur_s.saturating_mul(2)
}

/// Notes what a pass has measured of its source.
pub(crate) fn record(
    source: &str,
    blur_s: u32,
    now_ms: i64,
    connection: &Connection,
) -> Result<(), CacheError> {
    let day = now_ms.div_euclid(DAY_MS);
    connection.execute_batch(TABLE)?;
    connection
        .prepare_cached(
            "INSERT INTO blur VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET seconds = max(seconds, excluded.seconds)",
        )?
        .execute(params![source, day, blur_s])?;
    connection.prepare_cached("DELETE FROM blur WHERE day < ?1")?.execute([day - KEPT_DAYS])?;
    Ok(())
}

/// The largest blur on the days that `window` touches, in seconds; `None` if there was none.
pub(crate) fn largest_s(
    window: Window,
    connection: &Connection,
) -> Result<Option<u32>, CacheError> {
    let has_table = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'blur'")?
        .query_row([], |_| Ok(()))
        .optional()?;
    if has_table.is_none() {
        return Ok(None);
    }
    let (since_ms, until_ms) = window.span_ms();
    let largest = connection
        .prepare_cached("SELECT max(seconds) FROM blur WHERE day BETWEEN ?1 AND ?2")?
        .query_row([since_ms.div_euclid(DAY_MS), until_ms.div_euclid(DAY_MS)], |row| row.get(0))?;
    Ok(largest)
}
