//! Journals whose groups have labels: each group with enough connections is judged over the whole
//! journal.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use beacon_candidates::beacon::detectors::periodic;
use beacon_candidates::journal::reader::{self, Source};
use beacon_candidates::journal::{
    ConnectionEvent, JournalSink, ProcessEvent, Rejection, normalise,
};

use crate::detectors::{DETECTORS, verdicts};
use crate::scoreboard::Scoreboard;

/// host, pathname, destination, destinationport.
type Key = (String, String, String, u16);

#[derive(Default)]
struct Groups(BTreeMap<Key, Vec<(i64, Option<u64>)>>);

impl JournalSink for Groups {
    type Error = Infallible;

    fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), Infallible> {
        let (host, pathname) = (event.host.to_owned(), event.process.pathname.to_owned());
        let key = (host, pathname, event.destination.to_owned(), event.port);
        self.0.entry(key).or_default().push((event.time_ms, event.bytes_sent));
        Ok(())
    }

    fn process(&mut self, _event: &ProcessEvent<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn rejected(&mut self, rejection: Rejection) {
        eprintln!("line {}: {}", rejection.line, rejection.reason);
    }
}

/// Scores the groups of `journals` that have labels and at least so many connections.
pub fn score(
    journals: &[PathBuf],
    labels: &Path,
    least: usize,
    list: bool,
    board: &mut Scoreboard,
) -> Result<()> {
    let mut groups = Groups::default();
    for journal in journals {
        reader::read(Source::open(journal, |file| file)?, None, &mut groups)?;
    }
    let labels = read_labels(labels)?;
    let end_ms = groups.0.values().flatten().map(|(time, _)| *time).max().unwrap_or_default();
    for (key, mut connections) in groups.0 {
        let Some((label, class)) = labels.get(&key) else { continue };
        if connections.len() < least {
            continue;
        }
        connections.sort_unstable();
        let times: Vec<i64> = connections.iter().map(|(time, _)| *time).collect();
        let bytes: Vec<u64> = connections.iter().filter_map(|(_, bytes)| *bytes).collect();
        let verdicts = verdicts(&times, &bytes, end_ms);
        let is_named = verdicts[DETECTORS.len() - 1];
        if list && is_named != (label == "malicious") {
            let rhythm = periodic::rhythm(&times);
            println!("{label} {class}: {key:?} {} connections: {rhythm:?}", times.len());
        }
        board.count(label, class, &times, verdicts);
        board.count(&format!("{label}, all"), "", &times, verdicts);
    }
    Ok(())
}

fn read_labels(path: &Path) -> Result<HashMap<Key, (String, String)>> {
    let mut csv = csv::Reader::from_path(path)?;
    let mut labels = HashMap::new();
    for record in csv.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |at: usize| {
            record.get(at).with_context(|| format!("{}:{line}: too few columns", path.display()))
        };
        let port = field(3)?;
        let port = port
            .parse()
            .with_context(|| format!("{}:{line}: '{port}' is no port", path.display()))?;
        let destination = normalise(field(2)?).into_owned();
        let key = (field(0)?.to_owned(), field(1)?.to_owned(), destination, port);
        labels.insert(key, (field(4)?.to_owned(), field(5)?.to_owned()));
    }
    Ok(labels)
}
