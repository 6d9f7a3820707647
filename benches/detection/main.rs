//! How well each detector tells implants from ordinary traffic: over a sweep of simulated groups,
//! or over a journal with labels.
//!
//! `cargo bench --bench detection`, or
//! `cargo bench --bench detection -- --journal FILE... --labels FILE`.

mod bound;
mod detectors;
mod keeps_time;
mod labelled;
mod ordinary;
mod scoreboard;
mod sweep;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;
use scoreboard::Scoreboard;

/// Recall and false alarms of every detector.
#[derive(Parser)]
struct Arguments {
    /// Journals to score in place of the sweep
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "labels")]
    journal: Vec<PathBuf>,

    /// Which of their groups are an implant's: host,pathname,destination,destinationport,label,class
    #[arg(long, value_name = "FILE", requires = "journal")]
    labels: Option<PathBuf>,

    /// Groups with fewer connections are not judged
    #[arg(long, default_value_t = 8)]
    min_connections: usize,

    /// Simulated groups of each kind
    #[arg(long, default_value_t = 20)]
    seeds: u64,

    /// Also writes the table as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Names each group that `periodic` gets wrong
    #[arg(long)]
    list: bool,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut board = Scoreboard::default();
    match (&arguments.labels, arguments.journal.is_empty()) {
        (Some(labels), false) => {
            let least = arguments.min_connections;
            labelled::score(&arguments.journal, labels, least, arguments.list, &mut board)?;
        }
        (None, true) => {
            bound::print(arguments.seeds);
            sweep::score(arguments.seeds, &mut board);
            ordinary::score(arguments.seeds * 50, &mut board);
        }
        _ => bail!("give --journal and --labels together"),
    }
    println!("{board}");
    if let Some(path) = &arguments.csv {
        board.write_csv(path)?;
    }
    Ok(())
}
