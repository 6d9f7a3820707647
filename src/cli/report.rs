//! `report`: the top candidates with pictures, as one HTML page.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use beacon_candidates::report;
use clap::Args;

use super::asked::AskedArguments;
use super::say::unless_read_enough;
use super::{help, hours, misuse};

#[derive(Args)]
#[command(after_help = help::closing(EXAMPLES, "a file cannot be read or written, or none has a connection"))]
pub struct Report {
    /// Where the page goes; - for standard output
    #[arg(long, value_name = "FILE")]
    html: PathBuf,

    /// How far back the window reaches
    #[arg(long, value_name = "HOURS", default_value_t = 24.0, value_parser = hours,
        allow_negative_numbers = true)]
    hours: f64,

    /// The most candidates to show, up to 1000
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    /// More journal files
    #[arg(value_name = "FILE", requires = "journal")]
    more: Vec<PathBuf>,

    #[command(flatten)]
    asked: AskedArguments,
}

const EXAMPLES: &str = "  \
  beacon_candidates report --journal conn.*.log.gz --html report.html
  beacon_candidates report --cache hunt.sqlite --now latest --hours 72 --html report.html";

impl Report {
    pub fn run(mut self, verbose: bool) -> Result<ExitCode> {
        self.asked.journal.append(&mut self.more);
        if self.html.as_os_str().is_empty() {
            return misuse("--html '': name a file, or - for standard output");
        }
        if self.asked.includes(&self.html) {
            bail!("--html {}: this is what is asked, name another file", self.html.display());
        }
        let asked = self.asked.open(verbose)?;
        let request = report::Request {
            hours: self.hours.to_string(),
            now_ms: asked.now_ms,
            limit: self.limit,
            source: asked.source.clone(),
            generated_ms: super::now_ms(),
        };
        let page = report::Report::of(&asked.tables, request)?.page();
        if self.html == Path::new("-") {
            let mut out = std::io::stdout().lock();
            unless_read_enough(out.write_all(page.as_bytes()).and_then(|()| out.flush()))?;
        } else {
            report::write(&self.html, &page)?;
        }
        asked.conclude()
    }
}
