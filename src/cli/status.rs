//! `status`: what a cache holds, for people. For programs there is the table `beacon_status`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use beacon_candidates::cache::{Reader, Source};
use beacon_candidates::journal::printable;
use beacon_candidates::words;
use clap::Args;

use super::help;
use super::say::{self, unless_read_enough};

#[derive(Args)]
#[command(after_help = help::closing(EXAMPLES, "there is no cache, or it cannot be read"))]
pub struct Status {
    /// The cache [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH")]
    cache: Option<PathBuf>,
}

const EXAMPLES: &str = "  \
  beacon_candidates status --cache hunt.sqlite";

/// Of the names before the values.
const LEAST_WIDTH: usize = 10;

impl Status {
    pub fn run(self) -> Result<ExitCode> {
        let mut text = String::new();
        self.describe(super::now_ms(), &mut text)?;
        unless_read_enough(say::stdout().write_all(text.as_bytes()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn describe(self, now_ms: i64, out: &mut String) -> Result<()> {
        let reader = Reader::open(&super::cache_path(self.cache)?)?;
        let (totals, sources) = (reader.totals()?, reader.sources()?);
        let names = sources.iter().map(|source| source.name.chars().count());
        let width = names.max().unwrap_or(0).max(LEAST_WIDTH);
        let mut line = |name, value: &str| writeln!(out, "{name:<width$} {value}");
        line("cache", &printable(&reader.path().display().to_string()))?;
        line("size", &words::bytes(totals.bytes))?;
        line("groups", &words::number(totals.groups))?;
        line("held", &words::count(totals.connections, "connection"))?;
        if let (Some(first), Some(last)) = (totals.first_ms, totals.last_ms) {
            line("from", &words::time(first))?;
            line("to", &time_and_age(last, now_ms))?;
        }
        for source in &sources {
            describe_source(source, width, now_ms, out)?;
        }
        Ok(())
    }
}

fn describe_source(
    source: &Source,
    width: usize,
    now_ms: i64,
    out: &mut String,
) -> std::fmt::Result {
    let style = match &*source.state {
        "collecting" | "imported" => say::GOOD,
        "failing" => say::ERROR,
        _ => say::WARNING,
    };
    let indent = "";
    let (name, state) = (printable(&source.name), printable(&source.state));
    writeln!(out)?;
    write!(out, "{name:<width$} {style}{state}{style:#}")?;
    writeln!(out, " at {}", time_and_age(source.last_poll_ms, now_ms))?;
    writeln!(
        out,
        "{indent:width$} {}, of which {} duplicate; {} rejected",
        words::count(source.events_total, "connection"),
        words::number(source.events_duplicate),
        words::count(source.events_rejected, "line"),
    )?;
    if let Some(last) = source.last_event_ms {
        writeln!(out, "{indent:width$} latest {}", time_and_age(last, now_ms))?;
    }
    if !source.last_error.is_empty() {
        writeln!(out, "{indent:width$} last problem: {}", printable(&source.last_error))?;
    }
    Ok(())
}

/// A moment, and how long ago that was.
fn time_and_age(ms: i64, now_ms: i64) -> String {
    let time = words::time(ms);
    if ms > now_ms {
        return time;
    }
    let seconds = (now_ms - ms) / 1000;
    format!("{time}, {} ago", words::duration(seconds as f64))
}
