//! Reading the cache: opening it, and what names, instances and sources it holds. Its groups and
//! their connections are read by `walk`.
//!
//! Any number of readers, in any process, beside the writer. A reader changes nothing, not even
//! a damaged file.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection as Database, OptionalExtension, params};

use crate::beacon::Window;
use crate::cache::evictions::{self, Evicted};
use crate::cache::format::{group, schema};
use crate::cache::sources::{self, Source};
use crate::cache::{CacheError, Pace, blur, location};
use crate::journal::{FileTime, SophosPid};
use crate::varint::DecodeError;

/// What a reader has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Blocks that were decoded.
    pub blocks: u64,
    /// Bytes of these, and of the rows of all.
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

/// With a budget of time, a query may hold so many bytes while it is computed.
const MEMORY_BUDGET: u64 = 64 << 20;

/// A reader of a cache.
pub struct Reader {
    pub(crate) database: Database,
    path: PathBuf,
    cost: Cell<Cost>,
    /// When to give up, and after how long.
    deadline: Option<(Instant, Duration)>,
    pace: Option<Arc<Pace>>,
    /// How long it has waited so as not to exceed that.
    waited: Cell<Duration>,
}

impl Reader {
    /// Opens the cache at `path`.
    pub fn open(path: &Path) -> Result<Reader, CacheError> {
        Ok(Reader {
            database: schema::open_to_read(path)?,
            path: path.to_owned(),
            cost: Cell::default(),
            deadline: None,
            pace: None,
            waited: Cell::default(),
        })
    }

    /// The same, giving up when `budget` is spent.
    pub fn with_budget(self, budget: Duration) -> Reader {
        let deadline = Instant::now().checked_add(budget);
        Reader { deadline: deadline.map(|deadline| (deadline, budget)), ..self }
    }

    /// The same at this pace.
    pub fn with_pace(self, pace: Arc<Pace>) -> Reader {
        Reader { pace: Some(pace), ..self }
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

    /// Adds to what has been read.
    pub(crate) fn count(&self, more: Cost) {
        let Cost { blocks, bytes } = self.cost.get();
        self.cost.set(Cost { blocks: blocks + more.blocks, bytes: bytes + more.bytes });
    }

    /// Keeps to the pace; an error once the budget is spent.
    pub(crate) fn check_deadline(&self) -> Result<(), CacheError> {
        if let Some(pace) = &self.pace {
            let waited = pace.keep(self.deadline.map(|(deadline, _)| deadline));
            self.waited.set(self.waited.get() + waited);
        }
        match self.deadline {
            Some((deadline, budget)) if Instant::now() > deadline => {
                Err(CacheError::OutOfTime { budget, waited: self.waited.get() })
            }
            _ => Ok(()),
        }
    }

    /// An error once an answer holds so many bytes while it is computed; not without a budget.
    pub fn check_memory(&self, bytes: u64) -> Result<(), CacheError> {
        match self.deadline {
            Some(_) if bytes > MEMORY_BUDGET => Err(CacheError::OutOfMemory(MEMORY_BUDGET)),
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

    /// How far apart the batches were whose times stand for those of this endpoint's connections, on
    /// the days that `window` touches, in seconds; `None` if its times are those of connections.
    pub fn blur_s(&self, window: Window) -> Result<Option<u32>, CacheError> {
        blur::largest_s(window, &self.database)
    }

    /// How many connections had to go, in the order of [`crate::cache::Reason::ALL`].
    pub fn evicted(&self) -> Result<[Evicted; 4], CacheError> {
        evictions::all(&self.database)
    }

    /// Unix milliseconds of the latest connection; `None` if there is none.
    pub fn last_ms(&self) -> Result<Option<i64>, CacheError> {
        Ok(self.database.query_row("SELECT last_ms FROM latest", [], |row| row.get(0))?)
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
        totals.bytes = self.bytes();
        Ok(totals)
    }

    /// Bytes of the database file and its log.
    fn bytes(&self) -> u64 {
        let log = location::with_suffix(&self.path, "-wal");
        let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        size(&self.path) + size(&log)
    }

    /// Whether all blocks have checksums; those that have one are checked in any case.
    pub(crate) fn are_checked(&self) -> bool {
        schema::are_checked(&self.database).unwrap_or(true)
    }

    pub(crate) fn damaged_block(&self, id: i64, error: DecodeError) -> CacheError {
        self.damaged(&format!("{error}, of {}", group::describe_block(id, &self.database)))
    }

    pub(crate) fn damaged(&self, reason: &str) -> CacheError {
        CacheError::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }
}
