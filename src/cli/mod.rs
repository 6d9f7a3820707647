//! The front door: arguments, and one file for each verb. What the verbs do lives in the library.

mod asked;
mod assets;
mod extension;
mod import;
mod output;
mod query;
mod report;
mod simulate;
mod status;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use beacon_candidates::cache;
use beacon_candidates::host::config;
use beacon_candidates::suppression::Rules;
use clap::{Parser, Subcommand};

/// Which process talks to which address on a rhythm?
#[derive(Parser)]
#[command(
    bin_name = COMMAND,
    version,
    arg_required_else_help = true,
    override_usage = USAGE,
    after_help = after_help()
)]
pub struct Arguments {
    /// Say more on standard error: every rejected line, and what is being done
    #[arg(long, short, global = true)]
    pub verbose: bool,

    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    extension: extension::Extension,
}

/// What it is called, also where its file is beacon_candidates.ext.
const COMMAND: &str = "beacon_candidates";

const USAGE: &str = "beacon_candidates [-v] <COMMAND>
       beacon_candidates --socket <PATH> [OPTIONS]";

const EXAMPLES: &str = "\
Examples:
  beacon_candidates query --journal conn.log.gz \"SELECT * FROM beacon_candidates\"
  beacon_candidates report --journal conn.log.gz --html report.html
  beacon_candidates import --cache hunt.sqlite *.evtx
  beacon_candidates query --cache hunt.sqlite --now latest --json \\
      \"SELECT pathname, tuple, average_interval FROM beacon_candidates WHERE hours = 72\"";

const EXIT_STATUS: &str =
    "Exit status: 0 if all went well, 1 if not, 2 for arguments that cannot be understood.";

fn after_help() -> String {
    let mut files = "Files:".to_owned();
    if let Some(cache) = cache::system_path() {
        files += &format!(
            "\n  {}\n      the system's cache, which the extension fills",
            cache.display()
        );
    }
    if cfg!(unix) {
        files += "\n  ~/.local/state/beacon_candidates/cache.sqlite\
                  \n      a user's own cache (or under $XDG_STATE_HOME)";
    }
    let config = config::default_path();
    files += &format!("\n  {}\n      the extension's configuration", config.display());
    format!("{EXAMPLES}\n\n{files}\n\n{EXIT_STATUS}")
}

#[derive(Subcommand)]
enum Verb {
    /// Ask the tables in SQL, over a cache or over journal files
    Query(query::Query),
    /// Show the top candidates with pictures, on one HTML page
    Report(report::Report),
    /// Read journal files into a cache
    Import(import::Import),
    /// Show what a cache holds and where it came from
    Status(status::Status),
    /// Make a journal of an endpoint's day, with implants and their labels
    Simulate(simulate::Simulate),
    /// Write man pages and shell completions, for packages
    #[command(hide = true)]
    Assets(assets::Assets),
}

impl Arguments {
    /// What to log by default: an extension tells of every change of its state. The libraries
    /// under it would tell of their own.
    pub fn log_filter(&self) -> &'static str {
        match (self.verbose, &self.extension.socket) {
            (true, _) => "debug",
            (false, Some(_)) => "warn,beacon_candidates=info",
            (false, None) => "warn",
        }
    }

    /// Runs the verb.
    pub fn run(self) -> Result<ExitCode> {
        match (self.verb, self.extension.socket.clone()) {
            (Some(_), Some(_)) => bail!("--socket runs an extension of osquery: give no command"),
            (Some(Verb::Query(query)), None) => query.run(self.verbose),
            (Some(Verb::Report(report)), None) => report.run(self.verbose),
            (Some(Verb::Import(import)), None) => import.run(self.verbose),
            (Some(Verb::Status(status)), None) => status.run(),
            (Some(Verb::Simulate(simulate)), None) => simulate.run(),
            (Some(Verb::Assets(assets)), None) => assets.run(),
            (None, Some(socket)) => self.extension.run(socket),
            (None, None) => bail!("say what to do: see --help"),
        }
    }
}

/// Tells of an error on standard error.
pub fn complain(error: &anyhow::Error) {
    output::complain(format_args!("beacon_candidates: {}", sentence(error)));
}

/// An error and its causes in one line, each cause once.
fn sentence(error: &anyhow::Error) -> String {
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

/// The built-in suppression rules, and those of a file.
fn suppression_rules(file: Option<&Path>) -> Result<Rules> {
    Ok(match file {
        Some(file) => Rules::with_file(file)?,
        None => Rules::built_in()?,
    })
}

/// Unix milliseconds of now.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
