//! Caches of earlier versions, brought up to date where they are.
//!
//! An upgrade has two parts. The tables are changed when the writer opens the file, in one short
//! transaction for each format. The sketches of all blocks are made anew from the blocks where other
//! maths made them, and checksums are given to those that have none, a slice of bounded time after the other, whenever the writer has a moment; what
//! is written meanwhile has sketches of this version already. Each row tells which sketch it has, so
//! that readers answer all the time, and a process that is killed leaves nothing half-done.

use std::time::{Duration, Instant};

use rusqlite::{Connection as Database, OptionalExtension, params};

use super::block_row::BlockRow;
use super::schema::{self, OLDEST_FORMAT, VERSION};
use super::{block, checksum};
use crate::beacon::sketch;
use crate::cache::CacheError;

/// What makes the tables of each format those of the next, beginning with the oldest.
const STEPS: [&str; (VERSION - OLDEST_FORMAT) as usize] = [
    // 8 to 9: a sketch tells its version; blocks have checksums; what had to go is counted; retention remembers its clock.
    "CREATE TABLE sketches (version INTEGER NOT NULL, are_checked INTEGER NOT NULL);
     INSERT INTO sketches VALUES (0, FALSE);
     CREATE TABLE evicted (reason TEXT PRIMARY KEY, connections INTEGER NOT NULL,
                           last_ms INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE retention_clock (believed_ms INTEGER);
     INSERT INTO retention_clock VALUES (NULL);",
];

/// The number of blocks that are looked at between two looks at the clock.
const STEP: usize = 32;
/// Of a block in the order of their table, which is that of its key.
type Key = (u32, i64, i64, i64);

/// Changes the tables of format `found` into ours.
pub(crate) fn upgrade_tables(database: &mut Database, found: i64) -> Result<(), CacheError> {
    for (format, step) in (OLDEST_FORMAT..VERSION).zip(STEPS).filter(|(format, _)| *format >= found)
    {
        let transaction = database.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", format + 1)?;
        transaction.commit()?;
        log::info!("the cache's format {format} is {} now", format + 1);
    }
    Ok(())
}

/// Makes sketches anew that other maths have made.
pub(crate) struct SketchRebuild {
    /// Up to where all sketches are of this version.
    done: Key,
}

impl SketchRebuild {
    /// From the first block on; `None` where all sketches are of this version.
    pub(crate) fn needed(database: &Database) -> Result<Option<SketchRebuild>, CacheError> {
        let version: i64 =
            database.query_row("SELECT version FROM sketches", [], |row| row.get(0))?;
        if version == i64::from(sketch::VERSION) && schema::are_checked(database)? {
            return Ok(None);
        }
        // From now on there are some of this version among them, whichever program comes next.
        database.execute("UPDATE sketches SET version = 0", [])?;
        Ok(Some(SketchRebuild { done: (0, 0, 0, 0) }))
    }

    /// Goes on for about `budget`, in one transaction; gives whether all are done.
    pub(crate) fn continue_for(
        &mut self,
        database: &mut Database,
        budget: Duration,
    ) -> Result<bool, CacheError> {
        let begun = Instant::now();
        let transaction = database.transaction()?;
        let mut done = self.done;
        let is_complete = loop {
            let rows = rows_after(done, &transaction)?;
            let are_last = rows.len() < STEP;
            for (key, row) in rows {
                rebuild(key, &row, &transaction)?;
                done = key;
            }
            if are_last || begun.elapsed() >= budget {
                break are_last;
            }
        };
        if is_complete {
            let complete = "UPDATE sketches SET version = ?1, are_checked = TRUE";
            transaction.execute(complete, [sketch::VERSION])?;
        }
        transaction.commit()?;
        self.done = done;
        Ok(is_complete)
    }
}

/// The next few rows of blocks.
fn rows_after(done: Key, database: &Database) -> Result<Vec<(Key, Vec<u8>)>, CacheError> {
    let mut select = database.prepare_cached(
        "SELECT group_id, first_ms, last_ms, id, summary FROM block
         WHERE (group_id, first_ms, last_ms, id) > (?1, ?2, ?3, ?4)
         ORDER BY group_id, first_ms, last_ms, id LIMIT ?5",
    )?;
    let (group, first_ms, last_ms, id) = done;
    let rows = select.query_map(params![group, first_ms, last_ms, id, STEP as i64], |row| {
        Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes a row anew if its sketch is not of this version. One that does not decode is left as it is,
/// for who reads it to tell: an upgrade throws nothing away.
fn rebuild(key: Key, row: &[u8], database: &Database) -> Result<(), CacheError> {
    let (group_id, first_ms, last_ms, id) = key;
    let group = match BlockRow::from_bytes(row, false) {
        Ok(BlockRow { group, sketch: None, .. }) => group,
        Ok(_) | Err(_) => return Ok(()),
    };
    let payload: Option<Vec<u8>> = database
        .prepare_cached("SELECT bytes FROM payload WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let mut times_ms = Vec::new();
    let payload = payload.unwrap_or_default();
    let Ok(block) = checksum::unseal_payload(id, &payload, false) else {
        return Ok(());
    };
    if block::decode_times(block, &mut Vec::new(), &mut times_ms).is_err() {
        return Ok(());
    }
    database
        .prepare_cached("UPDATE payload SET bytes = ?2 WHERE id = ?1")?
        .execute(params![id, checksum::seal_payload(id, block)])?;
    database
        .prepare_cached(
            "UPDATE block SET summary = ?5
             WHERE group_id = ?1 AND first_ms = ?2 AND last_ms = ?3 AND id = ?4",
        )?
        .execute(params![
            group_id,
            first_ms,
            last_ms,
            id,
            BlockRow::bytes_of(id, &group, &times_ms)
        ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::format::schema::{Durability, open_to_write};

    /// The tables and columns of a cache.
    fn tables(database: &Database) -> Vec<(String, String, String, bool)> {
        let mut select = database
            .prepare(
                "SELECT tables.name, columns.name, columns.type, columns.\"notnull\"
                 FROM pragma_table_list AS tables, pragma_table_info(tables.name) AS columns
                 WHERE tables.schema = 'main' AND tables.name NOT LIKE 'sqlite%' ORDER BY 1, 2",
            )
            .unwrap();
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn an_upgraded_cache_has_the_tables_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let new = open_to_write(&folder.path().join("new"), Durability::Temporary, false).unwrap();
        let upgraded = folder.path().join("upgraded");
        let oldest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/caches/format-8.sqlite");
        std::fs::copy(oldest, &upgraded).unwrap();
        let upgraded = open_to_write(&upgraded, Durability::Temporary, false).unwrap();
        assert_eq!(tables(&upgraded), tables(&new));
        assert!(SketchRebuild::needed(&upgraded).unwrap().is_some());
        assert!(SketchRebuild::needed(&new).unwrap().is_none());
    }
}
