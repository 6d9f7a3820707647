//! The tables of the cache, and opening them.
//!
//! Sizes and times are as in the code: milliseconds since the unix epoch, ids that fit `u32`.
//! An id of 0 stands for ''.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::upgrade;
use crate::beacon::sketch;
use crate::cache::error::is_damage;
use crate::cache::write::lock;
use crate::cache::{CacheError, location};

/// "BcnC" in SQLite's application_id tells our files from others.
const APPLICATION_ID: i64 = 0x4263_6e43;

/// Of the tables, and of the format of what is in them. Whoever raises it adds a step to `upgrade`, and
/// a cache of the new format to `tests/fixtures/caches/`.
pub(crate) const VERSION: i64 = 9;
/// The oldest that can be read; there was none before it in any release.
pub(crate) const OLDEST_FORMAT: i64 = 8;
const TABLES: &str = "
    -- Hosts, pathnames and destinations.
    CREATE TABLE name (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE
    );
    -- Names of destinations; blocks refer to them, so only their last use tells when they may go.
    CREATE TABLE domain (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE,
        last_ms INTEGER NOT NULL
    );
    -- pathname is the key (Windows paths in lower case); the spelling is the instance's.
    CREATE TABLE connection_group (
        id INTEGER PRIMARY KEY,
        host INTEGER NOT NULL,
        pathname INTEGER NOT NULL,
        destination INTEGER NOT NULL,
        port INTEGER NOT NULL,
        protocol INTEGER NOT NULL,
        scope INTEGER NOT NULL,
        connections INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        next_block INTEGER NOT NULL,
        UNIQUE (host, pathname, destination, port, protocol)
    );
    -- In one row the latest connection of all groups; NULL without any.
    CREATE TABLE latest (
        last_ms INTEGER
    );
    INSERT INTO latest VALUES (NULL);
    -- first_ms and last_ms are NULL for a process that has not connected yet.
    CREATE TABLE process_instance (
        id INTEGER PRIMARY KEY,
        host INTEGER NOT NULL,
        pathname INTEGER NOT NULL,
        spelling INTEGER NOT NULL,
        pid INTEGER,
        start INTEGER,
        cmdline TEXT,
        first_ms INTEGER,
        last_ms INTEGER
    );
    CREATE INDEX process_instance_key ON process_instance (host, pathname, pid);
    -- What is known of a block without decoding it: once more as a whole in `summary`.
    CREATE TABLE block (
        group_id INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        id INTEGER NOT NULL,
        connections INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        summary BLOB NOT NULL,
        PRIMARY KEY (group_id, first_ms, last_ms, id)
    ) WITHOUT ROWID;
    -- Apart from the summaries, so that reading those does not touch the pages of these. The
    -- group is the upper part of the id: a group's payloads lie together.
    CREATE TABLE payload (
        id INTEGER PRIMARY KEY,
        bytes BLOB NOT NULL
    );
    -- In one row the version of the maths that made the sketches of all blocks, 0 while they differ;
    -- and whether all blocks have checksums.
    CREATE TABLE sketches (
        version INTEGER NOT NULL,
        are_checked INTEGER NOT NULL
    );
    -- Connections that had to go, by reason; last_ms is when the last of them did.
    CREATE TABLE evicted (
        reason TEXT PRIMARY KEY,
        connections INTEGER NOT NULL,
        last_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    -- In one row the time up to which retention by age has believed the clock; NULL before its first.
    CREATE TABLE retention_clock (
        believed_ms INTEGER
    );
    INSERT INTO retention_clock VALUES (NULL);
    -- cursor_s is up to where a live source has been collected, unix seconds; NULL for files.
    CREATE TABLE source (
        name TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        last_poll_ms INTEGER NOT NULL,
        last_event_ms INTEGER,
        events_total INTEGER NOT NULL,
        events_duplicate INTEGER NOT NULL,
        events_rejected INTEGER NOT NULL,
        last_error TEXT NOT NULL,
        cursor_s INTEGER
    ) WITHOUT ROWID;
";

/// Small, since each page that a poll touches is written as a whole, and a group's last block leaves
/// half a page unused. A full block fills four: one holds a row of up to 2,013 bytes, of which four are
/// SQLite's, and each page of overflow 2,044 (<https://www.sqlite.org/fileformat2.html>, 1.6 and 2.1).
const PAGE_BYTES: i64 = 2048;

/// No value that is ours is longer, in bytes.
const LONGEST_VALUE: i32 = 16 << 20;
/// What else a file may hold than plain tables and their indexes would be run when it is read.
const FOREIGN: &str = "
    SELECT count(*) FROM sqlite_schema
    WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' OR sql LIKE '%GENERATED ALWAYS%'
       OR sql LIKE '% AS (%'";

/// How a cache's file is to be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Survives a crash; readers may read while it is written.
    Kept,
    /// Gone with the process, so written without a journal.
    Temporary,
}

/// Opens `path` for the one writer, creating its tables if it is new. `had_writer` tells whether
/// the file, if it cannot be read, was a cache of ours.
pub(crate) fn open_to_write(
    path: &Path,
    durability: Durability,
    had_writer: bool,
) -> Result<Connection, CacheError> {
    location::create_private(path).map_err(|error| location::refused(path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags)?;
    let found = version(&connection, path, had_writer)?;
    if found == 0 {
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "cache_size", -16384)?;
    if durability == Durability::Kept {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    } else {
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
    }
    if found == 0 {
        create(&mut connection)?;
    } else {
        upgrade::upgrade_tables(&mut connection, found)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens `path` for a reader, which neither creates nor changes anything.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, CacheError> {
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(location::missing(path)),
        Err(error) => return Err(location::refused(path, error)),
    }
    location::check_readable(path).map_err(|error| location::refused(path, error))?;
    if path.is_dir() {
        return Err(location::refused(path, std::io::Error::other("it is a folder")));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let had_writer = lock::path_of(path).exists();
    let mut connection = connect(path, flags)?;
    let mut found = version(&connection, path, had_writer);
    if found.as_ref().is_err_and(needs_to_write) {
        // Beside evidence, say, on a medium that cannot be written: as it lies there.
        let uri = format!("file:{}?immutable=1", uri_path(path));
        connection = connect(Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI)?;
        found = version(&connection, path, had_writer);
    }
    if found.map_err(|error| error.at(path))? == 0 {
        return Err(location::missing(path));
    }
    connection.pragma_update(None, "cache_size", -128)?; // most pages are read once
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Whether SQLite wanted to write the files that go with a log, and could not.
fn needs_to_write(error: &CacheError) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    let CacheError::Sqlite(error) = error else {
        return false;
    };
    matches!(error.sqlite_error_code(), Some(ReadOnly | CannotOpen))
}

/// A path with what means something else in a URI escaped.
fn uri_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, CacheError> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // Else SQLite plans every statement anew for each value that is bound to a range.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A file that somebody else made runs nothing and asks for no gigabytes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    Ok(connection)
}

/// The version of the tables in the file; 0 for an empty one.
fn version(connection: &Connection, path: &Path, had_writer: bool) -> Result<i64, CacheError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let damage = |error: rusqlite::Error| match is_damage(&error) {
        true if !had_writer => CacheError::NotACache(path.to_owned()),
        true => CacheError::Damaged { path: path.to_owned(), reason: error.to_string() },
        false => error.into(),
    };
    let application = pragma("application_id").map_err(damage)?;
    let found = pragma("user_version").map_err(damage)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(damage)?;
    if application != APPLICATION_ID && tables + found + application != 0 {
        return Err(CacheError::NotACache(path.to_owned()));
    }
    let foreign: i64 = connection.query_row(FOREIGN, [], |row| row.get(0)).map_err(damage)?;
    if application == APPLICATION_ID && foreign > 0 {
        return Err(CacheError::Damaged {
            path: path.to_owned(),
            reason: "it holds more than the tables of a cache".to_owned(),
        });
    }
    match found {
        0 | OLDEST_FORMAT..=VERSION => Ok(found),
        ..OLDEST_FORMAT => Err(CacheError::Damaged {
            path: path.to_owned(),
            reason: format!("its format would be {found}, which never was one"),
        }),
        _ => Err(CacheError::Newer { path: path.to_owned(), found, known: VERSION }),
    }
}

/// Whether all blocks have checksums: not those of an earlier format, until an upgrade is through.
pub(crate) fn are_checked(connection: &Connection) -> Result<bool, CacheError> {
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format < VERSION {
        return Ok(false);
    }
    let mut select = connection.prepare_cached("SELECT are_checked FROM sketches")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

fn create(connection: &mut Connection) -> Result<(), CacheError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO sketches VALUES (?1, TRUE)", [sketch::VERSION])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::format::block::MOST_BYTES;
    use crate::cache::format::checksum::PAYLOAD_OVERHEAD;

    /// One byte more took a fifth page.
    #[test]
    fn a_full_block_fills_its_pages() {
        let folder = tempfile::tempdir().unwrap();
        let database =
            open_to_write(&folder.path().join("c.sqlite"), Durability::Temporary, false).unwrap();
        let pages =
            || -> i64 { database.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap() };
        let pages_of_ten = |bytes: usize, first: usize| {
            let before = pages();
            for id in first..first + 10 {
                database
                    .execute("INSERT INTO payload VALUES (?1, zeroblob(?2))", (id, bytes))
                    .unwrap();
            }
            pages() - before
        };
        let full = MOST_BYTES + PAYLOAD_OVERHEAD;
        pages_of_ten(full, 1 << 24);
        assert_eq!(pages_of_ten(full, 2 << 24), 40);
        assert!(pages_of_ten(full + 1, 3 << 24) > 40);
    }
}
