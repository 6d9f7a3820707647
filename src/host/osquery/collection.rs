//! Fills the cache from osquery for as long as the extension runs: chooses a collector, polls it,
//! and starts over with patience when something fails.
//!
//! One thread, apart from those that answer queries; which connections there are is the
//! collectors' affair.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::polling::{Osquery, Polling};
use super::slices::{Reach, Slices};
use super::supervisor::Options;
use crate::cache::{CacheError, Retention, Writer};
#[cfg(target_os = "linux")]
use crate::collection::collect;
use crate::host::config::{Collection, CollectionSource};
use crate::journal::collector::{self, Choice, Collector, HostError, SqlSource};
#[cfg(target_os = "linux")]
use crate::journal::kernel::{ReadError, open_first};
use crate::table::CacheUse;

/// What other writers are told of us.
const ROLE: &str = "an extension of osquery";
/// How far a first poll of events looks back at least, seconds.
const LEAST_LOOKBACK_S: i64 = 3600;
/// What an upgrade of the cache leaves to be done is done for so long at a time.
const UPGRADE_SLICE: Duration = Duration::from_millis(50);
/// Between two slices while catching up, so that both sides stay within their share of a core.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// osquery's event publishers may start after us.
const SETTLING: Duration = Duration::from_secs(60);
/// How often to look whether something better than the last resort records by now.
const LOOKS_AGAIN: Duration = Duration::from_secs(600);
/// How often to look for another collector, or a free cache, where there was none.
const TRIES_AGAIN: Duration = Duration::from_secs(30);
/// After so many failures in a row the choice is made anew.
const FAILURES: u32 = 3;
const REMOVES_EXPIRED: Duration = Duration::from_secs(3600);
/// Connections in memory; a slice has seldom more.
const BATCH: usize = 1 << 15;

/// Collection, ready to run.
pub(super) struct Collecting {
    /// Whether the process is about to end.
    ends: Arc<AtomicBool>,
    socket: PathBuf,
    cache: PathBuf,
    retention: Retention,
    collection: Collection,
    cache_use: Arc<CacheUse>,
    begun: Instant,
}

/// Why collection pauses.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("{0}")]
    NothingRecords(String),
    #[error("another source may record by now")]
    LooksAgain,
    #[error("the process ends")]
    Ends,
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl Collecting {
    pub(super) fn new(
        options: &Options,
        cache_use: Arc<CacheUse>,
        ends: Arc<AtomicBool>,
    ) -> Collecting {
        Collecting {
            ends,
            socket: options.socket.clone(),
            cache: options.cache.clone(),
            retention: options.retention,
            collection: options.collection.clone(),
            cache_use,
            begun: Instant::now(),
        }
    }

    /// Collects until the process is about to end. Who says so unparks this thread, too.
    pub(super) fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut slices = Slices::new();
        let mut told = String::new();
        loop {
            let stopped = match self.collect(&mut slices, &mut pause) {
                Ok(never) => match never {},
                Err(stopped) => stopped,
            };
            if self.is_ending() {
                return;
            }
            self.cache_use.reads(&stopped.to_string());
            if std::mem::replace(&mut told, stopped.to_string()) != told {
                log::warn!("collects nothing: {stopped}");
            }
            match stopped {
                Stopped::LooksAgain | Stopped::Ends => {}
                Stopped::NothingRecords(reason) => {
                    self.note_stopped(&reason);
                    self.sleep(TRIES_AGAIN);
                }
                // Who holds it may end at any time.
                Stopped::Cache(CacheError::Locked { .. }) => self.sleep(TRIES_AGAIN),
                Stopped::Host(_) | Stopped::Cache(_) => {
                    self.sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Chooses a collector and polls it until that fails. What works makes the next failure the
    /// first, with the pause after it.
    fn collect(
        &self,
        slices: &mut Slices,
        next_pause: &mut Duration,
    ) -> Result<Infallible, Stopped> {
        let choice = self.choose()?;
        let not_from_kernel = self.collect_from_kernel(choice.is_told_to_record)?;
        let nothing = || Stopped::NothingRecords(choice.remark.to_owned());
        let collector = choice.collector.ok_or_else(nothing)?;
        let is_last_resort = self.is_last_resort(&collector);
        if is_last_resort && self.begun.elapsed() < SETTLING {
            let reason = "waiting for osquery's events to start".to_owned();
            return Err(Stopped::NothingRecords(reason));
        }
        let writer = Writer::open(&self.cache, ROLE, self.retention)?.with_batch(BATCH);
        self.cache_use.writes();
        log::info!("collects from {}", collector.name());
        let mut polling = Polling::new(writer, collector, choice.remark);
        polling.warning(&not_from_kernel);
        let interval = self.interval(&mut polling, choice.events_expiry_s);
        let reach = Reach {
            first_s: match polling.collector.is_an_event_table() {
                true => choice.events_expiry_s.unwrap_or_default().max(LEAST_LOOKBACK_S),
                false => self.collection.lookback_s,
            },
            most_s: self.retention.max_age_ms / 1000,
        };
        let mut failures = 0;
        let mut looked = Instant::now();
        // Not at once: after a start the clock may still be wrong, and what is removed is gone.
        let mut removed_expired = Instant::now();
        loop {
            let now_ms = jiff::Timestamp::now().as_millisecond();
            if polling.writer.is_replaced() {
                polling.writer = polling.writer.begin_again(ROLE)?.with_batch(BATCH);
            }
            let mut outcome = Ok(true);
            if removed_expired.elapsed() > REMOVES_EXPIRED {
                outcome =
                    polling.writer.remove_expired(now_ms).map(|_| true).map_err(Stopped::from);
                removed_expired = Instant::now();
            }
            if outcome.is_ok() {
                outcome = polling.poll(&self.socket, slices, reach, now_ms);
            }
            let mut pause = interval;
            match outcome {
                Ok(is_up_to_date) => {
                    *next_pause = FIRST_PAUSE;
                    if std::mem::take(&mut failures) > 0 {
                        log::info!("collects from {} again", polling.collector.name());
                    }
                    if !is_up_to_date {
                        pause = CATCH_UP_PAUSE;
                    }
                }
                Err(Stopped::Host(error)) => {
                    failures += 1;
                    slices.failed();
                    polling.has_failed(&error, now_ms)?;
                    if failures >= FAILURES {
                        return Err(error.into());
                    }
                    log::warn!("a poll of {} failed: {error}", polling.collector.name());
                    pause = FIRST_PAUSE * failures;
                }
                Err(Stopped::Cache(error)) if error.is_damage() => {
                    polling.writer = polling.writer.replace_damaged(&error)?.with_batch(BATCH);
                }
                Err(stopped) => return Err(stopped),
            }
            if let Err(error) = self.rest(&mut polling.writer, pause) {
                match error.is_damage() {
                    true => {
                        polling.writer = polling.writer.replace_damaged(&error)?.with_batch(BATCH);
                    }
                    false => return Err(error.into()),
                }
            }
            if self.is_ending() {
                return Err(Stopped::Ends);
            }
            if is_last_resort && looked.elapsed() > LOOKS_AGAIN {
                looked = Instant::now();
                let better = self.choose()?.collector;
                if better.is_some_and(|better| !self.is_last_resort(&better)) {
                    return Err(Stopped::LooksAgain);
                }
            }
        }
    }

    /// Collects from the kernel until the process ends, where that is possible and nobody has named
    /// another source; else says why it is not possible, '' if that was not asked for.
    #[cfg(target_os = "linux")]
    fn collect_from_kernel(&self, is_told_to_record: bool) -> Result<String, Stopped> {
        let journal = match &self.collection.source {
            CollectionSource::Kernel(source) => source.open().map_err(|reason| {
                Stopped::NothingRecords(format!(
                    "collector.source is '{}': {reason}",
                    source.name()
                ))
            })?,
            CollectionSource::Table(collector::Source::Auto) if is_told_to_record => {
                match open_first() {
                    Ok(journal) => journal,
                    Err(reason) => return Ok(reason.to_string()),
                }
            }
            _ => return Ok(String::new()),
        };
        let writer = Writer::open(&self.cache, ROLE, self.retention)?;
        self.cache_use.writes();
        log::info!("collects from {}", journal.name());
        match collect(journal, writer, &mut || !self.is_ending()) {
            Ok(_) => Err(Stopped::Ends),
            Err(ReadError::Sink(error)) => Err(error.into()),
            Err(error @ ReadError::Kernel(_)) => Err(Stopped::NothingRecords(error.to_string())),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn collect_from_kernel(&self, _is_told_to_record: bool) -> Result<String, Stopped> {
        match &self.collection.source {
            CollectionSource::Kernel(source) => Err(Stopped::NothingRecords(format!(
                "collector.source is '{}', which only Linux has",
                source.name()
            ))),
            _ => Ok(String::new()),
        }
    }

    fn is_ending(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// Waits for the next poll, and meanwhile goes on with the upgrade of the cache, if there is one.
    fn rest(&self, writer: &mut Writer, pause: Duration) -> Result<(), CacheError> {
        let end = Instant::now() + pause;
        let left = || end.saturating_duration_since(Instant::now());
        while !self.is_ending() && !left().is_zero() && writer.continue_upgrade(UPGRADE_SLICE)? {
            self.sleep(CATCH_UP_PAUSE.min(left()));
        }
        self.sleep(left());
        Ok(())
    }

    /// Sleeps, but not longer than the process lives.
    fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.is_ending()
            && let Some(rest) = until.checked_duration_since(Instant::now())
        {
            thread::park_timeout(rest);
        }
    }

    /// Whether it was chosen, not named.
    fn is_last_resort(&self, collector: &Collector) -> bool {
        let is_chosen = self.collection.source == CollectionSource::Table(collector::Source::Auto);
        is_chosen && collector.sees_only_the_present()
    }

    fn choose(&self) -> Result<Choice, Stopped> {
        let (collector, remark) = match &self.collection.source {
            CollectionSource::Table(source) => {
                let mut osquery = Osquery::connect(&self.socket)?;
                return Ok(collector::choose(*source, &mut osquery)?);
            }
            CollectionSource::Nothing => (None, "collector.source is 'none'"),
            CollectionSource::Kernel(_) => (None, ""),
            CollectionSource::Sql(sql) => {
                let sql = SqlSource::new(sql, self.collection.overlap_s);
                let sql = sql.map_err(|error| HostError(error.to_string()))?;
                (Some(Collector::Sql(sql)), "")
            }
            CollectionSource::Sophos => {
                (Some(Collector::Sql(SqlSource::sophos(self.collection.overlap_s))), "")
            }
        };
        Ok(Choice { collector, remark, events_expiry_s: None, is_told_to_record: true })
    }

    /// Between two polls: often enough that osquery has not forgotten what was between them.
    fn interval(&self, polling: &mut Polling, events_expiry_s: Option<i64>) -> Duration {
        const LEAST_S: u64 = 5;
        let (true, Some(expiry_s)) = (polling.collector.is_an_event_table(), events_expiry_s)
        else {
            return self.collection.poll;
        };
        let half_s = expiry_s.unsigned_abs() / 2;
        if half_s < LEAST_S {
            polling.warning(&format!(
                "events may be lost, because osquery forgets them after {expiry_s} s \
                 (--events_expiry)"
            ));
        }
        self.collection.poll.min(Duration::from_secs(half_s.max(LEAST_S)))
    }

    /// Says in the cache, if there is one that nobody else fills, that nothing is collected.
    fn note_stopped(&self, reason: &str) {
        let noted = match self.cache.try_exists() {
            Ok(true) => Writer::open(&self.cache, ROLE, self.retention)
                .and_then(|mut writer| writer.stop_sources(reason)),
            _ => Ok(()),
        };
        if let Err(error) = noted {
            log::debug!("{error}");
        }
    }
}
