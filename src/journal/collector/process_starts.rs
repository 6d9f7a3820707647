//! When processes started: of those that still run from `processes`, of the others from the table
//! of process events, if osquery records those.
//!
//! A pid is used again, so a process is found by its pid, its pathname and a time at which it ran.

use std::collections::{BTreeSet, HashMap};

use super::{Host, HostError, Slice};
use crate::journal::FileTime;
use crate::journal::field::Field;
use crate::journal::osquery_event::EventRow;

/// Starts and connections come in whole seconds, and from clocks that are read at other moments.
const SLACK_MS: i64 = 2_000;
/// osquery reads /proc for each pid that it is asked for; of more, process events have to tell.
const ASKED_PIDS: usize = 500;

/// What is known of a process.
pub(super) struct ProcessStart {
    pub(super) pathname: String,
    pub(super) start: FileTime,
    pub(super) cmdline: String,
    still_runs: bool,
}

/// What is known of processes, by pid.
pub(super) struct ProcessStarts(HashMap<u32, Vec<ProcessStart>>);

impl ProcessStarts {
    /// Asks for the processes of `pids` that ran in `slice`, whose starts `events_table` may have.
    pub(super) fn ask(
        pids: &BTreeSet<u32>,
        events_table: &str,
        slice: Slice,
        host: &mut dyn Host,
    ) -> Result<ProcessStarts, HostError> {
        let mut starts = ProcessStarts::ask_running(pids, host)?;
        if pids.is_empty() {
            return Ok(starts);
        }
        let sql = format!(
            "SELECT time, pid, path, cmdline FROM {events_table} WHERE time >= {} AND time < {}",
            slice.from_s, slice.to_s
        );
        let asked = host.query(&sql, &mut |row| {
            // What is no process start here is of no use.
            let _ = EventRow::from_columns(row).with_process(|process| {
                if let (Some(pid), Some(start)) = (process.pid, process.start)
                    && pids.contains(&pid)
                {
                    let (pathname, cmdline) = (process.pathname.into(), process.cmdline.into());
                    starts.note(pid, ProcessStart { pathname, start, cmdline, still_runs: false });
                }
            });
        });
        if let Err(error) = asked {
            // Older osqueries have no such table; what still runs is worth having.
            log::debug!("{events_table}: {error}");
        }
        Ok(starts)
    }

    /// Asks for those of `pids` that still run.
    pub(super) fn ask_running(
        pids: &BTreeSet<u32>,
        host: &mut dyn Host,
    ) -> Result<ProcessStarts, HostError> {
        let mut starts = ProcessStarts(HashMap::new());
        if pids.is_empty() {
            return Ok(starts);
        }
        let asked: Vec<_> = pids.iter().rev().take(ASKED_PIDS).map(u32::to_string).collect();
        let sql = format!(
            "SELECT pid, path, cmdline, start_time FROM processes WHERE pid IN ({})",
            asked.join(",")
        );
        host.query(&sql, &mut |row| {
            let text = |name: &str| row.get(name).map_or("", String::as_str);
            let start_time = Field::Text(text("start_time").into()).process_start();
            if let (Ok(pid), Ok(Some(start))) = (text("pid").parse(), start_time) {
                let (pathname, cmdline) = (text("path").into(), text("cmdline").into());
                starts.note(pid, ProcessStart { pathname, start, cmdline, still_runs: true });
            }
        })?;
        Ok(starts)
    }

    fn note(&mut self, pid: u32, process: ProcessStart) {
        self.0.entry(pid).or_default().push(process);
    }

    /// The process of this pid that still runs.
    pub(super) fn running(&self, pid: u32) -> Option<&ProcessStart> {
        self.0.get(&pid)?.iter().find(|process| process.still_runs)
    }

    /// The process of this pid and pathname that ran at `time_ms`. One that still runs is told by
    /// its own start alone: a later exec of it is another name for the same process.
    pub(super) fn of(
        &self,
        pid: Option<u32>,
        pathname: &str,
        time_ms: i64,
    ) -> Option<&ProcessStart> {
        let had_started = |process: &&ProcessStart| {
            process.pathname == pathname && process.start.unix_ms() <= time_ms + SLACK_MS
        };
        let processes = self.0.get(&pid?)?;
        let running = processes.iter().filter(had_started).find(|process| process.still_runs);
        running.or_else(|| processes.iter().filter(had_started).max_by_key(|process| process.start))
    }
}
