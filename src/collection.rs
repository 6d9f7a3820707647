//! Fills a cache from a source in the kernel, for as long as it is told to.
//!
//! Connections are committed in batches. What a batch holds is in the cache exactly once, whenever
//! the process is killed; what came after it is lost with the process.

use std::time::{Duration, Instant};

use crate::cache::{CacheError, Pass, PassOutcome, Writer};
use crate::journal::Rejection;
use crate::journal::kernel::{KernelJournal, ReadError};
use crate::words;

/// A batch is committed when it has this many connections...
const BATCH: u64 = 256;
/// ... or when this much time has passed since the batch before.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Without connections, `beacon_status` hears of us this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);
/// How often to look for connections that the kernel does not wake us for, and whether to end.
const TICK: Duration = Duration::from_millis(250);
/// What an upgrade of the cache leaves to be done is done for so long at a time.
const UPGRADE_SLICE: Duration = Duration::from_millis(50);
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);
/// What other writers are told of us once a cache was begun again.
const ROLE: &str = "a collection";
const REMOVES_EXPIRED: Duration = Duration::from_secs(3600);
/// A connection may be dated so much after now: its time and ours are of one clock, read twice.
const AHEAD_MS: i64 = 60_000;
/// Connections in memory; a batch has seldom many more than `BATCH`.
const MOST_IN_MEMORY: usize = 1 << 13;

/// Collection came to an end.
pub type CollectionError = ReadError<CacheError>;

/// Collects from `journal` into the cache of `writer` for as long as `goes_on` says, and commits
/// what came last; gives how many connections were new. A cache that turns out to be damaged is
/// moved aside, and a new one begun.
pub fn collect(
    journal: KernelJournal,
    writer: Writer,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<u64, CollectionError> {
    let mut writer = writer.with_batch(MOST_IN_MEMORY);
    let mut batch = Batch::new(journal);
    batch.begin(&mut writer).map_err(ReadError::Sink)?;
    // Not at once: after a start the clock may still be wrong, and what is removed is gone.
    let mut removed_expired = Instant::now();
    let mut is_upgrading = true;
    while goes_on() {
        if writer.is_replaced() {
            writer = writer.begin_again(ROLE).map_err(ReadError::Sink)?;
            batch.begin(&mut writer).map_err(ReadError::Sink)?;
        }
        let mut outcome = batch.read(&mut writer);
        if outcome.is_ok() && batch.is_due() {
            outcome = batch.commit(&mut writer).map_err(ReadError::Sink);
        }
        if outcome.is_ok() && batch.connections == 0 && is_upgrading {
            let going_on = writer.continue_upgrade(UPGRADE_SLICE).map_err(ReadError::Sink);
            outcome = going_on.map(|goes_on| is_upgrading = goes_on);
        }
        if outcome.is_ok() && removed_expired.elapsed() > REMOVES_EXPIRED {
            outcome = writer.remove_expired(now_ms()).map(drop).map_err(ReadError::Sink);
            removed_expired = Instant::now();
        }
        match outcome {
            Err(ReadError::Sink(error)) if error.is_damage() => {
                writer = writer.replace_damaged(&error).map_err(ReadError::Sink)?;
            }
            outcome => outcome?,
        }
    }
    batch.commit(&mut writer).map_err(ReadError::Sink)?;
    Ok(batch.added)
}

/// The connections since the last commit.
struct Batch {
    journal: KernelJournal,
    committed: Instant,
    connections: u64,
    /// New connections of all batches.
    added: u64,
    rejected: u64,
    last_error: String,
    /// When a loss was last logged.
    warned: Option<Instant>,
}

impl Batch {
    fn new(journal: KernelJournal) -> Batch {
        Batch {
            journal,
            committed: Instant::now(),
            connections: 0,
            added: 0,
            rejected: 0,
            last_error: String::new(),
            warned: None,
        }
    }

    /// Says since when connections may be missing.
    fn begin(&mut self, writer: &mut Writer) -> Result<(), CacheError> {
        self.last_error = gap(writer)?;
        self.commit(writer)
    }

    fn read(&mut self, writer: &mut Writer) -> Result<(), CollectionError> {
        let Batch { journal, last_error, .. } = self;
        writer.refuse_after(now_ms().saturating_add(AHEAD_MS));
        let mut pass = Pass::new(writer, |rejection: Rejection| {
            *last_error = format!("a connection was rejected: {}", rejection.reason);
        });
        let delivered = journal.read(TICK, &mut pass)?;
        self.connections += delivered.connections;
        self.rejected += delivered.rejected;
        Ok(())
    }

    fn is_due(&self) -> bool {
        let since = self.committed.elapsed();
        match self.connections {
            0 => since >= SIGN_OF_LIFE,
            BATCH.. => true,
            _ => since >= LONGEST_WAIT,
        }
    }

    fn commit(&mut self, writer: &mut Writer) -> Result<(), CacheError> {
        self.tell_lost();
        let (now_ms, state) = (now_ms(), self.state());
        let counts = writer.end_pass(&PassOutcome {
            source: self.journal.name(),
            state: &state,
            now_ms,
            rejected: std::mem::take(&mut self.rejected),
            last_error: &std::mem::take(&mut self.last_error),
            cursor_s: Some(now_ms.div_euclid(1000)),
            blur_s: None,
        })?;
        log::debug!("{}: {} new connections", self.journal.name(), counts.added);
        self.added += counts.added;
        self.connections = 0;
        self.committed = Instant::now();
        Ok(())
    }

    /// What `beacon_status` says of the source.
    fn state(&self) -> String {
        match self.journal.remark() {
            "" => "collecting".to_owned(),
            remark => format!("collecting; {remark}"),
        }
    }

    /// Tells `beacon_status` of what was lost since the last commit.
    fn tell_lost(&mut self) {
        if let Some(lost) = self.journal.newly_lost() {
            let time = words::time(now_ms());
            self.last_error =
                format!("{lost} by {time}, because they came faster than they were written");
            // A flood loses connections at each commit; beacon_status has the latest.
            if self.warned.is_none_or(|warned| warned.elapsed() > BETWEEN_WARNINGS) {
                log::warn!("{}: {}", self.journal.name(), self.last_error);
                self.warned = Some(Instant::now());
            }
        }
    }
}

/// Says when nothing was collected since an earlier collection, which may have been killed.
fn gap(writer: &Writer) -> Result<String, CacheError> {
    let now_s = now_ms().div_euclid(1000);
    Ok(match writer.cursor()? {
        Some(cursor) if cursor.time_s < now_s => format!(
            "connections from {} to {} may be missing: nobody collected them",
            words::time_of_second(cursor.time_s),
            words::time_of_second(now_s)
        ),
        _ => String::new(),
    })
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
