//! What a verb asks: a cache, or journal files in a temporary one; and what now is.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use beacon_candidates::cache::{Reader, Retention, Writer};
use beacon_candidates::journal::parse_time;
use beacon_candidates::journal::reader::Family;
use beacon_candidates::report;
use beacon_candidates::table::Tables;
use clap::Args;
use tempfile::TempDir;

use super::import;
use super::interrupt::on_interrupt;
use super::mapping::MappingArguments;
use super::misuse;
use super::progress::Progress;
use super::say::warn;

#[derive(Args)]
#[command(next_help_heading = "What to ask")]
pub struct AskedArguments {
    /// The cache to ask [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH", conflicts_with = "journal")]
    cache: Option<PathBuf>,

    /// Ask journal files instead; now is their last connection. May be given several times
    #[arg(long, value_name = "FILE")]
    pub journal: Vec<PathBuf>,

    /// When the window ends: unix seconds, RFC 3339, or `latest` for the last connection
    #[arg(long, value_name = "TIME", value_parser = Now::parse)]
    now: Option<Now>,

    /// Suppression rules besides the built-in ones
    #[arg(long, value_name = "FILE")]
    suppressions: Option<PathBuf>,

    #[command(flatten)]
    mapping: MappingArguments,
}

/// When the window ends.
#[derive(Clone, Copy)]
enum Now {
    /// With the last connection.
    Latest,
    /// At this time, unix milliseconds.
    At(i64),
}

impl Now {
    fn parse(text: &str) -> Result<Now, String> {
        match text {
            "latest" => Ok(Now::Latest),
            time => parse_time(time).map(Now::At).map_err(|error| format!("{error}, or `latest`")),
        }
    }
}

/// The tables over what is asked.
pub struct Asked {
    pub tables: Arc<Tables>,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// The cache or the files, in words.
    pub source: String,
    /// Of a temporary cache; it goes with this.
    _folder: Option<TempDir>,
}

impl AskedArguments {
    /// Whether `path` is among the files that are asked.
    pub fn includes(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else {
            return false; // there is no such file yet
        };
        let default = if self.journal.is_empty() { super::cache_path(None).ok() } else { None };
        let cache = self.cache.as_ref().or(default.as_ref());
        self.journal
            .iter()
            .chain(cache)
            .any(|each| each.canonicalize().is_ok_and(|each| each == path))
    }

    /// Opens the cache, or reads the journal files into one.
    pub fn open(self, verbose: bool) -> Result<Asked> {
        let family = self.mapping.family()?;
        if self.journal.is_empty() && self.mapping.is_given() {
            return misuse(
                "--columns and --mapping say what journals hold: name them with --journal",
            );
        }
        let (cache, folder, default_now) = if self.journal.is_empty() {
            (super::cache_path(self.cache)?, None, None)
        } else {
            let folder = tempfile::tempdir().context("cannot make a temporary cache")?;
            let progress = Progress::new();
            remove_when_interrupted(folder.path(), &progress)?;
            let cache = folder.path().join("cache.sqlite");
            fill_temporary(&cache, &self.journal, family, verbose, &progress)?;
            (cache, Some(folder), Some(Now::Latest))
        };
        let source = match &*self.journal {
            [] => cache.display().to_string(),
            files => {
                let names: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
                names.join(", ")
            }
        };
        let now = self.now.or(default_now);
        // The rules take as long as the cache does.
        let read_rules = || super::suppression_rules(self.suppressions.as_deref());
        let (found, rules) = thread::scope(|scope| {
            let other = thread::Builder::new().spawn_scoped(scope, read_rules);
            let found = now_ms(now, &cache);
            let rules = match other {
                Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => read_rules(), // no thread is to be had
            };
            (found, rules)
        });
        let ((now_ms, reader), rules) = (found?, rules?);
        let tables = Tables::new(cache).with_rules(rules);
        let tables = Arc::new(match reader {
            Some(reader) => tables.with_reader(reader),
            None => tables,
        });
        Ok(Asked { tables, now_ms, source, _folder: folder })
    }
}

impl Asked {
    /// Says which times the cache holds, if no window that was asked for holds a connection.
    pub fn explain_empty_window(&self) -> Result<()> {
        if self.tables.windows_were_empty() {
            warn(report::empty_window(&self.tables, self.now_ms)?);
        }
        Ok(())
    }
}

/// What is in the folder came from a journal, and nobody else would remove it.
fn remove_when_interrupted(folder: &Path, progress: &Progress) -> Result<()> {
    let (folder, progress) = (folder.to_owned(), progress.clone());
    on_interrupt(move || {
        progress.end_for_good();
        // Once it is elsewhere, nothing is added to it while it is removed.
        let elsewhere = folder.with_extension("interrupted");
        let moved = std::fs::rename(&folder, &elsewhere);
        let _ = std::fs::remove_dir_all(if moved.is_ok() { elsewhere } else { folder });
    })
}

fn fill_temporary(
    path: &Path,
    files: &[PathBuf],
    family: Option<Family>,
    verbose: bool,
    progress: &Progress,
) -> Result<()> {
    let mut writer = Writer::temporary(path, Retention::default())?;
    for file in files {
        let report = import::import_file(&mut writer, file, family, verbose, progress)?;
        log::info!("{report}");
        if report.was_cut() {
            warn(&report);
        }
    }
    Ok(())
}

/// Unix milliseconds of the `now` that was asked for, and the reader that was opened to find it.
fn now_ms(now: Option<Now>, cache: &Path) -> Result<(i64, Option<Reader>)> {
    match now {
        None => Ok((super::now_ms(), None)),
        Some(Now::Latest) => {
            let reader = Reader::open(cache)?;
            Ok((reader.last_ms()?.unwrap_or_else(super::now_ms), Some(reader)))
        }
        Some(Now::At(ms)) => Ok((ms, None)),
    }
}
