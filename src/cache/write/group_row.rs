//! The row of a group of connections: finding it, adding it, and keeping its totals.

use rusqlite::{Connection as Database, OptionalExtension, params};

use super::names::inserted_id;
use crate::cache::CacheError;
use crate::cache::format::group::Group;
use crate::journal::{Protocol, Scope};

/// What makes a group, as row ids of names where it is a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    pub(crate) host: u32,
    pub(crate) pathname: u32,
    pub(crate) destination: u32,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
}

/// A group's row, as far as a merge needs it.
pub(crate) struct GroupRow {
    pub(crate) group: Group,
    pub(crate) last_ms: i64,
    /// The number of its next new block.
    pub(crate) next_block: u32,
}

/// What a group holds in all.
pub(crate) struct Totals {
    pub(crate) connections: usize,
    /// From its first to its last connection.
    pub(crate) span_ms: (i64, i64),
    pub(crate) blocks: usize,
}

impl GroupKey {
    fn group(&self, id: u32, scope: Scope) -> Group {
        let GroupKey { host, pathname, destination, port, protocol } = *self;
        Group { id, host, pathname, destination, port, protocol, scope }
    }
}

impl GroupRow {
    /// The row of a group, if there is one.
    pub(crate) fn find(
        key: &GroupKey,
        scope: Scope,
        database: &Database,
    ) -> Result<Option<GroupRow>, CacheError> {
        let row = database
            .prepare_cached(
                "SELECT id, last_ms, next_block FROM connection_group
                 WHERE host = ?1 AND pathname = ?2 AND destination = ?3 AND port = ?4
                   AND protocol = ?5",
            )?
            .query_row(
                params![key.host, key.pathname, key.destination, key.port, key.protocol.number()],
                |row| {
                    let (last_ms, next_block) = (row.get(1)?, row.get(2)?);
                    Ok(GroupRow { group: key.group(row.get(0)?, scope), last_ms, next_block })
                },
            )
            .optional()?;
        Ok(row)
    }

    /// Adds the row of a group that is new, with what its blocks are about to hold.
    pub(crate) fn insert(
        key: &GroupKey,
        scope: Scope,
        totals: &Totals,
        database: &Database,
    ) -> Result<GroupRow, CacheError> {
        let (first_ms, last_ms) = totals.span_ms;
        database
            .prepare_cached(
                "INSERT INTO connection_group (host, pathname, destination, port, protocol, scope,
                                               connections, first_ms, last_ms, next_block)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                key.host,
                key.pathname,
                key.destination,
                key.port,
                key.protocol.number(),
                scope.number(),
                totals.connections as i64,
                first_ms,
                last_ms,
                totals.blocks as i64,
            ])?;
        let id = inserted_id(database, "group of connections")?;
        Ok(GroupRow { group: key.group(id, scope), last_ms, next_block: 0 })
    }

    /// Writes the row after `added` connections were added, the first of them not before
    /// `first_ms`.
    pub(crate) fn save(
        &self,
        added: u64,
        first_ms: i64,
        database: &Database,
    ) -> Result<(), CacheError> {
        database
            .prepare_cached(
                "UPDATE connection_group
                 SET connections = connections + ?2, first_ms = min(first_ms, ?3), last_ms = ?4,
                     next_block = ?5
                 WHERE id = ?1",
            )?
            .execute(params![
                self.group.id,
                added as i64,
                first_ms,
                self.last_ms,
                self.next_block
            ])?;
        Ok(())
    }
}
