//! `status`: what a cache holds, for people. For programs there is the table `beacon_status`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use beacon_candidates::cache::{Reader, Source};
use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use jiff::Timestamp;

#[derive(Args)]
pub struct Status {
    /// The cache [default: the system's for root, else the user's own]
    #[arg(long, value_name = "PATH")]
    cache: Option<PathBuf>,
}

impl Status {
    pub fn run(self) -> Result<ExitCode> {
        let reader = Reader::open(&super::cache_path(self.cache)?)?;
        let totals = reader.totals()?;
        println!("cache      {}", reader.path().display());
        println!("size       {}", HumanBytes(totals.bytes));
        println!("groups     {}", HumanCount(totals.groups));
        println!("held       {} connections", HumanCount(totals.connections));
        if let (Some(first), Some(last)) = (totals.first_ms, totals.last_ms) {
            println!("from       {}", time(first));
            println!("to         {}", time(last));
        }
        for source in reader.sources()? {
            print_source(&source);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print_source(source: &Source) {
    println!();
    println!("{:<10} {} at {}", source.name, source.state, time(source.last_poll_ms));
    println!(
        "           {} connections, of which {} duplicate; {} lines rejected",
        HumanCount(source.events_total),
        HumanCount(source.events_duplicate),
        HumanCount(source.events_rejected),
    );
    if let Some(last) = source.last_event_ms {
        println!("           latest {}", time(last));
    }
    if !source.last_error.is_empty() {
        println!("           last problem: {}", source.last_error);
    }
}

/// RFC 3339, to the second.
fn time(ms: i64) -> String {
    match Timestamp::from_second(ms.div_euclid(1000)) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{ms} ms after 1970"),
    }
}
