//! Walking the cache: group after group with what summarises them, and the connections of those that
//! somebody wants to see, a block at a time.
//!
//! What is in a block and in its digest is decoded by `block` and `summary`.

use rusqlite::{Row, Rows, params};

use super::decoded::{DecodedBlock, Parts, Run};
use super::summary::{BlockSummary, Outline, Summary, Undigested};
use super::{CacheError, Group, Reader, Window, block, blocks};
use crate::journal::{Protocol, Scope};

/// The groups that may have connections in a window.
const GROUPS: &str = "
    SELECT id, host, pathname, destination, port, protocol, scope FROM connection_group
    WHERE first_ms <= ?2 AND last_ms >= ?1 ORDER BY id";
/// The blocks of all groups that reach into a window, undecoded.
const SUMMARIES: &str = "
    SELECT group_id, id, first_ms, last_ms, connections, min_interval_ms, max_interval_ms, digest
    FROM block WHERE first_ms <= ?2 AND last_ms >= ?1
    ORDER BY group_id, first_ms, last_ms, id";
/// The blocks of a group that reach into a window. They follow each other in time, so that of those
/// that begin before it only the last can.
const BLOCKS: &str = "
    SELECT id FROM block
    WHERE group_id = ?3 AND first_ms <= ?2 AND last_ms >= ?1
      AND first_ms >= coalesce(
          (SELECT max(first_ms) FROM block WHERE group_id = ?3 AND first_ms < ?1), ?1)
    ORDER BY first_ms, last_ms, id";

impl Reader {
    /// The groups that may have connections in `window`, by id.
    pub fn groups(&self, window: Window) -> Result<Vec<Group>, CacheError> {
        let mut select = self.database.prepare_cached(GROUPS)?;
        let mut rows = select.query([window.since_ms, window.until_ms])?;
        let mut groups = Vec::new();
        while let Some(row) = rows.next()? {
            groups.push(group(row)?);
        }
        Ok(groups)
    }

    /// Hands on every group that has connections in `window`, by id, with what is known of those
    /// undecoded, and the ids of the blocks that reach into it. Only blocks that reach beyond the
    /// window are decoded.
    pub fn summaries<E: From<CacheError>>(
        &self,
        window: Window,
        take: impl FnMut(Group, &Summary, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.walk(window, Summary::add, take)
    }

    /// The same without what only digests tell.
    pub fn outlines<E: From<CacheError>>(
        &self,
        window: Window,
        mut take: impl FnMut(Group, &Outline, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        let add = |summary: &mut Summary, block: &BlockSummary| {
            summary.outline.add(block);
            Ok(())
        };
        self.walk(window, add, |group, summary, blocks| take(group, &summary.outline, blocks))
    }

    fn walk<E: From<CacheError>>(
        &self,
        window: Window,
        add: impl Fn(&mut Summary, &BlockSummary<'_>) -> Result<(), CacheError>,
        mut take: impl FnMut(Group, &Summary, &[i64]) -> Result<(), E>,
    ) -> Result<(), E> {
        // Both in the order of their keys, side by side: a join would look each group up.
        let parameters = [window.since_ms, window.until_ms];
        let sqlite = CacheError::from;
        let mut groups = self.database.prepare_cached(GROUPS).map_err(sqlite)?;
        let mut groups = groups.query(parameters).map_err(sqlite)?;
        let mut blocks = self.database.prepare_cached(SUMMARIES).map_err(sqlite)?;
        let mut blocks = blocks.query(parameters).map_err(sqlite)?;
        let mut open: Option<(i64, Summary)> = None;
        let mut ids = Vec::new();
        loop {
            let block = blocks.next().map_err(sqlite)?;
            let group = block.map(|block| integer(block, 0)).transpose()?;
            if let Some((of, summary)) = open.take_if(|(of, _)| group != Some(*of)) {
                self.check_deadline()?;
                take(self.next_group(&mut groups, of)?, &summary, &ids)?;
                ids.clear();
            }
            let (Some(block), Some(group)) = (block, group) else {
                return Ok(());
            };
            let id = integer(block, 1)?;
            let mut add = |block: &BlockSummary<'_>| {
                ids.push(id);
                add(&mut open.get_or_insert_with(|| (group, Summary::default())).1, block)
            };
            let (first_ms, last_ms) = (integer(block, 2)?, integer(block, 3)?);
            if first_ms >= window.since_ms && last_ms <= window.until_ms {
                add(&self.block_summary(block, first_ms, last_ms)?)?;
                continue;
            }
            let mut times_ms = Vec::new();
            self.times(&[id], window, &mut times_ms)?;
            if let Some(summary) = BlockSummary::of(&times_ms) {
                add(&summary)?;
            }
        }
    }

    /// The group of this id among `groups`, which are in the order of theirs.
    fn next_group(&self, groups: &mut Rows<'_>, id: i64) -> Result<Group, CacheError> {
        while let Some(row) = groups.next()? {
            if integer(row, 0)? == id {
                return group(row);
            }
        }
        Err(self.damaged("blocks belong to no group"))
    }

    fn block_summary<'r>(
        &self,
        row: &'r Row<'_>,
        first_ms: i64,
        last_ms: i64,
    ) -> Result<BlockSummary<'r>, CacheError> {
        let (shortest_ms, longest_ms): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
        let digest = row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?;
        self.count(0, digest.len());
        Ok(BlockSummary {
            first_ms,
            last_ms,
            connections: small(row, 4)?,
            intervals_ms: shortest_ms.zip(longest_ms),
            digest: Undigested::Bytes(digest),
        })
    }

    /// The ids of the blocks of group `id` that reach into `window`, in time order.
    pub fn blocks(&self, id: u32, window: Window) -> Result<Vec<i64>, CacheError> {
        let mut select = self.database.prepare_cached(BLOCKS)?;
        let ids =
            select.query_map(params![window.since_ms, window.until_ms, id], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Appends the times of the connections of `blocks` in `window` to `out`: sorted, if the blocks
    /// are a group's and in time order.
    pub fn times(
        &self,
        blocks: &[i64],
        window: Window,
        out: &mut Vec<i64>,
    ) -> Result<(), CacheError> {
        let mut scratch = Vec::new();
        self.payloads(blocks, |bytes| {
            let before = out.len();
            block::decode_times(bytes, &mut scratch, out)?;
            let inside = window.range_of(out.get(before..).unwrap_or_default());
            out.truncate(before + inside.end);
            out.drain(before..before + inside.start);
            Ok(())
        })
    }

    /// Hands on the connections of `blocks` in `window`, block by block, with these parts of them.
    pub fn runs<E: From<CacheError>>(
        &self,
        blocks: &[i64],
        window: Window,
        parts: Parts,
        mut take: impl FnMut(Run<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut decoded = DecodedBlock::default();
        self.payloads(blocks, |bytes| {
            block::decode(bytes, parts, &mut decoded).map_err(CacheError::from)?;
            decoded.runs_in(window).try_for_each(&mut take)
        })
    }

    fn payloads<E: From<CacheError>>(
        &self,
        blocks: &[i64],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = CacheError::from;
        let mut select = self.database.prepare_cached(blocks::PAYLOAD).map_err(sqlite)?;
        for id in blocks {
            let mut rows = select.query([id]).map_err(sqlite)?;
            let row = rows.next().map_err(sqlite)?;
            let row = row.ok_or_else(|| self.damaged("a block is missing"))?;
            let bytes = row.get_ref(0).and_then(|bytes| Ok(bytes.as_blob()?)).map_err(sqlite)?;
            self.count(1, bytes.len());
            take(bytes)?;
            self.check_deadline()?;
        }
        Ok(())
    }
}

/// A group from a row of [`GROUPS`].
fn group(row: &Row<'_>) -> Result<Group, CacheError> {
    Ok(Group {
        id: small(row, 0)?,
        host: small(row, 1)?,
        pathname: small(row, 2)?,
        destination: small(row, 3)?,
        port: small(row, 4)?,
        protocol: Protocol::from_number(small(row, 5)?),
        scope: Scope::from_number(small(row, 6)?).unwrap_or(Scope::Name),
    })
}

/// A number that every row has.
fn integer(row: &Row<'_>, index: usize) -> Result<i64, CacheError> {
    Ok(row.get_ref(index)?.as_i64().map_err(rusqlite::Error::from)?)
}

/// The same in fewer bits.
fn small<T: TryFrom<i64>>(row: &Row<'_>, index: usize) -> Result<T, CacheError> {
    let value = integer(row, index)?;
    let out_of_range = |_| rusqlite::Error::IntegralValueOutOfRange(index, value);
    Ok(T::try_from(value).map_err(out_of_range)?)
}
