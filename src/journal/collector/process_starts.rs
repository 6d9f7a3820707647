//! When processes started: of those that still run from `processes`, of the others from the table
//! of process events, if osquery records those.
//!
//! A pid is used again, so a process is found by its pid, its pathname and a time at which it ran.
//! Starts are remembered from slice to slice: a process may connect long after it was started, and
//! have ended by the time that we look.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{Host, HostError, Slice};
use crate::journal::FileTime;
use crate::journal::field::Field;
use crate::journal::osquery_event::EventRow;

/// Starts and connections come in whole seconds, and from clocks that are read at other moments.
const SLACK_MS: i64 = 2_000;
/// osquery reads /proc for each pid that it is asked for; of more, process events have to tell.
const ASKED_PIDS: usize = 500;
/// It is asked for so many at a time, and for so many characters of each command line: anybody may start
/// processes with megabytes of these.
const PIDS_AT_A_TIME: usize = 50;
const ASKED_CMDLINE: usize = 32 << 10;
/// So many seconds of process events before the first slice are read, too.
const LOOKBACK_S: i64 = 3_600;
/// So many started processes are remembered, and so much of a command line.
const KEPT: usize = 20_000;
const KEPT_CMDLINE: usize = 512;

/// What is known of a process.
pub(super) struct ProcessStart {
    pub(super) pathname: String,
    pub(super) start: FileTime,
    pub(super) cmdline: String,
}

/// What is known of processes.
pub(super) struct ProcessStarts {
    events_table: Option<&'static str>,
    /// Up to where that table was read, unix seconds.
    read_to_s: Option<i64>,
    /// From process events, by pid.
    started: HashMap<u32, Vec<ProcessStart>>,
    /// Their pids, in the order in which they were learnt.
    order: VecDeque<u32>,
    /// Those that run now, by pid.
    running: HashMap<u32, ProcessStart>,
}

impl ProcessStarts {
    /// Of a table of process events, and of what runs.
    pub(super) fn of_events(table: &'static str) -> ProcessStarts {
        ProcessStarts { events_table: Some(table), ..ProcessStarts::of_running() }
    }

    /// Of what runs alone.
    pub(super) fn of_running() -> ProcessStarts {
        ProcessStarts {
            events_table: None,
            read_to_s: None,
            started: HashMap::new(),
            order: VecDeque::new(),
            running: HashMap::new(),
        }
    }

    /// Learns what was started in `slice`, and which of `pids` still run.
    pub(super) fn learn(
        &mut self,
        pids: &BTreeSet<u32>,
        slice: Slice,
        host: &mut dyn Host,
    ) -> Result<(), HostError> {
        if let Some(table) = self.events_table {
            self.learn_started(table, slice, host);
        }
        self.learn_running(pids, host)
    }

    fn learn_started(&mut self, table: &str, slice: Slice, host: &mut dyn Host) {
        let from_s = match self.read_to_s {
            Some(read_to_s) => slice.from_s.min(read_to_s),
            None => slice.from_s - LOOKBACK_S,
        };
        let events = Slice { from_s, ..slice };
        let sql = format!(
            "SELECT time, pid, path, substr(cmdline, 1, {KEPT_CMDLINE}) AS cmdline FROM {table} \
             WHERE {}",
            events.of_events()
        );
        let asked = host.query(&sql, &mut |row| {
            // A row that makes no sense says nothing of a start.
            let _ = EventRow::from_columns(row).with_process(|process| {
                if let (Some(pid), Some(start)) = (process.pid, process.start) {
                    let kept = process.cmdline.floor_char_boundary(KEPT_CMDLINE);
                    let cmdline = process.cmdline[..kept].to_owned();
                    let pathname = process.pathname.to_owned();
                    self.note(pid, ProcessStart { pathname, start, cmdline });
                }
            });
        });
        match asked {
            Ok(()) => self.read_to_s = Some(slice.to_s),
            // Older osqueries have no such table; what still runs is worth having.
            Err(error) => log::debug!("{table}: {error}"),
        }
    }

    fn note(&mut self, pid: u32, process: ProcessStart) {
        let of_pid = self.started.entry(pid).or_default();
        let is_known = |known: &ProcessStart| {
            known.start == process.start && known.pathname == process.pathname
        };
        if of_pid.iter().any(is_known) {
            return; // slices overlap
        }
        of_pid.push(process);
        self.order.push_back(pid);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
            && let Some(of_oldest) = self.started.get_mut(&oldest)
        {
            of_oldest.remove(0);
            if of_oldest.is_empty() {
                self.started.remove(&oldest);
            }
        }
    }

    fn learn_running(
        &mut self,
        pids: &BTreeSet<u32>,
        host: &mut dyn Host,
    ) -> Result<(), HostError> {
        self.running.clear();
        if pids.is_empty() {
            return Ok(());
        }
        let pids: Vec<_> = pids.iter().rev().take(ASKED_PIDS).copied().collect();
        let cmdline = format!("substr(cmdline, 1, {ASKED_CMDLINE})");
        for some in pids.chunks(PIDS_AT_A_TIME) {
            if let Err(error) = self.ask_running(some, &cmdline, host) {
                // What cannot be had of one process costs no other its start, nor the slice.
                log::debug!("command lines of processes: {error}");
                self.ask_running(some, "''", host)?;
            }
        }
        Ok(())
    }

    /// Learns which of a few pids still run; `cmdline` is what to ask for as their command lines.
    fn ask_running(
        &mut self,
        pids: &[u32],
        cmdline: &str,
        host: &mut dyn Host,
    ) -> Result<(), HostError> {
        let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
        let sql = format!(
            "SELECT pid, path, {cmdline} AS cmdline, start_time FROM processes WHERE pid IN ({})",
            pids.join(",")
        );
        host.query(&sql, &mut |row| {
            let text = |name: &str| row.get(name).map_or("", String::as_str);
            let start_time = Field::Text(text("start_time").into()).process_start();
            if let (Ok(pid), Ok(Some(start))) = (text("pid").parse(), start_time) {
                let (pathname, cmdline) = (text("path").into(), text("cmdline").into());
                self.running.insert(pid, ProcessStart { pathname, start, cmdline });
            }
        })
    }

    /// The seconds at which process events of `slice` were recorded.
    pub(super) fn recorded_in(&self, slice: Slice) -> impl Iterator<Item = i64> {
        let starts = self.started.values().flatten();
        let seconds = starts.map(|process| process.start.unix_ms().div_euclid(1000));
        seconds.filter(move |second| (slice.from_s..slice.to_s).contains(second))
    }

    /// The process of this pid that still runs.
    pub(super) fn running(&self, pid: u32) -> Option<&ProcessStart> {
        self.running.get(&pid)
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
        let pid = pid?;
        self.running(pid).filter(had_started).or_else(|| {
            let started = self.started.get(&pid)?.iter();
            started.filter(had_started).max_by_key(|process| process.start)
        })
    }
}
