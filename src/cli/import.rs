//! `import`: journal files into a cache.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use beacon_candidates::cache::{CacheError, Pass, PassCounts, PassOutcome, Retention, Writer};
use beacon_candidates::journal::Rejection;
use beacon_candidates::journal::reader::{self, Family, ReadError, Source, Summary};
use beacon_candidates::words;
use clap::{Args, ValueEnum};

use super::help;
use super::interrupt::on_interrupt;
use super::mapping::MappingArguments;
use super::progress::Progress;
use super::say::{complain, say, warn};

/// Readers see what an upgrade of the cache has done after each of these.
const UPGRADE_SLICE: Duration = Duration::from_secs(1);
/// So many rejected lines are shown without --verbose.
const SHOWN_REJECTIONS: u64 = 10;

#[derive(Args)]
#[command(after_help = help::closing(EXAMPLES, FAILURE))]
pub struct Import {
    /// Journal files, .gz and .zst too; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the files are
    #[arg(long, value_enum, default_value_t = FormatName::Auto,
        conflicts_with_all = ["columns", "mapping"])]
    format: FormatName,

    /// The cache to read them into [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH")]
    cache: Option<PathBuf>,

    #[command(flatten)]
    mapping: MappingArguments,
}

const FAILURE: &str = "a file cannot be read, or none has a connection or a process";

const EXAMPLES: &str = "  \
  beacon_candidates import --cache hunt.sqlite *.evtx osqueryd.results.log
  beacon_candidates import --cache hunt.sqlite --format zeek conn.*.log.gz
  beacon_candidates import --cache hunt.sqlite --time-format milliseconds \\
      --columns time=ts,host=agent,pathname=exe,destination=dst.ip,destinationport=dst.port edr.json
  gzip -dc conn.log.gz | beacon_candidates import --cache hunt.sqlite -";

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// Tell by content
    Auto,
    /// Our own NDJSON or CSV, and Sophos exports
    Journal,
    /// Zeek conn.log, TSV or JSON
    Zeek,
    /// Sysmon and Windows event 5156: .evtx, XML, or JSON from NXLog, Winlogbeat or Velociraptor
    Sysmon,
    /// osquery's result log
    Osquery,
    /// Linux's audit.log, or ausearch's text
    Audit,
}

impl FormatName {
    fn family(self) -> Option<Family> {
        Some(match self {
            FormatName::Auto => return None,
            FormatName::Journal => Family::Journal,
            FormatName::Zeek => Family::Zeek,
            FormatName::Sysmon => Family::Sysmon,
            FormatName::Osquery => Family::Osquery,
            FormatName::Audit => Family::Audit,
        })
    }
}

impl Import {
    pub fn run(self, verbose: bool) -> Result<ExitCode> {
        let family = self.mapping.family()?.or(self.format.family());
        let path = super::cache_path(self.cache)?;
        let mut writer = Writer::open(&path, "an import", Retention::default())?;
        let progress = Progress::new();
        clear_when_interrupted(&progress)?;
        let (mut has_failed, mut has_read) = (false, false);
        for file in &self.files {
            let (next, outcome) = import_or_begin_anew(writer, file, family, verbose, &progress)?;
            writer = next;
            match outcome {
                Ok(report) => {
                    has_read |= report.has_read_something();
                    say(&report)?;
                }
                Err(error) => {
                    has_failed = true;
                    complain(error);
                }
            }
        }
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
    family: Option<Family>,
    verbose: bool,
    progress: &Progress,
) -> Result<(Writer, Result<Report, ReadError<CacheError>>)> {
    let outcome = import_file(&mut writer, file, family, verbose, progress);
    match outcome {
        Err(ReadError::Sink(error)) if error.is_damage() && file.as_os_str() != "-" => {
            let mut writer = writer.replace_damaged(&error)?;
            match import_file(&mut writer, file, family, verbose, progress) {
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
    family: Option<Family>,
    verbose: bool,
    progress: &Progress,
) -> Result<Report, ReadError<CacheError>> {
    let name = if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
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
        .and_then(|source| reader::read(source, family, &mut pass));
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

/// What became of a file.
pub struct Report {
    name: String,
    summary: Summary,
    counts: PassCounts,
    bytes: u64,
    time: Duration,
}

impl Report {
    /// Whether connections had to go to keep the cache within its size.
    pub fn was_cut(&self) -> bool {
        self.counts.removed > 0
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
        if counts.removed > 0 {
            let removed = words::number(counts.removed);
            write!(f, "; {removed} oldest removed to keep the cache within its size")?;
        }
        self.fmt_speed(f)
    }
}
