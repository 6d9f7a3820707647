//! Reading the cache: which groups there are, and their connections a block at a time.
//!
//! Any number of readers, in any process, beside the writer. A reader changes nothing, not even
//! a damaged file.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection as Database, OptionalExtension, Row, Rows, params};

use super::block::{self, Connection, Parts};
use super::blocks;
use super::sources::{self, Source};
use super::summary::{BlockSummary, Digest, Summary};
use super::{CacheError, Window, location, schema};
use crate::journal::{FileTime, Protocol, Scope, SophosPid};

/// A group: the connections that share host, pathname, destination, port and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Row id.
    pub id: u32,
    /// Name id of the host; 0 for ''.
    pub host: u32,
    /// Name id of the pathname as it groups (Windows paths in lower case); 0 for ''.
    pub pathname: u32,
    /// Name id of the destination.
    pub destination: u32,
    /// Destination port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Where the destination lies.
    pub scope: Scope,
}

/// What a reader has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Blocks that were decoded.
    pub blocks: u64,
    /// Bytes of these, and of what summarises others.
    pub bytes: u64,
}

/// A process instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Pathname as its latest connection spells it.
    pub pathname: String,
    /// pid and start; `None` if the pid is not known.
    pub sophos_pid: Option<SophosPid>,
    /// Command line; '' if not known.
    pub cmdline: String,
}

impl Instance {
    /// The SophosPID as rows show it; '' if the pid is not known.
    pub fn sophos_pid_text(&self) -> String {
        self.sophos_pid.map(|sophos_pid| sophos_pid.to_string()).unwrap_or_default()
    }
}

/// The cache as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of the database file and its log.
    pub bytes: u64,
    /// Groups of host, pathname, destination, port and protocol.
    pub groups: u64,
    /// Connections.
    pub connections: u64,
    /// Unix milliseconds of the earliest connection.
    pub first_ms: Option<i64>,
    /// Unix milliseconds of the latest connection.
    pub last_ms: Option<i64>,
}

/// A reader of a cache.
pub struct Reader {
    database: Database,
    path: PathBuf,
    cost: Cell<Cost>,
    /// When to give up, and after how long.
    deadline: Option<(Instant, Duration)>,
}

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
    SELECT first_ms, last_ms, bytes FROM block LEFT JOIN payload ON payload.id = block.id
    WHERE group_id = ?3 AND first_ms <= ?2 AND last_ms >= ?1
      AND first_ms >= coalesce(
          (SELECT max(first_ms) FROM block WHERE group_id = ?3 AND first_ms < ?1), ?1)
    ORDER BY first_ms, last_ms, block.id";

impl Reader {
    /// Opens the cache at `path`.
    pub fn open(path: &Path) -> Result<Reader, CacheError> {
        Ok(Reader {
            database: schema::open_to_read(path)?,
            path: path.to_owned(),
            cost: Cell::default(),
            deadline: None,
        })
    }

    /// The same, giving up when `budget` is spent.
    pub fn with_budget(self, budget: Duration) -> Reader {
        let deadline = Instant::now().checked_add(budget);
        Reader { deadline: deadline.map(|deadline| (deadline, budget)), ..self }
    }

    /// What has been read so far.
    pub fn cost(&self) -> Cost {
        self.cost.get()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `read` on one state of the cache, whatever is written meanwhile.
    pub fn snapshot<T, E: From<CacheError>>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, E>,
    ) -> Result<T, E> {
        let begin = self.database.unchecked_transaction().map_err(CacheError::from)?;
        let outcome = read(self);
        drop(begin);
        outcome
    }

    /// The groups that may have connections in `window`, by id.
    pub fn groups(&self, window: Window) -> Result<Vec<Group>, CacheError> {
        let mut select = self.database.prepare_cached(GROUPS)?;
        let mut rows = select.query([window.since_ms, window.until_ms])?;
        let mut groups = Vec::new();
        while let Some(row) = rows.next()? {
            groups.push(self.group(row)?);
        }
        Ok(groups)
    }

    /// Hands on every group that has connections in `window`, by id, with a summary of those. Only
    /// blocks that reach beyond the window are decoded.
    pub fn summaries<E: From<CacheError>>(
        &self,
        window: Window,
        mut take: impl FnMut(Group, &Summary) -> Result<(), E>,
    ) -> Result<(), E> {
        // Both in the order of their keys, side by side: a join would look each group up.
        let parameters = [window.since_ms, window.until_ms];
        let sqlite = CacheError::from;
        let mut groups = self.database.prepare_cached(GROUPS).map_err(sqlite)?;
        let mut groups = groups.query(parameters).map_err(sqlite)?;
        let mut blocks = self.database.prepare_cached(SUMMARIES).map_err(sqlite)?;
        let mut blocks = blocks.query(parameters).map_err(sqlite)?;
        let mut open: Option<(u32, Summary)> = None;
        loop {
            let block = blocks.next().map_err(sqlite)?;
            let id: Option<u32> = block.map(|block| block.get(0)).transpose().map_err(sqlite)?;
            if let Some((of, summary)) = open.take_if(|(of, _)| id != Some(*of)) {
                self.check_deadline()?;
                take(self.next_group(&mut groups, of)?, &summary)?;
            }
            let (Some(block), Some(id)) = (block, id) else {
                return Ok(());
            };
            if let Some(block) = self.block_summary(block, window)? {
                open.get_or_insert_with(|| (id, Summary::default())).1.add(&block);
            }
        }
    }

    /// The group of this id among `groups`, which are in the order of theirs.
    fn next_group(&self, groups: &mut Rows<'_>, id: u32) -> Result<Group, CacheError> {
        while let Some(row) = groups.next()? {
            if row.get::<_, u32>(0)? == id {
                return self.group(row);
            }
        }
        Err(self.damaged("blocks belong to no group"))
    }

    /// A group from a row that begins with its columns.
    fn group(&self, row: &Row<'_>) -> Result<Group, CacheError> {
        let destination = row.get(3)?;
        let scope: Option<u8> = row.get(6)?;
        Ok(Group {
            id: row.get(0)?,
            host: row.get(1)?,
            pathname: row.get(2)?,
            destination,
            port: row.get(4)?,
            protocol: Protocol::from_number(row.get(5)?),
            scope: match scope.and_then(Scope::from_number) {
                Some(scope) => scope,
                None => Scope::of(&self.name(destination)?),
            },
        })
    }

    /// What is known of the connections of a block in `window`; `None` if none is there.
    fn block_summary(
        &self,
        row: &Row<'_>,
        window: Window,
    ) -> Result<Option<BlockSummary>, CacheError> {
        let (first_ms, last_ms): (i64, i64) = (row.get(2)?, row.get(3)?);
        let digest = row.get_ref(7)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
        let is_inside = first_ms >= window.since_ms && last_ms <= window.until_ms;
        if let Some(digest) = digest.filter(|_| is_inside) {
            self.count(0, digest.len());
            let (shortest_ms, longest_ms): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
            return Ok(Some(BlockSummary {
                first_ms,
                last_ms,
                connections: row.get(4)?,
                intervals_ms: shortest_ms.zip(longest_ms),
                digest: Digest::from_bytes(digest)?,
            }));
        }
        let mut times_ms = Vec::new();
        blocks::payload(row.get(1)?, &self.database, |bytes| {
            self.count(1, bytes.len());
            block::decode_times(bytes, &mut times_ms)
        })??;
        times_ms.retain(|time_ms| window.contains(*time_ms));
        Ok(BlockSummary::of(&times_ms))
    }

    /// Appends the times of the connections of group `id` in `window`, sorted, to `out`.
    pub fn times(&self, id: u32, window: Window, out: &mut Vec<i64>) -> Result<(), CacheError> {
        self.blocks(id, window, |bytes, is_cut| {
            let before = out.len();
            block::decode_times(bytes, out)?;
            if is_cut {
                let of_block = &out[before..];
                let from = of_block.partition_point(|time_ms| *time_ms < window.since_ms);
                let to = of_block.partition_point(|time_ms| *time_ms <= window.until_ms);
                out.truncate(before + to);
                out.drain(before..before + from.min(to));
            }
            Ok(())
        })
    }

    /// Hands on the connections of group `id` in `window`, in time order, with these parts of them.
    pub fn scan<E: From<CacheError>>(
        &self,
        id: u32,
        window: Window,
        parts: Parts,
        mut take: impl FnMut(&Connection) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut connections = Vec::new();
        self.blocks(id, window, |bytes, is_cut| {
            connections.clear();
            block::decode(bytes, parts, &mut connections).map_err(CacheError::from)?;
            let is_wanted =
                |connection: &&Connection| !is_cut || window.contains(connection.time_ms);
            connections.iter().filter(is_wanted).try_for_each(&mut take)
        })
    }

    /// Hands on the blocks of group `id` that reach into `window`, in time order, and whether they
    /// reach beyond it.
    fn blocks<E: From<CacheError>>(
        &self,
        id: u32,
        window: Window,
        mut take: impl FnMut(&[u8], bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut select = self.database.prepare_cached(BLOCKS).map_err(CacheError::from)?;
        let parameters = params![window.since_ms, window.until_ms, id];
        let mut rows = select.query(parameters).map_err(CacheError::from)?;
        while let Some(row) = rows.next().map_err(CacheError::from)? {
            let first_and_last = row.get(0).and_then(|first| Ok((first, row.get(1)?)));
            let (first_ms, last_ms): (i64, i64) = first_and_last.map_err(CacheError::from)?;
            let bytes = row.get_ref(2).and_then(|bytes| Ok(bytes.as_blob()?));
            let bytes = bytes.map_err(CacheError::from)?;
            self.count(1, bytes.len());
            take(bytes, first_ms < window.since_ms || last_ms > window.until_ms)?;
            self.check_deadline()?;
        }
        Ok(())
    }

    fn count(&self, blocks: u64, bytes: usize) {
        let Cost { blocks: before, bytes: bytes_before } = self.cost.get();
        self.cost.set(Cost { blocks: before + blocks, bytes: bytes_before + bytes as u64 });
    }

    /// An error once the budget is spent.
    fn check_deadline(&self) -> Result<(), CacheError> {
        match self.deadline {
            Some((deadline, budget)) if Instant::now() > deadline => {
                Err(CacheError::OutOfTime(budget))
            }
            _ => Ok(()),
        }
    }

    /// The text of a name id.
    pub fn name(&self, id: u32) -> Result<String, CacheError> {
        self.text("SELECT text FROM name WHERE id = ?1", id)
    }

    /// The text of a domain id.
    pub fn domain(&self, id: u32) -> Result<String, CacheError> {
        self.text("SELECT text FROM domain WHERE id = ?1", id)
    }

    fn text(&self, select: &str, id: u32) -> Result<String, CacheError> {
        if id == 0 {
            return Ok(String::new());
        }
        let text =
            self.database.prepare_cached(select)?.query_row([id], |row| row.get(0)).optional()?;
        text.ok_or_else(|| self.damaged("a name is missing"))
    }

    /// The process instance of a row id.
    pub fn instance(&self, id: u32) -> Result<Instance, CacheError> {
        let instance = self
            .database
            .prepare_cached(
                "SELECT coalesce(text, ''), pid, start, coalesce(cmdline, '')
                 FROM process_instance LEFT JOIN name ON name.id = spelling
                 WHERE process_instance.id = ?1",
            )?
            .query_row([id], |row| {
                let (pid, start): (Option<u32>, Option<i64>) = (row.get(1)?, row.get(2)?);
                let start = start.map(FileTime::from_ticks);
                Ok(Instance {
                    pathname: row.get(0)?,
                    sophos_pid: pid.map(|pid| SophosPid { pid, start }),
                    cmdline: row.get(3)?,
                })
            })
            .optional()?;
        instance.ok_or_else(|| self.damaged("a process instance is missing"))
    }

    /// The pathnames, as spelled, of the processes of a group's host and pathname.
    pub fn spellings(&self, host: u32, pathname: u32) -> Result<Vec<String>, CacheError> {
        let mut select = self.database.prepare_cached(
            "SELECT DISTINCT coalesce(text, '')
             FROM process_instance LEFT JOIN name ON name.id = spelling
             WHERE host = ?1 AND pathname = ?2",
        )?;
        let spellings = select.query_map(params![host, pathname], |row| row.get(0))?;
        Ok(spellings.collect::<Result<_, _>>()?)
    }

    /// What has been delivered by each source.
    pub fn sources(&self) -> Result<Vec<Source>, CacheError> {
        sources::all(&self.database)
    }

    /// Size and span.
    pub fn totals(&self) -> Result<Totals, CacheError> {
        let mut totals = self.database.query_row(
            "SELECT count(*), coalesce(sum(connections), 0), min(first_ms), max(last_ms)
             FROM connection_group",
            [],
            |row| {
                Ok(Totals {
                    bytes: 0,
                    groups: row.get(0)?,
                    connections: row.get(1)?,
                    first_ms: row.get(2)?,
                    last_ms: row.get(3)?,
                })
            },
        )?;
        let log = location::with_suffix(&self.path, "-wal");
        let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        totals.bytes = size(&self.path) + size(&log);
        Ok(totals)
    }

    fn damaged(&self, reason: &str) -> CacheError {
        CacheError::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }
}
