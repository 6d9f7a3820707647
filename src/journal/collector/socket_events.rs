//! `socket_events` (Linux audit) and `bpf_socket_events`: a row a connect, its time in whole
//! seconds and without the start of its process.
//!
//! The rows of a slice wait until the starts of their processes are known; a start learnt later
//! could name the wrong one of two processes with the same pid.

use super::process_starts::ProcessStarts;
use super::{CollectError, Host, Slice};
use crate::journal::delivery::{Delivery, JournalSink};
use crate::journal::osquery_event::EventRow;

/// One of osquery's two tables of sockets.
#[derive(Clone, Copy)]
pub(super) enum SocketTable {
    Audit,
    Bpf,
}

impl SocketTable {
    pub(super) fn name(self) -> &'static str {
        match self {
            SocketTable::Audit => "socket_events",
            SocketTable::Bpf => "bpf_socket_events",
        }
    }

    /// The table that tells of the same processes' starts.
    fn processes(self) -> &'static str {
        match self {
            SocketTable::Audit => "process_events",
            SocketTable::Bpf => "bpf_process_events",
        }
    }

    /// Plain bounds on `time`: else osquery would move the bookmark of a scheduled query.
    fn sql(self, slice: Slice) -> String {
        let (name, columns, connects) = match self {
            SocketTable::Audit => (self.name(), "status, protocol", "+action = 'connect'"),
            SocketTable::Bpf => {
                (self.name(), "syscall, exit_code, type, protocol", "+syscall = 'connect'")
            }
        };
        format!(
            "SELECT time, eid, pid, path, remote_address, remote_port, {columns} FROM {name} \
             WHERE time >= {} AND time < {} AND {connects}",
            slice.from_s, slice.to_s
        )
    }
}

pub(super) fn collect<S: JournalSink>(
    table: SocketTable,
    slice: Slice,
    host: &mut dyn Host,
    to: &mut Delivery<'_, S>,
) -> Result<(), CollectError<S::Error>> {
    let mut connects = Vec::new();
    let mut number = 0;
    host.query(&table.sql(slice), &mut |row| {
        number += 1;
        to.at_line(number);
        match EventRow::from_columns(row).connect() {
            Ok(Ok(connect)) => connects.push(connect),
            Ok(Err(reason)) => to.skip(reason),
            Err(problem) => to.reject(problem),
        }
    })?;
    // In time order, so that the cache meets a process's first connection first.
    connects.sort_by_key(|connect| connect.time_ms);
    let pids = connects.iter().filter_map(|connect| connect.pid).collect();
    let starts = ProcessStarts::ask(&pids, table.processes(), slice, host)?;
    for connect in &connects {
        let process = starts.of(connect.pid, &connect.pathname, connect.time_ms);
        let (start, cmdline) =
            process.map_or((None, ""), |process| (Some(process.start), process.cmdline.as_str()));
        to.connection(&connect.event("", start, cmdline)).map_err(CollectError::Sink)?;
    }
    Ok(())
}
