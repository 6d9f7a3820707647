//! Reading the cache: which groups there are, and their connections a block at a time.
//!
//! Any number of readers, in any process, beside the writer. A reader changes nothing, not even
//! a damaged file.

use std::path::{Path, PathBuf};

use rusqlite::{Connection as Database, OptionalExtension, params};

use super::block::Connection;
use super::blocks::{self, HEADER_COLUMNS, Header};
use super::sources::{self, Source};
use super::{CacheError, Window, location, schema};
use crate::journal::{FileTime, Protocol, SophosPid};

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
    /// Its connections, in the window and outside.
    pub connections: u64,
    /// Unix milliseconds of the first of them.
    pub first_ms: i64,
    /// Unix milliseconds of the last of them.
    pub last_ms: i64,
}

/// What is known of a group's connections in a window without decoding a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Connections of the blocks that reach into the window: at least those in it.
    pub connections: u64,
    /// The shortest of the intervals that are sure to lie in the window, milliseconds.
    pub min_interval_ms: Option<i64>,
    /// The longest of them.
    pub max_interval_ms: Option<i64>,
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
}

impl Reader {
    /// Opens the cache at `path`.
    pub fn open(path: &Path) -> Result<Reader, CacheError> {
        Ok(Reader { database: schema::open_to_read(path)?, path: path.to_owned() })
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
        let mut select = self.database.prepare_cached(
            "SELECT id, host, pathname, destination, port, protocol, connections,
                    first_ms, last_ms
             FROM connection_group
             WHERE first_ms <= ?2 AND last_ms >= ?1 ORDER BY id",
        )?;
        let groups = select.query_map(params![window.since_ms, window.until_ms], |row| {
            Ok(Group {
                id: row.get(0)?,
                host: row.get(1)?,
                pathname: row.get(2)?,
                destination: row.get(3)?,
                port: row.get(4)?,
                protocol: Protocol::from_number(row.get(5)?),
                connections: row.get(6)?,
                first_ms: row.get(7)?,
                last_ms: row.get(8)?,
            })
        })?;
        Ok(groups.collect::<Result<_, _>>()?)
    }

    /// What is known of `group` in `window` without decoding a block: the intervals are those
    /// inside blocks that lie in the window as a whole.
    pub fn summary(&self, group: &Group, window: Window) -> Result<Summary, CacheError> {
        let summary = self
            .database
            .prepare_cached(
                "SELECT coalesce(sum(connections), 0),
                        min(min_interval_ms) FILTER (WHERE first_ms >= ?2 AND last_ms <= ?3),
                        max(max_interval_ms) FILTER (WHERE first_ms >= ?2 AND last_ms <= ?3)
                 FROM block WHERE group_id = ?1 AND first_ms <= ?3 AND last_ms >= ?2",
            )?
            .query_row(params![group.id, window.since_ms, window.until_ms], |row| {
                Ok(Summary {
                    connections: row.get(0)?,
                    min_interval_ms: row.get(1)?,
                    max_interval_ms: row.get(2)?,
                })
            })?;
        Ok(summary)
    }

    /// The connections of `group` in `window`, in time order.
    pub fn scan(&self, group: &Group, window: Window) -> Result<Scan<'_>, CacheError> {
        let mut select = self.database.prepare_cached(&format!(
            "SELECT {HEADER_COLUMNS} FROM block
             WHERE group_id = ?1 AND first_ms <= ?3 AND last_ms >= ?2
             ORDER BY first_ms DESC, last_ms DESC, id DESC"
        ))?;
        let parameters = params![group.id, window.since_ms, window.until_ms];
        let blocks = select.query_map(parameters, Header::from_row)?;
        let blocks = blocks.collect::<Result<_, _>>()?;
        Ok(Scan { reader: self, window, blocks, connections: Vec::new(), next: 0 })
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

/// The connections of one group in a window, decoded a block at a time.
pub struct Scan<'r> {
    reader: &'r Reader,
    window: Window,
    /// Those still to come, the earliest last.
    blocks: Vec<Header>,
    connections: Vec<Connection>,
    next: usize,
}

impl Scan<'_> {
    /// The next connection, without moving on.
    pub fn peek(&mut self) -> Result<Option<Connection>, CacheError> {
        while self.next == self.connections.len() {
            let Some(header) = self.blocks.pop() else {
                return Ok(None);
            };
            self.connections.clear();
            self.next = 0;
            blocks::read(header.id, &mut self.connections, &self.reader.database)?;
            if header.first_ms < self.window.since_ms || header.last_ms > self.window.until_ms {
                self.connections.retain(|connection| self.window.contains(connection.time_ms));
            }
        }
        Ok(Some(self.connections[self.next]))
    }

    /// Moves on.
    pub fn advance(&mut self) {
        self.next = (self.next + 1).min(self.connections.len());
    }
}
