//! `import`: journal files into a cache.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use beacon_candidates::cache::{CacheError, Pass, PassCounts, PassOutcome, Retention, Writer};
use beacon_candidates::journal::Rejection;
use beacon_candidates::journal::reader::{self, Family, ReadError, Source, Summary};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{complain, say};

/// So many rejected lines are shown without --verbose.
const SHOWN_REJECTIONS: u64 = 10;

#[derive(Args)]
pub struct Import {
    /// Journal files, .gz and .zst too; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the files are
    #[arg(long, value_enum, default_value_t = FormatName::Auto)]
    format: FormatName,

    /// The cache to read them into [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH")]
    cache: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// Tell by content
    Auto,
    /// Our own NDJSON or CSV, and Sophos exports
    Journal,
    /// Zeek conn.log, TSV or JSON
    Zeek,
    /// Sysmon: .evtx, or JSON lines from NXLog or Winlogbeat
    Sysmon,
    /// osquery's result log
    Osquery,
}

impl FormatName {
    fn family(self) -> Option<Family> {
        Some(match self {
            FormatName::Auto => return None,
            FormatName::Journal => Family::Journal,
            FormatName::Zeek => Family::Zeek,
            FormatName::Sysmon => Family::Sysmon,
            FormatName::Osquery => Family::Osquery,
        })
    }
}

impl Import {
    pub fn run(self, verbose: bool) -> Result<ExitCode> {
        let path = super::cache_path(self.cache)?;
        let mut writer = Writer::open(&path, "an import", Retention::default())?;
        let (mut has_failed, mut has_read) = (false, false);
        for file in &self.files {
            let (next, outcome) =
                import_or_begin_anew(writer, file, self.format.family(), verbose)?;
            writer = next;
            match outcome {
                Ok(report) => {
                    has_read |= report.has_read_something();
                    say(&report)?;
                }
                Err(error) => {
                    has_failed = true;
                    complain(format_args!("beacon_candidates: {error}"));
                }
            }
        }
        Ok(if has_read && !has_failed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Imports a file; if the cache turns out to be damaged, once more into a new one. An error of
/// the file is an outcome, one of the cache ends the import.
fn import_or_begin_anew(
    mut writer: Writer,
    file: &Path,
    family: Option<Family>,
    verbose: bool,
) -> Result<(Writer, Result<Report, ReadError<CacheError>>)> {
    let outcome = import_file(&mut writer, file, family, verbose);
    match outcome {
        Err(ReadError::Sink(error)) if error.is_damage() && file.as_os_str() != "-" => {
            let mut writer = writer.replace_damaged(&error)?;
            match import_file(&mut writer, file, family, verbose) {
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
) -> Result<Report, ReadError<CacheError>> {
    let name = if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let progress = progress_bar(file);
    let watch = |raw: Box<dyn Read>| -> Box<dyn Read> { Box::new(progress.wrap_read(raw)) };
    let source =
        Source::open(file, watch).map_err(|source| ReadError::Io { name: name.clone(), source })?;
    let (mut rejected, mut last_error) = (0, String::new());
    let mut pass = Pass::new(writer, |rejection: Rejection| {
        rejected += 1;
        last_error = format!("{name}:{}: {}", rejection.line, rejection.reason);
        if verbose || rejected <= SHOWN_REJECTIONS {
            progress.suspend(|| complain(&last_error));
        }
    });
    let summary = reader::read(source, family, &mut pass);
    progress.finish_and_clear();
    let summary = match summary {
        Ok(summary) => summary,
        Err(error @ ReadError::Sink(_)) => return Err(error),
        Err(error) => {
            writer.abandon_pass().map_err(ReadError::Sink)?;
            return Err(error);
        }
    };
    if rejected > SHOWN_REJECTIONS && !verbose {
        let more = rejected - SHOWN_REJECTIONS;
        complain(format_args!("{name}: {more} more lines rejected; --verbose shows them all"));
    }
    if let Some(reason) = &summary.truncated {
        last_error = format!("{name}: ends early ({reason}); what came before is kept");
        complain(&last_error);
    }
    let outcome = PassOutcome {
        source: summary.format.source_name(),
        state: "imported",
        now_ms: super::now_ms(),
        rejected: summary.delivered.rejected,
        last_error: &last_error,
        cursor_s: None,
    };
    let counts = writer.end_pass(&outcome).map_err(ReadError::Sink)?;
    Ok(Report { name, summary, counts })
}

/// Shows nothing where standard error is no terminal.
fn progress_bar(file: &Path) -> ProgressBar {
    let length = file.metadata().ok().filter(|file| file.is_file()).map(|file| file.len());
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "{wide_msg} {bytes} of {total_bytes} [{bar:24}] {bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {wide_msg} {bytes} {bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(file.display().to_string());
    bar
}

/// What became of a file.
pub struct Report {
    name: String,
    summary: Summary,
    counts: PassCounts,
}

impl Report {
    /// Whether connections had to go to keep the cache within its size.
    pub fn was_cut(&self) -> bool {
        self.counts.removed > 0
    }

    fn has_read_something(&self) -> bool {
        self.summary.delivered.connections + self.summary.delivered.processes > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, summary, counts } = self;
        write!(
            f,
            "{name}: {}: {} connections read, {} new, {} duplicate; {} lines rejected",
            summary.format,
            summary.delivered.connections,
            counts.added,
            counts.duplicates,
            summary.delivered.rejected
        )?;
        for (reason, count) in &summary.delivered.skipped {
            write!(f, "; {count} skipped: {reason}")?;
        }
        if counts.removed > 0 {
            write!(f, "; {} oldest removed to keep the cache within its size", counts.removed)?;
        }
        Ok(())
    }
}
