//! What can go wrong with a cache, each as a sentence that names the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::varint::DecodeError;
use crate::words;

/// A cache could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no file, and the caller only reads.
    #[error(
        "there is no cache at {path} yet: import a journal into it, or see in beacon_status what \
         keeps the extension from filling it{elsewhere}"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// Which other one may be meant, with a leading separator; '' if none.
        elsewhere: String,
    },
    /// The file or its folder may not be opened.
    #[error("cannot open the cache {path}: {reason}{who}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
        /// Who may, with a leading separator; '' where that is not the problem.
        who: String,
    },
    /// Another process writes to it.
    #[error(
        "the cache {path} is being written by {holder}: name another file with --cache, or stop \
         that process first"
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who holds the lock.
        holder: String,
    },
    /// The file is not ours, so it is left alone.
    #[error("{0} is no cache of beacon_candidates: name another file with --cache")]
    NotACache(PathBuf),
    /// The file was written by a newer version, and cannot be read by this one.
    #[error(
        "the cache {path} is of a newer version of beacon_candidates: it has format {found}, and \
         this version reads none above {known}; ask it with a version that is not older than the \
         one that filled it"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// What the file holds cannot be right.
    #[error(
        "the cache {path} is damaged ({reason}): an import that meets the damage moves it aside \
         and begins a new one, and so does its removal"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// More distinct names or processes than the file's row numbers can hold.
    #[error("the cache is full: it cannot number another {0}")]
    Full(&'static str),
    /// The file could not be read or written.
    #[error("the cache {path} failed: {reason}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        reason: String,
    },
    /// SQLite failed.
    #[error("the cache failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Reading took longer than it may.
    #[error(
        "the query took longer than its {}{}: ask for fewer hours or narrow it by pathname or \
         destination, or raise query_budget_ms{}",
        words::duration(.budget.as_secs_f64()),
        match .waited.is_zero() {
            true => String::new(),
            false => format!(
                ", of which it waited {} so as not to exceed its share of the processors",
                words::duration(.waited.as_secs_f64())
            ),
        },
        if .waited.is_zero() { "" } else { " or cpu_percent" }
    )]
    OutOfTime {
        /// How long it might take.
        budget: Duration,
        /// How long it did nothing, to keep to its pace.
        waited: Duration,
    },
    /// A query would hold more in memory than it may.
    #[error(
        "the query takes more than {} of memory: ask for fewer hours, narrow it by pathname or \
         destination, or group by something else than process_instance",
        words::bytes(*.0)
    )]
    OutOfMemory(u64),
    /// A block does not decode.
    #[error("the cache is damaged: {error}, of {group}")]
    Block {
        /// What is wrong with it.
        error: DecodeError,
        /// Whose connections it holds.
        group: String,
    },
    /// A file beside the database could not be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl CacheError {
    /// The error with the file that it is of, where it does not name it yet.
    pub fn at(self, path: &Path) -> CacheError {
        let path = path.to_owned();
        match self {
            CacheError::Sqlite(error) if is_damage(&error) => {
                CacheError::Damaged { path, reason: error.to_string() }
            }
            CacheError::Sqlite(error) => CacheError::Failed { path, reason: error.to_string() },
            CacheError::Block { error, group } => {
                CacheError::Damaged { path, reason: format!("{error}, of {group}") }
            }
            error => error,
        }
    }

    /// Whether the file itself is at fault, so that beginning anew would help.
    pub fn is_damage(&self) -> bool {
        match self {
            CacheError::Damaged { .. } | CacheError::Block { .. } => true,
            CacheError::Sqlite(error) => is_damage(error),
            _ => false,
        }
    }
}

/// SQLite's own word for it, or rows that are missing or hold what we never wrote.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, TooBig};
    match error {
        E::QueryReturnedNoRows
        | E::IntegralValueOutOfRange(..)
        | E::FromSqlConversionFailure(..)
        | E::InvalidColumnType(..)
        | E::Utf8Error(..) => true,
        error => matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase | TooBig)),
    }
}
