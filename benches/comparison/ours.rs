//! The program itself: a process for each question, from start to exit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

use crate::journals::{PROGRAM, run};

/// How often each question is asked.
pub struct Ours {
    pub runs: usize,
}

fn query(cache: &Path, sql: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["query", "--now", "latest", "--csv", "--cache"]).arg(cache).arg(sql);
    command
}

/// The median of `runs` runs of something that gives its own duration.
pub fn median(runs: usize, mut timed: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut durations = (0..runs.max(1)).map(|_| timed()).collect::<Result<Vec<_>>>()?;
    middle(&mut durations)
}

fn middle(durations: &mut [Duration]) -> Result<Duration> {
    durations.sort_unstable();
    durations.get(durations.len() / 2).copied().context("there was a run")
}

impl Ours {
    /// How long a question takes, warm.
    pub fn time(&self, cache: &Path, sql: &str) -> Result<Duration> {
        let times = self.times(&[cache.to_owned()], sql)?;
        times.first().copied().context("there was a cache")
    }

    /// How long a question takes over each of these caches, warm. They take turns, so that what the
    /// machine does besides falls on all of them alike.
    pub fn times(&self, caches: &[PathBuf], sql: &str) -> Result<Vec<Duration>> {
        let mut durations = vec![Vec::new(); caches.len()];
        for round in 0..=self.runs.max(1) {
            for (cache, durations) in caches.iter().zip(&mut durations) {
                let started = Instant::now();
                run(&mut query(cache, sql))?;
                // The first round is to warm up.
                durations.extend((round > 0).then(|| started.elapsed()));
            }
        }
        durations.iter_mut().map(|durations| middle(durations)).collect()
    }

    /// The most memory that a question took, in bytes.
    pub fn peak_memory(&self, cache: &Path, sql: &str) -> Result<u64> {
        // GNU time asks the kernel, which knows it to the end.
        let mut command = Command::new("/usr/bin/time");
        command.args(["--format", "%M", PROGRAM, "query", "--now", "latest", "--csv", "--cache"]);
        let output = command.arg(cache).arg(sql).output().context("/usr/bin/time is needed")?;
        let kilobytes = String::from_utf8_lossy(&output.stderr);
        let kilobytes = kilobytes.lines().last().unwrap_or_default().trim();
        Ok(kilobytes.parse::<u64>().context("GNU time tells no memory")? * 1024)
    }

    /// How long a question takes if nothing of the cache is in memory, and how long reading all of
    /// it then takes.
    pub fn cold(&self, cache: &Path, sql: &str) -> Result<(Duration, Duration)> {
        let question = median(self.runs, || {
            forget(cache)?;
            let started = Instant::now();
            run(&mut query(cache, sql))?;
            Ok(started.elapsed())
        })?;
        let cat = median(self.runs, || {
            forget(cache)?;
            let started = Instant::now();
            let mut cat = Command::new("cat");
            cat.arg(cache).stdout(Stdio::null()).status()?;
            Ok(started.elapsed())
        })?;
        Ok((question, cat))
    }

    /// Connections that are imported in a second.
    pub fn import_rate(&self, journal: &Path, folder: &Path) -> Result<f64> {
        let cache = folder.join("import.sqlite");
        let mut connections = 0.0;
        let duration = median(3, || {
            for suffix in ["", "-wal", "-shm", ".lock"] {
                let _ = fs::remove_file(folder.join(format!("import.sqlite{suffix}")));
            }
            let started = Instant::now();
            run(Command::new(PROGRAM).args(["import", "--cache"]).arg(&cache).arg(journal))?;
            let duration = started.elapsed();
            let count = run(Command::new(PROGRAM)
                .args(["query", "--list", "--cache"])
                .arg(&cache)
                .arg("SELECT events_total FROM beacon_status WHERE source = 'cache'"))?;
            connections = count.lines().last().unwrap_or_default().parse()?;
            Ok(duration)
        })?;
        Ok(connections / duration.as_secs_f64())
    }
}

/// Empties the file cache of a file that is on disk.
fn forget(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
}
