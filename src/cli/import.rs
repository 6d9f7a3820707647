//! `import`: journal files into a cache.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use beacon_candidates::cache::{CacheError, Pass, PassCounts, PassOutcome, Writer};
use beacon_candidates::journal::reader::{self, ReadError, Source, Summary};
use beacon_candidates::journal::{Delivered, Rejection};
use beacon_candidates::words;
use clap::Args;

use super::files::{JournalFile, journal_files};
use super::help;
use super::interrupt::on_interrupt;
use super::progress::Progress;
use super::reading::{Reading, ReadingArguments, name_of};
use super::say::{complain, say, warn};

/// Readers see what an upgrade of the cache has done after each of these.
const UPGRADE_SLICE: Duration = Duration::from_secs(1);
/// So many rejected lines are shown without --verbose.
const SHOWN_REJECTIONS: u64 = 10;

#[derive(Args)]
#[command(after_help = help::closing(EXAMPLES, FAILURE))]
pub struct Import {
    /// Journal files, folders of them, or patterns, .gz and .zst too; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The cache to read them into [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH")]
    cache: Option<PathBuf>,

    #[command(flatten)]
    reading: ReadingArguments,
}

const FAILURE: &str = "a file cannot be read, or none has a connection or a process";

const EXAMPLES: &str = "  \
  beacon_candidates import --cache hunt.sqlite *.evtx osqueryd.results.log
  beacon_candidates import --cache hunt.sqlite --format zeek /opt/zeek/logs/2026-05-04
  beacon_candidates import --cache hunt.sqlite --time-format milliseconds \\
      --columns time=ts,host=agent,pathname=exe,destination=dst.ip,destinationport=dst.port edr.json
  gzip -dc conn.log.gz | beacon_candidates import --cache hunt.sqlite -";

impl Import {
    pub fn run(self, verbose: bool) -> Result<ExitCode> {
        let reading = self.reading.reading()?;
        let path = super::cache_path(self.cache)?;
        let files = journal_files(&self.files)?;
        let mut writer = Writer::open(&path, "an import", self.reading.retention())?;
        let progress = Progress::new();
        clear_when_interrupted(&progress)?;
        let (mut has_failed, mut has_read) = (false, false);
        let mut others = Others::default();
        for file in &files {
            let (next, outcome) =
                import_or_begin_anew(writer, &file.path, reading, verbose, &progress)?;
            writer = next;
            match outcome {
                Ok(report) => {
                    has_read |= report.has_read_something();
                    say(&report)?;
                }
                Err(error) if others.include(file, &error) => {}
                Err(error) => {
                    has_failed = true;
                    complain(error);
                }
            }
        }
        others.tell();
        // Of a cache that an earlier version has filled.
        while writer.continue_upgrade(UPGRADE_SLICE).map_err(|error| error.at(writer.path()))? {}
        Ok(if has_read && !has_failed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn clear_when_interrupted(progress: &Progress) -> Result<()> {
    let progress = progress.clone();
    on_interrupt(move || {
        progress.end_for_good();
        complain("interrupted; to go on, import the same files again: nothing is counted twice");
    })
}

/// Imports a file; if the cache turns out to be damaged, once more into a new one. An error of
/// the file is an outcome, one of the cache ends the import.
fn import_or_begin_anew(
    mut writer: Writer,
    file: &Path,
    reading: Reading,
    verbose: bool,
    progress: &Progress,
) -> Result<(Writer, Result<Report, ReadError<CacheError>>)> {
    let outcome = import_file(&mut writer, file, reading, verbose, progress);
    match outcome {
        Err(ReadError::Sink(error)) if error.is_damage() && file.as_os_str() != "-" => {
            let mut writer = writer.replace_damaged(&error)?;
            match import_file(&mut writer, file, reading, verbose, progress) {
                Err(ReadError::Sink(error)) => Err(error.into()),
                outcome => Ok((writer, outcome)),
            }
        }
        Err(ReadError::Sink(error)) => Err(error.at(writer.path()).into()),
        outcome => Ok((writer, outcome)),
    }
}

/// Reads a file into `writer` as one pass, telling of rejected lines on standard error.
pub fn import_file(
    writer: &mut Writer,
    file: &Path,
    reading: Reading,
    verbose: bool,
    progress: &Progress,
) -> Result<Report, ReadError<CacheError>> {
    let name = name_of(file);
    let begun = Instant::now();
    progress.begin(file);
    let (mut rejected, mut last_error) = (0, String::new());
    let mut pass = Pass::new(writer, |rejection: Rejection| {
        rejected += 1;
        last_error = format!("{name}:{}: {}", rejection.line, rejection.reason);
        if verbose || rejected <= SHOWN_REJECTIONS {
            progress.suspend(|| warn(&last_error));
        }
    });
    let summary = Source::open(file, |raw| progress.watch(raw))
        .map_err(|source| ReadError::Io { name: name.clone(), source })
        .and_then(|source| {
            let source = match reading.longest_line {
                Some(bytes) => source.with_longest_line(bytes),
                None => source,
            };
            reader::read(source, reading.family, &mut pass)
        });
    let bytes = progress.end();
    let summary = match summary {
        Ok(summary) => summary,
        Err(error @ ReadError::Sink(_)) => return Err(error),
        Err(error) => {
            writer.abandon_pass().map_err(ReadError::Sink)?;
            return Err(error);
        }
    };
    if rejected > SHOWN_REJECTIONS && !verbose {
        let more = words::count(rejected - SHOWN_REJECTIONS, "more line");
        warn(format_args!("{name}: {more} rejected; --verbose shows them all"));
    }
    if let Some(reason) = &summary.truncated {
        last_error = format!("{name}: ends early ({reason}); what came before is kept");
        warn(&last_error);
    }
    let outcome = PassOutcome {
        source: summary.format.source_name(),
        state: "imported",
        now_ms: super::now_ms(),
        rejected: summary.delivered.rejected,
        last_error: &last_error,
        cursor_s: None,
        blur_s: None,
    };
    let counts = writer.end_pass(&outcome).map_err(ReadError::Sink)?;
    Ok(Report { name, summary, counts, bytes, time: begun.elapsed() })
}

/// The files in folders that are no journals: no failure, but told.
#[derive(Default)]
pub struct Others(u64);

impl Others {
    /// Counts a file that was refused with `error`, if it is one of these.
    pub fn include(&mut self, file: &JournalFile, error: &ReadError<CacheError>) -> bool {
        let is_other = !file.is_named && matches!(error, ReadError::UnknownFormat { .. });
        if is_other {
            log::info!("{error}");
            self.0 += 1;
        }
        is_other
    }

    /// Tells how many there were.
    pub fn tell(&self) {
        match self.0 {
            0 => {}
            1 => warn("1 file in the folders is no journal; --verbose names it"),
            many => {
                let many = words::count(many, "file");
                warn(format_args!("{many} in the folders are no journals; --verbose names them"));
            }
        }
    }
}

/// What became of a file.
pub struct Report {
    name: String,
    summary: Summary,
    counts: PassCounts,
    bytes: u64,
    time: Duration,
}

impl Report {
    /// Whether there is anything to say of rows that did not become connections, or may be none.
    pub fn has_left_out_something(&self) -> bool {
        let Delivered { skipped, doubtful, rejected, .. } = &self.summary.delivered;
        !skipped.is_empty() || !doubtful.is_empty() || *rejected > 0 || self.counts.removed > 0
    }

    /// Connections that the file gave, new or not.
    pub fn connections(&self) -> u64 {
        self.summary.delivered.connections
    }

    /// The rate only of what took long enough to have one.
    fn fmt_speed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f64();
        write!(f, " ({} in {}", words::bytes(self.bytes), words::duration(seconds))?;
        if seconds >= 1.0 {
            let rate = self.summary.delivered.connections as f64 / seconds;
            write!(f, ", {} connections/s", words::number(rate.round() as u64))?;
        }
        write!(f, ")")
    }

    fn has_read_something(&self) -> bool {
        self.summary.delivered.connections + self.summary.delivered.processes > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, summary, counts, .. } = self;
        write!(
            f,
            "{name}: {}: {} read, {} new, {} duplicate; {} rejected",
            summary.format,
            words::count(summary.delivered.connections, "connection"),
            words::number(counts.added),
            words::number(counts.duplicates),
            words::count(summary.delivered.rejected, "line"),
        )?;
        if summary.delivered.processes > 0 {
            let processes = words::count(summary.delivered.processes, "process start");
            write!(f, "; {processes} read")?;
        }
        for (reason, count) in &summary.delivered.skipped {
            write!(f, "; {} skipped: {reason}", words::number(*count))?;
        }
        for (reason, count) in &summary.delivered.doubtful {
            write!(f, "; {} read, though {reason}", words::number(*count))?;
        }
        if counts.removed > 0 {
            let removed = words::number(counts.removed);
            write!(f, "; {removed} oldest removed to keep the cache within its size")?;
        }
        self.fmt_speed(f)
    }
}
