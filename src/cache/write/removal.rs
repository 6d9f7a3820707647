//! Removing blocks, and with each what belongs to nothing any more: its group, the process
//! instances and domains that no other block names, and their names.
//!
//! Which blocks go is decided by `retention` and `eviction`.

use roaring::RoaringBitmap;
use rusqlite::{Connection as Database, Statement, params};

use super::blocks;
use crate::cache::CacheError;
use crate::cache::format::block;
use crate::cache::format::block_row::Header;
use crate::cache::format::decoded::{DecodedBlock, Parts};
use crate::cache::format::{checksum, schema};

/// So many blocks or rows go in one transaction, so that SQLite's log does not grow with the cache.
const AT_ONCE: usize = 4096;
/// So many pages are given back to the file system in one transaction.
const PAGES_AT_ONCE: usize = 4096;

/// A block, and how many of its connections are to go: the oldest.
pub(crate) type Victim = (Header, usize);

/// Removes the oldest connections of blocks, and blocks and groups that have none left, a part in each
/// transaction; gives how many connections went.
pub(crate) fn remove(victims: &[Victim], database: &mut Database) -> Result<u64, CacheError> {
    let mut removed = 0;
    let mut connections = Vec::new();
    for part in victims.chunks(AT_ONCE) {
        let transaction = database.transaction()?;
        for (header, oldest) in part {
            connections.clear();
            if *oldest < header.connections {
                blocks::read(header.id, &mut connections, &transaction)?;
                connections.drain(..(*oldest).min(connections.len()));
            }
            blocks::keep(header, &connections, &transaction)?;
            removed += (header.connections - connections.len()) as u64;
        }
        update_groups(part.iter().map(|(header, _)| header.group), &transaction)?;
        transaction.commit()?;
    }
    Ok(removed)
}

/// Brings the rows of groups in line with the blocks that they have left.
pub(crate) fn update_groups(
    groups: impl Iterator<Item = u32>,
    database: &Database,
) -> Result<(), CacheError> {
    let groups: RoaringBitmap = groups.collect();
    let mut update = database.prepare_cached(
        "UPDATE connection_group SET (connections, first_ms, last_ms) =
             (SELECT sum(connections), min(first_ms), max(last_ms) FROM block WHERE group_id = ?1)
         WHERE id = ?1 AND EXISTS (SELECT 1 FROM block WHERE group_id = ?1)",
    )?;
    let mut delete = database.prepare_cached("DELETE FROM connection_group WHERE id = ?1")?;
    for group in &groups {
        if update.execute([group])? == 0 {
            delete.execute([group])?;
        }
    }
    database
        .prepare_cached("UPDATE latest SET last_ms = (SELECT max(last_ms) FROM connection_group)")?
        .execute([])?;
    Ok(())
}

/// Removes process instances that have connected, domains and names that nothing names any more, and
/// gives the pages that are free back. No connection may wait to be written.
pub(crate) fn sweep(database: &mut Database) -> Result<(), CacheError> {
    let (instances, domains) = named_by_blocks(database)?;
    remove_unused(
        "SELECT id FROM process_instance WHERE last_ms IS NOT NULL",
        "DELETE FROM process_instance WHERE id = ?1",
        &instances,
        database,
    )?;
    remove_unused("SELECT id FROM domain", "DELETE FROM domain WHERE id = ?1", &domains, database)?;
    remove_unused_names(database)?;
    shrink(database)
}

/// Removes names that no group and no process instance names.
pub(crate) fn remove_unused_names(database: &mut Database) -> Result<(), CacheError> {
    let mut used = RoaringBitmap::new();
    for columns in [
        "SELECT host, pathname, destination FROM connection_group",
        "SELECT host, pathname, spelling FROM process_instance",
    ] {
        let mut select = database.prepare(columns)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..3 {
                used.insert(row.get(column)?);
            }
        }
    }
    remove_unused("SELECT id FROM name", "DELETE FROM name WHERE id = ?1", &used, database)
}

/// The process instances and the domains that the blocks name.
fn named_by_blocks(database: &Database) -> Result<(RoaringBitmap, RoaringBitmap), CacheError> {
    let (mut instances, mut domains) = (RoaringBitmap::new(), RoaringBitmap::new());
    let mut decoded = DecodedBlock::default();
    let are_checked = schema::are_checked(database)?;
    let mut select = database.prepare("SELECT id, bytes FROM payload")?;
    let mut rows = select.query([])?;
    let parts = Parts { bytes: false, ..Parts::ALL };
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let payload = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        checksum::unseal_payload(id, payload, are_checked)
            .and_then(|block| block::decode(block, parts, &mut decoded))
            .map_err(|error| blocks::damaged(id, error, database))?;
        instances.extend(decoded.instances.iter().copied());
        domains.extend(decoded.domains.iter().copied());
    }
    Ok((instances, domains))
}

/// Deletes, one by one, the rows that `select` lists and `used` does not.
fn remove_unused(
    select: &str,
    delete: &str,
    used: &RoaringBitmap,
    database: &mut Database,
) -> Result<(), CacheError> {
    let unused = unused(database.prepare(select)?, used)?;
    let mut unused = unused.iter().peekable();
    while unused.peek().is_some() {
        let transaction = database.transaction()?;
        let mut statement = transaction.prepare_cached(delete)?;
        for id in unused.by_ref().take(AT_ONCE) {
            statement.execute(params![id])?;
        }
        drop(statement);
        transaction.commit()?;
    }
    Ok(())
}

fn unused(
    mut select: Statement<'_>,
    used: &RoaringBitmap,
) -> Result<RoaringBitmap, rusqlite::Error> {
    let mut unused = RoaringBitmap::new();
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if !used.contains(id) {
            unused.insert(id);
        }
    }
    Ok(unused)
}

/// Gives the pages that are free back to the file system.
pub(crate) fn shrink(database: &Database) -> Result<(), CacheError> {
    let free = || database.pragma_query_value(None, "freelist_count", |row| row.get::<_, u64>(0));
    let mut before = u64::MAX;
    // Stops where it gets nowhere: a file of which not every page may be moved.
    while let now @ 1.. = free()?
        && now < before
    {
        before = now;
        // The pragma gives a row for each page that it frees.
        let mut vacuum =
            database.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}
