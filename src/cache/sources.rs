//! What each source has delivered so far: the rows of `beacon_status`.

use rusqlite::{Connection, OptionalExtension, params};

use crate::cache::{CacheError, PassCounts, blur};

/// One source, as `beacon_status` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name: a journal format, or a collector.
    pub name: String,
    /// What it is doing.
    pub state: String,
    /// Unix milliseconds of its last pass.
    pub last_poll_ms: i64,
    /// Unix milliseconds of the latest connection it delivered.
    pub last_event_ms: Option<i64>,
    /// Connections read, duplicates included.
    pub events_total: u64,
    /// Connections that the cache had already.
    pub events_duplicate: u64,
    /// Lines that could not be read.
    pub events_rejected: u64,
    /// The last problem; '' if there was none.
    pub last_error: String,
}

/// What a pass has to say of its source.
#[derive(Clone, Copy, Debug)]
pub struct PassOutcome<'a> {
    /// The source's name.
    pub source: &'a str,
    /// What it is doing.
    pub state: &'a str,
    /// Unix milliseconds of now.
    pub now_ms: i64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// The last problem; '' leaves the one before.
    pub last_error: &'a str,
    /// Of a live source, unix seconds: what was recorded before is in the cache with this pass.
    /// `None` leaves the one before.
    pub cursor_s: Option<i64>,
    /// Of a source whose times are of batches, how far apart those were, in seconds.
    pub blur_s: Option<u32>,
}

/// Up to where the last live source has been collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The source's name.
    pub source: String,
    /// Unix seconds.
    pub time_s: i64,
}

/// Adds a pass to its source's row.
pub(crate) fn record(
    outcome: &PassOutcome<'_>,
    counts: &PassCounts,
    connection: &Connection,
) -> Result<(), CacheError> {
    connection
        .prepare_cached(
            "INSERT INTO source VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (name) DO UPDATE SET
                 state = excluded.state,
                 last_poll_ms = excluded.last_poll_ms,
                 last_event_ms = coalesce(max(last_event_ms, excluded.last_event_ms),
                                          last_event_ms, excluded.last_event_ms),
                 events_total = events_total + excluded.events_total,
                 events_duplicate = events_duplicate + excluded.events_duplicate,
                 events_rejected = events_rejected + excluded.events_rejected,
                 last_error = iif(excluded.last_error = '', last_error, excluded.last_error),
                 cursor_s = coalesce(excluded.cursor_s, cursor_s)",
        )?
        .execute(params![
            outcome.source,
            outcome.state,
            outcome.now_ms,
            counts.last_event_ms,
            (counts.added + counts.duplicates) as i64,
            counts.duplicates as i64,
            outcome.rejected as i64,
            outcome.last_error,
            outcome.cursor_s,
        ])?;
    if let Some(blur_s) = outcome.blur_s {
        let time_ms = counts.last_event_ms.unwrap_or(outcome.now_ms);
        blur::record(outcome.source, blur_s, time_ms, connection)?;
    }
    if outcome.cursor_s.is_some() {
        // Where two have collected, the later one says where to go on.
        connection
            .prepare_cached(
                "UPDATE source SET state = 'stopped', cursor_s = NULL
                 WHERE name <> ?1 AND cursor_s IS NOT NULL",
            )?
            .execute([outcome.source])?;
    }
    Ok(())
}

/// Notes of the live source that it is collected no more; it can be again.
pub(crate) fn stop(reason: &str, connection: &Connection) -> Result<(), CacheError> {
    connection
        .prepare_cached("UPDATE source SET state = 'stopped; ' || ?1 WHERE cursor_s IS NOT NULL")?
        .execute([reason])?;
    Ok(())
}

/// Where collection goes on, whichever source it was that collected last.
pub(crate) fn cursor(connection: &Connection) -> Result<Option<Cursor>, CacheError> {
    let cursor = connection
        .prepare_cached("SELECT name, cursor_s FROM source WHERE cursor_s IS NOT NULL")?
        .query_row([], |row| Ok(Cursor { source: row.get(0)?, time_s: row.get(1)? }))
        .optional()?;
    Ok(cursor)
}

/// All sources, by name.
pub(crate) fn all(connection: &Connection) -> Result<Vec<Source>, CacheError> {
    let mut select = connection.prepare_cached(
        "SELECT name, state, last_poll_ms, last_event_ms, events_total, events_duplicate,
                events_rejected, last_error
         FROM source ORDER BY name",
    )?;
    let sources = select.query_map([], |row| {
        Ok(Source {
            name: row.get(0)?,
            state: row.get(1)?,
            last_poll_ms: row.get(2)?,
            last_event_ms: row.get(3)?,
            events_total: row.get::<_, i64>(4)?.unsigned_abs(),
            events_duplicate: row.get::<_, i64>(5)?.unsigned_abs(),
            events_rejected: row.get::<_, i64>(6)?.unsigned_abs(),
            last_error: row.get(7)?,
        })
    })?;
    Ok(sources.collect::<Result<_, _>>()?)
}
