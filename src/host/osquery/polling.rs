//! One poll: a slice of the collector's events into the cache, in one transaction with where it
//! ended.
//!
//! When to poll, and what to do when it fails, is decided in `collection`.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::collection::Stopped;
use super::manager::{Manager, ManagerError};
use super::slices::{Reach, Slices};
use super::stream::open;
use crate::beacon::Window;
use crate::cache::{CacheError, Pass, PassOutcome, Writer, shortest_period_s};
use crate::journal::Rejection;
use crate::journal::collector::{CollectError, Collector, Host, HostError, Row};

/// Between two parts of an answer; osquery may have to read much before the first.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);
/// A row of osquery's own tables may be dated so much after now...
const AHEAD_MS: i64 = 10 * 60_000;
/// ... and one that a query has from elsewhere, whose clock may be another.
const AHEAD_ELSEWHERE_MS: i64 = 86_400_000;

/// A collector at work.
pub(super) struct Polling {
    pub(super) writer: Writer,
    pub(super) collector: Collector,
    /// What speaks against the collector, until it delivers; '' if nothing does.
    remark: String,
    /// What is to be known of it besides.
    warning: String,
}

impl Polling {
    /// What is said of the last resort holds whatever it delivers.
    pub(super) fn new(writer: Writer, collector: Collector, said: &str) -> Polling {
        let (mut remark, mut warning) = (said.to_owned(), String::new());
        if collector.sees_only_the_present() {
            std::mem::swap(&mut remark, &mut warning);
        }
        Polling { writer, collector, remark, warning }
    }

    /// Adds to what is to be known of it; '' adds nothing.
    pub(super) fn warning(&mut self, warning: &str) {
        if !warning.is_empty() && !self.warning.is_empty() {
            self.warning.push_str("; ");
        }
        self.warning.push_str(warning);
    }

    /// Collects the next slice; gives whether it reached up to now.
    pub(super) fn poll(
        &mut self,
        socket: &Path,
        slices: &mut Slices,
        reach: Reach,
        now_ms: i64,
    ) -> Result<bool, Stopped> {
        let Polling { writer, collector, remark, warning } = self;
        let cursor = writer.cursor()?;
        let now_s = now_ms.div_euclid(1000);
        let slice = slices.next(collector, cursor.as_ref(), reach, now_s);
        let mut osquery = Osquery::connect(socket)?;
        let mut last_error = String::new();
        let ahead_ms = match collector.is_an_event_table() {
            true => AHEAD_MS,
            false => AHEAD_ELSEWHERE_MS,
        };
        writer.refuse_after(now_ms.saturating_add(ahead_ms));
        let mut pass = Pass::new(writer, |rejection: Rejection| {
            last_error = format!("a row was rejected: {}", rejection.reason);
            log::debug!("row {} rejected: {}", rejection.line, rejection.reason);
        });
        let collected = collector.collect(slice, &mut osquery, &mut pass);
        let delivered = match collected {
            Ok(delivered) => delivered,
            Err(CollectError::Host(error)) => {
                writer.abandon_pass()?;
                return Err(error.into());
            }
            Err(CollectError::Sink(error)) => return Err(error.into()),
        };
        if delivered.connections > 0 {
            remark.clear();
        }
        let mut state = if slice.reaches_now { "collecting" } else { "catching up" }.to_owned();
        let blur_s = collector.blur_s();
        let blur = blur_warning(writer, blur_s, now_ms)?;
        for said in [&*remark, &*warning, &blur].into_iter().filter(|said| !said.is_empty()) {
            state = format!("{state}; {said}");
        }
        let counts = writer.end_pass(&PassOutcome {
            source: collector.name(),
            state: &state,
            now_ms,
            rejected: delivered.rejected,
            last_error: &last_error,
            // The second of now is not over yet.
            cursor_s: Some(slice.to_s.min(now_s)),
            blur_s,
        })?;
        log::debug!(
            "{}: {} connections of {} to {}, {} new",
            collector.name(),
            delivered.connections,
            slice.from_s,
            slice.to_s,
            counts.added
        );
        slices.held(delivered.connections, slice.reaches_now);
        Ok(slice.reaches_now)
    }

    /// Notes a failed poll for `beacon_status`.
    pub(super) fn has_failed(&mut self, error: &HostError, now_ms: i64) -> Result<(), CacheError> {
        let outcome = PassOutcome {
            source: self.collector.name(),
            state: "failing",
            now_ms,
            rejected: 0,
            last_error: &error.0,
            cursor_s: None,
            blur_s: None,
        };
        self.writer.end_pass(&outcome).map(drop)
    }
}

/// What is to be known of a source whose times are of batches; '' if they were not within a day.
fn blur_warning(writer: &Writer, now_s: Option<u32>, now_ms: i64) -> Result<String, CacheError> {
    const DAY_MS: i64 = 86_400_000;
    let known_s = writer.blur_s(Window { since_ms: now_ms - DAY_MS, until_ms: now_ms })?;
    let Some(blur_s) = now_s.max(known_s) else {
        return Ok(String::new());
    };
    let shortest_s = shortest_period_s(blur_s);
    Ok(format!(
        "times are of batches up to {blur_s} s apart: rhythms under {shortest_s} s cannot be seen"
    ))
}

/// osquery, on one connection after the other: one whose answer was not read to its end is of no more
/// use.
pub(super) struct Osquery {
    socket: PathBuf,
    connection: Option<Manager<UnixStream>>,
}

impl Osquery {
    pub(super) fn connect(socket: &Path) -> Result<Osquery, HostError> {
        let connection = open(socket, QUERY_TIMEOUT).map_err(host_error)?;
        Ok(Osquery { socket: socket.to_owned(), connection: Some(connection) })
    }
}

impl Host for Osquery {
    fn query(&mut self, sql: &str, on_row: &mut dyn FnMut(&Row)) -> Result<(), HostError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => open(&self.socket, QUERY_TIMEOUT).map_err(host_error)?,
        };
        let answered = connection.query(sql, on_row);
        if matches!(answered, Ok(()) | Err(ManagerError::Refused(_))) {
            self.connection = Some(connection);
        }
        answered.map_err(host_error)
    }
}

fn host_error(error: ManagerError) -> HostError {
    HostError(error.to_string())
}
