//! The front door: arguments, and one file for each verb. What the verbs do lives in the library.

mod asked;
mod assets;
mod collect;
mod extension;
mod help;
mod import;
mod interrupt;
mod mapping;
#[cfg(unix)]
mod one_arena;
mod output;
mod progress;
mod query;
mod reference;
mod report;
mod say;
mod simulate;
mod status;
mod text_table;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use beacon_candidates::cache;
use beacon_candidates::suppression::Rules;
use beacon_candidates::table::Parameter;
use clap::{Parser, Subcommand};

/// Which process talks to which address on a rhythm?
#[derive(Parser)]
#[command(
    bin_name = COMMAND,
    version,
    arg_required_else_help = true,
    color = say::colour_of_help(),
    override_usage = USAGE,
    after_help = help::closing_with_files(EXAMPLES, "something failed")
)]
pub struct Arguments {
    /// Say more on standard error: every rejected line, and what is being done
    #[arg(long, short, global = true, display_order = 100)]
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

const EXAMPLES: &str = "  \
  beacon_candidates query --journal conn.log.gz \"SELECT * FROM beacon_candidates\"
  beacon_candidates report --journal conn.log.gz --html report.html
  beacon_candidates import --cache hunt.sqlite *.evtx
  beacon_candidates query --cache hunt.sqlite --now latest --json \\
      \"SELECT pathname, tuple, period FROM beacon_candidates WHERE hours = 72\"";

#[derive(Subcommand)]
enum Verb {
    /// Ask the tables in SQL, over a cache or over journal files
    Query(query::Query),
    /// Show the top candidates with pictures, on one HTML page
    Report(report::Report),
    /// Read journal files into a cache
    Import(import::Import),
    /// Record the connections of this machine into a cache, until Ctrl-C (Linux)
    Collect(collect::Collect),
    /// Show what a cache holds and where it came from
    Status(status::Status),
    /// Make a journal of an endpoint's day, with implants and their labels
    Simulate(simulate::Simulate),
    /// Write man pages and shell completions, for packages
    #[command(hide = true)]
    Assets(assets::Assets),
    /// Write the documents that are generated from the columns, for developers
    #[command(hide = true)]
    Reference(reference::Reference),
}

impl Arguments {
    /// The arguments of this process, which ends if they cannot be understood.
    pub fn of_process() -> Arguments {
        Arguments::parse_from(std::env::args_os().map(without_leading_comment))
    }

    /// What to log by default: an extension tells of every change of its state. The libraries
    /// under it would tell of their own.
    pub fn log_filter(&self) -> &'static str {
        match (self.verbose, &self.extension.socket) {
            (true, _) => "debug,aya=warn,aya_obj=warn",
            (false, Some(_)) => "warn,beacon_candidates=info",
            (false, None) => "warn",
        }
    }

    /// Runs the verb.
    pub fn run(self) -> Result<ExitCode> {
        match (self.verb, self.extension.socket.clone()) {
            (Some(_), Some(_)) => misuse("--socket runs an extension of osquery: give no command"),
            (Some(Verb::Query(query)), None) => query.run(self.verbose),
            (Some(Verb::Report(report)), None) => report.run(self.verbose),
            (Some(Verb::Import(import)), None) => import.run(self.verbose),
            (Some(Verb::Collect(collect)), None) => collect.run(),
            (Some(Verb::Status(status)), None) => status.run(),
            (Some(Verb::Simulate(simulate)), None) => simulate.run(),
            (Some(Verb::Assets(assets)), None) => assets.run(),
            (Some(Verb::Reference(reference)), None) => reference.run(),
            (None, Some(socket)) => self.extension.run(socket),
            (None, None) => misuse("say what to do: see --help"),
        }
    }
}

/// A statement that begins with a comment is no option: none has a space after its dashes. To SQL
/// a space before them is nothing.
fn without_leading_comment(argument: OsString) -> OsString {
    let after_dashes =
        argument.as_encoded_bytes().strip_prefix(b"--").and_then(|rest| rest.first());
    if after_dashes.is_some_and(u8::is_ascii_whitespace) {
        let mut statement = OsString::from(" ");
        statement.push(argument);
        return statement;
    }
    argument
}

/// Arguments of which each is understood, but not all of them together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

fn misuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Misuse(sentence.into()).into())
}

/// Says with what status to end; of an error, tells on standard error.
pub fn end(outcome: Result<ExitCode>) -> ExitCode {
    let _end = interrupt::end();
    outcome.unwrap_or_else(|error| {
        say::complain(sentence(&error));
        if error.is::<Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
    })
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

/// For arguments: a number of hours above 0.
fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours: &f64| hours.is_finite() && *hours > 0.0);
    hours.ok_or_else(|| format!("expected {}", Parameter::Hours.expected()))
}

/// Unix milliseconds of now.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
