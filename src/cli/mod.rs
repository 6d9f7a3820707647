//! The front door: arguments, and one file for each verb. What the verbs do lives in the library.

mod import;
mod output;
mod query;
mod simulate;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use beacon_candidates::cache;
use clap::{Parser, Subcommand};

/// Which process talks to which address on a rhythm?
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// Say more on standard error: every rejected line, and what is being done
    #[arg(long, short, global = true)]
    pub verbose: bool,

    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  beacon_candidates query --journal conn.log.gz \"SELECT * FROM beacon_candidates\"
  beacon_candidates import --cache hunt.sqlite *.evtx
  beacon_candidates query --cache hunt.sqlite --now latest --json \\
      \"SELECT pathname, tuple, average_interval FROM beacon_candidates WHERE hours = 72\"

Exit status: 0 if all went well, 1 if not, 2 for arguments that cannot be understood.";

#[derive(Subcommand)]
enum Verb {
    /// Ask the tables in SQL, over a cache or over journal files
    Query(query::Query),
    /// Read journal files into a cache
    Import(import::Import),
    /// Show what a cache holds and where it came from
    Status(status::Status),
    /// Make a journal of an endpoint's day, with implants and their labels
    Simulate(simulate::Simulate),
}

impl Arguments {
    /// Runs the verb.
    pub fn run(self) -> Result<ExitCode> {
        match self.verb {
            Verb::Query(query) => query.run(self.verbose),
            Verb::Import(import) => import.run(self.verbose),
            Verb::Status(status) => status.run(),
            Verb::Simulate(simulate) => simulate.run(),
        }
    }
}

/// An error and its causes in one line, each cause once.
pub fn sentence(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |sentence, cause| {
        match (sentence.is_empty(), sentence.contains(&cause)) {
            (true, _) => cause,
            (_, true) => sentence,
            (_, false) => format!("{sentence}: {cause}"),
        }
    })
}

/// The cache that was named, or the default one.
fn cache_path(named: Option<PathBuf>) -> Result<PathBuf> {
    named
        .or_else(cache::default_path)
        .context("there is no home directory for a default cache: name one with --cache")
}

/// Unix milliseconds of now.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
