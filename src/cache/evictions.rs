//! Connections that the cache had to let go, counted by reason.

use rusqlite::{Connection, params};

use crate::cache::CacheError;

/// Why a connection had to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was older than retention allows.
    Age,
    /// The file was too large, and it was among the oldest.
    Size,
    /// The file was too large, and its pathname or host held more than a fair share of it.
    Share,
    /// It was dated after now.
    Future,
}

impl Reason {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Reason; 4] = [Reason::Age, Reason::Size, Reason::Share, Reason::Future];

    fn name(self) -> &'static str {
        match self {
            Reason::Age => "age",
            Reason::Size => "size",
            Reason::Share => "share",
            Reason::Future => "future",
        }
    }
}

/// How many connections had to go for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Since the cache was begun.
    pub connections: u64,
    /// Unix milliseconds of when the last of them went; `None` if none has.
    pub last_ms: Option<i64>,
}

/// Adds `connections` that went at `now_ms`.
pub(crate) fn add(
    reason: Reason,
    connections: u64,
    now_ms: i64,
    database: &Connection,
) -> Result<(), CacheError> {
    if connections > 0 {
        database
            .prepare_cached(
                "INSERT INTO evicted VALUES (?1, ?2, ?3)
                 ON CONFLICT (reason) DO UPDATE SET
                     connections = connections + excluded.connections, last_ms = excluded.last_ms",
            )?
            .execute(params![reason.name(), connections as i64, now_ms])?;
    }
    Ok(())
}

/// The counts in the order of [`Reason::ALL`]; none in a cache of a format that did not count.
pub(crate) fn all(database: &Connection) -> Result<[Evicted; 4], CacheError> {
    let mut counts = [Evicted::default(); 4];
    let counts_any: bool = database
        .prepare_cached("SELECT count(*) FROM sqlite_schema WHERE name = 'evicted'")?
        .query_row([], |row| row.get(0))?;
    if !counts_any {
        return Ok(counts);
    }
    let mut select = database.prepare_cached("SELECT reason, connections, last_ms FROM evicted")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let reason: String = row.get(0)?;
        let known = Reason::ALL.into_iter().zip(&mut counts);
        if let Some((_, count)) = known.into_iter().find(|(known, _)| known.name() == reason) {
            let connections: i64 = row.get(1)?;
            *count = Evicted { connections: connections.unsigned_abs(), last_ms: row.get(2)? };
        }
    }
    Ok(counts)
}
