//! This against what else answers the question, side by side in one run:
//! `cargo bench --bench comparison`.
//!
//! Journals are made by `simulate`: 1 M and 10 M connections in 24 hours to 5,000 destinations
//! (Zipf), with implants among them. Ours is timed as a whole process, from start to exit; the
//! others in process and warm, which favours them. Everything lies under target/comparison and is
//! made once. Linux only, since peak memory and the file cache are read and emptied as there.

mod duckdb;
mod journals;
mod ours;
mod sqlite;
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use journals::Journals;
use ours::Ours;
use table::{Table, milliseconds};

/// All groups' statistics, through an aggregate, so that printing is measured on neither side.
const SIX_STATISTICS: &str = "SELECT sum(number_of_connections), sum(min_interval), \
    sum(max_interval), sum(average_interval), sum(median_interval), sum(stddev_interval) \
    FROM beacon_candidates WHERE include_all = 1 AND row_limit = 1000000";
/// The same as far as LAG() gives them without sorting again.
const FOUR_STATISTICS: &str = "SELECT sum(number_of_connections), sum(min_interval), \
    sum(max_interval), sum(average_interval) \
    FROM beacon_candidates WHERE include_all = 1 AND row_limit = 1000000";
const DEFAULT: &str = "SELECT * FROM beacon_candidates";
/// The same rows with columns that block summaries tell.
const OUTLINES: &str = "SELECT tuple, destination_scope, number_of_connections, first_seen, last_seen, \
    min_interval, max_interval, average_interval, detected_by FROM beacon_candidates";

/// Speed and size, compared.
#[derive(Parser)]
struct Arguments {
    /// Runs of each of ours; the median counts
    #[arg(long, default_value_t = 15)]
    runs: usize,

    /// Runs of each of the others
    #[arg(long, default_value_t = 5)]
    other_runs: usize,

    /// A Python that can import duckdb; else one is set up with pip
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,

    /// Leaves out the comparison with the quadratic statement, which takes a minute
    #[arg(long)]
    without_quadratic: bool,

    /// Leaves out the 10 M journal
    #[arg(long)]
    small: bool,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let journals = Journals::make(if arguments.small { 1_000_000 } else { 10_000_000 })?;
    let ours = Ours { runs: arguments.runs };
    let python = duckdb::python(arguments.python, journals.folder())?;
    let mut table = Table::default();

    if !arguments.without_quadratic {
        let cache = journals.cache(17_000)?;
        let theirs = sqlite::quadratic(&journals.csv(17_000)?)?;
        let own = ours.time(&cache, DEFAULT)?;
        table.ratio("a correlated look-up in SQLite, 17,000", theirs, "default question", own);
    }
    let lag = sqlite::lag(&journals.csv(1_000_000)?, arguments.other_runs)?;
    let small = journals.cache(1_000_000)?;
    let small_default = ours.time(&small, DEFAULT)?;
    table.ratio("LAG() over an index in SQLite, 1 M", lag, "default question", small_default);
    let four = ours.time(&small, FOUR_STATISTICS)?;
    table.ratio("LAG() over an index in SQLite, 1 M", lag, "the same of every group", four);

    let sizes: &[u64] = if arguments.small { &[1_000_000] } else { &[1_000_000, 10_000_000] };
    for size in sizes {
        let cache = journals.cache(*size)?;
        let label = format!("window query in DuckDB, {} M", size / 1_000_000);
        let theirs = duckdb::window(&python, &journals.csv(*size)?, arguments.other_runs)?;
        let default = ours.time(&cache, DEFAULT)?;
        table.ratio(&label, theirs, "default question", default);
        let six = ours.time(&cache, SIX_STATISTICS)?;
        table.ratio(&label, theirs, "the same of every group", six);
    }
    let caches_of = |sizes: &[u64]| -> Result<Vec<PathBuf>> {
        sizes.iter().map(|size| journals.cache(*size)).collect()
    };
    for (question, sql) in [
        ("columns of summaries", OUTLINES),
        ("default question", DEFAULT),
        ("every group", SIX_STATISTICS),
    ] {
        if let [small, large] = ours.times(&caches_of(sizes)?, sql)?[..] {
            table.growth(&format!("ten times the connections, {question}"), large, small);
        }
    }

    let sizes = [&[10_000, 100_000], sizes].concat();
    for (size, time) in sizes.iter().zip(ours.times(&caches_of(&sizes)?, DEFAULT)?) {
        table.fact(&format!("default question, {size} connections"), milliseconds(time));
    }
    let largest = *sizes.last().context("there is a size")?;
    let cache = journals.cache(largest)?;
    for (question, sql) in [("default question", DEFAULT), ("every group", SIX_STATISTICS)] {
        let bytes = ours.peak_memory(&cache, sql)?;
        table.fact(&format!("{question}: peak memory"), format!("{} kB", bytes / 1024));
        let (cold, cat) = ours.cold(&cache, sql)?;
        table.ratio_of_cost(&format!("{question}, cold file cache"), cold, "cat of the cache", cat);
    }
    table.fact("cache, times only", journals.bytes_a_connection(largest, false)?);
    table.fact("cache, with bytes", journals.bytes_a_connection(largest, true)?);
    for (format, file) in journals.importable()? {
        let rate = ours.import_rate(&file, journals.folder())?;
        table.fact(&format!("import of {format}"), format!("{rate:.0} connections/s"));
    }
    println!("{table}");
    Ok(())
}
