//! SQLite over the raw rows: the statement that the fixed interval comes from, with a look-up for
//! each row, and the best that plain SQL can do.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::{Connection, params};

use crate::ours::median;

/// The look-up compares tuples as text in a table without an index, as a journal's is.
const QUADRATIC: &str = "
    SELECT tuple, count(*), min(spacing), max(spacing), avg(spacing), sum(spacing)
    FROM (SELECT destination || '::' || port AS tuple,
                 t - (SELECT max(before.t) FROM connection AS before
                      WHERE before.destination || '::' || before.port
                              = this.destination || '::' || this.port
                        AND before.t < this.t) AS spacing
          FROM connection AS this)
    GROUP BY tuple";
const LAG: &str = "
    SELECT sum(connections), sum(shortest), sum(longest), sum(average)
    FROM (SELECT count(*) AS connections, min(spacing) AS shortest, max(spacing) AS longest,
                 avg(spacing) AS average
          FROM (SELECT pathname, destination, port,
                       t - lag(t) OVER (PARTITION BY pathname, destination, port ORDER BY t)
                           AS spacing
                FROM connection)
          GROUP BY pathname, destination, port)";

fn load(csv: &Path) -> Result<Connection> {
    let database = Connection::open_in_memory()?;
    database.execute_batch(
        "CREATE TABLE connection (t INTEGER, pathname TEXT, destination TEXT, port INTEGER);
         PRAGMA automatic_index = OFF; BEGIN",
    )?;
    let mut insert = database.prepare("INSERT INTO connection VALUES (?1, ?2, ?3, ?4)")?;
    for row in csv::Reader::from_path(csv)?.deserialize() {
        let (t, pathname, destination, port): (i64, String, String, u16) = row?;
        insert.execute(params![t, pathname, destination, port])?;
    }
    drop(insert);
    database.execute_batch("COMMIT")?;
    Ok(database)
}

fn time(database: &Connection, sql: &str) -> Result<Duration> {
    let started = Instant::now();
    let mut statement = database.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    (count > 0).then(|| started.elapsed()).context("the statement gives rows")
}

/// The statement with a look-up for each row, once.
pub fn quadratic(csv: &Path) -> Result<Duration> {
    time(&load(csv)?, QUADRATIC)
}

/// LAG() over an index that holds all that it needs.
pub fn lag(csv: &Path, runs: usize) -> Result<Duration> {
    let database = load(csv)?;
    database.execute_batch("CREATE INDEX i ON connection (pathname, destination, port, t)")?;
    time(&database, LAG)?;
    median(runs, || time(&database, LAG))
}
