//! Fills the cache from osquery for as long as the extension runs: chooses a collector, polls it,
//! and starts over with patience when something fails.
//!
//! One thread, apart from those that answer queries; the collectors decide which rows
//! are connections.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::polling::{Osquery, Polling};
use super::registration::Registration;
use super::slices::{Reach, Slices};
use super::supervisor::Options;
use crate::cache::{self, CacheError, Retention, Writer};
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
/// How often to look for another collector where there was none.
const TRIES_AGAIN: Duration = Duration::from_secs(30);
/// How often to look whether another has given up the cache.
const LOOKS_FOR_THE_LOCK: Duration = Duration::from_millis(500);
/// After this many failures in a row the choice is made anew.
const FAILURES: u32 = 3;
const REMOVES_EXPIRED: Duration = Duration::from_secs(3600);
/// Connections in memory; a slice has seldom more.
const BATCH: usize = 1 << 15;

/// Collection, ready to run.
pub(super) struct Collecting {
    socket: PathBuf,
    cache: PathBuf,
    retention: Retention,
    collection: Collection,
    cache_use: Arc<CacheUse>,
    registration: Arc<Registration>,
    begun: Instant,
}

/// Why collection pauses.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("{0}")]
    NothingRecords(String),
    #[error("another source may record by now")]
    LooksAgain,
    #[error("waiting for osquery's events to start")]
    Settling,
    #[error("osquery has another extension of our name")]
    NotRegistered,
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// What the log says of collection: each change once.
#[derive(Default)]
struct Told {
    /// What collection is from, or why there is none.
    last: String,
    /// Whether osquery had not answered.
    was_silent: bool,
}

impl Told {
    /// It goes on.
    fn collects(&mut self, source: &str) {
        let now = format!("collects from {source}");
        let again =
            if std::mem::take(&mut self.was_silent) { "osquery answers again: " } else { "" };
        if self.changes_to(&now) {
            log::info!("{again}{now}");
        }
    }

    /// It does not, for now.
    fn stopped(&mut self, stopped: &Stopped) {
        self.was_silent |= matches!(stopped, Stopped::Host(_));
        let now = format!("collects nothing: {stopped}");
        if !self.changes_to(&now) {
            return;
        }
        match stopped {
            // It happens at every start, and goes by.
            Stopped::Settling | Stopped::LooksAgain => log::debug!("{now}"),
            // As configured, or as it is beside another extension.
            Stopped::NothingRecords(_)
            | Stopped::NotRegistered
            | Stopped::Cache(CacheError::Locked { .. }) => log::info!("{now}"),
            Stopped::Host(_) | Stopped::Cache(_) => log::warn!("{now}"),
        }
    }

    fn changes_to(&mut self, now: &str) -> bool {
        std::mem::replace(&mut self.last, now.to_owned()) != now
    }
}

impl Collecting {
    pub(super) fn new(
        options: &Options,
        cache_use: Arc<CacheUse>,
        registration: Arc<Registration>,
    ) -> Collecting {
        Collecting {
            socket: options.socket.clone(),
            cache: options.cache.clone(),
            retention: options.retention,
            collection: options.collection.clone(),
            cache_use,
            registration,
            begun: Instant::now(),
        }
    }

    /// Collects until the process is about to end, while osquery has us registered: another extension
    /// of our name fills the cache otherwise.
    pub(super) fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut slices = Slices::new();
        let mut told = Told::default();
        loop {
            self.registration.wait();
            if self.registration.has_ended() {
                return;
            }
            let stopped = match self.collect(&mut slices, &mut pause, &mut told) {
                Ok(never) => match never {},
                Err(stopped) => stopped,
            };
            self.cache_use.reads(&stopped.to_string());
            told.stopped(&stopped);
            let pause = match stopped {
                Stopped::LooksAgain | Stopped::NotRegistered => Duration::ZERO,
                Stopped::Settling => TRIES_AGAIN,
                Stopped::NothingRecords(reason) => {
                    self.note_stopped(&reason);
                    TRIES_AGAIN
                }
                // Who holds it may end at any time.
                Stopped::Cache(CacheError::Locked { .. }) => {
                    while cache::is_being_written(&self.cache)
                        && self.registration.holds_for(LOOKS_FOR_THE_LOCK)
                    {}
                    Duration::ZERO
                }
                Stopped::Host(_) | Stopped::Cache(_) => {
                    let this = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    this
                }
            };
            self.registration.holds_for(pause);
        }
    }

    /// Chooses a collector and polls it until that fails. What works makes the next failure the
    /// first, with the pause after it.
    fn collect(
        &self,
        slices: &mut Slices,
        next_pause: &mut Duration,
        told: &mut Told,
    ) -> Result<Infallible, Stopped> {
        let choice = self.choose()?;
        let not_from_kernel = self.collect_from_kernel(choice.is_told_to_record, told)?;
        let nothing = || Stopped::NothingRecords(choice.remark.to_owned());
        let collector = choice.collector.ok_or_else(nothing)?;
        let is_last_resort = self.is_last_resort(&collector);
        if is_last_resort && self.begun.elapsed() < SETTLING {
            return Err(Stopped::Settling);
        }
        let writer = Writer::open(&self.cache, ROLE, self.retention)?.with_batch(BATCH);
        self.cache_use.writes();
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
                polling.writer = polling.writer.begin_again(ROLE)?;
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
                    failures = 0;
                    told.collects(polling.collector.name());
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
                    told.stopped(&error.into());
                    pause = FIRST_PAUSE * failures;
                }
                Err(Stopped::Cache(error)) if error.is_damage() => {
                    polling.writer = polling.writer.replace_damaged(&error)?;
                }
                Err(stopped) => return Err(stopped),
            }
            match self.rest(&mut polling.writer, pause) {
                Ok(true) => {}
                Ok(false) => return Err(Stopped::NotRegistered),
                Err(error) if error.is_damage() => {
                    polling.writer = polling.writer.replace_damaged(&error)?;
                }
                Err(error) => return Err(error.into()),
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

    /// Collects from the kernel while osquery has us registered, where that is possible and nobody has
    /// named another source; else says why it is not possible, '' if that was not asked for.
    #[cfg(target_os = "linux")]
    fn collect_from_kernel(
        &self,
        is_told_to_record: bool,
        told: &mut Told,
    ) -> Result<String, Stopped> {
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
        told.collects(journal.name());
        match collect(journal, writer, &mut || self.registration.holds_for(Duration::ZERO)) {
            Ok(_) => Err(Stopped::NotRegistered),
            Err(ReadError::Sink(error)) => Err(error.into()),
            Err(error @ ReadError::Kernel(_)) => Err(Stopped::NothingRecords(error.to_string())),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn collect_from_kernel(
        &self,
        _is_told_to_record: bool,
        _told: &mut Told,
    ) -> Result<String, Stopped> {
        match &self.collection.source {
            CollectionSource::Kernel(source) => Err(Stopped::NothingRecords(format!(
                "collector.source is '{}', which only Linux has",
                source.name()
            ))),
            _ => Ok(String::new()),
        }
    }

    /// Waits for the next poll, and meanwhile goes on with the upgrade of the cache, if there is one;
    /// gives whether to go on.
    fn rest(&self, writer: &mut Writer, pause: Duration) -> Result<bool, CacheError> {
        let end = Instant::now() + pause;
        let left = || end.saturating_duration_since(Instant::now());
        while !left().is_zero() && writer.continue_upgrade(UPGRADE_SLICE)? {
            if !self.registration.holds_for(CATCH_UP_PAUSE.min(left())) {
                return Ok(false);
            }
        }
        Ok(self.registration.holds_for(left()))
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
