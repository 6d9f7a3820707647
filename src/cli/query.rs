//! `query`: SQL over the tables, in an SQLite of our own.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use beacon_candidates::cache::{Reader, Retention, Totals, Writer};
use beacon_candidates::host::embedded;
use beacon_candidates::journal::parse_time;
use beacon_candidates::table::Tables;
use clap::Args;
use jiff::Timestamp;
use rusqlite::fallible_iterator::FallibleIterator;

use super::import;
use super::output::{self, Mode, ModeArguments, TextRow, complain};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Query {
    /// The cache to ask [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH", conflicts_with = "journal")]
    cache: Option<PathBuf>,

    /// Ask journal files instead; now is their last connection. May be given several times
    #[arg(long, value_name = "FILE")]
    journal: Vec<PathBuf>,

    /// When the window ends: unix seconds, RFC 3339, or `latest` for the last connection
    #[arg(long, value_name = "TIME")]
    now: Option<String>,

    /// Suppression rules besides the built-in ones
    #[arg(long, value_name = "FILE")]
    suppressions: Option<PathBuf>,

    #[command(flatten)]
    mode: ModeArguments,

    /// The statement, after any further journal files; - or nothing for standard input
    #[arg(value_name = "[FILE]... SQL")]
    arguments: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  beacon_candidates query \"SELECT * FROM beacon_candidates WHERE hours = 72\" --line
  beacon_candidates query --journal conn.*.log.gz \\
      \"SELECT host, tuple, average_interval FROM beacon_candidates WHERE group_by = 'tuple'\"
  beacon_candidates query --cache hunt.sqlite --now latest --csv < hunt.sql";

impl Query {
    pub fn run(mut self, verbose: bool) -> Result<ExitCode> {
        let sql = match self.arguments.pop() {
            Some(sql) if sql != "-" => sql,
            _ if self.journal.iter().any(|file| file.as_os_str() == "-") => {
                bail!("the journal comes on standard input: give the statement as an argument");
            }
            _ => {
                let mut sql = String::new();
                std::io::stdin().read_to_string(&mut sql).context("cannot read the statement")?;
                sql
            }
        };
        if sql.trim().is_empty() {
            bail!("there is no statement: give one as an argument or on standard input");
        }
        if !self.arguments.is_empty() && self.journal.is_empty() {
            let extra = self.arguments.join(" ");
            bail!(
                "'{extra}' stands before the statement: put the statement in quotes, and journal files after --journal"
            );
        }
        self.journal.extend(self.arguments.drain(..).map(PathBuf::from));

        let folder; // lives as long as the cache in it
        let (path, default_now) = if self.journal.is_empty() {
            (super::cache_path(self.cache)?, None)
        } else {
            folder = tempfile::tempdir().context("cannot make a temporary cache")?;
            #[cfg(unix)]
            remove_when_interrupted(folder.path())?;
            let path = folder.path().join("cache.sqlite");
            fill_temporary(&path, &self.journal, verbose)?;
            (path, Some("latest".to_owned()))
        };
        let now_ms = now_ms(self.now.or(default_now).as_deref(), &path)?;
        let rules = super::suppression_rules(self.suppressions.as_deref())?;
        let tables = Arc::new(Tables::new(path.clone()).with_rules(rules));
        let connection = embedded::open(&tables, now_ms)?;
        run_statements(&connection, &sql, self.mode.mode())?;
        if tables.windows_were_empty() {
            explain_empty_window(&Reader::open(&path)?.totals()?);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A signal ends the process without dropping anything, and what is in the folder came from a
/// journal.
#[cfg(unix)]
fn remove_when_interrupted(folder: &Path) -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let folder = folder.to_owned();
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot handle signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _ = std::fs::remove_dir_all(folder);
            std::process::exit(128 + signal); // as shells count it
        }
    });
    Ok(())
}

fn fill_temporary(path: &Path, files: &[PathBuf], verbose: bool) -> Result<()> {
    let mut writer = Writer::temporary(path, Retention::default())?;
    for file in files {
        let report = import::import_file(&mut writer, file, None, verbose)?;
        log::info!("{report}");
        if report.was_cut() {
            complain(&report);
        }
    }
    Ok(())
}

/// Unix milliseconds of the `now` that was asked for.
fn now_ms(now: Option<&str>, cache: &Path) -> Result<i64> {
    match now {
        None => Ok(super::now_ms()),
        Some("latest") => {
            let totals = Reader::open(cache)?.totals()?;
            Ok(totals.last_ms.unwrap_or_else(super::now_ms))
        }
        Some(text) => parse_time(text).context("--now (or give `latest`)"),
    }
}

fn run_statements(connection: &rusqlite::Connection, sql: &str, mode: Mode) -> Result<()> {
    let mut batch = rusqlite::Batch::new(connection, sql);
    while let Some(mut statement) = batch.next().map_err(plainly)? {
        let (names, rows) = run(&mut statement).map_err(plainly)?;
        mode.print(&names, &rows)?;
    }
    Ok(())
}

/// The names of a statement's columns, and all of its rows: an error leaves no half of an answer.
fn run(statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<(Vec<String>, Vec<TextRow>)> {
    let names: Vec<_> = statement.column_names().map(str::to_owned).collect();
    let mut rows = Vec::new();
    let mut cursor = statement.query([])?;
    while let Some(row) = cursor.next()? {
        let values = (0..names.len()).map(|index| row.get_ref(index).map(output::text));
        rows.push(values.collect::<rusqlite::Result<_>>()?);
    }
    Ok((names, rows))
}

/// The sentence in an SQLite error, without its codes and the statement.
fn plainly(error: rusqlite::Error) -> anyhow::Error {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(sentence)) => anyhow!(sentence),
        rusqlite::Error::SqlInputError { msg, sql, offset, .. } => {
            let rest = usize::try_from(offset).ok().and_then(|offset| sql.get(offset..));
            match rest.filter(|rest| !rest.is_empty()) {
                Some(rest) => anyhow!("{msg}, at: {}", rest.lines().next().unwrap_or_default()),
                None => anyhow!(msg),
            }
        }
        error => error.into(),
    }
}

fn explain_empty_window(totals: &Totals) {
    if let (Some(first), Some(last)) = (totals.first_ms, totals.last_ms) {
        let time = |ms| Timestamp::from_millisecond(ms).map(|time| time.to_string());
        if let (Ok(first), Ok(last)) = (time(first), time(last)) {
            complain(format_args!(
                "The window of this query holds no connection; the cache holds {} from {first} \
                 to {last}. --now latest ends the window there.",
                totals.connections,
            ));
        }
    }
}
