//! The one writer: takes events, and merges them into blocks in batches of one transaction each.
//!
//! A pass is one file or one poll. Events wait in memory until there are many, so that a group's
//! last block is rewritten seldom; what is committed can be read at once. After an error the
//! writer must be dropped: what it remembers may not be in the file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection as Database;

use super::batch::Batch;
use super::block_update::{PassState, update_blocks};
use super::clock::{DAY_MS, WatchedClock};
use super::duplicates::Incoming;
use super::group_row::GroupKey;
use super::identity::Identity;
use super::instances::{Instances, Place};
use super::lock::WriterLock;
use super::moved_aside::{MovedAside, move_aside};
use super::names::{self, Names};
use super::{claims, eviction, retention};
use crate::beacon::Window;
use crate::cache::format::block::Connection;
use crate::cache::format::schema::{self, Durability};
use crate::cache::format::upgrade::SketchRebuild;
use crate::cache::{CacheError, Cursor, PassOutcome, Retention, blur, location, sources};
use crate::journal::{ConnectionEvent, Process, ProcessEvent};
use crate::words;

/// The number of connections in one transaction unless told otherwise: some 44 MB of memory.
const BATCH: usize = 1 << 20;
/// Of the connections in a batch no more than one in so many may begin a group: groups take more.
const CONNECTIONS_PER_GROUP: usize = 8;
const FEW_GROUPS: usize = 16;
/// No more than one part in so many of what the cache may hold is written in one transaction as command
/// lines.
const TEXT_SHARE: u64 = 16;

/// What a pass did to the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassCounts {
    /// Connections that were new.
    pub added: u64,
    /// Connections that the cache had already.
    pub duplicates: u64,
    /// Connections, of any pass, that had to go to keep the cache within its size.
    pub removed: u64,
    /// Connections that were refused because they are dated after now.
    pub future: u64,
    /// Unix milliseconds of the pass's latest connection.
    pub last_event_ms: Option<i64>,
}

/// The writer of a cache.
pub struct Writer {
    database: Database,
    path: PathBuf,
    retention: Retention,
    names: Names,
    instances: Instances,
    waiting: Batch,
    batch: usize,
    counts: PassCounts,
    in_transaction: bool,
    /// Of the names that were there before the transaction, the latest.
    latest_name: u32,
    /// Whether this pass has committed a batch already, so that there may be claims.
    has_claims: bool,
    /// What is dated later is refused.
    latest_ms: i64,
    clock: WatchedClock,
    /// When connections were last removed by their age, or the writer was opened.
    watched: Instant,
    /// `None` once all sketches are of this version.
    sketch_rebuild: Option<SketchRebuild>,
    lock: Option<WriterLock>,
    identity: Identity,
}

impl Writer {
    /// Opens the cache at `path`, creating it where there is none. `role` is what other writers
    /// are told. A damaged file is moved aside first.
    pub fn open(path: &Path, role: &str, retention: Retention) -> Result<Writer, CacheError> {
        location::create_folder(path).map_err(|error| location::refused(path, error))?;
        let lock = WriterLock::take(path, role)?;
        match schema::open_to_write(path, Durability::Kept, lock.was_there()) {
            Ok(database) => Writer::new(database, path, retention, Some(lock)),

            Err(error) if error.is_damage() => {
                Writer::begin_anew(path, retention, lock, &MovedAside::Damaged(error.to_string()))
            }
            Err(CacheError::Newer { found, .. }) => {
                Writer::begin_anew(path, retention, lock, &MovedAside::Newer { format: found })
            }
            Err(error) => {
                lock.withdraw();
                Err(error.at(path))
            }
        }
    }

    /// A cache at `path` that lives as long as this process needs it.
    pub fn temporary(path: &Path, retention: Retention) -> Result<Writer, CacheError> {
        Writer::new(
            schema::open_to_write(path, Durability::Temporary, false)?,
            path,
            retention,
            None,
        )
    }

    /// Whether the file or its log has been removed, moved or replaced since it was opened, so that what
    /// is written would be lost.
    pub fn is_replaced(&self) -> bool {
        self.lock.is_some() && Identity::of(&self.path).differs_from(&self.identity)
    }

    /// Leaves a file that [`Writer::is_replaced`], and goes on with what lies at its path, or with a new
    /// cache; says so. What waits is lost.
    pub fn begin_again(self, role: &str) -> Result<Writer, CacheError> {
        let Writer { database, path, retention, lock, batch, .. } = self;
        drop(database);
        drop(lock);
        let message = "the cache was removed or replaced while it was written";
        log::warn!("{message}: {}", path.display());
        let writer = Writer::open(&path, role, retention)?.with_batch(batch);
        let outcome = PassOutcome {
            source: "cache",
            state: "begun anew",
            now_ms: jiff::Timestamp::now().as_millisecond(),
            rejected: 0,
            last_error: message,
            cursor_s: None,
            blur_s: None,
        };
        sources::record(&outcome, &PassCounts::default(), &writer.database)?;
        Ok(writer)
    }

    /// Moves the file aside after `error` showed that it is damaged, and begins a new one.
    pub fn replace_damaged(self, error: &CacheError) -> Result<Writer, CacheError> {
        let Writer { database, path, retention, lock, batch, .. } = self;
        drop(database);
        match lock {
            Some(lock) => {
                let why = MovedAside::Damaged(error.to_string());
                let anew = Writer::begin_anew(&path, retention, lock, &why)?;
                Ok(anew.with_batch(batch))
            }
            None => Err(CacheError::Damaged { path, reason: error.to_string() }),
        }
    }

    fn begin_anew(
        path: &Path,
        retention: Retention,
        lock: WriterLock,
        why: &MovedAside,
    ) -> Result<Writer, CacheError> {
        let now = jiff::Timestamp::now();
        let moved = move_aside(path, why.suffix(), now.as_second())?;
        let message = why.message(&moved);
        log::warn!("{message}");
        let database = schema::open_to_write(path, Durability::Kept, true)?;
        let outcome = PassOutcome {
            source: "cache",
            state: "begun anew",
            now_ms: now.as_millisecond(),
            rejected: 0,
            last_error: &message,
            cursor_s: None,
            blur_s: None,
        };
        sources::record(&outcome, &PassCounts::default(), &database)?;
        Writer::new(database, path, retention, Some(lock))
    }

    fn new(
        database: Database,
        path: &Path,
        retention: Retention,
        lock: Option<WriterLock>,
    ) -> Result<Writer, CacheError> {
        claims::prepare(&database)?;
        let sketch_rebuild = SketchRebuild::needed(&database)?;
        if sketch_rebuild.is_some() {
            log::info!("sketches in the cache are of another version, and are made anew");
        }
        Ok(Writer {
            database,
            path: path.to_owned(),
            retention,
            names: Names::default(),
            instances: Instances::default(),
            waiting: Batch::default(),
            batch: BATCH,
            counts: PassCounts::default(),
            in_transaction: false,
            latest_name: 0,
            has_claims: false,
            latest_ms: i64::MAX,
            clock: WatchedClock::default(),
            watched: Instant::now(),
            sketch_rebuild,
            lock,
            identity: Identity::of(path),
        })
    }

    /// The same with this number of connections in one transaction, to take less memory.
    pub fn with_batch(mut self, connections: usize) -> Writer {
        self.batch = connections.max(1);
        self
    }

    /// Refuses connections after this unix millisecond from now on; what there is of such goes before
    /// anything else. Unless told, every time is taken: a file may be of any.
    pub fn refuse_after(&mut self, latest_ms: i64) {
        self.latest_ms = latest_ms;
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a connection of the pass.
    pub fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), CacheError> {
        if event.time_ms > self.latest_ms {
            self.counts.future += 1;
            return Ok(());
        }
        self.begin()?;
        let database = &self.database;
        let place = place(&mut self.names, event.host, &event.process, database)?;
        let key = GroupKey {
            host: place.host,
            pathname: place.pathname,
            destination: self.names.id(event.destination, database)?,
            port: event.port,
            protocol: event.protocol,
        };
        let connection = Connection {
            time_ms: event.time_ms,
            instance: self.instances.connected(place, &event.process, event.time_ms, database)?,
            domain: self.names.domain(event.domain, event.time_ms, database)?,
            bytes_sent: event.bytes_sent,
            bytes_received: event.bytes_received,
        };
        self.counts.last_event_ms = self.counts.last_event_ms.max(Some(event.time_ms));
        let incoming = Incoming { connection, record_id: event.record_id };
        self.waiting.push(key, event.destination, &incoming);
        self.flush_if_full()
    }

    /// Takes what the pass tells of a process.
    pub fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), CacheError> {
        if event.process.pid.is_none() {
            return Ok(()); // it could not be told from others
        }
        self.begin()?;
        let place = place(&mut self.names, event.host, &event.process, &self.database)?;
        self.instances.started(place, &event.process, &self.database)?;
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> Result<(), CacheError> {
        if self.waiting.len() < self.batch
            && self.waiting.groups() <= self.batch / CONNECTIONS_PER_GROUP + FEW_GROUPS
            && self.instances.text_bytes() < self.retention.max_bytes / TEXT_SHARE
        {
            return Ok(());
        }
        self.merge_waiting(true)?;
        self.commit()?;
        self.keep_within_size()
    }

    /// Ends the pass: its last events, and what `outcome` says of it, in one transaction.
    pub fn end_pass(&mut self, outcome: &PassOutcome<'_>) -> Result<PassCounts, CacheError> {
        self.begin()?;
        self.merge_waiting(false)?;
        let refused = self.refused();
        let outcome = match refused.as_str() {
            "" => *outcome,
            refused => PassOutcome {
                rejected: outcome.rejected + self.counts.future,
                last_error: refused,
                ..*outcome
            },
        };
        sources::record(&outcome, &self.counts, &self.database)?;
        self.commit()?;
        if self.has_claims {
            claims::clear(&self.database)?;
            self.has_claims = false;
        }
        self.keep_within_size()?;
        Ok(std::mem::take(&mut self.counts))
    }

    /// What is said of connections that this pass has refused; '' if there are none.
    fn refused(&self) -> String {
        match self.counts.future {
            0 => String::new(),
            1 => format!(
                "1 connection is dated after {}, and was refused",
                words::time(self.latest_ms)
            ),
            many => format!(
                "{} are dated after {}, and were refused",
                words::count(many, "connection"),
                words::time(self.latest_ms)
            ),
        }
    }

    /// Drops what the pass has not yet committed, after its source failed. Connections that are
    /// committed stay: read again, they count once.
    pub fn abandon_pass(&mut self) -> Result<(), CacheError> {
        if self.in_transaction {
            self.database.execute_batch("ROLLBACK")?;
            self.in_transaction = false;
        }
        claims::clear(&self.database)?;
        self.has_claims = false;
        self.waiting.clear();
        self.counts = PassCounts::default();
        self.forget();
        Ok(())
    }

    /// Goes on for about `budget` with what an upgrade leaves to be done, if this is between two passes;
    /// gives whether there is more. Until then queries over older blocks take longer.
    pub fn continue_upgrade(&mut self, budget: Duration) -> Result<bool, CacheError> {
        if let Some(rebuild) = self.sketch_rebuild.as_mut().filter(|_| !self.in_transaction)
            && rebuild.continue_for(&mut self.database, budget)?
        {
            log::info!("all sketches in the cache are of this version now");
            self.sketch_rebuild = None;
        }
        Ok(self.sketch_rebuild.is_some())
    }

    /// Where the collection of live sources goes on; `None` if none was collected yet.
    pub fn cursor(&self) -> Result<Option<Cursor>, CacheError> {
        sources::cursor(&self.database)
    }

    /// By how much the times within `window` are off at most, in seconds; see [`Reader::blur_s`].
    ///
    /// [`Reader::blur_s`]: crate::cache::Reader::blur_s
    pub fn blur_s(&self, window: Window) -> Result<Option<u32>, CacheError> {
        blur::largest_s(window, &self.database)
    }

    /// Notes that no live source is collected any more, and why.
    pub fn stop_sources(&mut self, reason: &str) -> Result<(), CacheError> {
        sources::stop(reason, &self.database)
    }

    /// Removes what is older than the retention allows at `now_ms`; gives the connections removed.
    /// For the collecting extension only: a journal from last year is imported to be looked at. A clock
    /// that is suddenly ahead by more than a day has to stay so for a day before anything goes for it.
    pub fn remove_expired(&mut self, now_ms: i64) -> Result<u64, CacheError> {
        let elapsed = std::mem::replace(&mut self.watched, Instant::now()).elapsed();
        // The first time there is only the latest connection to compare with.
        let known_ms = match retention::believed_ms(&self.database)? {
            Some(believed_ms) => believed_ms,
            None => retention::latest_ms(&self.database)?.unwrap_or(now_ms).min(now_ms),
        };
        let believed_ms = self.clock.believed_ms(now_ms, known_ms, elapsed);
        if believed_ms != now_ms {
            log::warn!("the clock has jumped by more than a day: nothing is removed for it yet");
        }
        retention::believe(believed_ms, &self.database)?;
        let future_ms = self.future_ms()?.max(now_ms.saturating_add(DAY_MS));
        let now_ms = believed_ms.min(now_ms);
        let removed = retention::by_age(&mut self.database, &self.retention, now_ms, future_ms)?;
        if removed > 0 {
            self.forget();
        }
        Ok(removed)
    }

    fn keep_within_size(&mut self) -> Result<(), CacheError> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let future_ms = self.future_ms()?;
        let Writer { database, retention, .. } = self;
        if let Some(removed) = eviction::by_size(database, retention, future_ms, now_ms)? {
            self.forget();
            self.counts.removed += removed;
        }
        Ok(())
    }

    /// What is dated later is from the future, whatever the clock shows now. Nothing is, unless told
    /// what to refuse, and before a clock has been believed.
    fn future_ms(&self) -> Result<i64, CacheError> {
        let believed_ms = retention::believed_ms(&self.database)?;
        let day_after = believed_ms.map_or(i64::MAX, |ms| ms.saturating_add(DAY_MS));
        Ok(day_after.max(self.latest_ms))
    }

    /// Row ids in memory may be gone from the file after a removal or a rollback.
    fn forget(&mut self) {
        self.names = Names::default();
        self.instances = Instances::default();
    }

    fn begin(&mut self) -> Result<(), CacheError> {
        if !self.in_transaction {
            self.database.execute_batch("BEGIN IMMEDIATE")?;
            self.in_transaction = true;
            self.latest_name = names::latest(&self.database)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), CacheError> {
        self.database.execute_batch("COMMIT")?;
        self.in_transaction = false;
        self.instances.committed();
        Ok(())
    }

    /// Merges what waits into its groups, inside the transaction.
    fn merge_waiting(&mut self, pass_goes_on: bool) -> Result<(), CacheError> {
        self.names.save(&self.database)?;
        self.instances.save(&self.database)?;
        let Writer { waiting, instances, database, counts, has_claims, latest_name, .. } = self;
        let pass =
            PassState { has_claims: *has_claims, goes_on: pass_goes_on, latest_name: *latest_name };
        waiting.take(|key, scope, incoming| {
            let pid = |id| instances.pid(id, database);
            let merged = update_blocks(key, scope, incoming, pass, database, pid)?;
            counts.added += merged.added;
            counts.duplicates += merged.duplicates;
            Ok::<_, CacheError>(())
        })?;
        *has_claims |= pass_goes_on;
        let latest = "UPDATE latest SET last_ms = ?1 WHERE last_ms IS NULL OR last_ms < ?1";
        database.prepare_cached(latest)?.execute([counts.last_event_ms])?;
        Ok(())
    }
}

fn place(
    names: &mut Names,
    host: &str,
    process: &Process<'_>,
    database: &Database,
) -> Result<Place, CacheError> {
    let host = names.id(host, database)?;
    let (spelling, pathname) = names.pathname(process.pathname, database)?;
    Ok(Place { host, pathname, spelling })
}
