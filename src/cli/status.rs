//! `status`: what a cache holds, for people. For programs there is the table `beacon_status`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use beacon_candidates::cache::{Reader, Source};
use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use jiff::Timestamp;

use super::output::unless_read_enough;

#[derive(Args)]
pub struct Status {
    /// The cache [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH")]
    cache: Option<PathBuf>,
}

impl Status {
    pub fn run(self) -> Result<ExitCode> {
        let mut text = String::new();
        self.describe(&mut text)?;
        unless_read_enough(std::io::stdout().write_all(text.as_bytes()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn describe(self, out: &mut String) -> Result<()> {
        let reader = Reader::open(&super::cache_path(self.cache)?)?;
        let totals = reader.totals()?;
        writeln!(out, "cache      {}", reader.path().display())?;
        writeln!(out, "size       {}", HumanBytes(totals.bytes))?;
        writeln!(out, "groups     {}", HumanCount(totals.groups))?;
        writeln!(out, "held       {} connections", HumanCount(totals.connections))?;
        if let (Some(first), Some(last)) = (totals.first_ms, totals.last_ms) {
            writeln!(out, "from       {}", time(first))?;
            writeln!(out, "to         {}", time(last))?;
        }
        for source in reader.sources()? {
            describe_source(&source, out)?;
        }
        Ok(())
    }
}

fn describe_source(source: &Source, out: &mut String) -> std::fmt::Result {
    writeln!(out)?;
    writeln!(out, "{:<10} {} at {}", source.name, source.state, time(source.last_poll_ms))?;
    writeln!(
        out,
        "           {} connections, of which {} duplicate; {} lines rejected",
        HumanCount(source.events_total),
        HumanCount(source.events_duplicate),
        HumanCount(source.events_rejected),
    )?;
    if let Some(last) = source.last_event_ms {
        writeln!(out, "           latest {}", time(last))?;
    }
    if !source.last_error.is_empty() {
        writeln!(out, "           last problem: {}", source.last_error)?;
    }
    Ok(())
}

/// RFC 3339, to the second.
fn time(ms: i64) -> String {
    match Timestamp::from_second(ms.div_euclid(1000)) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{ms} ms after 1970"),
    }
}
