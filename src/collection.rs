//! Fills a cache from a source in the kernel, for as long as it is told to.
//!
//! Connections are committed in batches. What a batch holds is in the cache exactly once, whenever
//! the process is killed; what came after it is lost with the process.

use std::time::{Duration, Instant};

use crate::cache::{CacheError, Pass, PassOutcome, Writer};
use crate::journal::Rejection;
use crate::journal::kernel::KernelJournal;
use crate::words;

/// A batch is committed when it has so many connections...
const BATCH: u64 = 256;
/// ... or when the batch before is so long ago.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Without connections, `beacon_status` hears of us this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);
/// How often to look for connections that the kernel does not wake us for, and whether to end.
const TICK: Duration = Duration::from_millis(250);
const REMOVES_EXPIRED: Duration = Duration::from_secs(3600);
/// Connections in memory; a batch has seldom many more than `BATCH`.
const MOST_IN_MEMORY: usize = 1 << 13;

/// Collects from `journal` into the cache of `writer` for as long as `goes_on` says, and commits
/// what came last; gives how many connections were new. A cache that turns out to be damaged is
/// moved aside, and a new one begun.
pub fn collect(
    journal: KernelJournal,
    writer: Writer,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<u64, CacheError> {
    let mut writer = writer.with_batch(MOST_IN_MEMORY);
    let mut batch = Batch::new(journal);
    batch.last_error = gap(&writer)?;
    batch.commit(&mut writer)?;
    // Not at once: after a start the clock may still be wrong, and what is removed is gone.
    let mut removed_expired = Instant::now();
    while goes_on() {
        let mut outcome = batch.read(&mut writer);
        if outcome.is_ok() && batch.is_due() {
            outcome = batch.commit(&mut writer);
        }
        if outcome.is_ok() && removed_expired.elapsed() > REMOVES_EXPIRED {
            outcome = writer.remove_expired(now_ms()).map(drop);
            removed_expired = Instant::now();
        }
        match outcome {
            Err(error) if error.is_damage() => {
                writer = writer.replace_damaged(&error)?.with_batch(MOST_IN_MEMORY);
            }
            outcome => outcome?,
        }
    }
    batch.commit(&mut writer)?;
    Ok(batch.added)
}

/// The connections since the last commit.
struct Batch {
    journal: KernelJournal,
    /// Connections that the kernel could not keep, as far as that is told.
    lost: u64,
    committed: Instant,
    connections: u64,
    /// New connections of all batches.
    added: u64,
    rejected: u64,
    last_error: String,
}

impl Batch {
    fn new(journal: KernelJournal) -> Batch {
        Batch {
            journal,
            lost: 0,
            committed: Instant::now(),
            connections: 0,
            added: 0,
            rejected: 0,
            last_error: String::new(),
        }
    }

    fn read(&mut self, writer: &mut Writer) -> Result<(), CacheError> {
        let Batch { journal, last_error, .. } = self;
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

    /// What `beacon_status` says of the connections that the kernel could not keep since the last
    /// commit, if there are any.
    fn tell_lost(&mut self) {
        let lost = self.journal.lost();
        let newly = lost.saturating_sub(std::mem::replace(&mut self.lost, lost));
        if newly > 0 {
            let (newly, time) = (words::count(newly, "connection"), words::time(now_ms()));
            self.last_error =
                format!("{newly} lost by {time}, because they came faster than they were written");
            log::warn!("{}: {}", self.journal.name(), self.last_error);
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
