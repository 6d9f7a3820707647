//! What the tests share: caches in temporary folders, and queries over them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beacon_candidates::cache::{Pass, PassCounts, PassOutcome, Reader, Retention, Writer};
use beacon_candidates::host::embedded;
use beacon_candidates::journal::Rejection;
use beacon_candidates::journal::reader::{self, Source, Summary};
use beacon_candidates::table::{Tables, real_as_text};
use tempfile::TempDir;

/// A cache in a folder of its own.
pub struct TestCache {
    folder: TempDir,
}

/// What reading a journal into a cache came to.
#[derive(Debug)]
pub struct Imported {
    pub summary: Summary,
    pub counts: PassCounts,
    pub rejections: Vec<Rejection>,
}

impl TestCache {
    pub fn new() -> TestCache {
        TestCache { folder: TempDir::new().unwrap() }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("cache.sqlite")
    }

    pub fn writer(&self) -> Writer {
        Writer::open(&self.path(), "a test", Retention::default()).unwrap()
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    /// Reads a journal of any format as one pass.
    pub fn import(&self, journal: impl Into<Vec<u8>>) -> Imported {
        import_into(&mut self.writer(), journal.into())
    }

    /// The rows of a query at `now_ms`, each value as `--json` would write it.
    pub fn query(&self, now_ms: i64, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let tables = Arc::new(Tables::new(self.path()));
        let connection = embedded::open(&tables, now_ms).unwrap();
        let mut statement = connection.prepare(sql).map_err(|error| error.to_string())?;
        let columns = statement.column_count();
        let mut rows = statement.query([]).map_err(|error| error.to_string())?;
        let mut texts = Vec::new();
        while let Some(row) = rows.next().map_err(|error| error.to_string())? {
            texts.push((0..columns).map(|column| text(row.get_ref(column).unwrap())).collect());
        }
        Ok(texts)
    }

    /// The only value of a query that has one.
    pub fn value(&self, now_ms: i64, sql: &str) -> String {
        let rows = self.query(now_ms, sql).unwrap();
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}: {rows:?}");
        rows[0][0].clone()
    }
}

/// Hands a journal's events to the writer, and nothing more: what a killed import does.
pub fn hand_over(writer: &mut Writer, journal: Vec<u8>) -> (Summary, Vec<Rejection>) {
    let mut rejections = Vec::new();
    let mut pass = Pass::new(writer, |rejection| rejections.push(rejection));
    let source = Source::from_reader("the journal", std::io::Cursor::new(journal)).unwrap();
    let summary = reader::read(source, None, &mut pass).unwrap();
    (summary, rejections)
}

pub fn import_into(writer: &mut Writer, journal: Vec<u8>) -> Imported {
    let (summary, rejections) = hand_over(writer, journal);
    let outcome = PassOutcome {
        source: summary.format.source_name(),
        state: "imported",
        now_ms: 0,
        rejected: summary.delivered.rejected,
        last_error: "",
        cursor_s: None,
        blur_s: None,
    };
    let counts = writer.end_pass(&outcome).unwrap();
    Imported { summary, counts, rejections }
}

pub fn text(value: rusqlite::types::ValueRef<'_>) -> String {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => real_as_text(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8(text.to_vec()).unwrap(),
    }
}
